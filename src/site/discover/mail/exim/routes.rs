//! Follows mail through the routers, as `exim -bt` does: to whom is it handed?
//!
//! Every domain and sender that the routers name goes through them by itself, and so does a
//! receiver whom none of them names. A router's conditions all have to hold; one that takes
//! an address ends the search, one that declines hands on to the next unless it says
//! `no_more`. What a condition or a list of hosts becomes when exim runs is noted where the
//! files alone do not tell.
//!
//! Reference: The Exim Specification, 3 (routing), 15 (generic options), 16 to 24.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::facts::{Family, HostLookup, Mail, MailTls, MailTo, Share};
use super::super::super::lines::host;
use super::super::super::{At, Facts, Files};
use super::super::MISSING;
use super::config::{Block, EximConfig, EximSetting, is_true};
use super::expand::{Env, Stop, Texts, entries};
use super::lists::{HOST_ADDRESS, Tri, address_in, domain_in, host_in, items};
use crate::site::{Place, parse_port};

/// Ways mail leaves; a list may hold thousands, and a few of them tell whether relays are open.
const MOST_WAYS: usize = 32;
/// Domains and senders of which each is followed.
const MOST_NAMED: usize = 256;
/// Addresses that stand for each other, one after the other.
const MOST_REDIRECTS: u8 = 8;
/// What a way of some mail that cannot be told would have been.
const SOME_RELAYS: &str = "the relays of some mail";
/// Which mail a router that asks the DNS leaves to those behind it.
const UNKNOWN: &str = "to domains the DNS does not know";
/// A receiver whom no list can name (RFC 6761 keeps the domain free).
const RECEIVER: &str = "preflight-receiver";
const ELSEWHERE: &str = "preflight-elsewhere.invalid";

/// What is known about one machine's exim.
pub(super) struct Exim<'a> {
    pub(super) files: &'a Files,
    pub(super) facts: &'a mut Facts,
    pub(super) config: &'a EximConfig,
    /// This machine's own name.
    pub(super) host_name: Option<String>,
}

/// Who writes to whom, and what is said of this mail where it goes a way of its own.
#[derive(Clone, Debug)]
struct TestLetter {
    local_part: String,
    domain: String,
    sender: String,
    label: Option<String>,
}

impl TestLetter {
    /// From nobody in particular to somebody elsewhere.
    fn anybodys() -> Self {
        Self {
            local_part: RECEIVER.to_owned(),
            domain: ELSEWHERE.to_owned(),
            sender: String::new(),
            label: None,
        }
    }
}

/// What a router makes of an address.
enum Routed {
    /// The router takes the mail.
    Taken(Vec<Mail>),
    /// It takes it; when its host, or its domain, cannot be found, the next router does.
    TakenElse(Vec<Mail>),
    /// Not its business.
    Declined,
    /// That cannot be told and is noted; it may also decline.
    Unknown,
    /// It takes it, but where to cannot be told; noted.
    Lost,
    /// Another address stands for it.
    Instead(String),
}

impl Exim<'_> {
    fn walk<'t>(&'t self, texts: &'t Texts) -> RouteWalk<'t> {
        RouteWalk {
            files: self.files,
            config: self.config,
            texts,
            host_name: self.host_name.clone(),
            noted: BTreeSet::new(),
            notes: Vec::new(),
            perhaps: Vec::new(),
        }
    }

    /// The ways of mail from and to these addresses alone, and each note.
    #[cfg(test)]
    pub(super) fn one(&self, sender: Option<&str>, receiver: &str) -> (Vec<Mail>, Vec<String>) {
        let texts = Texts::default();
        let mut walk = self.walk(&texts);
        let (local_part, domain) = receiver.split_once('@').unwrap();
        let sender = sender.map_or_else(|| walk.usual_sender(), str::to_owned);
        let [local_part, domain] = [local_part, domain].map(str::to_owned);
        let ways = walk.route(&TestLetter { local_part, domain, sender, label: None }, 0, 0);
        (ways, walk.notes.into_iter().map(|(at, reason, _)| format!("{at}: {reason}")).collect())
    }

    /// All ways mail leaves this machine.
    pub(super) fn ways(&mut self) -> Vec<Mail> {
        let texts = Texts::default();
        let mut walk = self.walk(&texts);
        let sender = walk.usual_sender();
        let letter = |domain: &str, sender: &str, label: Option<String>| TestLetter {
            local_part: RECEIVER.to_owned(),
            domain: domain.to_owned(),
            sender: sender.to_owned(),
            label,
        };
        let rest = walk.route(&letter(ELSEWHERE, &sender, None), 0, 0);
        let perhaps = std::mem::take(&mut walk.perhaps);
        let mut some = Vec::new();
        for (name, domain) in walk.domains() {
            let letter = letter(&domain, &sender, Some(format!("to {name}")));
            some.push(walk.route(&letter, 0, 0));
        }
        for (name, address) in walk.senders() {
            let letter = letter(ELSEWHERE, &address, Some(format!("from {name}")));
            some.push(walk.route(&letter, 0, 0));
        }
        let is_usual = |ways: &[Mail]| {
            ways.first().map(|way| (&way.to, way.tls)) == rest.first().map(|way| (&way.to, way.tls))
        };
        let mut ways: Vec<Mail> = Vec::new();
        let mut is_full = false;
        for group in perhaps.into_iter().chain(some) {
            let leaves = group.first().is_some_and(|way| !matches!(way.to, MailTo::Nobody(_)));
            if !leaves || is_usual(&group) {
                continue;
            }
            for way in group {
                let is_same = |known: &Mail| known.to == way.to && known.tls == way.tls;
                if ways.iter().any(is_same) {
                    continue;
                }
                if ways.len() < MOST_WAYS {
                    ways.push(way);
                } else if !std::mem::replace(&mut is_full, true) {
                    let reason = "from here on no more relays of some mail are read".to_owned();
                    walk.notes.push((way.at, reason, SOME_RELAYS));
                }
            }
        }
        ways.extend(rest);
        let notes = walk.notes;
        for (at, reason, missing) in notes {
            self.facts.note(at, reason, missing);
        }
        ways
    }
}

struct RouteWalk<'a> {
    files: &'a Files,
    config: &'a EximConfig,
    texts: &'a Texts,
    host_name: Option<String>,
    /// Each is said once, however many addresses meet it.
    noted: BTreeSet<(At, String)>,
    notes: Vec<(At, String, &'static str)>,
    /// The ways of routers of which it cannot be told whether they take this mail.
    perhaps: Vec<Vec<Mail>>,
}

impl<'a> RouteWalk<'a> {
    fn note(&mut self, at: &At, reason: String, missing: &'static str) {
        if self.noted.insert((at.clone(), reason.clone())) {
            self.notes.push((at.clone(), reason, missing));
        }
    }

    /// What is known of this machine, and of the letter.
    fn env(&self, letter: &TestLetter) -> Env<'a> {
        let mut variables = BTreeMap::new();
        let own = self.config.of("primary_hostname").map(|setting| setting.value.clone());
        let own = own.or_else(|| self.host_name.clone());
        let qualify =
            self.config.of("qualify_recipient").or_else(|| self.config.of("qualify_domain"));
        let qualify = qualify.map(|setting| setting.value.clone()).or_else(|| own.clone());
        variables.extend(own.map(|name| ("primary_hostname", name)));
        variables.extend(qualify.map(|name| ("qualify_domain", name)));
        variables.insert("domain", letter.domain.clone());
        // Mail of this machine's own comes from no other host.
        variables.insert("sender_host_address", String::new());
        variables.insert("sender_host_name", String::new());
        Env { files: self.files, config: self.config, variables, texts: self.texts }
    }

    fn usual_sender(&self) -> String {
        let qualify = self.config.of("qualify_domain").map(|setting| setting.value.as_str());
        let own = qualify.or(self.host_name.as_deref()).unwrap_or("localhost");
        format!("preflight-sender@{own}")
    }

    /// The domains that routers name, and one that each stands for.
    fn domains(&self) -> Vec<(String, String)> {
        let env = self.env(&TestLetter::anybodys());
        let mut named = Vec::new();
        for router in &self.config.routers {
            Self::named(router.says("domains"), "domainlist", &env, 0, &mut named);
            for rule in items(router.says("route_list"), ';') {
                let pattern = rule.split_whitespace().next().unwrap_or_default();
                Self::named(pattern.trim_matches('"'), "domainlist", &env, 0, &mut named);
            }
            for name in ["domains", "route_data"] {
                named.extend(keys(router.says(name), &env));
            }
        }
        let mut seen = BTreeSet::new();
        named.retain(|name| seen.insert(name.to_ascii_lowercase()));
        let sample = |name: String| {
            let domain = name.strip_prefix('*').map_or_else(
                || name.clone(),
                |end| if end.starts_with('.') { format!("preflight{end}") } else { end.to_owned() },
            );
            (name, domain.to_ascii_lowercase())
        };
        let named = named.into_iter().map(sample).filter(|(_, domain)| !domain.is_empty());
        named.take(MOST_NAMED).collect()
    }

    /// The senders that routers name, and one that each stands for.
    fn senders(&self) -> Vec<(String, String)> {
        let env = self.env(&TestLetter::anybodys());
        let mut named = Vec::new();
        for router in &self.config.routers {
            Self::named(router.says("senders"), "addresslist", &env, 0, &mut named);
        }
        let sample = |name: String| {
            let (local, domain) = name.rsplit_once('@').unwrap_or(("*", &name));
            let local = local
                .strip_prefix('*')
                .map_or_else(|| local.to_owned(), |end| format!("preflight{end}"));
            let domain = domain
                .strip_prefix('*')
                .map_or_else(|| domain.to_owned(), |end| format!("preflight{end}"));
            let address = format!("{local}@{domain}");
            (name, address)
        };
        named.into_iter().take(MOST_NAMED).map(sample).collect()
    }

    /// The items of a list, and of those it names, that are names or their ends.
    fn named(list: &str, kind: &str, env: &Env<'_>, depth: u8, out: &mut Vec<String>) {
        let Ok(list) = env.expand(list) else { return };
        for item in items(&list, ':') {
            let item = item.trim_start_matches('!').trim_start();
            if let Some(name) = item.strip_prefix('+') {
                if let Some(list) = env.config.list(kind, name).filter(|_| depth < 8) {
                    Self::named(&list.value, kind, env, depth + 1, out);
                }
            } else if item.contains(';') {
                out.extend(keys(item, env));
            } else if !item.is_empty() && item != "*" && !item.starts_with(['^', '@', '/', '$']) {
                out.push(item.to_owned());
            }
        }
    }

    /// Hands the letter to the routers from the one with this number on.
    fn route(&mut self, letter: &TestLetter, from: usize, redirects: u8) -> Vec<Mail> {
        let config = self.config;
        let share = || letter.label.clone().map_or(Share::Rest, Share::Some);
        if let Some(hold) = config.of("hold_domains")
            && domain_in(&hold.value, &letter.domain, &self.env(letter), 0) == Tri::Yes
        {
            let reason = "hold_domains keeps it in the queue".to_owned();
            return vec![nobody(reason, share(), hold.at.clone())];
        }
        let mut kept: Vec<Mail> = Vec::new();
        for (index, router) in config.routers.iter().enumerate().skip(from) {
            let env = self.env(letter);
            let perhaps = match takes(router, letter, &env) {
                Takes::No => continue,
                Takes::Yes => false,
                Takes::Unknown(setting, reason) => {
                    let reason = format!(
                        "whether router `{}` takes mail is not known: `{}`: {reason}",
                        router.name, setting.name
                    );
                    self.note(&setting.at, reason, MISSING);
                    true
                }
            };
            let routed = self.ask(router, letter, share(), &env);
            let goes_on = perhaps || router.is_on("unseen", false);
            match routed {
                Routed::Taken(ways) | Routed::TakenElse(ways) if perhaps => {
                    if letter.label.is_none() {
                        let which = format!("that router `{}` takes", router.name);
                        self.perhaps.push(with_share(ways, Share::Some(which)));
                    }
                }
                Routed::Taken(ways) if goes_on => kept.extend(ways),
                Routed::Taken(ways) => {
                    kept.extend(ways);
                    return kept;
                }
                Routed::TakenElse(ways) => {
                    kept.extend(ways);
                    let others = self.route(letter, index + 1, redirects);
                    let leaves = others.iter().filter(|way| !matches!(way.to, MailTo::Nobody(_)));
                    let others: Vec<Mail> = leaves.cloned().collect();
                    let is_by_dns = router.says("driver") == "dnslookup";
                    kept.extend(match &letter.label {
                        None if is_by_dns => with_share(others, Share::Some(UNKNOWN.to_owned())),
                        _ => with_share(others, Share::Fallback),
                    });
                    return kept;
                }
                Routed::Lost if !goes_on => return kept,
                Routed::Instead(address) if !goes_on && redirects < MOST_REDIRECTS => {
                    let (local_part, domain) = address.rsplit_once('@').unwrap_or((&address, ""));
                    let instead = TestLetter {
                        local_part: local_part.to_owned(),
                        domain: domain.to_ascii_lowercase(),
                        ..letter.clone()
                    };
                    kept.extend(self.route(&instead, 0, redirects + 1));
                    return kept;
                }
                Routed::Declined | Routed::Unknown if !perhaps && !router.is_on("more", true) => {
                    if matches!(routed, Routed::Declined) {
                        let reason = format!("router `{}` has no way for it", router.name);
                        kept.push(nobody(reason, share(), router.at.clone()));
                    }
                    return kept;
                }
                Routed::Declined | Routed::Unknown | Routed::Lost | Routed::Instead(_) => {}
            }
        }
        match config.file.clone() {
            Some(at) if kept.is_empty() => {
                vec![nobody("no router takes it".to_owned(), share(), at)]
            }
            _ => kept,
        }
    }

    /// What the driver of a router does.
    fn ask(&mut self, router: &Block, letter: &TestLetter, share: Share, env: &Env<'_>) -> Routed {
        let Some(driver) = router.of("driver") else { return Routed::Declined };
        match driver.value.as_str() {
            // What the DNS does not know goes on, unless it says otherwise.
            "dnslookup" if router.is_on("more", true) => {
                match self.carry(router, None, driver, share, env) {
                    Routed::Taken(ways) => Routed::TakenElse(ways),
                    other => other,
                }
            }
            "dnslookup" | "accept" => self.carry(router, None, driver, share, env),
            "manualroute" => self.by_hand(router, letter, share, env),
            "redirect" => self.redirect(router, share, env),
            // Only for addresses like `postmaster@[192.0.2.1]`.
            "ipliteral" => Routed::Declined,
            other => {
                let reason =
                    format!("router `{}` asks a program or a server (`{other}`)", router.name);
                self.note(&driver.at, reason, MISSING);
                Routed::Unknown
            }
        }
    }

    /// `route_data`, or the rule of `route_list` that is for this domain.
    fn by_hand(
        &mut self,
        router: &Block,
        letter: &TestLetter,
        share: Share,
        env: &Env<'_>,
    ) -> Routed {
        if let Some(data) = router.of("route_data") {
            return match env.expand(&data.value) {
                Err(Stop::Failed) => Routed::Declined,
                Ok(hosts) if hosts.trim().is_empty() => Routed::Declined,
                Ok(hosts) => self.carry(router, Some(&hosts), data, share, env),
                Err(Stop::Unknown(reason)) => {
                    let reason =
                        format!("the relay of router `{}` is not known: {reason}", router.name);
                    self.note(&data.at, reason, MISSING);
                    Routed::Unknown
                }
            };
        }
        let Some(list) = router.of("route_list") else { return Routed::Declined };
        for rule in items(&list.value, ';') {
            let (pattern, hosts) = word(&rule);
            match domain_in(&pattern, &letter.domain, env, 0) {
                Tri::No => continue,
                Tri::Yes => {}
                Tri::Unknown(reason) => {
                    let reason = format!("whether `{pattern}` fits is not known: {reason}");
                    self.note(&list.at, reason, MISSING);
                    return Routed::Unknown;
                }
            }
            // `$1` is what a star stood for.
            let one = pattern.strip_prefix('*').and_then(|end| letter.domain.strip_suffix(end));
            let one = one.map(|one| env.with("1", one));
            return match one.as_ref().unwrap_or(env).expand(hosts) {
                Err(Stop::Failed) => Routed::Declined,
                Ok(hosts) => self.carry(router, Some(&hosts), list, share, env),
                Err(Stop::Unknown(reason)) => {
                    let reason =
                        format!("the relay of router `{}` is not known: {reason}", router.name);
                    self.note(&list.at, reason, MISSING);
                    Routed::Lost
                }
            };
        }
        Routed::Declined
    }

    /// `data` of a redirect router: other addresses, or a word about the mail.
    fn redirect(&mut self, router: &Block, share: Share, env: &Env<'_>) -> Routed {
        let Some(data) = router.of("data").or_else(|| router.of("file")) else {
            return Routed::Declined;
        };
        let unknown =
            |reason: &str| format!("router `{}` may send mail elsewhere: {reason}", router.name);
        if data.name == "file" {
            self.note(&data.at, unknown("a file of its own says where to"), MISSING);
            return Routed::Unknown;
        }
        let to = match env.expand(&data.value) {
            Err(Stop::Failed) => return Routed::Declined,
            Err(Stop::Unknown(reason)) => {
                self.note(&data.at, unknown(&reason), MISSING);
                return Routed::Unknown;
            }
            Ok(to) => to.trim().to_owned(),
        };
        if to.is_empty() {
            return Routed::Declined;
        }
        let word = to.strip_prefix(':').and_then(|rest| rest.split_once(':'));
        if let Some((word, text)) = word {
            let reason = match word {
                "fail" => format!("router `{}` refuses it: {}", router.name, text.trim()),
                "defer" => format!("router `{}` keeps it: {}", router.name, text.trim()),
                "blackhole" => format!("router `{}` throws it away", router.name),
                _ => {
                    self.note(&data.at, unknown(&format!("`:{word}:`")), MISSING);
                    return Routed::Unknown;
                }
            };
            return Routed::Taken(vec![nobody(reason, share, place_of(data))]);
        }
        if to.starts_with(['|', '/', '"']) {
            let reason = format!("router `{}` hands it to {to}", router.name);
            return Routed::Taken(vec![nobody(reason, share, place_of(data))]);
        }
        if to.contains([',', '\n', '<', '(']) {
            self.note(&data.at, unknown("it has several addresses"), MISSING);
            return Routed::Unknown;
        }
        let qualify = env.variables.get("qualify_domain").cloned().unwrap_or_default();
        Routed::Instead(if to.contains('@') { to } else { format!("{to}@{qualify}") })
    }

    /// Hands mail to the router's transport, with the hosts it names.
    fn carry(
        &mut self,
        router: &Block,
        hosts: Option<&str>,
        set: &EximSetting,
        share: Share,
        env: &Env<'_>,
    ) -> Routed {
        let (hosts, words) = match hosts {
            Some(rule) => {
                let (hosts, words) = word(rule);
                (Some(hosts), words)
            }
            None => (None, ""),
        };
        let is_option = |word: &&str| {
            ["byname", "bydns", "randomize", "no_randomize", "ipv4_only", "ipv4_prefer"]
                .contains(word)
                || word.starts_with("bydns:")
                || word.starts_with("byname:")
                || word.starts_with("bydns_")
        };
        let own = words.split_whitespace().find(|word| !is_option(word));
        let name =
            match own.map(str::to_owned).map_or_else(|| env.expand(router.says("transport")), Ok) {
                Ok(name) => name.trim().to_owned(),
                Err(Stop::Failed) => String::new(),
                Err(Stop::Unknown(reason)) => {
                    let reason =
                        format!("the transport of router `{}` is not known: {reason}", router.name);
                    self.note(&set.at, reason, MISSING);
                    return Routed::Lost;
                }
            };
        let Some(transport) = self.config.transport(&name) else {
            // exim keeps the mail until there is one.
            let reason =
                format!("router `{}` names a transport that is not there, `{name}`", router.name);
            return Routed::Taken(vec![nobody(reason, share, place_of(set))]);
        };
        if transport.says("driver") != "smtp" {
            let reason = format!("transport `{name}` delivers here");
            return Routed::Taken(vec![nobody(reason, share, place_of(set))]);
        }
        if hosts.as_deref().is_some_and(|hosts| hosts.trim().is_empty()) {
            // Whether the transport names some is not looked at: exim keeps the mail.
            let reason = format!("router `{}` names no host", router.name);
            return Routed::Taken(vec![nobody(reason, share, place_of(set))]);
        }
        let own = transport.of("hosts");
        let is_own = own.is_some() && (hosts.is_none() || transport.is_on("hosts_override", false));
        let is_by_dns =
            router.says("driver") == "dnslookup" && !transport.is_on("hosts_override", false);
        let by_transport = Looks::of_transport(transport);
        let mut looks = Looks::of_router(words);
        let (hosts, at) = match own {
            Some(own) if is_own && !is_by_dns => {
                if let Ok(hosts) = env.expand(&own.value) {
                    looks = by_transport;
                    (Some(hosts), place_of(own))
                } else {
                    let reason = format!("the relay of transport `{name}` is computed");
                    self.note(&own.at, reason, MISSING);
                    return Routed::Lost;
                }
            }
            _ => (hosts, place_of(set)),
        };
        let mut ways = match hosts {
            Some(hosts) => self.relays(&hosts, transport, looks, share, &at, env),
            None if is_by_dns => {
                vec![way(MailTo::Receivers, transport, looks, share, at, env, self)]
            }
            None => {
                let reason = format!("router `{}` and its transport name no host", router.name);
                self.note(&set.at, reason, MISSING);
                return Routed::Lost;
            }
        };
        if let Some(more) = router.of("fallback_hosts").or_else(|| transport.of("fallback_hosts")) {
            match env.expand(&more.value) {
                Ok(hosts) => {
                    let at = place_of(more);
                    let share = Share::Fallback;
                    let more = self.relays(&hosts, transport, by_transport, share, &at, env);
                    ways.extend(with_share(more, Share::Fallback));
                }
                Err(_) => {
                    self.note(&more.at, "the further hosts are computed".to_owned(), SOME_RELAYS);
                }
            }
        }
        if ways.is_empty() {
            return Routed::Lost;
        }
        match router.says("host_find_failed") {
            "pass" | "decline" if router.says("driver") == "manualroute" => Routed::TakenElse(ways),
            _ => Routed::Taken(ways),
        }
    }

    /// The hosts of a list, of which the first is tried first.
    fn relays(
        &mut self,
        hosts: &str,
        transport: &Block,
        looks: Looks,
        share: Share,
        at: &At,
        env: &Env<'_>,
    ) -> Vec<Mail> {
        let mut ways = Vec::new();
        let mut share = share;
        for item in items(hosts, ':').iter().filter(|item| !item.is_empty() && *item != "+") {
            let (name, port) = with_port(item);
            let (name, by_mx) = match name.split_at_checked(name.len().saturating_sub(3)) {
                Some((name, mx)) if mx.eq_ignore_ascii_case("/mx") => (name, true),
                _ => (name, false),
            };
            if name.eq_ignore_ascii_case(ELSEWHERE) {
                let this = std::mem::replace(&mut share, Share::Fallback);
                ways.push(way(MailTo::Receivers, transport, looks, this, at.clone(), env, self));
                continue;
            }
            match host(name, port) {
                Ok(place) => {
                    let this = std::mem::replace(&mut share, Share::Fallback);
                    let to = MailTo::Relay { place, by_mx };
                    ways.push(way(to, transport, looks, this, at.clone(), env, self));
                }
                Err(reason) => self.note(at, reason, MISSING),
            }
        }
        ways
    }
}

/// Does a router take the letter, as far as its conditions say?
enum Takes<'a> {
    Yes,
    No,
    Unknown(&'a EximSetting, String),
}

fn takes<'a>(router: &'a Block, letter: &TestLetter, env: &Env<'_>) -> Takes<'a> {
    let mut unknown = None;
    for setting in router.all() {
        let value = setting.value.as_str();
        let known = match setting.name.as_str() {
            // A user of this machine has no address elsewhere.
            "verify_only" | "check_local_user" if is_true(value) => Tri::No,
            "local_part_prefix" if !router.is_on("local_part_prefix_optional", false) => Tri::No,
            "local_part_suffix" if !router.is_on("local_part_suffix_optional", false) => Tri::No,
            "domains" => domain_in(value, &letter.domain, env, 0),
            // Receivers' names are like domains in this: a list of names and their ends.
            "local_parts" => domain_in(value, &letter.local_part, env, 0),
            "senders" => address_in(value, &letter.sender, env, 0),
            "require_files" => required(value, env),
            "condition" => match env.expand(value) {
                Ok(value) => {
                    let value = value.trim();
                    if ["", "0", "no", "false"].contains(&value.to_ascii_lowercase().as_str()) {
                        Tri::No
                    } else {
                        Tri::Yes
                    }
                }
                Err(Stop::Failed) => Tri::No,
                Err(Stop::Unknown(reason)) => Tri::Unknown(reason),
            },
            _ => Tri::Yes,
        };
        match known {
            Tri::Yes => {}
            Tri::No => return Takes::No,
            Tri::Unknown(reason) => unknown = unknown.or(Some((setting, reason))),
        }
    }
    match unknown {
        Some((setting, reason)) => Takes::Unknown(setting, reason),
        None => Takes::Yes,
    }
}

fn required(list: &str, env: &Env<'_>) -> Tri {
    let list = match env.expand(list) {
        Ok(list) => list,
        Err(Stop::Failed) => return Tri::No,
        Err(Stop::Unknown(reason)) => return Tri::Unknown(reason),
    };
    for item in items(&list, ':') {
        let (path, is_negated) = match item.strip_prefix('!') {
            Some(path) => (path.trim_start(), true),
            None => (item.trim_start_matches('+').trim_start(), false),
        };
        // A name without a `/` says as whom to look.
        if path.starts_with('/') && env.files.exists(path) == is_negated {
            return Tri::No;
        }
    }
    Tri::Yes
}

/// One way, with what its transport does about TLS, a login and its own address.
fn way(
    to: MailTo,
    transport: &Block,
    looks: Looks,
    share: Share,
    at: At,
    env: &Env<'_>,
    walk: &mut RouteWalk<'_>,
) -> Mail {
    let name = match &to {
        MailTo::Relay { place, .. } => place.host.clone(),
        MailTo::Receivers | MailTo::Nobody(_) => ELSEWHERE.to_owned(),
    };
    let env = env.with("host", &name).with("host_address", HOST_ADDRESS);
    let mut is_in = |option: &str, missing: &'static str| {
        let Some(setting) = transport.of(option) else { return false };
        match host_in(&setting.value, &name, &env, 0) {
            Tri::Yes => true,
            Tri::No => false,
            Tri::Unknown(reason) => {
                walk.note(&setting.at, format!("`{option}` is not known: {reason}"), missing);
                false
            }
        }
    };
    let asks_tls = "whether mail needs TLS";
    let asks_login = "whether mail needs a login";
    let protocol = transport.says("protocol").to_ascii_lowercase();
    let tls = if protocol == "smtps" {
        MailTls::FromStart
    } else if is_in("hosts_require_tls", asks_tls) || is_in("hosts_require_dane", asks_tls) {
        MailTls::StartTls
    } else if is_in("hosts_avoid_tls", asks_tls) {
        MailTls::No
    } else {
        MailTls::IfOffered
    };
    let login = is_in("hosts_require_auth", asks_login) || is_in("hosts_try_auth", asks_login);
    if protocol == "lmtp" {
        walk.note(&at, format!("mail goes to {name} by LMTP, which is not asked"), MISSING);
    }
    let usual = match transport.of("port").map(|setting| setting.value.as_str()) {
        Some("smtp") | None => (tls == MailTls::FromStart).then_some(465),
        Some(port) => named_port(port).or_else(|| {
            let at = transport.of("port").map_or(&transport.at, |setting| &setting.at);
            walk.note(at, format!("port `{port}` is not known"), MISSING);
            None
        }),
    };
    let to = match to {
        MailTo::Relay { place, by_mx } => {
            let by_mx = by_mx && place.host.parse::<std::net::IpAddr>().is_err();
            let port = place.port.or(usual);
            MailTo::Relay { place: Place { port, ..place }, by_mx }
        }
        other => other,
    };
    let from = transport.of("interface").map_or_else(Vec::new, |own| {
        if let Ok(list) = env.expand(&own.value) {
            items(&list, ':').iter().filter_map(|item| item.parse().ok()).collect()
        } else {
            walk.note(&own.at, "the address mail leaves from is computed".to_owned(), "it");
            Vec::new()
        }
    });
    let is_v4 = looks.is_v4
        || walk.config.of("disable_ipv6").is_some_and(|setting| is_true(&setting.value));
    let family = is_v4.then_some(Family::V4);
    let lookup = match &to {
        MailTo::Relay { by_mx: true, .. } => HostLookup::Dns,
        // To a name with a dot nothing is appended.
        MailTo::Relay { place, .. }
            if looks.lookup == HostLookup::DnsDomain && place.host.contains('.') =>
        {
            HostLookup::Dns
        }
        _ => looks.lookup,
    };
    Mail { share, tls, login, from, family, lookup, ..Mail::of("exim", to, at) }
}

/// How the hosts of a list are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    lookup: HostLookup,
    /// IPv6 addresses are left out.
    is_v4: bool,
}

impl Looks {
    /// As the words behind a router's hosts say: the DNS first, unless they say otherwise.
    fn of_router(words: &str) -> Self {
        let says = |word: &str| words.split_whitespace().any(|own| own == word);
        let by_dns = |word: &str| {
            word == "bydns" || word.starts_with("bydns:") || word.starts_with("bydns_")
        };
        let lookup = if words.split_whitespace().any(by_dns) {
            HostLookup::Dns
        } else if says("byname") {
            HostLookup::System
        } else {
            HostLookup::DnsFirst
        };
        Self { lookup, is_v4: says("ipv4_only") }
    }

    /// A transport asks the DNS alone for hosts of its own, and for those a router falls back to;
    /// one without a dot is a name of this machine's domain, unless it says otherwise.
    fn of_transport(transport: &Block) -> Self {
        let lookup = if transport.is_on("gethostbyname", false) {
            HostLookup::System
        } else if transport.is_on("dns_qualify_single", true) {
            HostLookup::DnsDomain
        } else {
            HostLookup::Dns
        };
        Self { lookup, is_v4: false }
    }
}

fn nobody(reason: String, share: Share, at: At) -> Mail {
    Mail { share, at, ..Mail::of("exim", MailTo::Nobody(reason), At::file("")) }
}

/// Where a setting was made; an answer that has it read at all goes before a template.
fn place_of(setting: &EximSetting) -> At {
    let other = setting.because.as_ref().filter(|because| {
        because.file.as_ref() == super::debian::ANSWERS && because.file != setting.at.file
    });
    other.unwrap_or(&setting.at).clone()
}

/// The first way's share; all others are for when it fails.
fn with_share(ways: Vec<Mail>, share: Share) -> Vec<Mail> {
    let mut share = share;
    let each = ways.into_iter().map(|way| {
        let this = std::mem::replace(&mut share, Share::Fallback);
        Mail { share: this, ..way }
    });
    each.collect()
}

/// The first word, or what stands in quotes, and what follows.
fn word(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let inside = text.strip_prefix('"').and_then(|text| text.split_once('"'));
    if let Some((word, rest)) = inside {
        (word.to_owned(), rest.trim_start())
    } else {
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        (word.to_owned(), rest.trim_start())
    }
}

/// `host:587`, `[2001:db8::25]:587`; what is not a port belongs to the name.
fn with_port(item: &str) -> (&str, Option<u16>) {
    let Some((name, digits)) = item.rsplit_once(':') else { return (bare(item), None) };
    let port = digits.parse::<u16>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    if name.starts_with('[') && name.ends_with(']') && port.is_some() {
        return (bare(name), port);
    }
    if item.parse::<std::net::IpAddr>().is_ok() || port.is_none() {
        return (bare(item), None);
    }
    (bare(name), port)
}

fn bare(name: &str) -> &str {
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

/// A port by number, or by its name in `/etc/services`.
fn named_port(name: &str) -> Option<u16> {
    super::super::postfix::service(name).or_else(|_| parse_port(name)).ok()
}

/// The keys of the text file that a list or a lookup names: `lsearch;/etc/exim4/hubbed_hosts`.
fn keys(text: &str, env: &Env<'_>) -> Vec<String> {
    let Some((_, after)) = text.split_once("lsearch") else { return Vec::new() };
    let path = after.trim_start_matches('*').strip_prefix([';', '{']).unwrap_or_default();
    let path = path.split(['}', ' ', ':']).next().unwrap_or_default().trim();
    if !path.starts_with('/') {
        return Vec::new();
    }
    let text = env.read(path).map(|text| entries(&text)).unwrap_or_default();
    text.into_iter().map(|(key, _)| key).take(MOST_NAMED).collect()
}
