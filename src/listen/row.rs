//! A datagram as it is shown: two rows on a terminal, one line otherwise, or JSON.

use std::net::SocketAddr;

use jiff::Timestamp;
use preflight_checks::snmp::{Notification, NotificationSender, TrapDatagram, TrapEvent};
use preflight_checks::{clean, span};
use serde_json::{Value, json};

use crate::text::wrap;

/// A datagram that arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) at: Timestamp,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) what: TrapDatagram,
    /// Its first bytes.
    pub(super) head: Vec<u8>,
    /// All its bytes.
    pub(super) length: usize,
    /// Did all of it come by in one packet?
    pub(super) is_whole: bool,
    pub(super) answering: Answering,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answering {
    /// It was answered from here.
    Answered,
    /// The port is ours, and there was nothing to answer, or no way to.
    Unanswered,
    /// Whoever holds the port answers.
    LeftToOther,
}

impl Arrived {
    /// "linkDown", for its row and the sum at the end.
    pub(super) fn title(&self) -> String {
        match &self.what {
            TrapDatagram::Notification(Notification { event: Some(event), .. }) => title(event),
            TrapDatagram::Notification(_) => "encrypted: its receiver alone can read it".to_owned(),
            TrapDatagram::Discovery => "asks for the receiver's engine, as informs need".to_owned(),
            TrapDatagram::Other { version } => format!("SNMP {version}, and no trap"),
            TrapDatagram::Stranger if self.is_whole => "no SNMP".to_owned(),
            TrapDatagram::Stranger => "in several packets, of which one came by here".to_owned(),
        }
    }

    /// On a terminal of that width the details stand below; elsewhere all of it is one line.
    pub(super) fn rows(&self, width: Option<usize>) -> Vec<String> {
        let at = self.at.strftime("%H:%M:%S");
        let from = self.from.ip().to_string();
        let first = format!("{at} UTC  {from:<15}  {:<10}  {}", self.kind(), self.title());
        let details = self.details().join("; ");
        match width {
            _ if details.is_empty() => vec![first],
            None => vec![format!("{first}; {details}")],
            Some(width) => {
                let below = wrap(&details, width.saturating_sub(INDENT).max(INDENT));
                let below = below.into_iter().map(|line| format!("{:INDENT$}{line}", ""));
                std::iter::once(first).chain(below).collect()
            }
        }
    }

    /// "v2c trap"
    fn kind(&self) -> String {
        match &self.what {
            TrapDatagram::Notification(it) => format!("v{} {}", it.version, kind(it)),
            TrapDatagram::Discovery => "v3".to_owned(),
            TrapDatagram::Other { version } => format!("v{version}"),
            TrapDatagram::Stranger => "?".to_owned(),
        }
    }

    fn details(&self) -> Vec<String> {
        match &self.what {
            TrapDatagram::Notification(it) => {
                let mut details = Vec::new();
                if let Some(event) = &it.event {
                    details.extend(event.name.map(|_| event.oid.clone()));
                    let about = event.about.filter(|about| self.from.ip() != *about);
                    details.extend(about.map(|about| format!("about {about}")));
                    details.extend(event.up.map(|up| format!("up {}", span(up.as_secs()))));
                }
                details.push(sender(&it.sender));
                if it.is_inform {
                    details.push(self.acknowledgement(it).to_owned());
                }
                details
            }
            TrapDatagram::Discovery => match self.answering {
                Answering::Answered => vec!["answered".to_owned()],
                Answering::Unanswered | Answering::LeftToOther => Vec::new(),
            },
            TrapDatagram::Other { .. } => Vec::new(),
            TrapDatagram::Stranger => {
                vec![format!("{} bytes: {}", self.length, clean(&self.head, SHOWN))]
            }
        }
    }

    fn acknowledgement(&self, it: &Notification) -> &'static str {
        match (self.answering, &it.sender) {
            (Answering::Answered, _) => "acknowledged",
            (Answering::LeftToOther, _) => "to be acknowledged by the program that has the port",
            (Answering::Unanswered, NotificationSender::User { .. }) => {
                "not acknowledged: that needs the user's key"
            }
            (Answering::Unanswered, NotificationSender::Community { .. }) => "not acknowledged",
        }
    }

    /// One JSON object.
    pub(super) fn line(&self) -> String {
        let mut line = json!({
            "at": self.at.to_string(),
            "from": self.from.to_string(),
            "to": self.to.to_string(),
        });
        let mut set = |name: &str, value: Value| {
            if let (Some(fields), false) = (line.as_object_mut(), value.is_null()) {
                fields.insert(name.to_owned(), value);
            }
        };
        match &self.what {
            TrapDatagram::Notification(it) => {
                set("kind", json!(kind(it)));
                set("version", json!(it.version));
                if it.is_inform {
                    let acknowledged = match self.answering {
                        Answering::Answered => json!(true),
                        Answering::Unanswered => json!(false),
                        // Not from here; whether by the other is not known.
                        Answering::LeftToOther => Value::Null,
                    };
                    set("acknowledged", acknowledged);
                }
                if let Some(event) = &it.event {
                    set("oid", json!(event.oid));
                    set("name", json!(event.name));
                    set("vendor", json!(event.vendor));
                    set(
                        "up_ms",
                        json!(event.up.map(|up| u64::try_from(up.as_millis()).unwrap_or(u64::MAX))),
                    );
                    set("about", json!(event.about));
                    set("variables", json!(event.variables));
                }
                match &it.sender {
                    NotificationSender::Community { length, is_expected } => {
                        set("community_bytes", json!(length));
                        set("community_as_given", json!(is_expected));
                    }
                    NotificationSender::User { engine, vendor, user, level } => {
                        set("engine_id", json!(engine));
                        set("engine_vendor", json!(vendor));
                        set("user", json!(user));
                        set("security_level", json!(level));
                    }
                }
            }
            TrapDatagram::Discovery => {
                set("kind", json!("discovery"));
                set("version", json!("3"));
            }
            TrapDatagram::Other { version } => {
                set("kind", json!("other"));
                set("version", json!(version));
            }
            TrapDatagram::Stranger => {
                set("kind", json!(if self.is_whole { "stranger" } else { "fragment" }));
                set("bytes", json!(self.length));
            }
        }
        line.to_string()
    }
}

fn kind(notification: &Notification) -> &'static str {
    if notification.is_inform { "inform" } else { "trap" }
}

fn title(event: &TrapEvent) -> String {
    match (event.name, &event.vendor) {
        (Some(name), _) => name.to_owned(),
        (None, Some(vendor)) => format!("{} ({vendor})", event.oid),
        (None, None) => event.oid.clone(),
    }
}

fn sender(sender: &NotificationSender) -> String {
    match sender {
        NotificationSender::Community { is_expected: Some(true), .. } => {
            "the community that was given".to_owned()
        }
        NotificationSender::Community { length, is_expected: Some(false) } => {
            format!("another community than was given, {length} bytes")
        }
        NotificationSender::Community { length, is_expected: None } => {
            format!("a community of {length} bytes")
        }
        NotificationSender::User { engine, vendor, user, level } => {
            let vendor = vendor.as_ref().map(|vendor| format!(" ({vendor})")).unwrap_or_default();
            format!("user {user}, {level}, not verified; engine {engine}{vendor}")
        }
    }
}

/// Where what stands behind the time begins.
const INDENT: usize = 14;
/// Characters of what is no SNMP.
const SHOWN: usize = 60;
