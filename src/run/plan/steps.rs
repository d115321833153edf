//! From a row of the catalogue to its steps on this machine.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::Counterpart;
use super::{
    Action, Asked, Catalogue, Direction, Flow, InstallPhase, Mode, Origin, Party, Place, Question,
    Role, Settings, Site, SkipReason, Sourced, Step, TableRow, Target, Vpn, Way, matches, service,
};
use crate::catalogue::PARTIES;
use crate::site::discover::facts::TimeClient;
use crate::site::mistake::Mistake;
use crate::site::{Custom, Find, local};
use preflight_checks::{
    Probe, Transport, closed, dns, gorgone_api, http, ldap, listener, nsclient_nt, ntp, nts, otlp,
    public_domain, pullwss, redis, smtp, snmp, tcp, tls, trap,
};

/// Names this machine will have to look up, at most three: a DNS server that
/// knows the root and not these would still leave the platform blind.
pub(super) fn names_needed(site: &Site) -> Vec<String> {
    const ENOUGH: usize = 3;
    let platform = PARTIES.iter().filter(|kind| kind.is_looked_up);
    let targets = platform.flat_map(|kind| site.targets(&Party(kind.id.to_owned())));
    let mut names: Vec<String> = targets
        // A domain of mail servers need not have an address of its own.
        .filter(|target| !matches!(target.find, Find::Mx | Find::MxDns | Find::Srv))
        .filter(|target| target.place.is_name() && target.place.host.contains('.'))
        .map(|target| target.place.host.to_ascii_lowercase())
        .filter(|name| !site.hosts_names.contains(name))
        // What a distribution ships is not a name that this site's own server has to know.
        .filter(|name| public_domain(name).is_none())
        .collect();
    names.sort();
    names.dedup();
    names.truncate(ENOUGH);
    names
}

/// Whether a row is used between two machines, as far as their files say.
enum Fit {
    /// The row is used.
    Used,
    /// They find each other in another way, and a reader would expect this one.
    Otherwise(SkipReason),
    /// They find each other in another way.
    Unused,
}

/// The flow that stands for the call on the far side.
pub(crate) const FAR_SIDE: &str = "far-side";

pub(super) struct Planner<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) site: &'a Site,
    pub(super) settings: &'a Settings,
    pub(super) names: Vec<String>,
}

impl Planner<'_> {
    /// The steps of one row: none when it is not this machine's.
    pub(super) fn flow(&self, flow: &Flow) -> Vec<Step> {
        let asker = self.settings.asker(self.site);
        if !asker.has_on(flow) || self.catalogue.is_replaced(&asker, flow) {
            Vec::new()
        } else if asker.is(flow, &flow.from) {
            self.outbound(flow)
        } else if asker.is(flow, &flow.to) {
            self.inbound(flow).into_iter().collect()
        } else {
            Vec::new()
        }
    }

    fn outbound(&self, flow: &Flow) -> Vec<Step> {
        let defaults = self.defaults(flow);
        let targets = self.candidates(flow, &defaults);
        if targets.is_empty() {
            let shown = !flow.only_with_target && flow.mode.is_none_or(Mode::is_expected);
            let step = || self.step(flow, None, Action::Skip(self.no_target(flow)));
            return shown.then(step).into_iter().collect();
        }
        let step = |target: &Target| {
            let target = &*self.pinned(flow, target);
            let action = match self.fit(flow, &target.modes) {
                Fit::Used => self.ask(flow, target),
                Fit::Otherwise(reason) => Action::Skip(reason),
                Fit::Unused => return None,
            };
            let mut step = self.step(flow, Some(&in_id(&target.place)), action);
            step.group.clone_from(&target.group);
            Some(step)
        };
        told_apart(targets.into_iter().filter_map(step).collect())
    }

    /// Through a proxy no port of the Internet has to be open: a host is asked by HTTPS alone.
    fn pinned<'t>(&self, flow: &Flow, target: &'t Target) -> Cow<'t, Target> {
        let is_through_proxy = matches!(self.route(flow, target), Some((Some(_), _)));
        let url = target.place.as_url("https").filter(|_| is_through_proxy);
        match url.filter(|_| flow.is_internet() && target.place.url.is_none()) {
            Some(url) => {
                let place = Place { url: Some(url), ..target.place.clone() };
                Cow::Owned(Target { place, ..target.clone() })
            }
            None => Cow::Borrowed(target),
        }
    }

    fn ask(&self, flow: &Flow, target: &Target) -> Action {
        if let Some(reason) = &target.unaskable {
            return Action::Skip(unneeded(reason));
        }
        let mut question = self.question(flow, target);
        if let Some(elsewhere) = &self.site.elsewhere {
            let reading = match question.find {
                Find::Host => elsewhere.reading(&question.host),
                Find::DnsFirst => {
                    // This machine's own files would count where the DNS does not know it.
                    question.find = Find::Dns;
                    elsewhere.reading_by_dns_first(&question.host)
                }
                // Whoever asks the DNS alone reads none of that machine's files.
                Find::Dns | Find::DnsDomain | Find::Mx | Find::MxDns | Find::Srv => {
                    local::Elsewhere::reading_by_dns(&question.host)
                }
            };
            match reading {
                local::NamedHost::Own => return Action::Skip(SkipReason::OwnOfThatMachine),
                local::NamedHost::Unresolved { why, at } => {
                    return Action::Skip(SkipReason::Unneeded { why, origin: Origin::File(at) });
                }
                local::NamedHost::Address(address) => question.host = address.to_string(),
                local::NamedHost::Same => {}
            }
        }
        Action::Ask(Box::new(question))
    }

    /// The peers a row goes to: those that are for its service alone, else the others.
    fn candidates<'t>(&'t self, flow: &Flow, defaults: &'t [Target]) -> Vec<&'t Target> {
        let given = self.site.targets(&flow.to);
        let all = if given.is_empty() { defaults } else { given };
        let is_for_it = |target: &&Target| {
            let only = target.only_for.as_deref();
            let is_spoken = |way: &Way, only| way.service.name.trim_end_matches("-tls") == only;
            only.is_some_and(|only| flow.ways.iter().any(|way| is_spoken(way, only)))
        };
        let special: Vec<&Target> = all.iter().filter(is_for_it).collect();
        if special.is_empty() {
            all.iter().filter(|target| target.only_for.is_none()).collect()
        } else {
            special
        }
    }

    fn no_target(&self, flow: &Flow) -> SkipReason {
        match (self.fit(flow, &[]), self.site.unneeded.get(&flow.to)) {
            // A flag would not help.
            (Fit::Otherwise(reason), _) => reason,
            (_, Some(reason)) => unneeded(reason),
            (_, None) => SkipReason::NoTarget { flag: flow.to.flag() },
        }
    }

    /// Do the files say that these two find each other in the row's way?
    fn fit(&self, flow: &Flow, own: &[Sourced<Mode>]) -> Fit {
        let Some(wanted) = flow.mode else { return Fit::Used };
        let mut known = own
            .iter()
            .chain(&self.site.modes)
            .filter(|known| known.value.is_alternative_to(wanted));
        match known.next() {
            None if wanted.is_expected() => Fit::Used,
            Some(known) if known.value == wanted => Fit::Used,
            Some(known) if wanted.is_expected() => Fit::Otherwise(SkipReason::OtherMode {
                mode: known.value,
                origin: known.origin.clone(),
            }),
            _ => Fit::Unused,
        }
    }

    /// The Internet has no flag it could not do without: the profile knows URLs.
    fn defaults(&self, flow: &Flow) -> Vec<Target> {
        let hosts = self.catalogue.hosts(flow).iter();
        let places = hosts.filter_map(|place| place.get_ref().parse().ok());
        places.map(|place| Target::new(place, Origin::Profile)).collect()
    }

    /// Others connect to us: look at our own listener, on each of the row's ports.
    fn inbound(&self, flow: &Flow) -> Option<Step> {
        if flow.only_from_known && self.site.targets(&flow.from).is_empty() {
            return None;
        }
        let action = match self.fit_of_senders(flow) {
            Fit::Used if self.site.root.is_some() => {
                Action::Skip(SkipReason::NotThisMachine { ways: self.listening(flow).ways })
            }
            Fit::Used => Action::Ask(Box::new(self.listening(flow))),
            Fit::Otherwise(reason) => Action::Skip(reason),
            Fit::Unused => return None,
        };
        let mut step = self.step(flow, None, action);
        step.direction = Direction::Inbound;
        // Before installation it is still to come, and says nothing about the network.
        // Unless the machine there opens the flow, so that it is known.
        let is_opened = self.settings.far_side.is_some() && flow.from.0.parse::<Role>().is_ok();
        step.required &=
            is_opened || self.settings.phase == InstallPhase::After && self.is_set_up(flow);
        Some(step)
    }

    /// Is it known that this machine has to listen for the row, rather than only usual?
    fn is_set_up(&self, flow: &Flow) -> bool {
        let says_where = || flow.ways.iter().any(|way| self.listener(flow, way).is_some());
        let senders = || self.site.targets(&flow.from).iter().flat_map(|sender| &sender.modes);
        match (flow.mode, &flow.group) {
            (Some(mode), _) => {
                says_where() || senders().chain(&self.site.modes).any(|known| known.value == mode)
            }
            // Files that switch a group on may mean another row of it.
            (None, Some(group)) => self.settings.groups.contains(group) || says_where(),
            (None, None) => true,
        }
    }

    /// One sender that connects to us is enough; so is a listener of ours in a file.
    fn fit_of_senders(&self, flow: &Flow) -> Fit {
        let listens = |way: &Way| self.listener(flow, way).is_some();
        let unexpected = flow.mode.is_some_and(|mode| !mode.is_expected());
        if unexpected && flow.ways.iter().any(listens) {
            return Fit::Used;
        }
        let senders = self.site.targets(&flow.from);
        let mut fits: Vec<Fit> =
            senders.iter().map(|sender| self.fit(flow, &sender.modes)).collect();
        if fits.iter().any(|fit| matches!(fit, Fit::Used)) {
            return Fit::Used;
        }
        fits.pop().unwrap_or_else(|| self.fit(flow, &[]))
    }

    /// Where this machine's files say that it listens for a row's way.
    fn listener(&self, flow: &Flow, way: &Way) -> Option<&Sourced<u16>> {
        self.site.listens.get(flow.listener.as_deref().unwrap_or(way.service.name))
    }

    fn listening(&self, flow: &Flow) -> Question {
        let senders: Vec<IpAddr> = self
            .site
            .targets(&flow.from)
            .iter()
            .filter_map(|sender| sender.place.host.parse().ok())
            .collect();
        let listens = |way: &Way| {
            let (port, port_origin) = self.port(flow, way, None);
            let transport = way.service.transport;
            // What others send to may be another port, which a rule hands on to this one.
            let service = flow.listener.as_deref().unwrap_or(way.service.name);
            let arrives = self.site.arrives.get(service).filter(|_| port_origin != Origin::Profile);
            let probe = Probe::Listener(listener::Probe {
                arrives: arrives.map(|arrives| arrives.value),
                senders: senders.clone(),
                ..listener::Probe::of(transport, port)
            });
            let (port, port_origin) = arrives
                .map_or((port, port_origin), |arrives| (arrives.value, arrives.origin.clone()));
            Asked { protocol: way.service.name, transport, port, port_origin, probe }
        };
        Question {
            host: "0.0.0.0".to_owned(),
            target: "this host".to_owned(),
            origin: Origin::Profile,
            seen_as: None,
            source: None,
            exempt: None,
            vpn: None,
            find: Find::Host,
            family: None,
            ways: flow.ways.iter().map(listens).collect(),
            also_try: None,
            also_why: None,
        }
    }

    fn step(&self, flow: &Flow, target: Option<&str>, action: Action) -> Step {
        let vpn = self.vpn(flow);
        Step {
            id: step_id(flow.id.get_ref(), target),
            place: target.map(str::to_owned),
            flow: flow.id.get_ref().clone(),
            from: flow.from.clone(),
            to: flow.to.clone(),
            direction: Direction::Outbound,
            required: flow.required,
            until: flow.until,
            why: flow.why.clone(),
            row: Some(TableRow::from(flow)),
            look_at: flow.look_at.clone(),
            through_vpn: vpn.map(|vpn| vpn.gateway),
            group: None,
            action,
        }
    }

    /// The VPN that should carry a flow between the platform's machines.
    fn vpn(&self, flow: &Flow) -> Option<Vpn> {
        let gateway = self.site.targets(&Party(VPN.to_owned())).first();
        let gateway = gateway.filter(|_| flow.through_vpn)?.place.host.clone();
        // The others connect to the central's side, whose tunnel may begin at the gateway.
        Some(Vpn { gateway, begins_here: self.site.role != Role::Central })
    }

    fn question(&self, flow: &Flow, target: &Target) -> Question {
        let place = &target.place;
        let ways: Vec<Asked> =
            ways(flow, target).iter().map(|way| self.asked(flow, way, target)).collect();
        let only_profile = ways.iter().all(|asked| asked.port_origin == Origin::Profile);
        let also_try = flow.also_try.filter(|_| only_profile).and_then(|port| {
            let mut asked = ways.first()?.clone();
            asked.port = port;
            Some(asked)
        });
        let (host, find, vpn) = match self.route(flow, target) {
            // The tunnel does not lead to the proxy.
            Some((Some(proxy), _)) => (host_of(&proxy.url), Find::Host, None),
            _ => (place.host.clone(), target.find, self.vpn(flow)),
        };
        let origin = target.origin.clone();
        Question {
            host,
            target: shown(place),
            origin,
            seen_as: self.site.nat,
            source: self.departure(flow.id.get_ref(), target),
            exempt: target.exempt.clone(),
            vpn,
            find,
            family: target.family,
            ways,
            also_why: flow.also_why.clone().filter(|_| also_try.is_some()),
            also_try,
        }
    }

    /// The address a flow leaves from: flags and site file, then the daemon's own setting.
    fn departure(&self, flow: &str, target: &Target) -> Option<Sourced<Vec<IpAddr>>> {
        let said = self.site.from.iter().find(|(glob, _)| matches(glob, flow));
        said.map(|(_, from)| from.clone()).or_else(|| target.from.clone())
    }

    fn asked(&self, flow: &Flow, way: &Way, target: &Target) -> Asked {
        let (port, port_origin) = self.port(flow, way, Some(target));
        let (proxy, says_so) = self.route(flow, target).unzip();
        let proxy = proxy.flatten();
        let probe = self.probe(flow, way, target, port, proxy);
        let through = proxy
            .and_then(|proxy| proxy.url.port_or_known_default())
            .and_then(|port| Some((port, says_so?.clone())));
        let (port, port_origin) = through.unwrap_or((port, port_origin));
        Asked {
            protocol: way.service.name,
            transport: way.service.transport,
            port,
            port_origin,
            probe,
        }
    }

    /// Through which proxy this goes, or through none, and who says so: the target's own
    /// word, else for the Internet the site's; the platform's daemons use none.
    fn route<'t>(
        &'t self,
        flow: &Flow,
        target: &'t Target,
    ) -> Option<(Option<&'t http::Proxy>, &'t Origin)> {
        let sites = self.site.proxy.as_ref().filter(|_| flow.is_internet());
        let sites = sites.map(|proxy| (Some(&proxy.value), &proxy.origin));
        let own = target.route.as_ref().map(|route| (route.value.as_ref(), &route.origin));
        // What a person says counts more than what a machine's file says of this one
        // address; of what one site file says, what it says of the address.
        let counts = |own: &Origin| match &sites {
            None => true,
            Some((_, Origin::SiteFile(_))) => matches!(own, Origin::SiteFile(_)),
            Some(_) => false,
        };
        own.filter(|(_, origin)| counts(origin)).or(sites)
    }

    /// Flag or site file, then the target's own port, then what our files say of
    /// the service, then the profile's.
    fn port(&self, flow: &Flow, way: &Way, target: Option<&Target>) -> (u16, Origin) {
        let own = || {
            let target = target?;
            let known = target.ports.get(way.service.name);
            let known = known.map(|port| (port.value, port.origin.clone()));
            target.place.port.map(|port| (port, target.origin.clone())).or(known)
        };
        let listens = || {
            let port = self.listener(flow, way).filter(|_| target.is_none())?;
            Some((port.value, port.origin.clone()))
        };
        let given = self.site.ports.get(flow.id.get_ref());
        given
            .map(|port| (port.value, port.origin.clone()))
            .or_else(own)
            .or_else(listens)
            .unwrap_or((way.port, Origin::Profile))
    }

    /// The probe of a row's way, with what is special about the row.
    fn probe(
        &self,
        flow: &Flow,
        way: &Way,
        target: &Target,
        port: u16,
        proxy: Option<&http::Proxy>,
    ) -> Probe {
        // A poller that waits for its broker would hand its data to whoever negotiates.
        if flow.mode == Some(Mode::BbdoReversed) {
            return Probe::Tcp(tcp::Probe { for_service: true, ..tcp::Probe::default() });
        }
        match self.ready(way, target, port, proxy) {
            // The row means a service; a port that listens may be anybody's.
            Probe::Tcp(_) => Probe::Tcp(tcp::Probe { for_service: true, ..tcp::Probe::default() }),
            Probe::Tls(_) if flow.to.0 == VPN => {
                Probe::Tls(tls::Probe { of_vpn: true, ..tls::Probe::default() })
            }
            // An agent that waits for its poller has no service for metrics.
            Probe::Otlp(probe) if flow.to.0 == AGENT => {
                Probe::Otlp(otlp::Probe { agent: true, ..probe })
            }
            Probe::Http(probe) if flow.to.0 == PROXY => {
                Probe::Http(http::Probe { accept: http::Accept::OfProxy, ..probe })
            }
            other => other,
        }
    }

    /// The probe of a service with what this site knows of it.
    fn ready(&self, way: &Way, target: &Target, port: u16, proxy: Option<&http::Proxy>) -> Probe {
        let place = &target.place;
        // Addresses nobody chose for their page: any answer of theirs will do.
        let is_default = target.origin == Origin::Profile || self.is_of_profile(place);
        match (way.service.probe)() {
            Probe::Ntp(_) => Probe::Ntp(self.time()),
            Probe::Nts(_) => {
                let own = target.nts.clone().unwrap_or_default();
                let names = self.site.names.clone();
                Probe::Nts(nts::Probe {
                    time: self.time(),
                    port: own.port,
                    trust: own.trust,
                    names,
                })
            }
            Probe::Dns(_) => Probe::Dns(dns::Probe { names: self.names.clone() }),
            Probe::Smtp(probe) => {
                let tls = match probe.tls {
                    smtp::SmtpTls::FromStart => probe.tls,
                    other => target.mail_tls.unwrap_or(other),
                };
                Probe::Smtp(smtp::Probe { tls, test_mail: self.site.test_mail.clone(), ..probe })
            }
            Probe::Ldap(probe) => {
                let bind = self.site.ldap.clone();
                let login = bind.map_or(ldap::LdapLogin::Anonymous, ldap::LdapLogin::As);
                Probe::Ldap(ldap::Probe { login, ..probe })
            }
            Probe::Snmp(_) => {
                let own = target.snmp.as_ref().unwrap_or(&self.site.snmp);
                Probe::Snmp(snmp::Probe { credentials: own.clone() })
            }
            Probe::Trap(_) if target.origin == Origin::test_trap() => {
                Probe::Trap(trap::Probe { inform: Some(self.site.snmp.clone()) })
            }
            Probe::Bbdo(probe) => Probe::Bbdo(
                target.bbdo.as_deref().map_or(probe, crate::site::output::BrokerLink::probe),
            ),
            Probe::Pullwss(probe) => {
                let path = target.websocket.clone().or_else(|| url_path(place));
                let path = path.or_else(|| way.path.clone());
                let (path, token) = (path.unwrap_or(probe.path), target.token.clone());
                Probe::Pullwss(pullwss::Probe { path, token, ..probe })
            }
            Probe::GorgoneApi(probe) => {
                Probe::GorgoneApi(gorgone_api::Probe { login: target.api.clone(), ..probe })
            }
            Probe::Nsclient(_) => Probe::Nsclient(self.site.nsclient.clone()),
            Probe::Otlp(probe) => {
                Probe::Otlp(otlp::Probe { token: self.site.otlp.clone(), ..probe })
            }
            Probe::NsclientNt(_) => {
                Probe::NsclientNt(nsclient_nt::Probe { password: self.site.nsclient_nt.clone() })
            }
            Probe::Redis(probe) => {
                Probe::Redis(redis::Probe { password: self.site.redis.clone(), ..probe })
            }
            Probe::Http(probe) => {
                let mut url = Place { port: Some(port), ..place.clone() }
                    .as_url(way.service.name)
                    .unwrap_or(probe.url);
                if let Some(path) = way.path.as_deref().filter(|_| place.url.is_none()) {
                    url.set_path(path);
                }
                let probe = http::Probe::new(url);
                Probe::Http(http::Probe {
                    accept: if is_default {
                        http::Accept::Below500
                    } else {
                        http::Accept::Below400
                    },
                    content: target.content.unwrap_or(probe.content),
                    is_public: is_default,
                    proxy: proxy.cloned(),
                    ..probe
                })
            }
            other => other,
        }
    }

    /// What is asked of every clock.
    fn time(&self) -> ntp::Probe {
        ntp::Probe {
            max_offset: self.settings.tuned.max_offset,
            clients: self.site.time_clients.iter().map(client).collect(),
        }
    }

    /// Is it the profile's own address, given once more?
    fn is_of_profile(&self, place: &Place) -> bool {
        let is_root = place.url.as_ref().is_none_or(|url| url.path() == "/");
        let of_profile = |own: &str| {
            let own: Option<Place> = own.parse().ok();
            own.is_some_and(|own| own == *place || (is_root && own.host == place.host))
        };
        self.catalogue.all_hosts().any(of_profile)
    }

    /// A flow of the user's own.
    pub(super) fn custom(&self, custom: &Custom) -> Step {
        // The scheme was checked when it was read.
        let service = service(&custom.scheme);
        let target = Target::new(custom.place.clone(), custom.origin.clone());
        let ways = service.map(|service| Way::new(service, service.port));
        let asked = ways.map(|way| {
            let port = custom.place.port.unwrap_or(way.port);
            Asked {
                protocol: if custom.must_be_closed { CLOSED } else { way.service.name },
                transport: way.service.transport,
                port,
                port_origin: custom.origin.clone(),
                probe: if custom.must_be_closed {
                    Probe::Closed(closed::Probe::default())
                } else {
                    let ready = self.ready(&way, &target, port, None);
                    ready.with_session(&custom.session).with_dialogue(&custom.dialogue)
                },
            }
        });
        let flow = format!("custom.{}", custom.name);
        let question = Question {
            host: custom.place.host.clone(),
            target: shown(&custom.place),
            origin: custom.origin.clone(),
            seen_as: self.site.nat,
            source: self.departure(&flow, &target),
            exempt: None,
            vpn: None,
            find: Find::Host,
            family: None,
            ways: asked.into_iter().collect(),
            also_try: None,
            also_why: None,
        };
        let place = Some(in_id(&custom.place));
        Step {
            id: step_id(&flow, place.as_deref()),
            place,
            flow,
            from: Party(self.site.role.to_string()),
            to: Party(custom.scheme.clone()),
            direction: Direction::Outbound,
            required: custom.required,
            until: custom.until,
            why: custom.why.clone(),
            row: None,
            look_at: String::new(),
            through_vpn: None,
            group: None,
            action: Action::Ask(Box::new(question)),
        }
    }

    /// The call on the machine that proves the flows between the two from its side: on the ports of
    /// those flows, since others may be closed.
    pub(super) fn far_side(&self, steps: &[Step], with: &Counterpart) -> Step {
        let is_machine = |party: &Party| party.0.parse::<Role>().is_ok();
        let flows = steps.iter().filter(|step| step.direction == Direction::Outbound);
        let flows = flows.filter(|step| step.until.is_some() && is_machine(&step.to));
        let asked = flows.filter_map(|step| match &step.action {
            Action::Ask(question) => Some((step, question)),
            Action::Skip(_) | Action::Found(_) => None,
        });
        let meant: Vec<_> = asked
            .filter(|(_, question)| match with {
                Counterpart::Only => true,
                Counterpart::Host(host) => question.host == *host || question.target == *host,
            })
            .collect();
        let first = meant.first().map(|(step, question)| (step.to.clone(), question));
        let is_one = meant.iter().all(|(_, question)| {
            first.as_ref().is_some_and(|(_, first)| question.host == first.host)
        });
        let mut ways: Vec<Asked> = Vec::new();
        for way in meant.iter().flat_map(|(_, asked)| asked.ways.iter().chain(&asked.also_try)) {
            if way.transport == Transport::Tcp && ways.iter().all(|known| known.port != way.port) {
                let probe = Probe::Tcp(tcp::Probe::default());
                ways.push(Asked { protocol: "tcp", probe, ..way.clone() });
            }
        }
        let (to, action) = match first {
            Some((to, question)) if is_one && !ways.is_empty() => {
                let question = Question {
                    ways,
                    vpn: None,
                    also_try: None,
                    also_why: None,
                    ..Question::clone(question)
                };
                (to, Action::Ask(Box::new(question)))
            }
            Some((to, _)) => {
                (to, Action::Skip(SkipReason::NoTarget { flag: "--far-side=HOST".to_owned() }))
            }
            None => {
                let flag = "the other machine, as --central HOST".to_owned();
                let to = Party(self.site.role.to_string());
                (to, Action::Skip(SkipReason::NoTarget { flag }))
            }
        };
        let place = match &action {
            Action::Ask(question) => Some(question.host.clone()),
            Action::Skip(_) | Action::Found(_) => None,
        };
        Step {
            id: step_id(FAR_SIDE, place.as_deref()),
            place,
            flow: FAR_SIDE.to_owned(),
            from: Party(self.site.role.to_string()),
            to,
            direction: Direction::Outbound,
            required: true,
            until: None,
            why:
                "The machine there says what reached it, and opens its own flows towards this one."
                    .to_owned(),
            row: None,
            look_at: String::new(),
            through_vpn: None,
            group: None,
            action,
        }
    }

    /// A mistake that was found in this machine's files.
    pub(super) fn mistake(&self, mistake: &Mistake) -> Step {
        let role = Party(self.site.role.to_string());
        let flow = format!("config.{}", mistake.code());
        let place = Some(mistake.at().to_string());
        Step {
            id: step_id(&flow, place.as_deref()),
            place,
            flow,
            from: role.clone(),
            to: role,
            direction: Direction::Local,
            required: mistake.is_failure(),
            until: None,
            why: mistake.why().to_owned(),
            row: None,
            look_at: String::new(),
            through_vpn: None,
            group: None,
            action: Action::Found(Box::new(mistake.clone())),
        }
    }
}

fn client(client: &TimeClient) -> ntp::NtpClient {
    ntp::NtpClient { name: client.name, max_distance: client.max_distance }
}

fn unneeded(reason: &Sourced<String>) -> SkipReason {
    SkipReason::Unneeded { why: reason.value.clone(), origin: reason.origin.clone() }
}

/// A URL pins the way; a port given picks the ways it may mean.
fn ways(flow: &Flow, target: &Target) -> Vec<Way> {
    let pinned = target.place.url.as_ref().and_then(|url| service(url.scheme()));
    if let Some(service) = pinned.or(target.speaks.and_then(service)) {
        let known = flow.ways.iter().find(|way| way.service.name == service.name);
        let path = known.and_then(|way| way.path.clone());
        return vec![Way { path, ..Way::new(service, service.port) }];
    }
    let known = |way: &&Way| target.place.port == Some(way.port);
    let known: Vec<Way> = flow.ways.iter().filter(known).cloned().collect();
    if !known.is_empty() {
        return known;
    }
    // Port 465 of a mail relay is TLS from the first byte, whoever forgot to say so.
    let with_tls = flow.ways.iter().filter_map(|way| {
        let service = service(&format!("{}s", way.service.name)).filter(|service| service.tls)?;
        Some(Way::new(service, service.port))
    });
    let by_port: Vec<Way> = with_tls.filter(|way| target.place.port == Some(way.port)).collect();
    if by_port.is_empty() { flow.ways.clone() } else { by_port }
}

fn host_of(url: &url::Url) -> String {
    url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned()
}

/// Several peers at one address are told apart by their ports; where those are the same too, it
/// is one question.
fn told_apart(steps: Vec<Step>) -> Vec<Step> {
    let mut asked = HashSet::new();
    let mut steps: Vec<Step> = steps
        .into_iter()
        .filter(|step| {
            let ways = match &step.action {
                Action::Ask(question) => question.ways.as_slice(),
                Action::Skip(_) | Action::Found(_) => &[],
            };
            let ways = ways.iter().map(|way| (way.protocol, way.port));
            asked.insert((step.id.clone(), ways.collect::<Vec<_>>()))
        })
        .collect();
    let mut times: HashMap<String, usize> = HashMap::new();
    for step in steps.iter().filter(|step| matches!(step.action, Action::Ask(_))) {
        *times.entry(step.id.clone()).or_default() += 1;
    }
    // What is not asked at an address says nothing beside what is.
    steps.retain(|step| matches!(step.action, Action::Ask(_)) || !times.contains_key(&step.id));
    for step in &mut steps {
        if let (Action::Ask(question), Some(2..)) = (&step.action, times.get(&step.id))
            && let Some(way) = question.ways.first()
        {
            let place = Place { port: Some(way.port), url: None, host: question.target.clone() };
            step.place = Some(in_id(&place));
            step.id = step_id(&step.flow, step.place.as_deref());
        }
    }
    steps
}

/// The path of a URL given, if it has one.
fn url_path(place: &Place) -> Option<String> {
    place.url.as_ref().map(|url| url.path().to_owned()).filter(|path| !path.is_empty())
}

/// The id of a step: its flow, and whom or what it is about.
pub(crate) fn step_id(flow: &str, place: Option<&str>) -> String {
    place.map_or_else(|| flow.to_owned(), |place| format!("{flow}@{place}"))
}

/// A target in a step's id: with its port when one was given, so that two ports
/// of one host are two steps.
fn in_id(place: &Place) -> String {
    match (place.discreet_url(), place.port) {
        (Some(url), _) => trimmed(&url),
        (None, Some(port)) if place.host.contains(':') => format!("[{}]:{port}", place.host),
        (None, Some(port)) => format!("{}:{port}", place.host),
        (None, None) => place.host.clone(),
    }
}

/// A target as a reader knows it: its URL, or its host.
fn shown(place: &Place) -> String {
    place.discreet_url().map_or_else(|| place.host.clone(), |url| trimmed(&url))
}

/// A URL without what nobody needs to read.
fn trimmed(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

const PROXY: &str = "proxy";
const VPN: &str = "vpn";
/// The protocol of a port that must be closed.
pub(crate) const CLOSED: &str = "closed";
const AGENT: &str = "agent";
