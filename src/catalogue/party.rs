//! The kinds of peers that flow tables name, a row each.
//!
//! From these rows come the flags and their help, `--target`'s refusals, titles, the kinds under
//! `services` of a site file with an example of each, and the names a DNS server is asked for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Role;

/// One end of a flow: a role, or a kind of server (`ntp`, `device`).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub(crate) struct Party(pub(crate) String);

impl Party {
    /// Is it a machine of this role?
    pub(crate) fn is(&self, role: Role) -> bool {
        self.0 == role.to_string()
    }

    /// The role it is, if it is a machine of the platform.
    pub(crate) fn role(&self) -> Option<Role> {
        self.0.parse().ok().filter(|role| self.is(*role))
    }

    /// Its name for a reader: "NTP server".
    pub(crate) fn title(&self) -> &str {
        party_kind(&self.0).map_or(&self.0, |kind| kind.title)
    }

    /// The flag that gives it a target: `--ntp HOST`.
    pub(crate) fn flag(&self) -> String {
        match party_kind(&self.0).map(|kind| kind.flags) {
            _ if self.0 == "proxy" => "--proxy URL".to_owned(),
            Some([flag, ..]) => format!("{} HOST", flag.flag),
            Some([]) | None => format!("--target {}=HOST", self.0),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A kind of peer, perhaps with flags of its own; `--target` names the others.
#[derive(Debug)]
pub(crate) struct PartyKind {
    /// What flow tables call it.
    pub(crate) id: &'static str,
    /// Its name for a reader.
    pub(crate) title: &'static str,
    /// The flags that name one; empty for the proxy, whose flag takes a single URL, and for those
    /// that `--target` names.
    pub(crate) flags: &'static [TargetFlag],
    /// Where a site file names one.
    pub(crate) kept: Kept,
    /// Does this machine look up the names of these, so that its DNS servers must know them?
    pub(crate) is_looked_up: bool,
}

/// A flag that names peers, each time it is given.
#[derive(Debug)]
pub(crate) struct TargetFlag {
    /// As it is typed: `--ntp`.
    pub(crate) flag: &'static str,
    /// What stands for the value in the help.
    pub(crate) value: &'static str,
    /// Its line in the help.
    pub(crate) help: &'static str,
    /// Other words that people type for it.
    pub(crate) meant: &'static [&'static str],
    /// Are commas between several values?
    pub(crate) has_commas: bool,
    /// Does its value name a domain, whose DNS names the servers (SRV)?
    pub(crate) is_domain: bool,
}

/// Where a site file names peers of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In sections or lists of their own: machines, monitored hosts.
    Apart,
    /// Under `services`, where platforms have one or the other.
    Service,
    /// Under `services`, and shown by `init` with this example where no file names one.
    UsualService(&'static str),
}

/// The row of the kind with that id.
pub(crate) fn party_kind(id: &str) -> Option<&'static PartyKind> {
    PARTIES.iter().find(|kind| kind.id == id)
}

/// Do site files name peers of the kind `id` under `services`?
pub(crate) fn is_service(id: &str) -> bool {
    party_kind(id).is_none_or(|kind| kind.kept != Kept::Apart)
}

/// The kinds, in the order of the help.
pub(crate) const PARTIES: &[PartyKind] = &[
    PartyKind {
        id: "central",
        title: "central",
        flags: &[TargetFlag {
            meant: &["broker", "master", "server"],
            ..host("--central", "The central server")
        }],
        kept: Kept::Apart,
        is_looked_up: true,
    },
    PartyKind {
        id: "poller",
        title: "poller",
        flags: &[TargetFlag { meant: &["pollers"], ..host("--poller", "A poller") }],
        kept: Kept::Apart,
        is_looked_up: true,
    },
    PartyKind {
        id: "remote",
        title: "remote server",
        flags: &[host("--remote", "A remote server")],
        kept: Kept::Apart,
        is_looked_up: true,
    },
    PartyKind {
        id: "ntp",
        title: "NTP server",
        flags: &[TargetFlag {
            meant: &["clock", "time", "timeserver"],
            ..host("--ntp", "A time server")
        }],
        kept: Kept::UsualService("[\"10.0.0.3\", \"10.0.0.4\"]"),
        is_looked_up: true,
    },
    PartyKind {
        id: "dns",
        title: "DNS server",
        flags: &[TargetFlag {
            meant: &["nameserver", "resolver"],
            ..host("--dns", "A name server")
        }],
        kept: Kept::UsualService("[\"10.0.0.53\"]"),
        is_looked_up: false,
    },
    PartyKind {
        id: "smtp",
        title: "SMTP server",
        flags: &[TargetFlag { meant: &["mail", "relay"], ..host("--smtp", "A mail relay") }],
        kept: Kept::UsualService("[\"relay.corp.example\"]"),
        is_looked_up: true,
    },
    PartyKind {
        id: "ldap",
        title: "LDAP(S) server",
        flags: &[
            TargetFlag { meant: &["directory", "ldaps"], ..host("--ldap", "A directory server") },
            TargetFlag {
                value: "DOMAIN",
                meant: &["domain"],
                is_domain: true,
                ..host("--ldap-domain", "The domain whose DNS names its directory servers (SRV)")
            },
        ],
        kept: Kept::UsualService("[\"ldaps://dc1.corp.example\"]"),
        is_looked_up: true,
    },
    PartyKind {
        id: "http",
        title: "Internet",
        flags: &[TargetFlag {
            value: "URL",
            meant: &["https", "internet", "url", "web"],
            ..host("--http", "A web address on the Internet, instead of the profile's own")
        }],
        kept: Kept::UsualService("[\"https://packages.centreon.com/\"]"),
        is_looked_up: false,
    },
    PartyKind {
        id: "proxy",
        title: "HTTP proxy",
        flags: &[],
        kept: Kept::UsualService("\"http://proxy.corp.example:3128\""),
        is_looked_up: false,
    },
    PartyKind {
        id: "device",
        title: "device",
        flags: &[TargetFlag {
            value: "HOST[,HOST]…|NETWORK|@FILE|-",
            meant: &["devices", "host", "hosts", "snmp", "switch"],
            has_commas: true,
            ..host(
                "--device",
                "A monitored device, asked by SNMP; several with commas between, a network \
                 (10.1.0.0/24), a file with a host a line, or such a list on standard input",
            )
        }],
        kept: Kept::Apart,
        is_looked_up: false,
    },
    PartyKind {
        id: "nsclient",
        title: "Windows server",
        flags: &[TargetFlag {
            meant: &["windows"],
            ..host("--nsclient", "A Windows server with NSClient++")
        }],
        kept: Kept::Apart,
        is_looked_up: false,
    },
    PartyKind {
        id: "vpn",
        title: "VPN gateway",
        flags: &[TargetFlag {
            meant: &["gateway"],
            ..host("--vpn", "The gateway of the SSL VPN between poller and central")
        }],
        kept: Kept::Service,
        is_looked_up: false,
    },
    PartyKind {
        id: "database",
        title: "database server",
        flags: &[TargetFlag {
            meant: &["db"],
            ..host("--database", "A database server apart from the central")
        }],
        kept: Kept::UsualService("[\"10.0.0.6\"]"),
        is_looked_up: true,
    },
    unflagged("gorgone", "Gorgone"),
    unflagged("nrpe", "NRPE agent"),
    unflagged("nsclient-nt", "Windows server"),
    unflagged("agent", "monitoring agent"),
    unflagged("vmware-connector", "VMware connector"),
    unflagged("vcenter", "vCenter or ESX"),
    unflagged("radius", "RADIUS server"),
    unflagged("identity-provider", "identity provider"),
    unflagged("imp", "Centreon's licence portal"),
    unflagged("license", "licence server"),
    unflagged("keys", "key server"),
    unflagged("epel", "EPEL repository"),
    unflagged("database-repository", "database repository"),
    unflagged("anomaly-detection", "anomaly detection"),
    unflagged("statistics", "statistics server"),
    unflagged("registry", "container registry"),
    unflagged("monitored-web", "monitored web API"),
    unflagged("monitored-database", "monitored database"),
    unflagged("ha-peer", "other node"),
    unflagged("ha-node", "node of the cluster"),
    unflagged("qdevice", "QDevice"),
    unflagged("nta", "NetFlow analyzer"),
    unflagged("ncb-device", "network device"),
    unflagged("cloud-gorgone", "Centreon Cloud (Gorgone)"),
    unflagged("cloud-broker", "Centreon Cloud (broker)"),
    unflagged("map", "MAP server"),
    unflagged("mbi", "MBI reporting server"),
    unflagged("bi", "BI server"),
    PartyKind { kept: Kept::Apart, ..unflagged("user", "user") },
    PartyKind { kept: Kept::Apart, ..unflagged("netflow-device", "NetFlow device") },
];

/// A kind of peer that `--target` names.
const fn unflagged(id: &'static str, title: &'static str) -> PartyKind {
    PartyKind { id, title, flags: &[], kept: Kept::Service, is_looked_up: false }
}

/// A flag that takes one host each time.
const fn host(flag: &'static str, help: &'static str) -> TargetFlag {
    TargetFlag { flag, value: "HOST", help, meant: &[], has_commas: false, is_domain: false }
}
