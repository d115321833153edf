//! What the file means for one of its machines: the others are its peers.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use preflight_checks::http;
use toml::Spanned;

use super::read::of_proxy;
use super::{Server, ServersByKind, SiteFile, SiteMachine, Vault};
use crate::catalogue::{Broken, Mode, Party, Role};
use crate::site::{Knowledge, Origin, Place, Sourced, Target};

impl SiteFile {
    /// What `machine` has to know. Secrets are fetched for what `others` or the file
    /// itself have targets of; without a vault, none are: a plan shows none.
    ///
    /// # Errors
    ///
    /// When a secret is not where its reference says.
    pub(crate) fn layer(
        &self,
        machine: &SiteMachine,
        others: impl Fn(&str) -> bool,
        vault: Option<&Vault<'_>>,
    ) -> Result<Knowledge, Box<Broken>> {
        let mut layer = Knowledge {
            has_engine: machine.role() == Role::Poller || machine.devices.is_some(),
            modes: self.modes(machine),
            listens: self.listens(machine),
            custom: self.customs(machine),
            from: self.departures(machine),
            ..Knowledge::default()
        };
        self.servers(machine, vault, &mut layer)?;
        self.monitored(machine, vault, &mut layer)?;
        self.upwards(machine, &mut layer);
        self.downwards(machine, &mut layer);
        self.proxy(machine, vault, &mut layer)?;
        layer.bbdo = machine.bbdo_tls.clone().map(|output| match vault {
            Some(vault) => output.below(vault.folder),
            None => output,
        });
        let Some(vault) = vault else { return Ok(layer) };
        let asks = |layer: &Knowledge, party: &str| {
            others(party) || layer.targets.contains_key(&Party(party.to_owned()))
        };
        if asks(&layer, "device") && self.credentials.snmp.contains_key(DEFAULT) {
            layer.snmp = Some(self.snmp(DEFAULT, vault)?);
        }
        if asks(&layer, "ldap") {
            layer.ldap = self.ldap(vault)?;
        }
        if asks(&layer, "nsclient") {
            layer.nsclient = self.nsclient(vault)?;
        }
        Ok(layer)
    }

    /// The addresses it asks from.
    fn departures(&self, machine: &SiteMachine) -> Vec<(String, Sourced<Vec<IpAddr>>)> {
        let each = machine.from.iter().map(|(flow, own)| {
            let Sourced { value, origin } = self.sourced(own);
            (flow.get_ref().clone(), Sourced { value: vec![value], origin })
        });
        each.collect()
    }

    fn origin<T>(&self, value: &Spanned<T>) -> Origin {
        Origin::SiteFile(self.at(value))
    }

    fn sourced<T: Clone>(&self, value: &Spanned<T>) -> Sourced<T> {
        Sourced { value: value.get_ref().clone(), origin: self.origin(value) }
    }

    /// Its own servers, and for the other kinds those of the platform.
    fn servers(
        &self,
        machine: &SiteMachine,
        vault: Option<&Vault<'_>>,
        layer: &mut Knowledge,
    ) -> Result<(), Box<Broken>> {
        let own = |kind: &str| machine.services.keys().any(|known| known.get_ref() == kind);
        let of_all = self.services.iter().filter(|(kind, _)| !own(kind.get_ref()));
        for (kind, servers) in machine.services.iter().chain(of_all) {
            let party = Party(kind.get_ref().clone());
            if servers.get_ref().is_empty() {
                let value = "none here".to_owned();
                layer.unneeded.insert(party, Sourced { value, origin: self.origin(kind) });
            } else {
                layer.targets.insert(party, self.targets(servers.get_ref(), vault)?);
            }
        }
        Self::proxies_of_servers(layer);
        Ok(())
    }

    /// The proxies of single servers are asked too, unless the platform has one.
    fn proxies_of_servers(layer: &mut Knowledge) {
        let party = Party("proxy".to_owned());
        if layer.targets.contains_key(&party) {
            return;
        }
        let mut proxies: Vec<Target> = Vec::new();
        for target in layer.targets.values().flatten() {
            let Some(route) = &target.route else { continue };
            let Some(proxy) = &route.value else { continue };
            let place = of_proxy(&proxy.url);
            if proxies.iter().all(|known| known.place != place) {
                proxies.push(Target::new(place, route.origin.clone()));
            }
        }
        if !proxies.is_empty() {
            layer.targets.insert(party, proxies);
        }
    }

    fn targets(
        &self,
        servers: &[Server],
        vault: Option<&Vault<'_>>,
    ) -> Result<Vec<Target>, Box<Broken>> {
        let target = |server: &Server| {
            let place = self.whole_place(server, vault)?;
            Ok(Target { place, ..self.target(server) })
        };
        distinct(servers).map(target).collect()
    }

    fn target(&self, server: &Server) -> Target {
        let straight_or_not = |way: &Spanned<Option<url::Url>>| Sourced {
            value: way.get_ref().clone().map(|url| http::Proxy { url, user: None, password: None }),
            origin: self.origin(way),
        };
        Target {
            speaks: server.protocol.or(server.nts.as_ref().map(|_| "nts")),
            nts: server.nts.clone(),
            find: server.find,
            route: server.proxy.as_ref().map(straight_or_not),
            ..Target::new(server.place.get_ref().clone(), self.origin(&server.place))
        }
    }

    /// Devices, and servers with `NSClient++`.
    fn monitored(
        &self,
        machine: &SiteMachine,
        vault: Option<&Vault<'_>>,
        layer: &mut Knowledge,
    ) -> Result<(), Box<Broken>> {
        let devices = machine.devices.as_deref().unwrap_or_default();
        let named = devices.iter().filter_map(|device| device.snmp.as_ref());
        let named: BTreeSet<&String> = named.map(Spanned::get_ref).collect();
        let mut credentials = BTreeMap::new();
        for (name, vault) in named.into_iter().zip(vault.into_iter().cycle()) {
            credentials.insert(name, self.snmp(name, vault)?);
        }
        let device = |device: &Server| {
            let name = device.snmp.as_ref().map(Spanned::get_ref);
            let snmp = name.and_then(|name| credentials.get(name)).cloned();
            Target { snmp, ..self.target(device) }
        };
        let mut devices: Vec<Target> = distinct(devices).map(device).collect();
        devices.shrink_to_fit();
        let nsclient = self.targets(&machine.nsclient, vault)?;
        let lists: [(&str, Vec<Target>); 2] = [("device", devices), ("nsclient", nsclient)];
        for (party, targets) in lists {
            if !targets.is_empty() {
                layer.targets.insert(Party(party.to_owned()), targets);
            }
        }
        Ok(())
    }

    /// How a machine and the one above it find each other.
    fn modes(&self, machine: &SiteMachine) -> Vec<Sourced<Mode>> {
        machine.mode.iter().chain(&machine.bbdo).map(|mode| self.sourced(mode)).collect()
    }

    /// The central it sends to, or the remote server in between.
    fn upwards(&self, machine: &SiteMachine, layer: &mut Knowledge) {
        let Some(central) = self.central_of(machine) else { return };
        if let Some(remote) = self.remote_of(machine) {
            let value = format!("its remote server {} is in between", remote.name());
            let origin = machine.remote.as_ref().map_or(Origin::Profile, |name| self.origin(name));
            layer.unneeded.insert(party(Role::Central), Sourced { value, origin });
            layer.targets.extend(
                self.machine_target(remote, machine).map(|to| (party(Role::Remote), vec![to])),
            );
            return;
        }
        let mut targets: Vec<Target> = self.machine_target(central, machine).into_iter().collect();
        targets.extend(machine.connects_to.as_ref().map(|place| self.gorgone(place)));
        if !targets.is_empty() {
            layer.targets.insert(party(Role::Central), targets);
        }
    }

    /// Where a machine's own Gorgone connects to.
    fn gorgone(&self, place: &Spanned<Place>) -> Target {
        let origin = self.origin(place);
        let Place { host, port, url } = place.get_ref().clone();
        let only_for = |service: &str| Some(service.to_owned());
        let Some(url) = url else {
            let place = Place { host, port, url: None };
            return Target { only_for: only_for("zmq"), ..Target::new(place, origin) };
        };
        let place = Place { host, port: url.port_or_known_default(), url: None };
        Target {
            websocket: Some(url.path().to_owned()),
            speaks: Some(if url.scheme() == "wss" { "pullwss-tls" } else { "pullwss" }),
            only_for: only_for("pullwss"),
            ..Target::new(place, origin)
        }
    }

    /// The pollers and remote servers it is above of, and those behind a remote one.
    fn downwards(&self, machine: &SiteMachine, layer: &mut Knowledge) {
        for other in &self.machines {
            let is_below = match machine.role() {
                Role::Central => {
                    self.central_of(other).is_some_and(|it| it.name() == machine.name())
                }
                Role::Remote => self.remote_of(other).is_some_and(|it| it.name() == machine.name()),
                // The database of the platform is there for those that report from it, too.
                Role::Map | Role::Mbi | Role::Bi => other.role() == Role::Database,
                Role::Poller | Role::Database => false,
            };
            if !is_below {
                continue;
            }
            let Some(mut target) = self.machine_target(other, other) else { continue };
            target.modes = match (machine.role(), &other.remote) {
                (Role::Central, Some(remote)) => {
                    vec![Sourced { value: Mode::ThroughRemote, origin: self.origin(remote) }]
                }
                _ => self.modes(other),
            };
            layer.targets.entry(party(other.role())).or_default().push(target);
        }
    }

    /// `machine` as a peer; the ports are those of the link that `lower` describes.
    fn machine_target(&self, machine: &SiteMachine, lower: &SiteMachine) -> Option<Target> {
        let address = machine.address.as_ref()?;
        let ports = lower.ports.iter();
        Some(Target {
            ports: ports.map(|(name, port)| (name.clone(), self.sourced(port))).collect(),
            ..Target::new(address.get_ref().clone(), self.origin(address))
        })
    }

    /// The central a machine belongs to: the one it names, or the only one.
    fn central_of(&self, machine: &SiteMachine) -> Option<&SiteMachine> {
        if machine.role() == Role::Central {
            return None;
        }
        match &machine.central {
            Some(name) => self.machine(name.get_ref()),
            None => self.machines.iter().find(|other| other.role() == Role::Central),
        }
    }

    fn remote_of(&self, machine: &SiteMachine) -> Option<&SiteMachine> {
        self.machine(machine.remote.as_ref()?.get_ref())
    }

    /// Where its daemons listen: as it says, or where the others of the file connect to.
    fn listens(&self, machine: &SiteMachine) -> BTreeMap<String, Sourced<u16>> {
        let mut listens: BTreeMap<_, _> = machine
            .listens
            .iter()
            .map(|(service, port)| (service.clone(), self.sourced(port)))
            .collect();
        let is_above = |other: &&SiteMachine| match &other.remote {
            Some(remote) => remote.get_ref() == machine.name(),
            None => self.central_of(other).is_some_and(|it| it.name() == machine.name()),
        };
        let links = self.machines.iter().filter(is_above).map(|lower| (lower, true));
        for (lower, is_upper_end) in links.chain([(machine, false)]) {
            let ports = lower.ports.iter();
            for (service, port) in
                ports.filter(|(service, _)| lower.connects(service) == is_upper_end)
            {
                listens.entry(service.clone()).or_insert_with(|| self.sourced(port));
            }
        }
        listens
    }

    /// The proxy as it is used; that it is asked itself is a target like any other.
    fn proxy(
        &self,
        machine: &SiteMachine,
        vault: Option<&Vault<'_>>,
        layer: &mut Knowledge,
    ) -> Result<(), Box<Broken>> {
        let of = |services: &ServersByKind| {
            services.iter().find(|(kind, _)| kind.get_ref() == "proxy").map(|(_, all)| all.clone())
        };
        let servers = of(&machine.services).or_else(|| of(&self.services));
        let Some(server) = servers.and_then(|all| all.into_inner().into_iter().next()) else {
            return Ok(());
        };
        let login = vault.map(|vault| self.proxy_login(vault)).transpose()?;
        let (user, password) = login.unwrap_or_default();
        let origin = self.origin(&server.place);
        layer.proxy = server
            .place
            .into_inner()
            .url
            .map(|url| Sourced { value: http::Proxy { url, user, password }, origin });
        Ok(())
    }

    fn customs(&self, machine: &SiteMachine) -> Vec<crate::site::Custom> {
        let is_from = |from: &[Spanned<String>]| {
            from.is_empty() || from.iter().any(|name| name.get_ref() == machine.name())
        };
        let checks = self.checks.iter().filter(|check| is_from(&check.from));
        checks.map(|check| check.custom.clone()).collect()
    }
}

impl SiteMachine {
    /// Does this machine connect to the one above it, rather than the other way?
    fn connects(&self, service: &str) -> bool {
        let mode = self.mode.as_ref().map(|mode| *mode.get_ref());
        let bbdo = self.bbdo.as_ref().map(|mode| *mode.get_ref());
        match service {
            "bbdo" => bbdo != Some(Mode::BbdoReversed),
            "zmq" => mode == Some(Mode::Pull),
            "pullwss" => true,
            _ => false,
        }
    }
}

/// Each place once.
fn distinct(servers: &[Server]) -> impl Iterator<Item = &Server> {
    let mut known = HashSet::new();
    servers.iter().filter(move |server| {
        let place = server.place.get_ref();
        known.insert((&place.host, place.port, &place.url, server.protocol))
    })
}

fn party(role: Role) -> Party {
    Party(role.to_string())
}

/// The credentials of a device that names none.
const DEFAULT: &str = "default";
