//! The plan: every step of a run as a value, before a packet is sent.
//!
//! Pure: catalogue, site and settings in, steps out. Nothing is probed that is
//! not in the plan, and `preflight plan` prints it.

use std::fmt;
use std::time::Duration;

use preflight_checks::{
    Probe, Respond, Transport, dns, http, ldap, listener, ntp, smtp, snmp, tls,
};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, Flow, Party, Role, Way, service};
use crate::site::{Custom, Origin, Place, Site, Sourced, Target};

/// How a run is done, whatever the site.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Before or after installation.
    pub(crate) phase: Phase,
    /// Largest clock difference that passes.
    pub(crate) max_offset: Duration,
    /// Ids or globs: only these, when there are any.
    pub(crate) only: Vec<String>,
    /// Ids or globs not to check, each with its reason.
    pub(crate) skip: Vec<(String, Option<String>)>,
    /// Groups of the catalogue that are switched on.
    pub(crate) groups: Vec<String>,
    /// Every wait times this.
    pub(crate) scale: f64,
    /// Warnings fail the run too.
    pub(crate) strict: bool,
    /// After a silence, look where on the way it begins.
    pub(crate) trace: bool,
}

/// Before installation a closed port is no failure: nothing listens yet.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Phase {
    /// Nothing is installed yet.
    Before,
    /// The platform runs, or should.
    After,
}

/// All steps of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plan {
    /// What this machine is.
    pub(crate) role: Role,
    /// The catalogue's name.
    pub(crate) profile: String,
    /// Before or after installation.
    pub(crate) phase: Phase,
    /// In the order of the catalogue.
    pub(crate) steps: Vec<Step>,
}

/// A flow with one target filled in, or the reason why it has none.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Unique in a run, stable between runs: `poller.bbdo@10.0.0.5`.
    pub(crate) id: String,
    /// The flow's id.
    pub(crate) flow: String,
    /// Who opens the connection.
    pub(crate) from: Party,
    /// To whom.
    pub(crate) to: Party,
    /// Seen from this machine.
    pub(crate) direction: Direction,
    /// Does its failure fail the run?
    pub(crate) required: bool,
    /// What breaks without it.
    pub(crate) why: String,
    /// What to run on the far side when nothing listens there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) look_at: String,
    /// The VPN gateway this goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) through_vpn: Option<String>,
    /// The subnet a sampled device stands for: `10.20.30.0/24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// What will be done.
    #[serde(flatten)]
    pub(crate) action: Action,
}

/// Seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Direction {
    /// We open the connection.
    Outbound,
    /// Others open it: only our own listener can be looked at.
    Inbound,
    /// Nothing crosses the network: a mistake in this machine's own files.
    Local,
}

/// What will be done about a step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// Ask.
    Ask(Box<Question>),
    /// Leave it, and say why.
    Skip(SkipReason),
}

/// Whom to ask, and how.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Question {
    /// The name or address to resolve.
    pub(crate) host: String,
    /// The target as a reader knows it: host, or a URL behind a proxy.
    pub(crate) target: String,
    /// Where the target came from.
    pub(crate) origin: Origin,
    /// One that works suffices.
    pub(crate) ways: Vec<Asked>,
    /// Asked once when all ways fail, because the port was only the profile's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) also_try: Option<Asked>,
}

/// One probe on one port.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Asked {
    /// The service's name.
    pub(crate) protocol: &'static str,
    /// TCP or UDP.
    pub(crate) transport: Transport,
    /// The port.
    pub(crate) port: u16,
    /// Where the port came from.
    pub(crate) port_origin: Origin,
    /// The probe itself; it may hold secrets and is never printed.
    #[serde(skip)]
    pub(crate) probe: Probe,
}

/// Why a step is not asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub(crate) enum SkipReason {
    /// Nobody said where.
    NoTarget {
        /// The flag that would.
        flag: String,
    },
    /// `--skip`, perhaps with a reason.
    Asked {
        /// The user's words.
        why: Option<String>,
    },
}

impl fmt::Display for SkipReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget { flag } => write!(out, "no target; give {flag}"),
            Self::Asked { why: Some(why) } => write!(out, "skipped: {why}"),
            Self::Asked { why: None } => out.write_str("skipped as asked"),
        }
    }
}

/// Works out all steps of a run.
pub(crate) fn plan(catalogue: &Catalogue, site: &Site, settings: &Settings) -> Plan {
    let planner = Planner { catalogue, site, settings, names: names_needed(site) };
    let mut steps: Vec<Step> = Vec::new();
    for flow in &catalogue.flows {
        steps.extend(planner.flow(flow));
    }
    steps.extend(site.custom.iter().map(|custom| planner.custom(custom)));
    steps.retain(|step| settings.wants(&step.flow));
    for step in &mut steps {
        if let Some(reason) = settings.skips(&step.flow) {
            step.action = Action::Skip(reason);
        }
    }
    Plan { role: site.role, profile: catalogue.profile.clone(), phase: settings.phase, steps }
}

impl Asked {
    /// `tcp`, `udp`, or both for a service that is asked over both.
    pub(crate) fn transports(&self) -> &'static str {
        match self.probe.service().respond {
            Respond::Both { .. } => "udp,tcp",
            _ => self.transport.lower(),
        }
    }
}

impl Settings {
    fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|glob| matches(glob, id))
    }

    fn skips(&self, id: &str) -> Option<SkipReason> {
        let mut found = self.skip.iter().filter(|(glob, _)| matches(glob, id));
        found.next().map(|(_, why)| SkipReason::Asked { why: why.clone() })
    }
}

/// `*` stands for any text, anything else for itself.
pub(crate) fn matches(glob: &str, id: &str) -> bool {
    match glob.split_once('*') {
        None => glob == id,
        Some((head, tail)) => id.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| matches(tail, rest))
        }),
    }
}

/// Names this machine will have to look up, at most three: a DNS server that
/// knows the root and not these would still leave the platform blind.
fn names_needed(site: &Site) -> Vec<String> {
    const ENOUGH: usize = 3;
    let platform = ["central", "poller", "remote", "smtp", "ldap", "ntp", "database"];
    let targets = platform.iter().flat_map(|party| site.targets(&Party((*party).to_owned())));
    let mut names: Vec<String> = targets
        .filter(|target| target.place.is_name() && target.place.host.contains('.'))
        .map(|target| target.place.host.to_ascii_lowercase())
        .filter(|name| !site.hosts_names.contains(name))
        .collect();
    names.sort();
    names.dedup();
    names.truncate(ENOUGH);
    names
}

struct Planner<'a> {
    catalogue: &'a Catalogue,
    site: &'a Site,
    settings: &'a Settings,
    names: Vec<String>,
}

impl Planner<'_> {
    /// The steps of one row: none when it is not this machine's.
    fn flow(&self, flow: &Flow) -> Vec<Step> {
        let switched_on = match &flow.group {
            Some(group) => self.settings.groups.contains(group),
            None => true,
        };
        if !switched_on {
            return Vec::new();
        }
        if flow.from.is(self.site.role) {
            self.outbound(flow)
        } else if flow.to.is(self.site.role) {
            vec![self.inbound(flow)]
        } else {
            Vec::new()
        }
    }

    fn outbound(&self, flow: &Flow) -> Vec<Step> {
        let given = self.site.targets(&flow.to);
        let defaults = self.defaults(flow);
        let targets = if given.is_empty() { &defaults } else { given };
        if targets.is_empty() {
            let skip = SkipReason::NoTarget { flag: flow.to.flag() };
            let shown = !flow.only_with_target;
            return shown.then(|| self.step(flow, None, Action::Skip(skip))).into_iter().collect();
        }
        let step = |target| {
            let question = self.question(flow, target);
            self.step(flow, Some(&in_id(&target.place)), Action::Ask(Box::new(question)))
        };
        targets.iter().map(step).collect()
    }

    /// The Internet has no flag it could not do without: the profile knows URLs.
    fn defaults(&self, flow: &Flow) -> Vec<Target> {
        if flow.to.0 != INTERNET {
            return Vec::new();
        }
        let target = |url: &url::Url| {
            let place = url.as_str().parse().ok()?;
            Some(Target { place, origin: Origin::Profile })
        };
        self.catalogue.internet.iter().filter_map(target).collect()
    }

    /// Others connect to us: look at our own listener, on each of the row's ports.
    fn inbound(&self, flow: &Flow) -> Step {
        let listens = |way: &Way| {
            let (port, port_origin) = self.port(flow, way, None);
            let transport = way.service.transport;
            Asked {
                protocol: way.service.name,
                transport,
                port,
                port_origin,
                probe: Probe::Listener(listener::Probe { transport, port }),
            }
        };
        let ways: Vec<Asked> = flow.ways.iter().map(listens).collect();
        let question = Question {
            host: "0.0.0.0".to_owned(),
            target: "this host".to_owned(),
            origin: Origin::Profile,
            ways,
            also_try: None,
        };
        let mut step = self.step(flow, None, Action::Ask(Box::new(question)));
        step.direction = Direction::Inbound;
        // Our listener is one end only: the sender's own run decides the flow.
        step.required = step.required && flow.from.0 == "device";
        step
    }

    fn step(&self, flow: &Flow, target: Option<&str>, action: Action) -> Step {
        let id = flow.id.get_ref();
        let vpn = self.site.targets(&Party(VPN.to_owned())).first();
        Step {
            id: target.map_or_else(|| id.clone(), |target| format!("{id}@{target}")),
            flow: id.clone(),
            from: flow.from.clone(),
            to: flow.to.clone(),
            direction: Direction::Outbound,
            required: flow.required,
            why: flow.why.clone(),
            look_at: flow.look_at.clone(),
            through_vpn: vpn.filter(|_| flow.through_vpn).map(|gateway| gateway.place.host.clone()),
            group: None,
            action,
        }
    }

    fn question(&self, flow: &Flow, target: &Target) -> Question {
        let place = &target.place;
        let ways: Vec<Asked> =
            ways(flow, place).iter().map(|way| self.asked(flow, way, target)).collect();
        let only_profile = ways.iter().all(|asked| asked.port_origin == Origin::Profile);
        let also_try = flow.also_try.filter(|_| only_profile).and_then(|port| {
            let mut asked = ways.first()?.clone();
            asked.port = port;
            Some(asked)
        });
        let host = self.proxy(flow).map_or_else(
            || place.host.clone(),
            |proxy| {
                proxy.value.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned()
            },
        );
        Question { host, target: shown(place), origin: target.origin.clone(), ways, also_try }
    }

    fn asked(&self, flow: &Flow, way: &Way, target: &Target) -> Asked {
        let (port, port_origin) = self.port(flow, way, Some(target));
        let proxy = self.proxy(flow);
        // Addresses nobody chose for their page: any answer of theirs will do.
        let is_default = target.origin == Origin::Profile || flow.to.0 == PROXY;
        let probe = self.probe(way, &target.place, port, is_default, proxy.map(|p| &p.value));
        // A VPN's client brings its own trust in the gateway.
        let probe = match probe {
            Probe::Tls(_) if flow.to.0 == VPN => Probe::Tls(tls::Probe { only_report: true }),
            other => other,
        };
        let through = proxy.and_then(|proxy| {
            let port = proxy.value.url.port_or_known_default()?;
            Some((port, proxy.origin.clone()))
        });
        let (port, port_origin) = through.unwrap_or((port, port_origin));
        Asked {
            protocol: way.service.name,
            transport: way.service.transport,
            port,
            port_origin,
            probe,
        }
    }

    /// The proxy this flow goes through: only those to the Internet do, the
    /// platform's daemons do not.
    fn proxy(&self, flow: &Flow) -> Option<&Sourced<http::Proxy>> {
        self.site.proxy.as_ref().filter(|_| flow.to.0 == INTERNET)
    }

    /// Flag, then the target's own port, then the profile's.
    fn port(&self, flow: &Flow, way: &Way, target: Option<&Target>) -> (u16, Origin) {
        if let Some(port) = self.site.ports.get(flow.id.get_ref()) {
            return (port.value, port.origin.clone());
        }
        match target.and_then(|target| Some((target.place.port?, target.origin.clone()))) {
            Some(own) => own,
            None => (way.port, Origin::Profile),
        }
    }

    /// The probe of a service with what this site knows of it.
    fn probe(
        &self,
        way: &Way,
        place: &Place,
        port: u16,
        is_default: bool,
        proxy: Option<&http::Proxy>,
    ) -> Probe {
        match (way.service.probe)() {
            Probe::Ntp(_) => Probe::Ntp(ntp::Probe { max_offset: self.settings.max_offset }),
            Probe::Dns(_) => Probe::Dns(dns::Probe { names: self.names.clone() }),
            Probe::Smtp(probe) => {
                Probe::Smtp(smtp::Probe { test_mail: self.site.test_mail.clone(), ..probe })
            }
            Probe::Ldap(probe) => {
                Probe::Ldap(ldap::Probe { bind: self.site.ldap.clone(), ..probe })
            }
            Probe::Snmp(_) => Probe::Snmp(snmp::Probe { credentials: self.site.snmp.clone() }),
            Probe::Nsclient(_) => Probe::Nsclient(self.site.nsclient.clone()),
            Probe::Http(probe) => Probe::Http(http::Probe {
                url: http_url(way, place, port).unwrap_or(probe.url),
                accept: if is_default { http::Accept::Below500 } else { http::Accept::Below400 },
                is_public: place.url.is_some() && is_default,
                proxy: proxy.cloned(),
            }),
            other => other,
        }
    }

    fn custom(&self, custom: &Custom) -> Step {
        let origin = Origin::Flag("--check");
        // The scheme was checked when it was read.
        let service = service(&custom.scheme);
        let ways = service.map(|service| Way { service, port: service.port });
        let asked = ways.map(|way| {
            let port = custom.place.port.unwrap_or(way.port);
            Asked {
                protocol: way.service.name,
                transport: way.service.transport,
                port,
                port_origin: origin.clone(),
                probe: self.probe(&way, &custom.place, port, false, None),
            }
        });
        let flow = format!("custom.{}", custom.name);
        Step {
            id: format!("{flow}@{}", in_id(&custom.place)),
            flow,
            from: Party(self.site.role.to_string()),
            to: Party(custom.scheme.clone()),
            direction: Direction::Outbound,
            required: true,
            why: "Asked for with --check.".to_owned(),
            look_at: String::new(),
            through_vpn: None,
            group: None,
            action: Action::Ask(Box::new(Question {
                host: custom.place.host.clone(),
                target: shown(&custom.place),
                origin,
                ways: asked.into_iter().collect(),
                also_try: None,
            })),
        }
    }
}

/// A URL pins the way; a port given picks the ways it may mean.
fn ways(flow: &Flow, place: &Place) -> Vec<Way> {
    let pinned = place.url.as_ref().and_then(|url| service(url.scheme()));
    if let Some(service) = pinned {
        return vec![Way { service, port: service.port }];
    }
    match place.port {
        Some(port) => {
            let known: Vec<Way> =
                flow.ways.iter().filter(|way| way.port == port).copied().collect();
            if known.is_empty() { flow.ways.clone() } else { known }
        }
        None => flow.ways.clone(),
    }
}

/// The URL given, or the one that host and way amount to.
fn http_url(way: &Way, place: &Place, port: u16) -> Option<url::Url> {
    let host = match place.host.parse::<std::net::Ipv6Addr>() {
        Ok(v6) => format!("[{v6}]"),
        Err(_) => place.host.clone(),
    };
    let made = || format!("{}://{host}:{port}/", way.service.name).parse().ok();
    place.url.clone().or_else(made)
}

/// A target in a step's id: with its port when one was given, so that two ports
/// of one host are two steps.
fn in_id(place: &Place) -> String {
    match (&place.url, place.port) {
        (Some(url), _) => shown_url(url),
        (None, Some(port)) if place.host.contains(':') => format!("[{}]:{port}", place.host),
        (None, Some(port)) => format!("{}:{port}", place.host),
        (None, None) => place.host.clone(),
    }
}

/// A target as a reader knows it: its URL, or its host.
fn shown(place: &Place) -> String {
    place.url.as_ref().map_or_else(|| place.host.clone(), shown_url)
}

/// A URL without what nobody needs to read.
fn shown_url(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

const INTERNET: &str = "http";
const PROXY: &str = "proxy";
const VPN: &str = "vpn";

#[cfg(test)]
mod tests {
    use super::*;
    use preflight_checks::Trust;

    fn settings() -> Settings {
        Settings {
            phase: Phase::Before,
            max_offset: Duration::from_millis(500),
            only: Vec::new(),
            skip: Vec::new(),
            groups: Vec::new(),
            scale: 1.0,
            strict: false,
            trace: true,
        }
    }

    fn site(role: Role, targets: &[(&str, &str)]) -> Site {
        let mut site = Site::of(role, Trust::only([]));
        for (party, text) in targets {
            let target = Target { place: text.parse().unwrap(), origin: Origin::Flag("--test") };
            site.targets.entry(Party((*party).to_owned())).or_default().push(target);
        }
        site
    }

    /// Each step as "id: protocol host:port origin" or its skip.
    fn lines(site: &Site, settings: &Settings) -> Vec<String> {
        let catalogue = Catalogue::profile("i-vertix").unwrap();
        plan(&catalogue, site, settings).steps.iter().map(line).collect()
    }

    fn line(step: &Step) -> String {
        match &step.action {
            Action::Skip(reason) => format!("{}: {reason}", step.id),
            Action::Ask(question) => {
                let way = |asked: &Asked| {
                    format!("{}:{} ({})", asked.protocol, asked.port, asked.port_origin)
                };
                let ways: Vec<String> = question.ways.iter().map(way).collect();
                let also = question.also_try.as_ref().map(|asked| format!(" else {}", asked.port));
                format!(
                    "{}: {} {}{}",
                    step.id,
                    question.host,
                    ways.join(" "),
                    also.unwrap_or_default()
                )
            }
        }
    }

    #[test]
    fn a_poller_without_targets_knows_only_the_internet_and_itself() {
        let lines = lines(&site(Role::Poller, &[]), &settings());
        assert_eq!(
            lines,
            [
                "poller.ntp: no target; give --ntp HOST",
                "poller.dns: no target; give --dns HOST",
                "poller.smtp: no target; give --smtp HOST",
                "poller.http@https://api.portal.i-vertix.cloud: api.portal.i-vertix.cloud https:443 (profile)",
                "central.zmq: 0.0.0.0 zmq:5666 (profile)",
                "central.ssh: 0.0.0.0 ssh:22 (profile)",
                "poller.bbdo: no target; give --central HOST",
                "poller.snmp: no target; give --device HOST",
                "poller.trap: 0.0.0.0 trap:162 (profile)",
                "poller.nsclient: no target; give --nsclient HOST",
            ]
        );
    }

    #[test]
    fn a_central_asks_its_poller_and_looks_at_its_own_broker() {
        let site = site(Role::Central, &[("poller", "10.0.0.9"), ("ldap", "ldap://dc1")]);
        let lines = lines(&site, &settings());
        assert!(
            lines.contains(
                &"central.zmq@10.0.0.9: 10.0.0.9 zmq:5666 (profile) else 5556".to_owned()
            )
        );
        assert!(lines.contains(&"central.ssh@10.0.0.9: 10.0.0.9 ssh:22 (profile)".to_owned()));
        assert!(lines.contains(&"central.ldap@ldap://dc1: dc1 ldap:389 (profile)".to_owned()));
        assert!(lines.contains(&"poller.bbdo: 0.0.0.0 bbdo:5669 (profile)".to_owned()));
    }

    #[test]
    fn one_of_two_ports_suffices_until_the_target_names_one() {
        let both = site(Role::Central, &[("ldap", "dc1")]);
        let lines_of = |site: &Site| {
            let only = Settings { only: vec!["central.ldap".to_owned()], ..settings() };
            lines(site, &only)
        };
        assert_eq!(
            lines_of(&both),
            ["central.ldap@dc1: dc1 ldaps:636 (profile) ldap:389 (profile)"]
        );
        let one = site(Role::Central, &[("ldap", "dc1:389")]);
        assert_eq!(lines_of(&one), ["central.ldap@dc1:389: dc1 ldap:389 (--test)"]);
    }

    #[test]
    fn two_ports_of_one_host_are_two_steps() {
        let site = site(Role::Poller, &[("device", "10.1.1.1:161"), ("device", "10.1.1.1:1161")]);
        let only = Settings { only: vec!["poller.snmp".to_owned()], ..settings() };
        let catalogue = Catalogue::profile("i-vertix").unwrap();
        let ids: Vec<String> =
            plan(&catalogue, &site, &only).steps.into_iter().map(|step| step.id).collect();
        assert_eq!(ids, ["poller.snmp@10.1.1.1:161", "poller.snmp@10.1.1.1:1161"]);
    }

    #[test]
    fn a_port_that_was_given_is_not_guessed_around() {
        let mut site = site(Role::Central, &[("poller", "10.0.0.9")]);
        let port = Sourced { value: 5556, origin: Origin::Flag("--port") };
        site.ports.insert("central.zmq".to_owned(), port);
        let only = Settings { only: vec!["central.zmq".to_owned()], ..settings() };
        assert_eq!(lines(&site, &only), ["central.zmq@10.0.0.9: 10.0.0.9 zmq:5556 (--port)"]);
    }

    #[test]
    fn a_skip_keeps_its_reason_and_its_row() {
        let skip = vec![("poller.s*".to_owned(), Some("mail goes another way".to_owned()))];
        let settings = Settings { skip, ..settings() };
        let lines = lines(&site(Role::Poller, &[("smtp", "10.0.0.25")]), &settings);
        let smtp = "poller.smtp@10.0.0.25: skipped: mail goes another way".to_owned();
        assert!(lines.contains(&smtp), "{lines:#?}");
    }

    #[test]
    fn the_vpn_is_a_flow_of_its_own_and_carries_the_platform() {
        let site = site(Role::Poller, &[("vpn", "vpn.example"), ("central", "10.8.0.1")]);
        let catalogue = Catalogue::profile("i-vertix").unwrap();
        let plan = plan(&catalogue, &site, &settings());
        let step = |flow: &str| plan.steps.iter().find(|step| step.flow == flow).unwrap();
        assert_eq!(
            line(step("poller.vpn")),
            "poller.vpn@vpn.example: vpn.example tls:443 (profile)"
        );
        assert_eq!(step("poller.bbdo").through_vpn.as_deref(), Some("vpn.example"));
        assert_eq!(step("poller.http").through_vpn, None);
        let Action::Ask(question) = &step("poller.vpn").action else { panic!("it is asked") };
        let Probe::Tls(gateway) = &question.ways[0].probe else { panic!("by TLS") };
        assert!(gateway.only_report);
    }

    #[test]
    fn only_names_that_dns_must_know_are_asked_of_it() {
        let mut site = site(
            Role::Poller,
            &[
                ("central", "central.corp.example"),
                ("smtp", "10.0.0.25"),
                ("ntp", "ntp"),
                ("ldap", "DC1.corp.example"),
            ],
        );
        site.hosts_names = vec!["dc1.corp.example".to_owned()];
        assert_eq!(names_needed(&site), ["central.corp.example"]);
    }

    #[test]
    fn a_proxy_is_asked_instead_of_the_internet_and_of_nobody_else() {
        let mut site = site(Role::Poller, &[("central", "10.0.0.5")]);
        let url = "http://proxy.corp.example:3128".parse().unwrap();
        let proxy = http::Proxy { url, user: None, password: None };
        site.proxy = Some(Sourced { value: proxy, origin: Origin::Flag("--proxy") });
        let lines = lines(&site, &settings());
        let internet = "poller.http@https://api.portal.i-vertix.cloud: proxy.corp.example https:3128 (--proxy)";
        assert!(lines.contains(&internet.to_owned()), "{lines:#?}");
        assert!(lines.contains(&"poller.bbdo@10.0.0.5: 10.0.0.5 bbdo:5669 (profile)".to_owned()));
    }

    #[test]
    fn globs_stand_for_any_text() {
        for (glob, id, fits) in [
            ("poller.*", "poller.ntp", true),
            ("*.ntp", "poller.ntp", true),
            ("p*r.*p", "poller.ntp", true),
            ("poller.ntp", "poller.ntp", true),
            ("poller", "poller.ntp", false),
            ("*.dns", "poller.ntp", false),
        ] {
            assert_eq!(matches(glob, id), fits, "{glob} on {id}");
        }
    }

    #[test]
    fn a_plan_shows_no_secret() {
        let mut site = site(Role::Poller, &[("device", "10.1.1.1")]);
        site.snmp = snmp::Credentials::Community {
            version: snmp::CommunityVersion::V2c,
            community: secrecy::SecretString::from("obviously-fake-secret"),
        };
        let catalogue = Catalogue::profile("i-vertix").unwrap();
        let plan = plan(&catalogue, &site, &settings());
        let texts = [serde_json::to_string(&plan).unwrap(), format!("{plan:?}")];
        assert!(texts.iter().all(|text| !text.contains("obviously-fake-secret")));
    }
}
