//! `--redact`: a report that can be shown to strangers, with a stand-in for every address and name,
//! and without what strangers wrote in their own words ([`free`]).
//!
//! The report is changed, not a format: so all of them have it. Every text is looked at, but those
//! that hold nothing but words of ours ([`OURS`]); a field that is new is looked at too. The same
//! host has the same stand-in everywhere, as far as the key is the same.

mod address;
mod free;
mod key;
mod names;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::report::Report;
use crate::run::plan::SKIPPED;
use crate::site::ASKED_FOR;
use free::{Free, OF_PEERS, REPEATED, in_short, is_free};
pub(crate) use key::RedactionKey;
use names::Names;

/// Makes stand-ins with one key, and remembers them.
#[derive(Debug)]
pub(crate) struct Redactor {
    key: RedactionKey,
    names: Names,
    addresses: HashMap<IpAddr, IpAddr>,
    /// What strangers wrote; none: it stays.
    free: Option<Free>,
}

impl Redactor {
    /// One that makes its stand-ins with `key`.
    pub(crate) fn new(key: RedactionKey) -> Self {
        let free = (!key.keeps_text).then(Free::default);
        Self { key, names: Names::new(), addresses: HashMap::new(), free }
    }

    /// The same report with a stand-in for every address and name.
    ///
    /// # Errors
    ///
    /// The report cannot be read again afterwards; nothing of it may be shown then.
    pub(crate) fn report(&mut self, report: &Report) -> Result<Report, String> {
        let mut value = serde_json::to_value(report).map_err(|error| error.to_string())?;
        self.learn(&value, false);
        self.walk("", &mut value, false);
        let report: Report = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Ok(Report { redacted: true, ..report })
    }

    /// The stand-in of one address or name that somebody typed.
    pub(crate) fn typed(&mut self, text: &str) -> String {
        self.names.learn(text);
        self.text(text)
    }

    /// What each stand-in made so far stands for.
    pub(crate) fn made(&self) -> BTreeMap<String, String> {
        let addresses = self.addresses.iter().filter(|(original, made)| original != made);
        let addresses = addresses.map(|(original, made)| (made.to_string(), original.to_string()));
        self.names.made().clone().into_iter().chain(addresses).collect()
    }

    fn address(&mut self, address: IpAddr) -> IpAddr {
        let key = &self.key;
        *self.addresses.entry(address).or_insert_with(|| address::stand_in(key, address))
    }

    /// Names of one word are known only from the fields that hold names.
    fn learn(&mut self, value: &Value, of_peers: bool) {
        match value {
            Value::Object(map) => {
                for (field, value) in map {
                    self.learn_field(field, value, of_peers);
                    self.learn(value, of_peers || OF_PEERS.contains(&field.as_str()));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item, of_peers)),
            _ => {}
        }
    }

    fn learn_field(&mut self, field: &str, value: &Value, of_peers: bool) {
        let texts = match value {
            Value::String(text) => vec![text.as_str()],
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            // The machine itself; in a target `host` is a text.
            Value::Object(host) if field == "host" => {
                host.get("name").and_then(Value::as_str).into_iter().collect()
            }
            _ => return,
        };
        for text in texts {
            if let Some(free) = self.free.as_mut().filter(|_| of_peers && is_free(field, text)) {
                free.learn(text);
                continue;
            }
            match field {
                // `custom.NAME`: the name is the user's own, and a party too.
                "flow" if !self.names.is_flow(text) => {
                    self.names.learn(text.split_once('.').map_or(text, |(_, name)| name));
                }
                "sys_descr" => self.learn_uname(text),
                // "250 relay.example.com": the name is the second word.
                "hello_reply" => {
                    self.names.learn(text.split_once(' ').map_or("", |(_, name)| name));
                }
                // "relay ESMTP Postfix": the name is the first word of a mail server's greeting.
                "banner" if text.to_ascii_uppercase().contains("SMTP") => self.names.learn(text),
                "question" => self.names.learn(text),
                // What has a space in it is a sentence.
                _ if text.contains(' ') => {}
                _ if NAMES.contains(&field) || field == "host" => self.names.learn(text),
                _ => {}
            }
        }
    }

    /// "Linux poller-1 6.1.0 …": what net-snmp says of its machine.
    fn learn_uname(&mut self, text: &str) {
        let mut words = text.split(' ');
        if let (Some("Linux" | "FreeBSD" | "SunOS" | "AIX" | "HP-UX"), Some(name)) =
            (words.next(), words.next())
        {
            self.names.learn(name);
        }
    }

    fn walk(&mut self, field: &str, value: &mut Value, of_peers: bool) {
        match value {
            Value::String(text) => *text = self.field(field, text, of_peers),
            Value::Array(items) => {
                for item in items {
                    self.walk(field, item, of_peers);
                }
            }
            Value::Object(map) => self.walk_object(map, of_peers),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn walk_object(&mut self, map: &mut Map<String, Value>, of_peers: bool) {
        if self.free.is_some() && !of_peers {
            self.own_words(map);
        }
        for (field, value) in map.iter_mut() {
            if !OURS.contains(&field.as_str()) {
                let odd = odd_name(field, value).map(str::to_owned);
                self.walk(field, value, of_peers || OF_PEERS.contains(&field.as_str()));
                if let Some(odd) = odd {
                    value["name"] = self.names.stand_in(&self.key, &odd).into();
                }
            }
        }
    }

    /// What the user wrote of a step: why it is skipped, and what a flow of one's own is for.
    fn own_words(&self, map: &mut Map<String, Value>) {
        let word = |map: &Map<String, Value>, key: &str| {
            map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        if let Some(why) = word(map, "result").strip_prefix(SKIPPED) {
            map.insert("result".to_owned(), format!("{SKIPPED}{}", in_short(why)).into());
        }
        let flow = word(map, "flow");
        if !flow.is_empty() && !self.names.is_flow(&flow) && !flow.starts_with("config.") {
            for key in ["why", "look_at"] {
                let text = word(map, key);
                if !text.is_empty() && text != ASKED_FOR {
                    map.insert(key.to_owned(), in_short(&text).into());
                }
            }
        }
    }

    fn field(&mut self, field: &str, text: &str, of_peers: bool) -> String {
        if let Some(free) = &self.free {
            if of_peers && is_free(field, text) {
                return in_short(text);
            }
            if REPEATED.contains(&field) {
                let text = free.without(text);
                return self.text(&text);
            }
        }
        match field {
            // Who logs in, or whose data it is: a word like any other, and nobody else's.
            "user" | "database" if of_peers => self.names.stand_in(&self.key, text),
            // An agent makes its id from an address of its own.
            "engine_id" | "identity" => self.names.stand_in(&self.key, text),
            "flow" => self.flow(text),
            "id" | "because_of" | "steps" | "followers" => match text.split_once('@') {
                Some((flow, target)) => format!("{}@{}", self.flow(flow), self.text(target)),
                None => self.flow(text),
            },
            _ => self.text(text),
        }
    }

    /// A flow of one's own may be called after a customer.
    fn flow(&mut self, flow: &str) -> String {
        if self.names.is_flow(flow) {
            flow.to_owned()
        } else {
            self.names.stand_in(&self.key, flow)
        }
    }
}

/// The name of the machine of a report, where it has characters that no host's name has: none of its words is known for one.
fn odd_name<'a>(field: &str, value: &'a Value) -> Option<&'a str> {
    let name = value.as_object().filter(|_| field == "host")?.get("name")?.as_str()?;
    let is_of_a_name = |it: char| it.is_alphanumeric() || ['.', '-', '_'].contains(&it);
    (!name.chars().all(is_of_a_name)).then_some(name)
}

/// Fields that hold a host's name, alone or in front.
const NAMES: [&str; 11] = [
    "sys_name",
    "resolved_as",
    "through_vpn",
    "vpn",
    "certificate_names",
    "presented",
    "expected",
    "proxy",
    "destination",
    "name",
    "location",
];

/// Fields that hold words, numbers or times of ours, and nothing of a site.
const OURS: [&str; 24] = [
    "tool",
    "sha256",
    "os",
    "kernel",
    "started_at",
    "role",
    "phase",
    "direction",
    "outcome",
    "code",
    "layer",
    "owner",
    "protocol",
    "transport",
    "transports",
    "kind",
    "icmp",
    "counts",
    "timings",
    "kex_algorithms",
    "host_key_algorithms",
    "alpn",
    "tls_version",
    "rcode",
];
