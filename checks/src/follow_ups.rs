//! What may follow a question that fails, or passes only just: for whoever has to allow it.
//!
//! The README's section on manners is this table, and a plan shows the rows that its questions may
//! come to.

use serde::Serialize;

use crate::{Service, Transport};

/// Something that may follow a question, and what it costs at most.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FollowUp {
    /// What it follows.
    pub after: &'static str,
    /// Packets that make no connection; empty: none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub packets: &'static str,
    /// Connections that the service sees; empty: none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub connections: &'static str,
    /// Is it a look into a failure, which [`Manner::trace`](crate::Manner::trace) switches off?
    #[serde(rename = "trace")]
    pub is_look: bool,
    #[serde(skip)]
    may_follow: fn(&Service) -> bool,
}

impl FollowUp {
    /// May it follow a question of that service?
    #[must_use]
    pub fn may_follow(&self, service: &Service) -> bool {
        (self.may_follow)(service)
    }
}

fn is_tcp(service: &Service) -> bool {
    service.transport == Transport::Tcp
}

/// All that may follow a question.
pub static FOLLOW_UPS: [FollowUp; 10] = [
    FollowUp {
        after: "a silence, or a port that is closed",
        packets: "36 to that host: the port with growing hop limits, ping, TCP 443, 80, 22, UDP 33434",
        connections: "none: a RST ends each handshake before it is complete",
        is_look: true,
        may_follow: |_| true,
    },
    FollowUp {
        after: "a first packet that was lost",
        packets: "19 to the port, from five ports of ours",
        connections: "none; over UDP 19 questions",
        is_look: true,
        may_follow: |service| is_tcp(service) || service.repeats > 0,
    },
    FollowUp {
        after: "a delay like that of a lost packet, over TCP",
        packets: "12 SYN (none for SSH)",
        connections: "none",
        is_look: false,
        may_follow: |service| is_tcp(service) && service.repeats > 0,
    },
    FollowUp {
        after: "a pass over DNS, SNMP, traps",
        packets: "24 questions, within a second",
        connections: "",
        is_look: false,
        may_follow: |service| !is_tcp(service) && service.repeats > 0,
    },
    FollowUp {
        after: "a pass over SMTP, or over BBDO at a name",
        packets: "3 questions to this machine's own DNS servers: the name of an address (PTR), and back",
        connections: "",
        is_look: false,
        may_follow: |service| service.hints.reverse.is_some(),
    },
    FollowUp {
        after: "a silence on an open connection",
        packets: "",
        connections: "1 with the same words; where size may matter 3 more, one of them with small packets",
        is_look: false,
        may_follow: is_tcp,
    },
    FollowUp {
        after: "a connection without a word",
        packets: "47 to that host: ping, UDP 33434, and the port with growing hop limits",
        connections: "13: the first words of TLS, none at all (twice), its own behind a PROXY header, those of LDAP, BBDO, NRPE, OpenVPN, PostgreSQL, Redis, MQTT, SMB, DNS (of a proxy 2: SOCKS, TLS); none to an SSH port that closes or resets at once; to a mute broker none but the one for TLS",
        is_look: true,
        may_follow: is_tcp,
    },
    FollowUp {
        after: "a hop limit that was used up",
        packets: "8 to the port with growing hop limits",
        connections: "none",
        is_look: true,
        may_follow: |_| true,
    },
    FollowUp {
        after: "a RST in the middle",
        packets: "32 to that host",
        connections: "17 with the same words, at services that are not on this machine; the first three of a service in a run",
        is_look: true,
        may_follow: is_tcp,
    },
    FollowUp {
        after: "a TLS handshake that is refused",
        packets: "",
        connections: "3 with the first message of TLS: as OpenSSL's clients send it, with every older suite there ever was, and with the rest of TLS 1.3",
        is_look: false,
        may_follow: |service| service.tls || service.hints.starttls.is_some(),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_says_of_manners_what_this_table_says() {
        let readme = include_str!("../../README.md");
        let head = "| after | packets | connections that the service sees |\n| --- | --- | --- |\n";
        let rows = readme.split_once(head).unwrap().1.split("\n\n").next().unwrap();
        let cell =
            |text: &str| if text.is_empty() { " |".to_owned() } else { format!(" {text} |") };
        let row = |row: &FollowUp| {
            let star = if row.is_look { " *" } else { "" };
            let after = format!("{}{star}", row.after);
            format!("|{}{}{}", cell(&after), cell(row.packets), cell(row.connections))
        };
        let table: Vec<String> = FOLLOW_UPS.iter().map(row).collect();
        assert_eq!(rows.trim_end(), table.join("\n"));
    }

    #[test]
    fn every_service_may_come_to_the_look_at_the_path_and_none_to_what_it_does_not_speak() {
        for service in crate::SERVICES {
            let rows: Vec<&str> = FOLLOW_UPS
                .iter()
                .filter(|row| row.may_follow(service))
                .map(|row| row.after)
                .collect();
            assert_eq!(rows.first(), Some(&FOLLOW_UPS[0].after), "{}", service.name);
            let is_udp = service.transport == Transport::Udp;
            assert!(!(is_udp && rows.contains(&"a RST in the middle")), "{}", service.name);
        }
        let ssh = FOLLOW_UPS.iter().find(|row| row.packets.contains("none for SSH")).unwrap();
        assert!(!ssh.may_follow(&crate::ssh::SERVICE));
    }
}
