//! Causes of DNS servers.

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, question_for_dig, say, word};
use super::{Cause, Millis, Transport};

/// Causes of DNS servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum DnsCause {
    /// The server refuses to answer us.
    #[error("the DNS server refuses to answer {question} to this host ⟨REFUSED⟩")]
    DnsRefused {
        /// The name asked for.
        question: String,
    },
    /// The server cannot find out.
    #[error("the DNS server fails on {question} ⟨SERVFAIL⟩")]
    DnsServfail {
        /// The name asked for.
        question: String,
    },
    /// The server fails only because it validates signatures.
    #[error("the DNS server fails to validate {question} ⟨DNSSEC⟩")]
    DnsValidation {
        /// The name asked for.
        question: String,
    },
    /// The server answers for its own zones only.
    #[error("the DNS server is not a resolver ⟨no recursion⟩")]
    DnsNotRecursive {
        /// The name asked for.
        question: String,
    },
    /// The server does not look up other zones for us, and was asked for no name of its own.
    #[error(
        "the DNS server does not resolve Internet names for this host, and no name of yours is known to ask it for"
    )]
    DnsNoNameAsked,
    /// The server resolves, but not the name this role needs.
    #[error("the DNS server does not know {name} ⟨NXDOMAIN⟩")]
    DnsNameNotFound {
        /// The name this role needs.
        name: String,
    },
    /// The server has one answer for every name, also for those nobody has.
    #[error(
        "the DNS server answers every name with {addresses}, {name} as well as one that does not exist"
    )]
    DnsWildcard {
        /// A name this role needs.
        name: String,
        /// The answer, with commas between.
        addresses: String,
    },
    /// The name exists, and has neither an IPv4 nor an IPv6 address.
    #[error("the DNS server knows no address of {name}")]
    DnsNameWithoutAddress {
        /// The name this role needs.
        name: String,
    },
    /// The server is there, and has not found out in time.
    #[error("the DNS server is there, but has no answer to {question} within {waited}")]
    DnsUnanswered {
        /// What was asked.
        question: String,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The answer does not fit into a datagram, and TCP does not bring it.
    #[error("the answer to {question} needs TCP 53: {tcp}")]
    DnsTruncated {
        /// What was asked.
        question: String,
        /// How TCP failed; decides who has to act.
        #[serde(rename = "because")]
        tcp: Box<Cause>,
    },
    /// The server answers over TCP and not over UDP.
    #[error("the DNS server answers over TCP only; UDP: {}", udp.marked())]
    DnsTcpOnly {
        /// How UDP failed; decides who has to act.
        #[serde(rename = "because")]
        udp: Box<Cause>,
    },
    /// Any other response code.
    #[error("the DNS server answers {rcode} for {question}")]
    DnsFailed {
        /// The response code's name.
        rcode: String,
        /// The name asked for.
        question: String,
    },
}

impl DnsCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Protocol, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            Self::DnsRefused { .. } => About::new(Authentication, FarSide, Nothing),
            // Its page: ask again, with a name.
            Self::DnsNoNameAsked => About::new(Service, ThisHost, Nothing).untold(),
            Self::DnsServfail { .. }
            | Self::DnsValidation { .. }
            | Self::DnsNotRecursive { .. }
            | Self::DnsNameNotFound { .. }
            | Self::DnsWildcard { .. }
            | Self::DnsNameWithoutAddress { .. }
            | Self::DnsUnanswered { .. } => About::new(Service, FarSide, Nothing),
            Self::DnsTruncated { tcp, .. } => {
                About::new(Protocol, tcp.owner(), tcp.plea().over(Transport::Tcp))
            }
            Self::DnsTcpOnly { udp } => {
                About::new(Protocol, udp.owner(), udp.plea().over(Transport::Udp))
            }
            Self::DnsFailed { .. } => About::new(Protocol, FarSide, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        let target = passage.target;
        let dig = |question: &str| format!("dig @{} {}", word(target), question_for_dig(question));
        match self {
            Self::DnsRefused { .. } | Self::DnsNotRecursive { .. } => say(format!(
                "allow recursion for {} on {target}, or use another name server",
                passage.from()
            )),
            Self::DnsServfail { question } | Self::DnsValidation { question } => {
                say("see that its forwarders answer and the zone is healthy: ")
                    .there(dig(question))
            }
            Self::DnsNoNameAsked => say(
                "give a target by its name, as --central central.example.com: then the server is asked for that",
            ),
            Self::DnsNameNotFound { name } => {
                say(format!("add {name} to the zone, or correct the name; "))
                    .there(dig(name))
            }
            Self::DnsWildcard { name, .. } => say(
                "see that it is the name server of this network, and that it does not ask for a login first, as the one of a guest network does: ",
            )
            .there(dig("preflight-nobody.invalid"))
            .then("; ")
            .there(dig(name)),
            Self::DnsNameWithoutAddress { name } => say(format!(
                "add an A or AAAA record of {name} to the zone; if it has one, see whether the server removes private addresses (unbound: private-domain; dnsmasq: rebind-domain-ok); "
            ))
            .there(dig(name)),
            Self::DnsUnanswered { question, .. } => say(format!(
                "see that its forwarders answer, and that it is not told to ignore {} or this name: ",
                passage.from()
            ))
            .there(dig(question)),
            Self::DnsTruncated { tcp, .. } => tcp.advice(&passage.over(Transport::Tcp)),
            Self::DnsTcpOnly { udp } => udp.advice(&passage.over(Transport::Udp)),
            Self::DnsFailed { question, .. } => {
                say("read its log at the time of the run; by hand: ")
                    .there(dig(question))
            }
        }
    }
}
