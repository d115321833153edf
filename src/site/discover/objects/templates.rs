//! What a host has from the templates it uses.
//!
//! As the engine does it: the host's own values first, then those of each
//! template in the order of `use`, where a template's own templates come right
//! after itself. A template that uses itself, by whatever detour, gives what it
//! had until then. Each template is worked out once.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::super::facts::At;
use super::super::files::Text;
use super::syntax::HostObject;

/// What discovery takes of a host; secrets among it, so there is no `Debug`.
#[derive(Clone, Default)]
pub(super) struct Values<'t> {
    /// `address`
    pub(super) address: Option<Cow<'t, str>>,
    /// The SNMP macros.
    pub(super) snmp: SnmpTexts<'t>,
    /// What the names say.
    pub(super) hints: TemplateHints,
}

/// SNMP macros as they are written. One that is set and empty is set: its
/// host's templates are not asked for it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct SnmpTexts<'t> {
    /// `_SNMPCOMMUNITY`
    pub(super) community: Option<Cow<'t, str>>,
    /// `_SNMPVERSION`
    pub(super) version: Option<Cow<'t, str>>,
    /// `_SNMPEXTRAOPTIONS`
    pub(super) options: Option<Cow<'t, str>>,
    /// `_SNMPPORT`, or another name between the two words.
    pub(super) port: Option<Cow<'t, str>>,
}

/// How a host is asked, as far as names of templates and macros say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TemplateHints {
    /// Its plugins ask by SNMP.
    pub(super) snmp: bool,
    /// Through the API of `NSClient++`; its NRPE server is another thing.
    pub(super) nsclient: bool,
    /// It has Centreon's own agent.
    pub(super) agent: bool,
}

impl TemplateHints {
    fn of_template(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let has = |word| name.contains(word);
        Self {
            snmp: has("snmp"),
            nsclient: (has("nsclient") || has("nscp")) && !has("nrpe"),
            agent: has("monitoring-agent"),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            snmp: self.snmp || other.snmp,
            nsclient: self.nsclient || other.nsclient,
            agent: self.agent || other.agent,
        }
    }
}

impl<'t> Values<'t> {
    /// Takes the macro `key` if it is one that counts here.
    pub(super) fn set_macro(&mut self, key: &str, value: Cow<'t, str>) {
        let Some(name) = key.strip_prefix('_') else { return };
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let begins = |known: &str| {
            name.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known))
        };
        let slot = if is("SNMPCOMMUNITY") {
            &mut self.snmp.community
        } else if is("SNMPVERSION") {
            &mut self.snmp.version
        } else if is("SNMPEXTRAOPTIONS") {
            &mut self.snmp.options
        } else if begins("SNMP") && name.to_ascii_uppercase().ends_with("PORT") {
            &mut self.snmp.port
        } else {
            self.hints.nsclient |= begins("NSCPRESTAPI");
            return;
        };
        *slot = Some(unescaped(value));
    }

    /// Takes from `template` what is not here yet.
    fn inherit(&mut self, template: &Self) {
        fn take<'t>(own: &mut Option<Cow<'t, str>>, other: Option<&Cow<'t, str>>) {
            if own.is_none() {
                *own = other.cloned();
            }
        }
        take(&mut self.address, template.address.as_ref());
        take(&mut self.snmp.community, template.snmp.community.as_ref());
        take(&mut self.snmp.version, template.snmp.version.as_ref());
        take(&mut self.snmp.options, template.snmp.options.as_ref());
        take(&mut self.snmp.port, template.snmp.port.as_ref());
        self.hints = self.hints.and(template.hints);
    }
}

/// In a value, `\;` is `;`.
fn unescaped(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.contains("\\;") { Cow::Owned(value.replace("\\;", ";")) } else { value }
}

/// All templates, by their names.
pub(super) struct Templates<'h, 't> {
    hosts: &'h [(&'t Text, HostObject<'t>)],
    by_name: HashMap<&'h str, usize>,
    /// Worked out, or being so.
    known: HashMap<usize, Values<'t>>,
    /// Names nobody defines, and who uses each.
    unknown: BTreeMap<&'h str, At>,
}

/// Templates above one another; Centreon's own have five.
const MOST_ABOVE: usize = 50;
/// Names kept of templates nobody defines.
const MOST_UNKNOWN: usize = 100;

impl<'h, 't> Templates<'h, 't> {
    /// The templates among `hosts`; of two with one name the first counts.
    pub(super) fn of(hosts: &'h [(&'t Text, HostObject<'t>)]) -> Self {
        let mut by_name = HashMap::new();
        for (index, (_, host)) in hosts.iter().enumerate() {
            if let Some(name) = host.used_as.as_deref() {
                by_name.entry(name).or_insert(index);
            }
        }
        Self { hosts, by_name, known: HashMap::new(), unknown: BTreeMap::new() }
    }

    /// The values of `host`, its own and its templates'.
    pub(super) fn resolve(&mut self, host: &'h (&'t Text, HostObject<'t>)) -> Values<'t> {
        self.above(host, MOST_ABOVE)
    }

    /// Names nobody defines, each with one who uses it.
    pub(super) fn unknown(&self) -> &BTreeMap<&'h str, At> {
        &self.unknown
    }

    fn above(&mut self, (text, host): &'h (&'t Text, HostObject<'t>), left: usize) -> Values<'t> {
        let mut values = host.values.clone();
        for name in host.templates() {
            values.hints = values.hints.and(TemplateHints::of_template(name));
            if let Some(index) = self.find(name, || text.at(host.line)) {
                self.work_out(index, left);
                if let Some(template) = self.known.get(&index) {
                    values.inherit(template);
                }
            }
        }
        values
    }

    fn work_out(&mut self, index: usize, left: usize) {
        let hosts = self.hosts;
        let Some(template) = hosts.get(index).filter(|_| left > 0) else { return };
        if !self.known.contains_key(&index) {
            // For those that lead back here.
            self.known.insert(index, template.1.values.clone());
            let values = self.above(template, left - 1);
            self.known.insert(index, values);
        }
    }

    fn find(&mut self, name: &'h str, user: impl FnOnce() -> At) -> Option<usize> {
        let found = self.by_name.get(name).copied();
        if found.is_none() && self.unknown.len() < MOST_UNKNOWN {
            self.unknown.entry(name).or_insert_with(user);
        }
        found
    }
}
