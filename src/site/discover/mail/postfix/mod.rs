//! postfix: which transport takes mail, and who is the next hop.
//!
//! The next hop of mail for other machines is, in this order, what a transport table says of
//! its receiver, the table of transports by sender, `default_transport`, the table of relays
//! by sender, `relayhost`, and at last the receiver's own domain. Brackets around a next hop
//! say that it is a host; without them it is a domain whose mail servers (MX) are asked,
//! unless it is an address. Several are tried one after the other.
//!
//! Reference: postconf(5), of it `default_transport`; transport(5); postfix's `TLS_README`.

mod constructs;
mod master;
mod settings;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::constructs::Reading;
use super::super::facts::{Family, HostLookup, Mail, MailTls, MailTo, Read, RefusedLine, Share};
use super::super::lines::host;
use super::super::{At, Facts, Files};
use super::{MISSING, MailFound, host_name};
use crate::site::{Place, parse_port};
pub(in crate::site::discover) use constructs::CONSTRUCTS;
use master::{MailCarrier, MasterServices};
use settings::ProcessSettings;
use tables::entries;

const MAIN: &str = "/etc/postfix/main.cf";
const MASTER: &str = "/etc/postfix/master.cf";
/// Ways mail leaves; a table may hold thousands, and a few of them tell whether relays are open.
const MOST_WAYS: usize = 32;
/// Settings that stand in many files and say what is so without them.
const IS_USUAL: [(&str, &str); 1] = [("authorized_submit_users", "static:anyone")];
/// What a table that cannot be read would have told.
const SOME_RELAYS: &str = "the relays of some mail";
const ASKS_TLS: &str = "whether mail needs TLS";

pub(super) fn read(files: &Files, facts: &mut Facts) -> MailFound {
    let text = match files.read(MAIN) {
        Ok(text) => text,
        Err(why) => {
            facts.unread(MAIN, &why, MISSING);
            return MailFound::Nothing;
        }
    };
    let (main, refused) = ProcessSettings::parse(&text, host_name(files));
    facts.refused.extend(refused.map(|line| RefusedLine::of("postfix", line)));
    let services = match files.read(MASTER) {
        Ok(text) => {
            let (services, refused) = MasterServices::parse(&text);
            facts.refused.extend(refused.map(|line| RefusedLine::of("postfix", line)));
            services
        }
        Err(why) => {
            facts.unread(MASTER, &why, MISSING);
            MasterServices::usual()
        }
    };
    note(&main, &services, facts);
    let rewrite = services.of("rewrite").map(|service| service.overrides.as_slice());
    let rewrite = main.with(rewrite.unwrap_or_default());
    let mut postfix = Postfix { files, facts, main, rewrite, services, ways: Vec::new() };
    postfix.tables();
    postfix.rest();
    MailFound::Said(postfix.ways)
}

/// Notes what is set and not understood; an empty value switches a setting off.
fn note(main: &ProcessSettings, services: &MasterServices, facts: &mut Facts) {
    let set = main.all().chain(services.overrides().map(|(name, value)| (name.as_str(), value)));
    let words =
        set.flat_map(|(_, set)| set.value.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    // Whoever invents a setting uses it elsewhere: by `$name`, or as a class of restrictions.
    let used: BTreeSet<&str> = words.collect();
    let own = main.all().chain(services.on_the_way().map(|(name, value)| (name.as_str(), value)));
    let set: Vec<(&str, &Read<String>)> = own.filter(|(_, set)| !set.value.is_empty()).collect();
    for (name, set) in set {
        let is_own = used.contains(name) && CONSTRUCTS.reading(name) == Reading::Unknown;
        if !is_own && !IS_USUAL.contains(&(name, set.value.as_str())) {
            CONSTRUCTS.meet(name, set.at.clone(), facts);
        }
        if let Some(server) = server_in(&set.value) {
            let reason = format!("`{name}` asks {server}, which is not read");
            facts.note(set.at.clone(), reason, "who else is asked about mail");
        }
    }
}

/// A table or filter that lies on another machine: `ldap:/etc/postfix/people.cf`, `inet:filter:10025`.
fn server_in(value: &str) -> Option<&str> {
    const ON_SERVERS: [&str; 6] = ["ldap:", "mysql:", "pgsql:", "memcache:", "tcp:", "socketmap:"];
    let mut words = value.split([' ', '\t', ',', '{', '}']);
    words.find(|word| {
        let table = word.strip_prefix("proxy:").unwrap_or(word);
        let is_filter = table.strip_prefix("inet:").is_some_and(|address| {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            let host = host.trim_matches(['[', ']']);
            host != "localhost" && !host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        });
        is_filter || ON_SERVERS.iter().any(|kind| table.starts_with(kind))
    })
}

/// Follows mail on its way out.
struct Postfix<'a> {
    files: &'a Files,
    facts: &'a mut Facts,
    /// As every process has them.
    main: ProcessSettings,
    /// As the process has them that looks for the next hop.
    rewrite: ProcessSettings,
    services: MasterServices,
    ways: Vec<Mail>,
}

impl Postfix<'_> {
    /// Mail of some receivers and senders, by the tables that can be read.
    fn tables(&mut self) {
        for entry in self.entries("transport_maps") {
            let is_all = entry.key == "*";
            let some = || Share::Some(format!("to {}", entry.key));
            self.transport(&entry.value, if is_all { Share::Rest } else { some() });
        }
        for entry in self.entries("sender_dependent_default_transport_maps") {
            self.transport(&entry.value, Share::Some(format!("from {}", entry.key)));
        }
        if let Some((transport, nexthop)) = self.parts("default_transport")
            && nexthop.value.is_empty()
        {
            let relays = self.entries("sender_dependent_relayhost_maps");
            let named =
                |entry: &tables::TableEntry| !entry.value.value.eq_ignore_ascii_case("dunno");
            for entry in relays.into_iter().filter(named) {
                self.carry(&transport, &entry.value, Share::Some(format!("from {}", entry.key)));
            }
        }
        // Domains this machine takes mail for have a transport of their own.
        if let Some((transport, nexthop)) = self.parts("relay_transport")
            && !nexthop.value.is_empty()
            && self.read("relay_domains").is_some_and(|domains| !domains.value.is_empty())
        {
            self.carry(&transport, &nexthop, Share::Some("to relay_domains".to_owned()));
        }
    }

    fn entries(&mut self, setting: &str) -> Vec<tables::TableEntry> {
        let Some(tables) = self.read(setting) else { return Vec::new() };
        let default_type = self.main.says("default_database_type");
        entries(self.files, self.facts, &tables, &default_type, SOME_RELAYS)
    }

    /// All mail that no table sent elsewhere.
    fn rest(&mut self) {
        if self.ways.iter().any(|way| way.share == Share::Rest) {
            return;
        }
        let Some((transport, own)) = self.parts("default_transport") else { return };
        let nexthop = if own.value.is_empty() { self.read("relayhost") } else { Some(own) };
        if let Some(nexthop) = nexthop {
            self.carry(&transport, &nexthop, Share::Rest);
        }
    }

    /// The transport and the next hop that a setting names.
    fn parts(&mut self, setting: &str) -> Option<(String, Read<String>)> {
        let value = self.read(setting)?;
        let (transport, nexthop) = split(&value);
        Some((transport.to_owned(), nexthop))
    }

    /// A setting's value; what makes it unreadable is noted.
    fn read(&mut self, name: &str) -> Option<Read<String>> {
        let at = self.rewrite.at(name);
        match self.rewrite.value(name) {
            Ok(value) => Some(Read { value, at }),
            Err(reason) => {
                self.facts.note(at, reason, MISSING);
                None
            }
        }
    }

    /// `transport:nexthop` of a table: without a transport the usual one, without a next hop
    /// the receiver's own domain, without either as if it stood in no table.
    fn transport(&mut self, entry: &Read<String>, share: Share) {
        let (transport, nexthop) = split(entry);
        if !transport.is_empty() {
            self.carry(transport, &nexthop, share);
        } else if !nexthop.value.is_empty()
            && let Some((usual, _)) = self.parts("default_transport")
        {
            self.carry(&usual, &nexthop, share);
        }
    }

    /// What a transport does with mail for that next hop.
    fn carry(&mut self, transport: &str, nexthop: &Read<String>, share: Share) {
        let deferred = self.main.says("defer_transports");
        let is_deferred = words(&deferred).any(|word| word == transport.to_ascii_lowercase());
        let carrier = self.services.carrier(transport);
        let nowhere = match carrier {
            _ if is_deferred => Some(format!("defer_transports keeps all mail of `{transport}`")),
            MailCarrier::Nowhere => Some(format!("its transport is `{transport}`")),
            MailCarrier::Here => {
                Some(format!("its transport is `{transport}`, which delivers here"))
            }
            MailCarrier::Missing => Some(format!("master.cf has no transport `{transport}`")),
            MailCarrier::Smtp | MailCarrier::Lmtp | MailCarrier::Program => None,
        };
        if let Some(reason) = nowhere {
            // Mail of some receivers that goes nowhere needs nobody.
            if share == Share::Rest {
                let to = MailTo::Nobody(reason);
                self.push(mail(&self.main, to, share, nexthop.at.clone()));
            }
            return;
        }
        match carrier {
            MailCarrier::Smtp => self.smtp(transport, nexthop, share),
            MailCarrier::Lmtp => {
                let reason = format!("mail goes to {} by LMTP, which is not asked", nexthop.value);
                self.facts.note(nexthop.at.clone(), reason, MISSING);
            }
            _ => {
                let reason =
                    format!("the program of transport `{transport}` takes it, which is not read");
                self.facts.note(nexthop.at.clone(), reason, MISSING);
            }
        }
    }

    fn smtp(&mut self, transport: &str, nexthop: &Read<String>, share: Share) {
        let own = self.services.of(transport).map(|service| service.overrides.as_slice());
        let settings = self.main.with(own.unwrap_or_default());
        let at = &nexthop.at;
        let mut share = share;
        if nexthop.value.is_empty() {
            self.push(mail(&settings, MailTo::Receivers, share, at.clone()));
        } else {
            for hop in words(&nexthop.value) {
                let this = std::mem::replace(&mut share, Share::Fallback);
                match relay(hop, &settings) {
                    Ok(to) => {
                        let login = self.logs_in(hop, &to, &settings);
                        let mail = mail(&settings, to, this, at.clone());
                        let tls = self.policy(hop, &settings).unwrap_or(mail.tls);
                        self.push(Mail { tls, login, ..mail });
                    }
                    Err(reason) => self.facts.note(at.clone(), reason, MISSING),
                }
            }
        }
        let fallback = settings.value("smtp_fallback_relay");
        let at = ["smtp_fallback_relay", "fallback_relay"].map(|name| settings.at(name));
        let at = at.into_iter().max_by_key(|at| at.line.is_some());
        match (fallback, at) {
            (Ok(hops), Some(at)) => {
                for hop in words(&hops) {
                    match relay(hop, &settings) {
                        Ok(to) => self.push(mail(&settings, to, Share::Fallback, at.clone())),
                        Err(reason) => self.facts.note(at.clone(), reason, SOME_RELAYS),
                    }
                }
            }
            (Err(reason), Some(at)) => self.facts.note(at, reason, SOME_RELAYS),
            (_, None) => {}
        }
    }

    /// Does `smtp_sasl_password_maps` have a password for this next hop, as it is written or as a
    /// host? Where that cannot be told, it does: which host of a domain takes mail, and which
    /// sender writes it.
    fn logs_in(&mut self, hop: &str, to: &MailTo, settings: &ProcessSettings) -> bool {
        if !settings.is_yes("smtp_sasl_auth_enable") {
            return false;
        }
        let MailTo::Relay { place, by_mx: false } = to else { return true };
        let maps = settings.value("smtp_sasl_password_maps").unwrap_or_default();
        let default_type = self.main.says("default_database_type");
        let Some(keys) = tables::keys(self.files, &maps, &default_type) else { return true };
        let by_sender = settings.is_yes("smtp_sender_dependent_authentication");
        keys.iter().any(|key| {
            let is_sender = by_sender && key.contains('@');
            key == "*"
                || is_sender
                || [hop, &place.host].iter().any(|it| it.eq_ignore_ascii_case(key))
        })
    }

    /// What `smtp_tls_policy_maps` says of one next hop: of it as it is written, or, of a domain
    /// without brackets and port, of one above it.
    fn policy(&mut self, hop: &str, settings: &ProcessSettings) -> Option<MailTls> {
        if settings.is_yes("smtp_tls_wrappermode") {
            return None;
        }
        let tables = settings.value("smtp_tls_policy_maps").ok().filter(|maps| !maps.is_empty())?;
        let tables = Read { value: tables, at: settings.at("smtp_tls_policy_maps") };
        let default_type = self.main.says("default_database_type");
        let policies = entries(self.files, self.facts, &tables, &default_type, ASKS_TLS);
        let hop = hop.to_ascii_lowercase();
        let is_domain = !hop.contains(['[', ':']);
        let above = hop.match_indices('.').filter_map(|(at, _)| hop.get(at..));
        let mut keys = std::iter::once(hop.as_str()).chain(above.filter(|_| is_domain));
        let found = keys.find_map(|key| policies.iter().find(|one| one.key == key))?;
        let word = found.value.value.split([' ', '\t']).next().unwrap_or_default();
        let level = level(&word.to_ascii_lowercase());
        if level.is_none() {
            let reason = format!("`{word}` is not a level of TLS: postfix keeps this mail");
            self.facts.note(found.value.at.clone(), reason, ASKS_TLS);
        }
        level
    }

    /// Adds a way, unless mail goes it already.
    fn push(&mut self, mail: Mail) {
        let is_same = |known: &Mail| known.to == mail.to && known.tls == mail.tls;
        if mail.share != Share::Rest && self.ways.iter().any(is_same) {
            return;
        }
        if self.ways.len() >= MOST_WAYS && mail.share != Share::Rest {
            if self.ways.len() == MOST_WAYS {
                let reason = "from here on no more relays of tables are read";
                self.facts.note(mail.at.clone(), reason, SOME_RELAYS);
            }
            return;
        }
        self.ways.push(mail);
    }
}

fn mail(settings: &ProcessSettings, to: MailTo, share: Share, at: At) -> Mail {
    let login = settings.is_yes("smtp_sasl_auth_enable");
    let protocols = settings.says("inet_protocols");
    let from = own_addresses(settings);
    let family = match words(&protocols).collect::<Vec<_>>().as_slice() {
        ["ipv4"] => Some(Family::V4),
        ["ipv6"] => Some(Family::V6),
        _ => None,
    };
    let lookup = lookup(settings);
    Mail { share, tls: tls(settings), login, from, family, lookup, ..Mail::of("postfix", to, at) }
}

/// The addresses mail leaves from: as they are set, or else the one of its kind that postfix
/// listens on, if that is only one and not the loopback's.
fn own_addresses(settings: &ProcessSettings) -> Vec<IpAddr> {
    let listens = settings.says("inet_interfaces");
    let listens: Vec<IpAddr> = words(&listens).filter_map(|word| literal(word).ok()).collect();
    let one = |name: &str, is_kind: fn(&IpAddr) -> bool| {
        let set = settings.says(name);
        if !set.is_empty() {
            return literal(&set).ok();
        }
        let mut of_kind = listens.iter().copied().filter(is_kind);
        of_kind.next().filter(|own| !own.is_loopback() && of_kind.next().is_none())
    };
    let both =
        [one("smtp_bind_address", IpAddr::is_ipv4), one("smtp_bind_address6", IpAddr::is_ipv6)];
    both.into_iter().flatten().filter(|own| !own.is_unspecified()).collect()
}

/// An address, perhaps in brackets.
fn literal(word: &str) -> Result<IpAddr, std::net::AddrParseError> {
    without_ipv6(word.trim_matches(['[', ']'])).parse()
}

fn asks_dns(settings: &ProcessSettings) -> bool {
    match settings.says("smtp_dns_support_level").as_str() {
        "" => !settings.is_yes("disable_dns_lookups"),
        level => level != "disabled",
    }
}

/// Who is asked for a relay's name: of two, the DNS comes first, whatever their order.
fn lookup(settings: &ProcessSettings) -> HostLookup {
    if !asks_dns(settings) {
        return HostLookup::System;
    }
    let ways = settings.says("smtp_host_lookup");
    let says = |way: &str| words(&ways).any(|word| word == way);
    match (says("native"), says("dns")) {
        (true, true) => HostLookup::DnsFirst,
        (true, false) => HostLookup::System,
        (false, _) => HostLookup::Dns,
    }
}

/// `transport:nexthop`, of which the second may be missing.
fn split(value: &Read<String>) -> (&str, Read<String>) {
    let (transport, nexthop) = value.value.split_once(':').unwrap_or((&value.value, ""));
    (transport.trim(), Read { value: nexthop.trim().to_owned(), at: value.at.clone() })
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ', '\t']).filter(|word| !word.is_empty())
}

/// `dane` demands TLS only of servers whose DNS announces it, which is for the probe
/// to see; every other level above `may` demands it of all.
fn tls(settings: &ProcessSettings) -> MailTls {
    if settings.is_yes("smtp_tls_wrappermode") {
        return MailTls::FromStart;
    }
    match level(&settings.says("smtp_tls_security_level")) {
        Some(level) => level,
        None if settings.is_yes("smtp_enforce_tls") => MailTls::StartTls,
        None if settings.is_yes("smtp_use_tls") => MailTls::IfOffered,
        None => MailTls::No,
    }
}

fn level(word: &str) -> Option<MailTls> {
    match word {
        "none" => Some(MailTls::No),
        "may" | "dane" => Some(MailTls::IfOffered),
        "encrypt" | "dane-only" | "fingerprint" | "verify" | "secure" => Some(MailTls::StartTls),
        _ => None,
    }
}

/// A next hop, as postfix's SMTP client finds it.
fn relay(hop: &str, settings: &ProcessSettings) -> Result<MailTo, String> {
    let asks_dns = asks_dns(settings);
    let (name, port, by_mx) = match hop.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']').ok_or("its bracket is not closed")?;
            (without_ipv6(name), port.strip_prefix(':'), false)
        }
        None if hop.parse::<IpAddr>().is_ok() => (hop, None, false),
        None => {
            let (name, port) = hop.split_once(':').map_or((hop, None), |(n, p)| (n, Some(p)));
            (name, port, asks_dns && name.parse::<IpAddr>().is_err())
        }
    };
    let usual = settings.value("smtp_tcp_port")?;
    let port = match port {
        Some(port) => Some(service(port)?),
        None if usual == "smtp" => None,
        None => Some(service(&usual)?),
    };
    let place: Place = host(name, port)?;
    Ok(MailTo::Relay { place, by_mx })
}

/// postfix takes an IPv6 address with this word before it, too.
fn without_ipv6(name: &str) -> &str {
    match name.split_at_checked(5) {
        Some((word, address)) if word.eq_ignore_ascii_case("ipv6:") => address,
        _ => name,
    }
}

/// A port by number, or by its name in `/etc/services`.
pub(super) fn service(name: &str) -> Result<u16, String> {
    match name {
        "smtp" | "mail" => Ok(25),
        "submission" | "msa" => Ok(587),
        "submissions" | "smtps" | "ssmtp" | "urd" => Ok(465),
        number => parse_port(number),
    }
}
