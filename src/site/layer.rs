//! What one source of knowledge says; the first that says something is believed.
//!
//! The order of trust: flags, the site file, this machine's own files. What none
//! of them says, the profile knows or nobody.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use preflight_checks::{Trust, http, ldap, nsclient, snmp};

use super::discover::Note;
use super::discover::facts::TimeClient;
use super::output::BrokerOutput;
use super::{Custom, Origin, Site, Sourced, Target};
use crate::catalogue::{Mode, Party, Role};

/// What one source of knowledge says of this installation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Knowledge {
    /// Does an engine of this machine ask devices?
    pub(crate) has_engine: bool,
    /// Groups of the catalogue that are in use.
    pub(crate) groups: Vec<String>,
    /// Peers by kind.
    pub(crate) targets: BTreeMap<Party, Vec<Target>>,
    /// Kinds of peers this machine does without, and why.
    pub(crate) unneeded: BTreeMap<Party, Sourced<String>>,
    /// How this machine and its central find each other.
    pub(crate) modes: Vec<Sourced<Mode>>,
    /// Ports by flow id.
    pub(crate) ports: BTreeMap<String, Sourced<u16>>,
    /// Flows, by id or glob, and the addresses of ours that they leave from.
    pub(crate) from: Vec<(String, Sourced<Vec<IpAddr>>)>,
    /// Ports this machine listens on, by service.
    pub(crate) listens: BTreeMap<String, Sourced<u16>>,
    /// Ports others send to, by service, where a rule of this machine hands on to another.
    pub(crate) arrives: BTreeMap<String, Sourced<u16>>,
    /// Flows of the user's own.
    pub(crate) custom: Vec<Custom>,
    /// The proxy for Internet flows.
    pub(crate) proxy: Option<Sourced<http::Proxy>>,
    /// How to read from devices.
    pub(crate) snmp: Option<snmp::Credentials>,
    /// How to bind to the directory.
    pub(crate) ldap: Option<ldap::Bind>,
    /// How to log in to `NSClient++`.
    pub(crate) nsclient: Option<nsclient::Probe>,
    /// The programs that may set this machine's clock.
    pub(crate) time_clients: Vec<TimeClient>,
    /// The broker output of this machine.
    pub(crate) bbdo: Option<BrokerOutput>,
    /// What is not known because of it.
    pub(crate) notes: Vec<Note>,
}

impl Knowledge {
    /// Adds a peer, unless it is known already; of one that is, ports may be news.
    pub(crate) fn add(&mut self, party: &str, target: Target) {
        // A login before the host: no resolver takes it, and nobody should read it.
        if let (true, Origin::File(at)) = (target.place.host.contains('@'), &target.origin) {
            let reason = "an `@` stands in its address, which is not part of a host's name";
            self.notes.push(Note { at: at.clone(), reason: reason.to_owned(), missing: "a peer" });
            return;
        }
        let known = self.targets.entry(Party(party.to_owned())).or_default();
        match known.iter_mut().find(|known| known.is_peer(&target)) {
            Some(known) => {
                for (service, port) in target.ports {
                    known.ports.entry(service).or_insert(port);
                }
            }
            None => known.push(target),
        }
    }

    /// The peers of that kind.
    pub(crate) fn targets(&self, party: &str) -> &[Target] {
        self.targets.get(&Party(party.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// The peers of that kind at that host, whatever their ports.
    pub(crate) fn at_host(&mut self, party: &str, host: &str) -> Vec<&mut Target> {
        let known = self.targets.get_mut(&Party(party.to_owned()));
        known.into_iter().flatten().filter(|target| target.place.host == host).collect()
    }
}

impl Knowledge {
    /// Takes from `other` what it knows of the same peers and this layer does not say.
    pub(crate) fn complete(&mut self, other: &Self) {
        let says_proxy =
            self.proxy.is_some() || self.unneeded.contains_key(&Party("proxy".to_owned()));
        for (party, targets) in &mut self.targets {
            let known = other.targets.get(party).map(Vec::as_slice).unwrap_or_default();
            let mut at_peer: HashMap<_, Vec<&Target>> = HashMap::new();
            for target in known {
                at_peer.entry(target.peer()).or_default().push(target);
            }
            for target in targets {
                let there = at_peer.get(&target.peer()).map(Vec::as_slice).unwrap_or_default();
                // Of several there the one with its port.
                let has_port =
                    |known: &&&Target| target.place.port.is_some_and(|it| known.is_on(it));
                if let Some(same) = there.iter().find(has_port).or(there.first()) {
                    target.complete(same, says_proxy);
                }
            }
        }
    }
}

impl Target {
    /// Is it the same peer? Address and ports say so, as far as they are known.
    fn is_peer(&self, other: &Self) -> bool {
        if self.place != other.place || self.only_for != other.only_for {
            return false;
        }
        let ports = |of: &Self| -> Vec<(String, u16)> {
            of.ports.iter().map(|(service, port)| (service.clone(), port.value)).collect()
        };
        let modes = |of: &Self| -> Vec<Mode> { of.modes.iter().map(|mode| mode.value).collect() };
        match (&self.origin, &other.origin) {
            // Two entries of one file that differ are two peers.
            (Origin::File(one), Origin::File(two)) if one.file == two.file => {
                ports(self) == ports(other) && modes(self) == modes(other)
            }
            // What two files say may be of one, and the other knows more of it.
            _ => self.ports.iter().all(|(service, port)| {
                other.ports.get(service).is_none_or(|known| known.value == port.value)
            }),
        }
    }

    fn is_on(&self, port: u16) -> bool {
        self.place.port == Some(port) || self.ports.values().any(|known| known.value == port)
    }

    fn peer(&self) -> (String, Option<String>) {
        (self.place.host.to_ascii_lowercase(), self.only_for.clone())
    }

    fn complete(&mut self, same: &Self, says_proxy: bool) {
        self.bbdo = self.bbdo.take().or_else(|| same.bbdo.clone());
        if self.modes.is_empty() {
            self.modes.clone_from(&same.modes);
        }
        for (service, port) in &same.ports {
            self.ports.entry(service.clone()).or_insert_with(|| port.clone());
        }
        self.snmp = self.snmp.take().or_else(|| same.snmp.clone());
        self.from = self.from.take().or_else(|| same.from.clone());
        self.unaskable = self.unaskable.take().or_else(|| same.unaskable.clone());
        let url = |of: &Self| Some(of.route.as_ref()?.value.as_ref()?.url.clone());
        // The same proxy; its login stands in the file that was discovered.
        let is_same_proxy = url(self).is_some() && url(self) == url(same);
        if let (Some(own), Some(found), true) = (&mut self.route, &same.route, is_same_proxy) {
            own.value.clone_from(&found.value);
        } else if self.route.is_none() && !says_proxy {
            self.route.clone_from(&same.route);
        }
    }
}

impl Site {
    /// Everything that `layers` say, the first one first.
    pub(crate) fn of_layers(
        role: Role,
        trust: Trust,
        layers: impl IntoIterator<Item = Knowledge>,
    ) -> Self {
        let mut site = Self::of(role, trust);
        for layer in layers {
            site.believe(layer);
        }
        site
    }

    /// Takes from `layer` what is not known yet.
    fn believe(&mut self, layer: Knowledge) {
        self.has_engine |= layer.has_engine;
        self.notes.extend(layer.notes);
        self.groups.extend(layer.groups);
        self.from.extend(layer.from);
        self.time_clients.extend(layer.time_clients);
        for (party, reason) in layer.unneeded {
            if !self.targets.contains_key(&party) {
                self.unneeded.entry(party).or_insert(reason);
            }
        }
        for (party, targets) in layer.targets {
            if !self.unneeded.contains_key(&party) {
                self.targets.entry(party).or_insert(targets);
            }
        }
        for mode in layer.modes {
            if !self.modes.iter().any(|known| known.value.is_alternative_to(mode.value)) {
                self.modes.push(mode);
            }
        }
        for (flow, port) in layer.ports {
            self.ports.entry(flow).or_insert(port);
        }
        for (service, port) in layer.listens {
            self.listens.entry(service).or_insert(port);
        }
        for (service, port) in layer.arrives {
            self.arrives.entry(service).or_insert(port);
        }
        for custom in layer.custom {
            if !self.custom.iter().any(|known| known.name == custom.name) {
                self.custom.push(custom);
            }
        }
        self.proxy = self.proxy.take().or(layer.proxy);
        if matches!(self.snmp, snmp::Credentials::None) {
            self.snmp = layer.snmp.unwrap_or_default();
        }
        self.ldap = self.ldap.take().or(layer.ldap);
        self.bbdo = self.bbdo.take().or(layer.bbdo);
        if self.nsclient.password.is_none() {
            self.nsclient = layer.nsclient.unwrap_or_default();
        }
    }
}
