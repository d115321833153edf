//! Causes of name resolution.

use std::net::IpAddr;

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Blank, Passage, say, word};
use super::{AliasEnd, Cause, Opinion, RouteCause};

/// Causes of name resolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum NameCause {
    /// The resolver says that the name does not exist.
    #[error("the name {name} does not exist{}", said_by(servers))]
    NameNotFound {
        /// The name asked for.
        name: String,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
        /// Does its program ask the DNS alone, past `/etc/hosts`?
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dns_alone: bool,
    },
    /// DNS knows the name, and `/etc/nsswitch.conf` keeps this host from asking it.
    #[error(
        "this host does not ask DNS for {name} ⟨{at} says `{services}`⟩, which knows it{}",
        said_by(servers)
    )]
    NameNotAskedFor {
        /// The name asked for.
        name: String,
        /// File and line.
        at: String,
        /// What stands there.
        services: String,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },
    /// The DNS alone is asked for the name, and only `/etc/hosts` knows it.
    #[error(
        "the DNS does not know {name}, and the program that goes there asks nothing else \
         ⟨{origin} has {address}⟩"
    )]
    NameNotInDns {
        /// The name asked for.
        name: String,
        /// What other programs of this machine get.
        address: IpAddr,
        /// Where they get it: `/etc/hosts:2`.
        origin: String,
    },
    /// The name has addresses of the other kind only.
    #[error(
        "{name} has no IPv{version} address ⟨{has} only⟩, and its program connects by no other"
    )]
    OtherFamilyOnly {
        /// The name asked for.
        name: String,
        /// The wanted version of IP: 4 or 6.
        version: u8,
        /// The first address it has.
        has: IpAddr,
    },
    /// The name exists and has no address.
    #[error("the name {name} has no address")]
    NameWithoutAddress {
        /// The name asked for.
        name: String,
    },
    /// The system resolver gave no verdict on the name.
    #[error("{name} could not be resolved: {error}{}", said_by(servers))]
    ResolverFailed {
        /// The name asked for.
        name: String,
        /// The resolver's own words.
        error: String,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },
    /// Not one name server of this host could be reached, so no name can be resolved.
    #[error("{name} cannot be resolved: {}", out_of_reach(*.server, because))]
    NameServerUnreachable {
        /// The name asked for.
        name: String,
        /// The first name server.
        server: IpAddr,
        /// How a question to it failed.
        because: Box<Cause>,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },
    /// The name is an alias, and what it leads to cannot be found.
    #[error("{name} is an alias of {target}, which {end}")]
    AliasBroken {
        /// The name asked for.
        name: String,
        /// The name at the end of the aliases.
        target: String,
        /// What that one lacks.
        end: AliasEnd,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },
    /// The name of a peer has an address of the loopback interface only.
    #[error("{name} is this machine itself: {address} ⟨{origin}⟩")]
    NameIsLoopback {
        /// The name asked for.
        name: String,
        /// The first of its addresses.
        address: IpAddr,
        /// Where that came from: `/etc/hosts:2`, `DNS`.
        origin: String,
    },
    /// The name has an address that no host can have: name servers answer so for what they block.
    #[error("{name} has the address {address}, which cannot be a host's ⟨{origin}⟩")]
    NameIsNobody {
        /// The name asked for.
        name: String,
        /// The first of its addresses.
        address: IpAddr,
        /// Where that came from: `/etc/hosts:2`, `DNS`.
        origin: String,
    },
    /// This machine has no name server at all.
    #[error(
        "this machine has no name server ⟨none in /etc/resolv.conf⟩: {name} cannot be resolved"
    )]
    NoNameServer {
        /// The name asked for.
        name: String,
    },
    /// A file that says how names are found is there, and this user may not read it.
    #[error("{name} could not be resolved by this user: {file} cannot be read ⟨{error}⟩")]
    NameFileUnread {
        /// The name asked for.
        name: String,
        /// The file that cannot be read.
        file: String,
        /// The operating system's words.
        error: String,
    },
    /// The name servers work, and know no name of the Internet.
    #[error(
        "{name} cannot be resolved: the name servers know no Internet names{}",
        said_by(servers)
    )]
    NoInternetNames {
        /// The name asked for.
        name: String,
        /// What each configured DNS server says by itself.
        servers: Vec<Opinion>,
    },
    /// Only the machine that the files are from can ask its name server.
    #[error(
        "{name} is resolved by {server} on the machine these files are from; it cannot be asked from here"
    )]
    NameServerElsewhere {
        /// The name asked for.
        name: String,
        /// The name server, as that machine has it.
        server: IpAddr,
    },
}

impl NameCause {
    /// A name that nobody has; `dns_alone`: its program asks the DNS and nothing else for it.
    pub(crate) fn not_found(name: impl Into<String>, dns_alone: bool) -> Self {
        Self::NameNotFound { name: name.into(), servers: Vec::new(), dns_alone }
    }

    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::Name;
        use Owner::ThisHost;
        use Plea::{Nothing, Repair};
        let network = Owner::Network;
        match self {
            Self::NameNotFound { .. }
            | Self::NameNotAskedFor { .. }
            | Self::NameNotInDns { .. }
            | Self::OtherFamilyOnly { .. }
            | Self::NameWithoutAddress { .. }
            | Self::ResolverFailed { .. }
            | Self::AliasBroken { .. }
            | Self::NameIsLoopback { .. }
            | Self::NameIsNobody { .. }
            | Self::NoNameServer { .. }
            | Self::NoInternetNames { .. } => About::new(Name, ThisHost, Nothing),
            Self::NameFileUnread { .. } | Self::NameServerElsewhere { .. } => {
                About::new(Name, ThisHost, Nothing).untold()
            }
            // What stands between is not on the way of this flow: its own request would not help.
            Self::NameServerUnreachable { server, .. } if server.is_loopback() => {
                About::new(Name, ThisHost, Nothing)
            }
            Self::NameServerUnreachable { because, .. } => match because.owner() {
                Owner::Network(at) => About::new(Name, network(at), Repair),
                other => About::new(Name, other, Nothing),
            },
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        let origin = &passage.origin;
        match self {
            Self::NameNotFound { name, dns_alone: true, .. } => {
                say(format!("check the spelling ({origin}), then: "))
                    .here(format!("dig {}", word(name)))
                    .then("; add it to the DNS: its program does not look into /etc/hosts")
            }
            Self::NameNotFound { name, .. } => say(format!("check the spelling ({origin}), then: "))
                .here(format!("getent ahosts {}", word(name)))
                .then("; add it to DNS or /etc/hosts"),
            Self::NameNotAskedFor { name, at, .. } => {
                say(format!("let the line `hosts:` ask dns for {name} ({at}), or add it to /etc/hosts; then: "))
                    .here(format!("getent ahosts {}", word(name)))
            }
            Self::NameNotInDns { name, address, .. } => say(format!(
                "let the DNS know {name} ({address}); or set `smtp_host_lookup = dns, native` (postconf -e), and postfix reads /etc/hosts too"
            )),
            Self::OtherFamilyOnly { name, version, .. } => say(format!(
                "ask the DNS team for an IPv{version} address of {name}, or let its program use the other kind ({origin}; postfix: inet_protocols)"
            )),
            Self::NameWithoutAddress { name } => say(format!(
                "add an address of {name} to DNS or /etc/hosts; if DNS has one, see whether the name server removes private addresses (unbound: private-domain; dnsmasq: rebind-domain-ok): "
            ))
            .here(format!("getent ahosts {}", word(name))),
            Self::ResolverFailed { name, .. } => say("")
                .here("cat /etc/resolv.conf")
                .then("; then ask each name server: ")
                .here(format!("dig @{} {}", Blank::Server, word(name))),
            Self::NameServerUnreachable { server, because, .. } => {
                let advice = because.advice(&passage.to_name_server(*server));
                match because.owner() {
                    Owner::FarSide if !server.is_loopback() => advice.by(format!("the administrator of the name server {server}")),
                    _ => advice,
                }
            }
            Self::AliasBroken { name, target, .. } => say(format!(
                "ask the DNS team: {name} is an alias of {target}; correct the alias, or add {target} ("
            ))
            .here(format!("dig {} CNAME", word(name)))
            .then(")"),
            Self::NameIsLoopback { name, origin, .. } if origin == "DNS" => {
                say(format!("ask the DNS team for the address of {name}; until then: /etc/hosts"))
            }
            Self::NameIsLoopback { name, origin, .. } => {
                say(format!("give {name} its own address in {origin}, or take it out there"))
            }
            Self::NameIsNobody { name, origin, .. } if origin == "DNS" => say(format!(
                "ask the DNS team to let {name} through: their filter answers so for names that it blocks; "
            ))
            .here(format!("dig {}", word(name))),
            Self::NameIsNobody { name, origin, .. } => {
                say(format!("give {name} the address of its host ({origin})"))
            }
            Self::NoNameServer { .. } => say(format!(
                "name your DNS server in /etc/resolv.conf (`nameserver {0}`), by whatever writes that file; or give --dns {0}",
                Blank::Address
            )),
            Self::NameFileUnread { file, .. } => {
                say("run preflight as root; every user's programs need that file: ")
                    .here(format!("chmod a+r {}", word(file)))
            }
            Self::NoInternetNames { name, .. } => say(match passage.protocol {
                "ntp" => format!(
                    "{name} is a default of the distribution: name your own time server in {origin}"
                ),
                "http" | "https" => format!(
                    "if a proxy is the way to the Internet here: --proxy {}; if there is none: --skip {}={}",
                    Blank::Url, passage.flow, Blank::Reason
                ),
                _ => format!("{name} is on the Internet: name a server of your own ({origin})"),
            }),
            Self::NameServerElsewhere { .. } => {
                say("run preflight on the machine whose files these are")
            }
        }
    }
}

/// An aside, "10.0.0.53: no answer", or nothing when no server was asked.
fn said_by(servers: &[Opinion]) -> String {
    let said: Vec<String> = servers.iter().map(ToString::to_string).collect();
    if said.is_empty() { String::new() } else { format!(" ⟨{}⟩", said.join(", ")) }
}

/// Why a name server cannot be asked.
fn out_of_reach(server: IpAddr, because: &Cause) -> String {
    match because {
        Cause::Route(RouteCause::NoRoute { route, .. }) => {
            format!("no route to the name server {server} ⟨{route}⟩")
        }
        other => format!("the name server {server} is out of reach: {}", other.marked()),
    }
}
