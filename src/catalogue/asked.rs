//! Which rows are a machine's own, and what it would take to have somebody asked.

use super::{Catalogue, Flow, PROFILES, Party, Role};

/// What decides which rows of a flow table are a machine's own.
#[derive(Clone, Debug)]
pub(crate) struct Asker<'a> {
    /// The role of the machine that asks.
    pub(crate) role: Role,
    /// Does an engine of its own ask devices, whatever its role?
    pub(crate) has_engine: bool,
    /// Groups that are switched on.
    pub(crate) groups: Vec<&'a str>,
}

impl Asker<'_> {
    /// Is this end of the row the machine?
    pub(crate) fn is(&self, flow: &Flow, end: &Party) -> bool {
        end.is(self.role) || (flow.by_engine && self.has_engine && end.is(Role::Poller))
    }

    /// Is the row in use at all?
    pub(crate) fn has_on(&self, flow: &Flow) -> bool {
        // A machine of an extension's own is asked for its rows by its role.
        let is_own = |group: &String| *group == self.role.to_string();
        flow.group
            .as_ref()
            .is_none_or(|group| self.groups.contains(&group.as_str()) || is_own(group))
    }

    fn opens(&self, flow: &Flow) -> bool {
        self.is(flow, &flow.from) && self.has_on(flow)
    }
}

impl Catalogue {
    /// Does a flow of the machine go to peers of that kind, or through one?
    pub(crate) fn asks(&self, asker: &Asker<'_>, kind: &str) -> bool {
        let goes_there = |flow: &Flow| match kind {
            "vpn" if flow.through_vpn => true,
            "proxy" if flow.is_internet() => true,
            _ => flow.to.0 == kind,
        };
        self.flows.iter().any(|flow| asker.opens(flow) && goes_there(flow))
    }

    /// What would ask a peer of a kind that this machine does not: one clause.
    pub(crate) fn would_ask(&self, asker: &Asker<'_>, kind: &str) -> String {
        let rows: Vec<&Flow> = self.flows.iter().filter(|flow| flow.to.0 == kind).collect();
        let (role, profile) = (asker.role, &self.profile);
        let own = || rows.iter().copied().filter(|flow| asker.is(flow, &flow.from));
        if let Some(group) = own().find_map(|flow| flow.group.as_ref()) {
            let of_group = own().filter(|flow| flow.group.as_ref() == Some(group));
            return format!("--group {group} switches on {}", ids(of_group));
        }
        if let Some(first) = rows.first() {
            let of_role = rows.iter().copied().filter(|flow| flow.from == first.from);
            let group = first.group.as_ref().map(|group| format!(" with --group {group}"));
            let engine = if first.by_engine {
                let group = self.groups.iter().find(|group| group.engine);
                let how = group.map(|group| format!("--group {}", group.id));
                let how = how.unwrap_or_else(|| "`devices` in its site file".to_owned());
                format!(", and a {role} whose own engine asks devices ({how})")
            } else {
                String::new()
            };
            let group = group.unwrap_or_default();
            return format!("a {} does{group} ({}){engine}", first.from.title(), ids(of_role));
        }
        let others = PROFILES.iter().filter(|(name, _)| name != profile);
        let mut others = others.filter_map(|(name, _)| Self::profile(name));
        let other = others.find(|other| other.flows.iter().any(|flow| flow.to.0 == kind));
        let Some(other) = other else {
            return format!("profile {profile} has no flow to it, and no other profile has one");
        };
        let rows: Vec<&Flow> = other.flows.iter().filter(|flow| flow.to.0 == kind).collect();
        let own = rows.iter().copied().filter(|flow| asker.is(flow, &flow.from));
        let of = if own.clone().next().is_some() { ids(own) } else { ids(rows.iter().copied()) };
        format!("--profile {} has {of}", other.profile)
    }

    /// Why no step of a machine comes of this row.
    pub(crate) fn why_not(asker: &Asker<'_>, flow: &Flow) -> String {
        let id = flow.id.get_ref();
        if !asker.is(flow, &flow.from) && !asker.is(flow, &flow.to) {
            format!("{id} is a flow of a {}, not of a {}", flow.from.title(), asker.role)
        } else if let Some(group) = flow.group.as_ref().filter(|_| !asker.has_on(flow)) {
            format!("{id} is off without --group {group}")
        } else if flow.only_with_target {
            format!("{id} has no target; give {}", flow.to.flag())
        } else {
            format!("{id} is not in use here")
        }
    }
}

/// "central.mbi, central.mbi-database"
fn ids<'f>(flows: impl Iterator<Item = &'f Flow>) -> String {
    flows.map(|flow| flow.id.get_ref().as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn would_ask(profile: &str, role: Role, groups: &[&str], kind: &str) -> Option<String> {
        let catalogue = Catalogue::profile(profile).unwrap();
        let asker = Asker { role, has_engine: role == Role::Poller, groups: groups.to_vec() };
        let is_asked = catalogue.asks(&asker, kind);
        (!is_asked).then(|| catalogue.would_ask(&asker, kind))
    }

    #[test]
    fn what_nobody_asks_names_what_would() {
        use Role::{Central, Poller, Remote};
        for (profile, role, groups, kind, what) in [
            ("i-vertix", Central, &[][..], "database", None),
            ("i-vertix", Central, &[], "remote", None),
            ("i-vertix", Central, &[], "nrpe", Some("--profile centreon has poller.nrpe")),
            (
                "i-vertix",
                Central,
                &[],
                "device",
                Some(
                    "a poller does (poller.snmp), and a central whose own engine asks devices \
                     (--group basic)",
                ),
            ),
            (
                "i-vertix",
                Central,
                &[],
                "nsclient",
                Some(
                    "a poller does (poller.nsclient), and a central whose own engine asks devices \
                     (--group basic)",
                ),
            ),
            ("i-vertix", Poller, &[], "ldap", Some("a central does (central.ldap)")),
            (
                "i-vertix",
                Central,
                &[],
                "central",
                Some("a poller does (poller.bbdo, poller.pull, poller.pullwss, poller.ncb)"),
            ),
            (
                "centreon",
                Central,
                &[],
                "mbi",
                Some("--group mbi switches on central.mbi, central.mbi-database"),
            ),
            ("centreon", Central, &["mbi"], "mbi", None),
            (
                "centreon",
                Poller,
                &["mbi"],
                "mbi",
                Some("a central does with --group mbi (central.mbi, central.mbi-database)"),
            ),
            ("centreon", Remote, &[], "remote", Some("a central does (central.remote-zmq)")),
            ("centreon", Poller, &[], "remote", None),
            (
                "i-vertix",
                Poller,
                &[],
                "toaster",
                Some("profile i-vertix has no flow to it, and no other profile has one"),
            ),
            // The gateway is asked by the poller; a central's flows go through it all the same.
            ("i-vertix", Poller, &[], "vpn", None),
            ("i-vertix", Central, &[], "vpn", None),
            ("i-vertix", Central, &[], "proxy", None),
        ] {
            assert_eq!(
                would_ask(profile, role, groups, kind).as_deref(),
                what,
                "{profile}, {role}, {kind}"
            );
        }
    }

    #[test]
    fn an_engine_of_its_own_asks_devices_on_a_central_too() {
        let catalogue = Catalogue::profile("i-vertix").unwrap();
        let asker = Asker { role: Role::Central, has_engine: true, groups: Vec::new() };
        assert!(catalogue.asks(&asker, "device") && catalogue.asks(&asker, "nsclient"));
    }
}
