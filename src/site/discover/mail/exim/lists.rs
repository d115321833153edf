//! exim's lists: what parts them, and whether a domain, an address or a host is in one.
//!
//! A colon parts items, a doubled one is a colon; `<;` at the start names another sign. The
//! first item that fits decides, `!` before it turns that round; a list that ends in a
//! negated item holds everything else.
//!
//! Reference: The Exim Specification, 6.20 (lists) and 10 (domain, host, address lists).

use std::net::IpAddr;

use super::expand::{Env, Stop};

/// Lists inside each other.
const MOST_NESTED: u8 = 8;
/// Items of one list.
const MOST_ITEMS: usize = 1_024;

/// Yes, no, or not to be told here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tri {
    Yes,
    No,
    /// Why it cannot be told, as a clause.
    Unknown(String),
}

impl Tri {
    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            unknown @ Self::Unknown(_) => unknown,
        }
    }
}

/// The items of a list, without the white space around them.
pub(super) fn items(list: &str, usual: char) -> Vec<String> {
    let list = list.trim_start();
    let own = list.strip_prefix('<').and_then(|rest| {
        let sign = rest.chars().next().filter(char::is_ascii_punctuation)?;
        Some((sign, rest.get(1..)?.trim_start()))
    });
    let (sign, list) = own.unwrap_or((usual, list));
    let mut items = vec![String::new()];
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        if c == sign && chars.next_if_eq(&sign).is_none() {
            if items.len() >= MOST_ITEMS {
                break;
            }
            items.push(String::new());
        } else if let Some(last) = items.last_mut() {
            last.push(c);
        }
    }
    for item in &mut items {
        *item = item.trim().to_owned();
    }
    if items.last().is_some_and(String::is_empty) {
        items.pop();
    }
    items
}

/// Is `domain` in the list?
pub(super) fn domain_in(list: &str, domain: &str, env: &Env<'_>, depth: u8) -> Tri {
    member(list, env, depth, &|item, depth| one_domain(item, domain, env, depth))
}

/// Is the sender in the list of addresses?
pub(super) fn address_in(list: &str, address: &str, env: &Env<'_>, depth: u8) -> Tri {
    member(list, env, depth, &|item, depth| one_address(item, address, env, depth))
}

/// Is a relay, of which the name is known, in the list of hosts?
pub(super) fn host_in(list: &str, host: &str, env: &Env<'_>, depth: u8) -> Tri {
    member(list, env, depth, &|item, depth| one_host(item, host, env, depth))
}

fn member(list: &str, env: &Env<'_>, depth: u8, one: &dyn Fn(&str, u8) -> Tri) -> Tri {
    if depth > MOST_NESTED {
        return Tri::Unknown("its lists are nested too deeply".to_owned());
    }
    let list = match env.expand(list) {
        Ok(list) => list,
        // exim passes over a list that fails by its own word.
        Err(Stop::Failed) => return Tri::No,
        Err(Stop::Unknown(reason)) => return Tri::Unknown(reason),
    };
    let mut unknown: Option<(String, bool)> = None;
    let mut last_is_negated = false;
    let mut decided = None;
    for item in items(&list, ':') {
        let (item, is_negated) = match item.strip_prefix('!') {
            Some(item) => (item.trim_start(), true),
            None => (item.as_str(), false),
        };
        last_is_negated = is_negated;
        match one(item, depth + 1) {
            Tri::Yes => {
                decided = Some(!is_negated);
                break;
            }
            Tri::No => {}
            Tri::Unknown(reason) => unknown = unknown.or(Some((reason, !is_negated))),
        }
    }
    let result = decided.unwrap_or(last_is_negated);
    match unknown {
        Some((reason, would_be)) if would_be != result => Tri::Unknown(reason),
        _ => Tri::of(result),
    }
}

fn one_domain(item: &str, domain: &str, env: &Env<'_>, depth: u8) -> Tri {
    if let Some(name) = item.strip_prefix('+') {
        return named("domainlist", name, env, &|list| domain_in(list, domain, env, depth));
    }
    if let Some(known) = looked_up(item, domain, env) {
        return known;
    }
    match item {
        "@" => match env.variables.get("primary_hostname") {
            Some(name) => Tri::of(name.eq_ignore_ascii_case(domain)),
            // Mail to this machine itself does not leave it.
            None => Tri::No,
        },
        "@[]" => Tri::No,
        _ if item.starts_with("@mx_") => {
            Tri::Unknown("it asks the DNS for mail servers".to_owned())
        }
        _ if item.starts_with('^') => Tri::Unknown(format!("it depends on a pattern, `{item}`")),
        _ if item.starts_with('/') => {
            in_file(item, env, &|line| one_domain(line, domain, env, depth + 1))
        }
        _ => Tri::of(ends_like(item, domain)),
    }
}

fn one_address(item: &str, address: &str, env: &Env<'_>, depth: u8) -> Tri {
    if let Some(name) = item.strip_prefix('+') {
        return named("addresslist", name, env, &|list| address_in(list, address, env, depth));
    }
    if item.starts_with('^') || item.starts_with("@@") {
        return Tri::Unknown(format!("it depends on a pattern, `{item}`"));
    }
    if let Some(known) = looked_up(item, address, env) {
        return known;
    }
    if item.starts_with('/') {
        return in_file(item, env, &|line| one_address(line, address, env, depth + 1));
    }
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    match item.rsplit_once('@') {
        Some((of, at)) => {
            let fits = of.strip_prefix('*').map_or(of == local, |end| local.ends_with(end));
            if fits { one_domain(at, domain, env, depth) } else { Tri::No }
        }
        // The sender of a bounce.
        None if item.is_empty() => Tri::of(address.is_empty()),
        None => one_domain(item, domain, env, depth),
    }
}

fn one_host(item: &str, host: &str, env: &Env<'_>, depth: u8) -> Tri {
    if let Some(name) = item.strip_prefix('+') {
        return named("hostlist", name, env, &|list| host_in(list, host, env, depth));
    }
    let address: Option<IpAddr> = host.parse().ok();
    let network = item.split_once('/').map_or(item, |(network, _)| network);
    if network.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return match address {
            Some(address) if network == item => {
                Tri::of(item.trim_matches(['[', ']']).parse() == Ok(address))
            }
            Some(address) => Tri::of(super::super::super::route::holds(item, address)),
            None => Tri::Unknown(format!("`{item}` holds addresses, and {host} is a name")),
        };
    }
    match item {
        "*" | HOST_ADDRESS => Tri::Yes,
        _ if item.starts_with(['^', '@', '/']) || item.contains(';') => {
            Tri::Unknown(format!("it depends on `{item}`"))
        }
        _ if address.is_some() => Tri::Unknown(format!("it needs the name of {host}")),
        _ => Tri::of(ends_like(item, host)),
    }
}

/// Stands for the relay's address, which is not known before its name was asked.
pub(super) const HOST_ADDRESS: &str = "the-address-of-the-relay";

fn named(kind: &str, name: &str, env: &Env<'_>, of: &dyn Fn(&str) -> Tri) -> Tri {
    match env.config.list(kind, name) {
        Some(list) => of(&list.value),
        None => Tri::Unknown(format!("there is no {kind} `{name}`")),
    }
}

/// `lsearch;/etc/exim4/domains`: is there a line for it?
fn looked_up(item: &str, key: &str, env: &Env<'_>) -> Option<Tri> {
    let (kind, path) = item.split_once(';')?;
    Some(match env.search(kind.trim(), path.trim(), key) {
        Ok(found) => Tri::of(found.is_some()),
        Err(reason) => Tri::Unknown(reason),
    })
}

fn in_file(path: &str, env: &Env<'_>, one: &dyn Fn(&str) -> Tri) -> Tri {
    let text = match env.read(path) {
        Ok(text) => text,
        Err(why) => return Tri::Unknown(format!("{path}: {why}")),
    };
    for (_, line) in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (item, is_negated) = match line.strip_prefix('!') {
            Some(item) => (item.trim_start(), true),
            None => (line, false),
        };
        if item.is_empty() || item.starts_with('/') {
            continue;
        }
        match one(item) {
            Tri::No => {}
            other if is_negated => return other.not(),
            other => return other,
        }
    }
    Tri::No
}

/// `*`, `*.corp.example` or a whole name.
fn ends_like(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    pattern.strip_prefix('*').map_or(pattern == name, |end| name.ends_with(end))
}
