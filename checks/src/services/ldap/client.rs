//! The three questions: root DSE, StartTLS, one bind.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ldap3::controls::RawControl;
use ldap3::{LdapError, Scope, SearchEntry, SearchResult};

use super::guard::{guarded, message};
use super::message::{
    LdapMessage, LdapQuestion, LdapResult, PASSWORD_POLICY, Policy, STARTTLS,
    start_tls as start_tls_request,
};
use crate::cause::Cause;
use crate::evidence::{Evidence, Value};
use crate::net::Stream;
use crate::wire;

/// Reads the root DSE without a bind.
pub(super) async fn root_dse(stream: &mut Stream) -> Result<RootDse, Cause> {
    stream.allow(ANSWER);
    stream.asks("a search of its root DSE");
    let filling = filling(stream.a_packet(USUAL));
    let read = guarded(stream, |mut ldap| async move {
        let names = ATTRIBUTES.iter().map(ToString::to_string).chain(filling).collect::<Vec<_>>();
        let found = ldap.search("", Scope::Base, "(objectClass=*)", names).await?;
        Ok(RootDse::from(found))
    });
    let read = read.await?;
    stream.came("its root DSE");
    Ok(read)
}

/// Names of attributes that no directory has, which it passes over (RFC 4511 §4.5.1.8): the question
/// fills a packet, so that a path which does not carry large ones is met.
fn filling(least: usize) -> impl Iterator<Item = String> {
    (0..least / FILLER).map(|number| format!("x-preflight-fills-a-packet-{number:02}"))
}

/// Asks for TLS; on success the next byte is the handshake's.
pub(super) async fn start_tls(stream: &mut Stream) -> Result<LdapResult, Cause> {
    stream.allow(ANSWER);
    stream.asks("StartTLS");
    let request = start_tls_request();
    stream.send(&request).await?;
    let reply = message(stream).await?;
    LdapQuestion::of(&request)?.accepts(&reply)?;
    stream.came("its answer to StartTLS");
    LdapResult::decode(LdapMessage::decode(&reply)?.operation)
}

/// Binds once; empty strings are the anonymous bind.
pub(super) async fn bind(
    stream: &mut Stream,
    dn: &str,
    password: &str,
) -> Result<LdapResult, Cause> {
    stream.allow(ANSWER);
    stream.asks("the bind");
    let bound = guarded(stream, |mut ldap| async move {
        // Not critical: who does not know it passes over it.
        let policy = RawControl { ctype: PASSWORD_POLICY.to_owned(), crit: false, val: None };
        if !dn.is_empty() {
            ldap.with_controls(vec![policy]);
        }
        let result = ldap.simple_bind(dn, password).await?;
        let mut answer = LdapResult::new(result.rc, &result.text);
        let raw = result.ctrls.iter().map(|control| &control.1);
        let mut policy = raw.filter(|control| control.ctype == PASSWORD_POLICY);
        if let Some(value) = policy.find_map(|control| control.val.as_deref()) {
            answer.policy = Policy::decode(value);
        }
        Ok::<_, LdapError>(answer.referring_to(result.refs.iter().map(String::as_str)))
    });
    bound.await
}

/// What a server tells about itself before anybody logs in (RFC 4512 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RootDse {
    pub(super) answer: LdapResult,
    /// By name in lower case: names ignore case.
    pub(super) attributes: BTreeMap<String, Vec<String>>,
}

impl From<SearchResult> for RootDse {
    fn from(SearchResult(entries, result): SearchResult) -> Self {
        let answer = LdapResult::new(result.rc, &result.text);
        let attributes = entries
            .into_iter()
            .filter(|entry| !entry.is_ref())
            .take(1)
            .flat_map(|entry| SearchEntry::construct(entry).attrs)
            .map(|(name, values)| (name.to_ascii_lowercase(), values))
            .collect();
        Self { answer, attributes }
    }
}

impl RootDse {
    /// Did it show anything?
    pub(super) fn is_read(&self) -> bool {
        self.answer.code == 0 && !self.attributes.is_empty()
    }

    pub(super) fn offers_starttls(&self) -> bool {
        self.values("supportedextension").iter().any(|oid| oid == STARTTLS)
    }

    /// The naming context to show: the default one of Active Directory, else the first.
    pub(super) fn context(&self) -> Option<String> {
        let default = self.values("defaultnamingcontext").first();
        let any = self.values("namingcontexts").iter().find(|context| !context.is_empty());
        default.or(any).map(|context| wire::clean(context.as_bytes(), MAX_CONTEXT))
    }

    /// Facts of a root DSE read at `now`.
    pub(super) fn note(&self, now: Timestamp, evidence: &mut Evidence) {
        evidence.set("root_dse", self.answer.name());
        if !self.answer.text.is_empty() {
            evidence.set("root_dse_text", self.answer.text.as_str());
        }
        if !self.is_read() {
            return;
        }
        for (name, attribute) in LISTS {
            let values = self.values(attribute).iter().take(MAX_VALUES);
            let values = values.map(|value| wire::clean(value.as_bytes(), MAX_VALUE));
            evidence.set(*name, values.collect::<Value>());
        }
        evidence.set("starttls", self.offers_starttls());
        let host = self.values("dnshostname").first();
        let facts = [("server_name", host.cloned()), ("software", self.software())];
        for (name, value) in facts {
            if let Some(value) = value {
                evidence.set(name, wire::clean(value.as_bytes(), MAX_VALUE));
            }
        }
        if let Some(theirs) = self.values("currenttime").first().and_then(|text| moment(text)) {
            evidence.set("server_time", theirs.to_string());
            evidence.set(
                "clock_offset_ms",
                (theirs.as_second() - now.as_second()).saturating_mul(1000),
            );
        }
    }

    /// Who made it: its own words, or what gives the two usual ones away.
    fn software(&self) -> Option<String> {
        let vendor = [self.values("vendorname"), self.values("vendorversion")];
        let vendor: Vec<&str> = vendor.into_iter().flatten().map(String::as_str).collect();
        if !vendor.is_empty() {
            return Some(vendor.join(" "));
        }
        let has = |attribute, value| self.values(attribute).iter().any(|known| known == value);
        if has("supportedcapabilities", ACTIVE_DIRECTORY) {
            return Some("Active Directory".to_owned());
        }
        has("objectclass", "OpenLDAProotDSE").then(|| "OpenLDAP".to_owned())
    }

    fn values(&self, attribute: &str) -> &[String] {
        self.attributes.get(attribute).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A generalized time in UTC: `20260801120000.0Z`.
fn moment(text: &str) -> Option<Timestamp> {
    let digits = text.get(..14).filter(|_| text.ends_with('Z'))?;
    let moment = DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Longest wait for any answer: a domain controller far away takes a second.
const ANSWER: Duration = Duration::from_secs(5);
/// Bytes of such a question at least, as those of the names fill a packet of Ethernet's usual size.
const USUAL: usize = 1_178;
/// Bytes of one such name, coded.
const FILLER: usize = 31;
const ATTRIBUTES: [&str; 11] = [
    "objectClass",
    "namingContexts",
    "defaultNamingContext",
    "supportedExtension",
    "supportedLDAPVersion",
    "supportedSASLMechanisms",
    "supportedCapabilities",
    "vendorName",
    "vendorVersion",
    "dnsHostName",
    "currentTime",
];
/// Facts that are lists, and the attributes they come from.
const LISTS: &[(&str, &str)] = &[
    ("naming_contexts", "namingcontexts"),
    ("ldap_versions", "supportedldapversion"),
    ("sasl_mechanisms", "supportedsaslmechanisms"),
];
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
const MAX_CONTEXT: usize = 28;
const MAX_VALUE: usize = 200;
const MAX_VALUES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn dse(attributes: &[(&str, &[&str])]) -> RootDse {
        let own = |values: &&[&str]| values.iter().map(ToString::to_string).collect();
        RootDse {
            answer: LdapResult::new(0, ""),
            attributes: attributes.iter().map(|(n, values)| (n.to_string(), own(values))).collect(),
        }
    }

    #[test]
    fn active_directory_gives_its_clock_away() {
        let dse = dse(&[
            ("supportedcapabilities", &[ACTIVE_DIRECTORY]),
            ("namingcontexts", &["DC=corp,DC=example", "CN=Configuration,DC=corp,DC=example"]),
            ("defaultnamingcontext", &["DC=corp,DC=example"]),
            ("dnshostname", &["dc1.corp.example"]),
            ("currenttime", &["20260801120007.0Z"]),
        ]);
        let mut evidence = Evidence::default();
        dse.note("2026-08-01T12:00:00Z".parse().unwrap(), &mut evidence);
        assert_eq!(evidence.fact("software"), Some(&"Active Directory".into()));
        assert_eq!(evidence.fact("server_name"), Some(&"dc1.corp.example".into()));
        assert_eq!(evidence.fact("server_time"), Some(&"2026-08-01T12:00:07Z".into()));
        assert_eq!(evidence.fact("clock_offset_ms"), Some(&7000_i64.into()));
        assert_eq!(dse.context().unwrap(), "DC=corp,DC=example");
    }

    #[test]
    fn software_is_named_by_its_vendor_or_its_class() {
        let vendor = dse(&[("vendorname", &["389 Project"]), ("vendorversion", &["2.3.1"])]);
        assert_eq!(vendor.software().unwrap(), "389 Project 2.3.1");
        assert_eq!(dse(&[("objectclass", &["OpenLDAProotDSE"])]).software().unwrap(), "OpenLDAP");
        assert_eq!(dse(&[("objectclass", &["top"])]).software(), None);
    }

    #[test]
    fn a_time_that_is_none_is_left_out() {
        for text in ["", "2026", "20261301120000Z", "20260801120000+0200", "2026080112000é.Z"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_long_context_is_cut_for_the_table() {
        let long = format!("dc={}", "x".repeat(90));
        assert!(dse(&[("namingcontexts", &["", &long])]).context().unwrap().len() < 40);
    }
}
