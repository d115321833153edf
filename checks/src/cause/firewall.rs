//! Causes in this host's own firewall, as its rules are read.

use std::net::{IpAddr, SocketAddr};

use super::Transport;
use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::facts::{ClosedHow, OwnFirewall};
use super::remedy::{Advice, Passage, name_of, say};

/// Causes in this host's own firewall, as its rules are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum FirewallCause {
    /// This host's own rules do not let in who is to connect.
    #[error("{0}")]
    ClosedByOwnFirewall(Box<ClosedPort>),
}

/// A port that this host's own rules close, and the rule that does it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosedPort {
    /// TCP or UDP.
    pub transport: Transport,
    /// The port others come to.
    pub port: u16,
    /// What manages the rule.
    pub firewall: OwnFirewall,
    /// The zone of firewalld that the packet is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What becomes of the packet.
    pub how: ClosedHow,
    /// Where a rule sends it instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_to: Option<SocketAddr>,
    /// Is it the answer that is stopped?
    #[serde(default)]
    pub answers: bool,
    /// `ip`, `ip6`, `inet` or `netdev`.
    pub family: String,
    /// The table of the rule.
    pub table: String,
    /// The chain of the rule.
    pub chain: String,
    /// The chain by which packets enter the table.
    pub base: String,
    /// The rule as its own program shows it, or `policy drop`.
    pub rule: String,
    /// Who connects, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
}

impl std::fmt::Display for ClosedPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let firewall = self.firewall.told(self.zone.as_deref());
        let answers = if self.answers { "the answers out, so not " } else { "" };
        let (transport, port) = (self.transport, self.port);
        write!(
            f,
            "this host's own firewall ⟨{firewall}⟩ does not let {answers}{transport} {port} in"
        )?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        write!(f, " ⟨{}", self.how)?;
        if let Some(to) = self.handed_to {
            write!(f, " to {to}")?;
        }
        let Self { rule, family, table, chain, .. } = self;
        write!(f, " by `{rule}` in {family} {table}, chain {chain}⟩")
    }
}

impl FirewallCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        match self {
            Self::ClosedByOwnFirewall(_) => About::new(Layer::Port, Owner::ThisHost, Plea::Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, _: &Passage<'_>) -> Advice {
        match self {
            Self::ClosedByOwnFirewall(closed) => closed.advice(),
        }
    }
}

impl ClosedPort {
    /// The command that opens the port, now and for good.
    fn advice(&self) -> Advice {
        let Self { how, zone, answers, chain, firewall, .. } = self;
        let say_open = || match how {
            ClosedHow::HandedOn => say("unless that is meant, keep the port here: "),
            ClosedHow::Dropped | ClosedHow::Rejected => say("open it now: "),
        };
        match (firewall, zone) {
            (OwnFirewall::Firewalld, Some(zone)) if !answers && !chain.ends_with("_deny") => {
                let (what, zone) = (self.for_firewalld(), name_of(zone));
                say_open()
                    .here(format!("firewall-cmd --zone={zone} {what}"))
                    .then("; for good: ")
                    .here(format!("firewall-cmd --permanent --zone={zone} {what}"))
            }
            (OwnFirewall::Firewalld, _) => {
                say("take out the rule of firewalld, or let this pass before it: ")
                    .here("firewall-cmd --list-all-zones; firewall-cmd --list-all-policies")
            }
            (OwnFirewall::Ufw, _) => say_open().here(self.for_ufw()).then(", which also stays"),
            (OwnFirewall::Nftables, _) => say_open().here(self.for_nft()).then(
                "; for good: the same rule in /etc/nftables.conf (EL: /etc/sysconfig/nftables.conf)",
            ),
            (OwnFirewall::Iptables | OwnFirewall::IptablesLegacy, _) => say_open()
                .here(self.for_iptables())
                .then("; for good: netfilter-persistent save (EL: service iptables save)"),
        }
    }

    fn for_firewalld(&self) -> String {
        let Self { transport, port, from, .. } = self;
        let over = transport.lower();
        from.map_or_else(
            || format!("--add-port={port}/{over}"),
            |from| {
                let family = if from.is_ipv6() { "ipv6" } else { "ipv4" };
                format!(
                    "--add-rich-rule='rule family=\"{family}\" source address=\"{from}\" port port=\"{port}\" protocol=\"{over}\" accept'"
                )
            },
        )
    }

    fn for_ufw(&self) -> String {
        let Self { transport, port, from, answers, .. } = self;
        let over = transport.lower();
        match from {
            _ if *answers => format!("ufw allow out from any port {port} proto {over}"),
            Some(from) => format!("ufw insert 1 allow from {from} to any port {port} proto {over}"),
            None => format!("ufw insert 1 allow {port}/{over}"),
        }
    }

    fn for_nft(&self) -> String {
        let Self { transport, port, from, answers, family, table, base, .. } = self;
        let (side, end) = if *answers { ("daddr", "sport") } else { ("saddr", "dport") };
        let who = from.map(|from| {
            let version = if from.is_ipv6() { "ip6" } else { "ip" };
            format!("{version} {side} {from} ")
        });
        let who = who.unwrap_or_default();
        let [family, table, base] = [family, table, base].map(|name| name_of(name));
        format!(
            "nft insert rule {family} {table} {base} {who}{} {end} {port} accept",
            transport.lower()
        )
    }

    fn for_iptables(&self) -> String {
        let Self { transport, port, firewall, from, answers, family, table, base, .. } = self;
        let [table, base] = [table, base].map(|name| name_of(name));
        let program = if family == "ip6" { "ip6tables" } else { "iptables" };
        let kind = if *firewall == OwnFirewall::IptablesLegacy { "-legacy" } else { "" };
        let of = if table == "filter" { String::new() } else { format!(" -t {table}") };
        let (side, end) = if *answers { ('d', "sport") } else { ('s', "dport") };
        let who = from.map(|from| format!(" -{side} {from}")).unwrap_or_default();
        let over = transport.lower();
        format!("{program}{kind}{of} -I {base}{who} -p {over} --{end} {port} -j ACCEPT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;

    fn closed(firewall: OwnFirewall, family: &str, from: Option<&str>) -> ClosedPort {
        let is_firewalld = firewall == OwnFirewall::Firewalld;
        ClosedPort {
            transport: Transport::Tcp,
            port: 5666,
            firewall,
            zone: is_firewalld.then(|| "public".to_owned()),
            how: ClosedHow::Rejected,
            handed_to: None,
            answers: false,
            family: family.to_owned(),
            table: "filter".to_owned(),
            chain: "closed".to_owned(),
            base: "INPUT".to_owned(),
            rule: "reject with icmpx admin-prohibited".to_owned(),
            from: from.map(|from| from.parse().unwrap()),
        }
    }

    #[test]
    fn each_firewall_is_opened_by_its_own_command() {
        let ufw = closed(OwnFirewall::Ufw, "ip", Some("10.0.0.5"));
        assert_eq!(ufw.for_ufw(), "ufw insert 1 allow from 10.0.0.5 to any port 5666 proto tcp");
        let nft = closed(OwnFirewall::Nftables, "inet", Some("fd00::5"));
        assert_eq!(
            nft.for_nft(),
            "nft insert rule inet filter INPUT ip6 saddr fd00::5 tcp dport 5666 accept"
        );
        let legacy = closed(OwnFirewall::IptablesLegacy, "ip6", None);
        assert_eq!(
            legacy.for_iptables(),
            "ip6tables-legacy -I INPUT -p tcp --dport 5666 -j ACCEPT"
        );
    }

    #[test]
    fn the_sentence_names_the_firewall_its_zone_and_the_rule() {
        let closed = closed(OwnFirewall::Firewalld, "inet", Some("10.0.0.5"));
        assert_eq!(
            Cause::from(FirewallCause::ClosedByOwnFirewall(Box::new(closed))).to_string(),
            "this host's own firewall (firewalld, zone public) does not let TCP 5666 in from 10.0.0.5 (rejected by `reject with icmpx admin-prohibited` in inet filter, chain closed)"
        );
    }
}
