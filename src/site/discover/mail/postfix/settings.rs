//! `main.cf`, and the settings that one line of `master.cf` puts over it.
//!
//! A line that begins with white space continues the one before, comments and empty
//! lines notwithstanding; the last setting of a name wins. `$name` stands for another
//! setting, and a condition in braces for one of two texts.
//!
//! Reference: postconf(5), "DESCRIPTION"; `src/util/mac_expand.c` of postfix.

use std::collections::BTreeMap;

use super::super::super::constructs::Reading;
use super::super::super::facts::Read;
use super::super::super::{At, Text};
use super::CONSTRUCTS;

/// postfix knows about a thousand.
const MOST_SETTINGS: usize = 8_192;
/// Settings and conditions that one value may draw in; twice as many would be no more readable.
const MOST_EXPANSIONS: usize = 64;
const LONGEST_VALUE: usize = 4_096;

/// What postfix takes when nobody sets it, as far as relays are made of it (`postconf -d`).
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    ("config_directory", "/etc/postfix"),
    ("default_database_type", "hash"),
    ("default_transport", "smtp"),
    ("disable_dns_lookups", "no"),
    ("fallback_relay", ""),
    ("local_transport", "local:$myhostname"),
    ("mydestination", "$myhostname, localhost.$mydomain, localhost"),
    ("myorigin", "$myhostname"),
    ("defer_transports", ""),
    ("inet_interfaces", "all"),
    ("inet_protocols", "all"),
    ("relay_domains", ""),
    ("relay_transport", "relay"),
    ("relayhost", ""),
    ("sender_dependent_default_transport_maps", ""),
    ("sender_dependent_relayhost_maps", ""),
    ("smtp_bind_address", ""),
    ("smtp_bind_address6", ""),
    ("smtp_dns_support_level", ""),
    ("smtp_enforce_tls", "no"),
    ("smtp_fallback_relay", "$fallback_relay"),
    ("smtp_host_lookup", "dns"),
    ("smtp_sasl_auth_enable", "no"),
    ("smtp_tcp_port", "smtp"),
    ("smtp_tls_policy_maps", ""),
    ("smtp_tls_security_level", ""),
    ("smtp_tls_wrappermode", "no"),
    ("smtp_use_tls", "no"),
    ("transport_maps", ""),
    ("virtual_transport", "virtual"),
];

/// The settings of one process of postfix.
#[derive(Clone, Debug)]
pub(super) struct ProcessSettings {
    /// `main.cf`, where what nobody sets would stand.
    file: At,
    /// Of one name the last.
    by_name: BTreeMap<String, Read<String>>,
    /// This host's name, as the kernel has it.
    host_name: Option<String>,
}

impl ProcessSettings {
    /// Reads `main.cf`; a line that postfix refuses, with why.
    pub(super) fn parse(text: &Text, host_name: Option<String>) -> (Self, Option<Read<String>>) {
        let mut by_name: BTreeMap<String, Read<String>> = BTreeMap::new();
        let mut refused = None;
        for line in logical_lines(text) {
            let parts = line.value.split_once('=').map(|(name, value)| (name.trim(), value));
            let Some((name, value)) = parts.filter(|(name, _)| !name.is_empty()) else {
                let value = "a setting is a name, a `=` and a value".to_owned();
                refused = refused.or(Some(Read { value, at: line.at }));
                continue;
            };
            if by_name.len() < MOST_SETTINGS {
                let value = Read { value: value.trim().to_owned(), at: line.at };
                by_name.insert(name.to_owned(), value);
            }
        }
        (Self { file: At::file(&text.file), by_name, host_name }, refused)
    }

    /// The same with what a line of `master.cf` sets for its process (`-o`).
    pub(super) fn with(&self, overrides: &[(String, Read<String>)]) -> Self {
        let mut settings = self.clone();
        settings.by_name.extend(overrides.iter().cloned());
        settings
    }

    /// What is set, with its value as written.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Read<String>)> {
        self.by_name.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Where it is set; the file as a whole, when it is not.
    pub(super) fn at(&self, name: &str) -> At {
        self.by_name.get(name).map_or_else(|| self.file.clone(), |set| set.at.clone())
    }

    pub(super) fn is_yes(&self, name: &str) -> bool {
        self.says(name).eq_ignore_ascii_case("yes")
    }

    /// The value in lower case; empty when there is none, or none that can be read.
    pub(super) fn says(&self, name: &str) -> String {
        self.value(name).unwrap_or_default().to_ascii_lowercase()
    }

    /// The value with every `$name` in it replaced; empty when it has none.
    ///
    /// # Errors
    ///
    /// Why it cannot be told, as a clause.
    pub(super) fn value(&self, name: &str) -> Result<String, String> {
        let mut out = String::new();
        self.named(name, &mut MOST_EXPANSIONS.clone(), &mut out)?;
        Ok(out.trim().to_owned())
    }

    fn named(&self, name: &str, left: &mut usize, out: &mut String) -> Result<(), String> {
        *left = left.checked_sub(1).ok_or("it refers to itself, or to too many settings")?;
        let default = DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        match (self.by_name.get(name), default, name) {
            (Some(set), ..) => self.expand(&set.value, left, out),
            (None, Some(default), _) => self.expand(default, left, out),
            (None, None, "mydomain") => {
                let mut host = String::new();
                self.named("myhostname", left, &mut host)?;
                push(out, host.split_once('.').map_or("localdomain", |(_, domain)| domain))
            }
            (None, None, "myhostname") => {
                let unset = "it uses this host's name, which neither main.cf nor /etc/hostname has";
                let name = self.host_name.as_deref().ok_or(unset)?;
                push(out, name)?;
                if name.contains('.') { Ok(()) } else { push(out, ".localdomain") }
            }
            // What postfix does not know either is empty; the values of all else are its own.
            (None, None, _) if CONSTRUCTS.reading(name) == Reading::Unknown => Ok(()),
            (None, None, _) => Err(format!("it uses ${name}, which this file does not set")),
        }
    }

    fn expand(&self, raw: &str, left: &mut usize, out: &mut String) -> Result<(), String> {
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('$') {
            push(out, before)?;
            rest = if let Some(after) = after.strip_prefix('$') {
                push(out, "$")?;
                after
            } else if after.starts_with(['{', '(']) {
                let (inside, after) = enclosed(after)?;
                self.braced(inside, left, out)?;
                after
            } else {
                let (name, after) = name_of(after);
                self.named(name, left, out)?;
                after
            };
        }
        push(out, rest)
    }

    /// What stands between the braces of `${…}`: a name, or a condition and its texts.
    fn braced(&self, inside: &str, left: &mut usize, out: &mut String) -> Result<(), String> {
        *left = left.checked_sub(1).ok_or("it refers to itself, or to too many settings")?;
        let inside = inside.trim_start();
        if inside.starts_with('{') {
            let (one, rest) = enclosed(inside)?;
            let (operator, rest) = rest
                .trim_start()
                .split_at(rest.trim_start().find('{').ok_or("a comparison has one side only")?);
            let (other, rest) = enclosed(rest)?;
            let sides = [one, other].map(|side| {
                let mut value = String::new();
                self.expand(side, left, &mut value).map(|()| value)
            });
            let [one, other] = sides;
            let holds = compare(one?.trim(), operator.trim(), other?.trim())?;
            return self.either(holds, rest, left, out);
        }
        let (name, rest) = name_of(inside);
        if name.is_empty() {
            return Err("a name of a setting is missing".to_owned());
        }
        if rest.trim().is_empty() {
            return self.named(name, left, out);
        }
        let mut value = String::new();
        // Whether it is set is all that counts, so an unreadable one is an error here too.
        self.named(name, left, &mut value)?;
        self.either(!value.is_empty(), rest, left, out)
    }

    /// `?{text}:{text}`, `?text`, `:text`: the text for yes or no.
    fn either(
        &self,
        holds: bool,
        texts: &str,
        left: &mut usize,
        out: &mut String,
    ) -> Result<(), String> {
        let texts = texts.trim_start();
        let (wanted, rest) = if let Some(rest) = texts.strip_prefix('?') {
            (true, rest)
        } else if let Some(rest) = texts.strip_prefix(':') {
            (false, rest)
        } else {
            return Err("it depends on a condition that is not understood".to_owned());
        };
        let trimmed = rest.trim_start();
        if !trimmed.starts_with('{') {
            return if holds == wanted { self.expand(rest, left, out) } else { Ok(()) };
        }
        let (text, rest) = enclosed(trimmed)?;
        if holds == wanted {
            return self.expand(text.trim(), left, out);
        }
        match rest.trim_start().strip_prefix(':') {
            Some(rest) if wanted => {
                let rest = rest.trim_start();
                let text = if rest.starts_with('{') { enclosed(rest)?.0.trim() } else { rest };
                self.expand(text, left, out)
            }
            _ => Ok(()),
        }
    }
}

/// The lines of a file of postfix, each with those that continue it.
pub(super) fn logical_lines(text: &Text) -> Vec<Read<String>> {
    let mut lines: Vec<Read<String>> = Vec::new();
    for (line, content) in text.lines() {
        let trimmed = content.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if !content.starts_with([' ', '\t']) {
            lines.push(Read { value: trimmed.to_owned(), at: text.at(line) });
        } else if let Some(last) = lines.last_mut() {
            last.value.push(' ');
            last.value.push_str(trimmed);
        }
    }
    lines
}

fn push(out: &mut String, part: &str) -> Result<(), String> {
    if out.len() + part.len() > LONGEST_VALUE {
        return Err("it is longer than hosts and ports can be".to_owned());
    }
    out.push_str(part);
    Ok(())
}

/// What stands between the bracket at the start of `text` and its counterpart, and what follows.
pub(super) fn enclosed(text: &str) -> Result<(&str, &str), String> {
    let mut chars = text.char_indices();
    let (open, close) = match chars.next() {
        Some((_, '(')) => ('(', ')'),
        _ => ('{', '}'),
    };
    let mut depth = 1_usize;
    for (at, c) in chars {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
        }
        if depth == 0 {
            let inside = text.get(1..at).unwrap_or_default();
            return Ok((inside, text.get(at + 1..).unwrap_or_default()));
        }
    }
    Err("a bracket of a setting is not closed".to_owned())
}

/// The name at the start of `text`, and what follows it.
fn name_of(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// Numbers are compared as such when both sides are.
fn compare(one: &str, operator: &str, other: &str) -> Result<bool, String> {
    let order = match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => one.cmp(other),
    };
    match operator {
        "==" => Ok(order.is_eq()),
        "!=" => Ok(order.is_ne()),
        "<" => Ok(order.is_lt()),
        "<=" => Ok(order.is_le()),
        ">" => Ok(order.is_gt()),
        ">=" => Ok(order.is_ge()),
        _ => Err("it depends on a condition that is not understood".to_owned()),
    }
}
