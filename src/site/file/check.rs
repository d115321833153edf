//! Does the file agree with itself, and with the flow table?

use std::collections::BTreeMap;

use toml::Spanned;

use super::walk::unknown;
use super::{Server, ServersByKind, SiteFile, SiteMachine, Tuned};
use crate::catalogue::{Asker, Broken, Catalogue, Mode, Role, is_service};

type CheckResult = std::result::Result<(), Box<Broken>>;

impl SiteFile {
    /// # Errors
    ///
    /// When a name in the file is that of nothing there is.
    pub(crate) fn check(&self, catalogue: &Catalogue, groups: &[String]) -> CheckResult {
        self.groups_exist(catalogue)?;
        self.services_exist(&self.services, catalogue)?;
        let Tuned { optional, require, until_installed, .. } = &self.platform.tuned;
        let globs = optional.iter().chain(require).chain(until_installed);
        self.flows_exist(globs, catalogue)?;
        self.addresses_differ()?;
        for machine in &self.machines {
            self.role_exists(machine, catalogue)?;
            self.peers_exist(machine)?;
            self.way_fits(machine)?;
            self.services_exist(&machine.services, catalogue)?;
            self.credentials_exist(machine.devices.as_deref().unwrap_or_default())?;
            let named = machine.skip.iter().map(|(glob, _)| glob);
            self.flows_exist(named.chain(machine.from.iter().map(|(glob, _)| glob)), catalogue)?;
        }
        self.servers_are_asked(catalogue, groups)?;
        let names = self.names(|_| true);
        let mut from = self.checks.iter().flat_map(|check| &check.from);
        from.try_for_each(|name| self.known("machine", name, &names))
    }

    /// # Errors
    ///
    /// When `name` is none of `known`.
    fn known(&self, what: &str, name: &Spanned<String>, known: &[&str]) -> CheckResult {
        if known.contains(&name.get_ref().as_str()) {
            return Ok(());
        }
        Err(self.source.broken(Some(name.span()), unknown(what, name.get_ref(), known)))
    }

    fn names(&self, wanted: impl Fn(&SiteMachine) -> bool) -> Vec<&str> {
        self.machines.iter().filter(|machine| wanted(machine)).map(SiteMachine::name).collect()
    }

    fn groups_exist(&self, catalogue: &Catalogue) -> CheckResult {
        let known = catalogue.group_ids();
        let groups = &self.platform.groups;
        let what = format!("group of profile {}", catalogue.profile);
        groups.iter().try_for_each(|group| self.known(&what, group, &known))
    }

    /// Servers of a kind that no flow goes to would never be asked.
    fn services_exist(&self, services: &ServersByKind, catalogue: &Catalogue) -> CheckResult {
        let to = catalogue.flows.iter().map(|flow| flow.to.0.as_str());
        let known = distinct(to.filter(|party| is_service(party)).collect());
        let what = format!("service of profile {}", catalogue.profile);
        services.keys().try_for_each(|kind| self.known(&what, kind, &known))
    }

    /// Servers that no machine of the file asks are there in vain.
    fn servers_are_asked(&self, catalogue: &Catalogue, groups: &[String]) -> CheckResult {
        let groups = || self.platform.groups.iter().map(Spanned::get_ref).chain(groups);
        let asker = |machine: &SiteMachine| Asker {
            role: machine.role(),
            has_engine: machine.role() == Role::Poller
                || machine.devices.is_some()
                || catalogue.groups.iter().any(|it| it.engine && groups().any(|on| *on == it.id)),
            groups: groups().map(String::as_str).collect(),
        };
        let asks = |machine: &SiteMachine, kind: &str| catalogue.asks(&asker(machine), kind);
        let Some(first) = self.machines.first() else { return Ok(()) };
        for (kind, servers) in &self.services {
            let is_asked = || self.machines.iter().any(|machine| asks(machine, kind.get_ref()));
            if !servers.get_ref().is_empty() && !is_asked() {
                let would = catalogue.would_ask(&asker(first), kind.get_ref());
                let message = format!("no machine of this file asks it; {would}");
                return Err(self.source.broken(Some(kind.span()), message));
            }
        }
        for machine in &self.machines {
            let own = machine.services.iter().filter(|(_, servers)| !servers.get_ref().is_empty());
            let own = own.map(|(kind, _)| (kind.get_ref().as_str(), kind.span()));
            let windows = machine.nsclient.iter().map(|host| ("nsclient", host.place.span()));
            let unasked = own.chain(windows).find(|(kind, _)| !asks(machine, kind));
            if let Some((kind, span)) = unasked {
                let (role, would) = (machine.role(), catalogue.would_ask(&asker(machine), kind));
                let message = format!("no flow of a {role} asks it; {would}");
                return Err(self.source.broken(Some(span), message));
            }
        }
        Ok(())
    }

    /// Two machines with one address and no ports of their own are one that was copied and not
    /// changed.
    fn addresses_differ(&self) -> CheckResult {
        let mut known = BTreeMap::new();
        for machine in &self.machines {
            let Some(address) = &machine.address else { continue };
            let ports = machine.ports.iter().map(|(service, port)| (service, *port.get_ref()));
            let host = address.get_ref().host.to_ascii_lowercase();
            if let Some(other) = known.insert((host, ports.collect::<Vec<_>>()), machine.name()) {
                let message = format!("this is the address of `{other}` too");
                return Err(self.source.broken(Some(address.span()), message));
            }
        }
        Ok(())
    }

    fn role_exists(&self, machine: &SiteMachine, catalogue: &Catalogue) -> CheckResult {
        if catalogue.roles.contains(&machine.role()) {
            return Ok(());
        }
        let known: Vec<String> = catalogue.roles.iter().map(ToString::to_string).collect();
        let message = format!(
            "profile {} knows no role `{}`; known are {}",
            catalogue.profile,
            machine.role(),
            known.join(", ")
        );
        Err(self.source.broken(Some(machine.role.span()), message))
    }

    fn peers_exist(&self, machine: &SiteMachine) -> CheckResult {
        for (name, role) in [(&machine.central, Role::Central), (&machine.remote, Role::Remote)] {
            let Some(name) = name else { continue };
            if name.get_ref() == machine.name() {
                let message = format!("`{}` is this machine itself", machine.name());
                return Err(self.source.broken(Some(name.span()), message));
            }
            self.known("machine", name, &self.names(|_| true))?;
            let fits = self.names(|other| other.role() == role);
            if !fits.contains(&name.get_ref().as_str()) {
                let message = format!("`{}` is not a {role}", name.get_ref());
                return Err(self.source.broken(Some(name.span()), message));
            }
        }
        let centrals = self.names(|other| other.role() == Role::Central);
        if machine.role() != Role::Central && machine.central.is_none() && centrals.len() > 1 {
            let message = format!(
                "which central is this one's? Give central = one of {}",
                centrals.join(", ")
            );
            return Err(self.source.broken(Some(machine.name.span()), message));
        }
        Ok(())
    }

    /// What is between a machine and its central stands at the machine.
    fn way_fits(&self, machine: &SiteMachine) -> CheckResult {
        let broken = |span, message: &str| Err(self.source.broken(Some(span), message));
        let upwards = [
            machine.central.as_ref().map(Spanned::span),
            machine.remote.as_ref().map(Spanned::span),
            machine.mode.as_ref().map(Spanned::span),
            machine.bbdo.as_ref().map(Spanned::span),
            machine.connects_to.as_ref().map(Spanned::span),
            machine.ports.values().next().map(Spanned::span),
        ];
        let upward = upwards.into_iter().flatten().next();
        match (machine.role(), &machine.remote, upward) {
            (Role::Central, _, Some(span)) => {
                broken(span, "a central has none above it; this belongs to its pollers")
            }
            (Role::Remote, Some(remote), _) => {
                broken(remote.span(), "a remote server stands behind no other")
            }
            _ => self.connection_fits(machine),
        }
    }

    fn connection_fits(&self, machine: &SiteMachine) -> CheckResult {
        let Some(place) = &machine.connects_to else { return Ok(()) };
        let scheme = place.get_ref().url.as_ref().map(url::Url::scheme);
        let message = match (machine.mode.as_ref().map(|mode| *mode.get_ref()), scheme) {
            (Some(Mode::Pull), None) | (Some(Mode::Pullwss), Some("ws" | "wss")) => return Ok(()),
            (Some(Mode::Pull), _) => "with mode = \"pull\" this is HOST or HOST:PORT",
            (Some(Mode::Pullwss), _) => {
                "with mode = \"pullwss\" this is ws://HOST:PORT/PATH or wss://…"
            }
            _ => "`connects_to` is used with mode = \"pull\" or \"pullwss\" only",
        };
        Err(self.source.broken(Some(place.span()), message))
    }

    fn credentials_exist(&self, devices: &[Server]) -> CheckResult {
        let known: Vec<&str> = self.credentials.snmp.keys().map(String::as_str).collect();
        let mut named = devices.iter().filter_map(|device| device.snmp.as_ref());
        named.try_for_each(|name| self.known("SNMP credentials", name, &known))
    }

    fn flows_exist<'f>(
        &self,
        globs: impl IntoIterator<Item = &'f Spanned<String>>,
        catalogue: &Catalogue,
    ) -> CheckResult {
        let of_table = catalogue.flows.iter().map(|flow| flow.id.get_ref().clone());
        let own = self.checks.iter().map(|check| format!("custom.{}", check.custom.name));
        let known: Vec<String> = of_table.chain(own).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        for glob in globs {
            if !known.iter().any(|id| crate::catalogue::matches(glob.get_ref(), id)) {
                self.known("flow", glob, &known)?;
            }
        }
        Ok(())
    }
}

fn distinct(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names.dedup();
    names
}
