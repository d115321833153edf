//! Causes in a conversation of whatever protocol.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};
use super::{Cause, Millis, Phase, TlsCause};
use crate::recognise::{Spoken, recognise};
use crate::wire;

/// Causes in a conversation of whatever protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum TalkCause {
    /// The peer accepted the connection and said nothing.
    #[error("connected, but it stays silent ⟨{waited}⟩")]
    Silent {
        /// The address and port asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The conversation began, and then the peer said no more.
    #[error("after {came}, {} ⟨{waited}⟩", missing(asked.as_deref()))]
    SilentAfter {
        /// The address and port asked.
        to: SocketAddr,
        /// The last that it said or did: "its greeting".
        came: Cow<'static, str>,
        /// What it was asked last: "EHLO".
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Cow<'static, str>>,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The peer accepted the connection and takes nothing of what we say.
    #[error("connected, but it takes no data: its receive window stays closed ⟨{waited}⟩")]
    WindowClosed {
        /// The address and port asked.
        to: SocketAddr,
        /// Bytes of ours that it has not taken.
        missing: u64,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// Whoever accepts closes again before anything is said, also when nothing is asked.
    #[error("{to} accepts and closes again before anything is said, whoever asks")]
    ClosedUnasked {
        /// Who was asked.
        to: SocketAddr,
    },
    /// It answers once the header of a load balancer stands before the question, and not without.
    #[error("{to} answers only behind a PROXY header: it expects its load balancer before it")]
    ProxyHeaderWanted {
        /// Who was asked.
        to: SocketAddr,
    },
    /// TLS is agreed on, and the connection ends before anything is said inside.
    #[error("TLS is set up; then {to} ends the connection without an answer")]
    EndsBehindTls {
        /// The address and port asked.
        to: SocketAddr,
    },
    /// The peer accepted the connection and closed it before a whole answer.
    #[error("connected, then closed by the peer after {received} bytes")]
    HungUp {
        /// The address and port asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// Bytes that had arrived.
        received: usize,
    },
    /// The connection was reset after it had been accepted.
    #[error("connected, then reset after {received} bytes")]
    Reset {
        /// The address and port asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// Bytes that had arrived.
        received: usize,
    },
    /// The answer came from another address or port than was asked, over UDP.
    #[error("the answer comes from {by}, not from where it was asked: clients drop such answers")]
    AnsweredFromElsewhere {
        /// The address and port asked.
        to: SocketAddr,
        /// The address and port that answered instead.
        by: SocketAddr,
    },
    /// The answer began and was not complete in time.
    #[error("the answer was still incomplete after {waited} ⟨{received} bytes⟩")]
    Incomplete {
        /// The address and port asked.
        to: SocketAddr,
        /// What was being waited for.
        phase: Phase,
        /// Bytes that had arrived.
        received: usize,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The answer does not end; reading stopped at the bound.
    #[error("the answer does not end ⟨{limit} bytes read⟩")]
    Endless {
        /// What was being waited for.
        phase: Phase,
        /// Bytes after which reading stopped.
        limit: usize,
        /// How the answer begins.
        head: String,
    },
    /// Something else answers on this port.
    #[error("{spoken} answers here, not {expected}{}", of_unknown(*spoken, head))]
    WrongService {
        /// What should answer.
        expected: Cow<'static, str>,
        /// The protocol that answers.
        spoken: Spoken,
        /// How its answer begins.
        head: String,
    },
    /// The gateway hangs up on a packet without its key, as a server with `tls-crypt` or `tls-auth` does.
    #[error(
        "open, and hangs up on a packet without its key, as OpenVPN with tls-crypt or tls-auth does"
    )]
    OpenvpnKeyed {
        /// The address and port asked.
        to: SocketAddr,
    },
    /// The peer answered, but not with what the protocol asks for.
    #[error("expected {expected}, got {got}")]
    BadReply {
        /// What would have passed, as a noun phrase.
        expected: Cow<'static, str>,
        /// What arrived instead; of raw bytes, at most 32.
        got: String,
    },
    /// Nothing refuses what is sent to it, and it answers nobody it does not know.
    #[error("nothing refuses it, but preflight cannot tell more: {why}")]
    AnswersNoStranger {
        /// Who was asked.
        to: SocketAddr,
        /// Why there is no answer, as a clause.
        why: Cow<'static, str>,
    },
    /// It answers, and takes so long for each answer that the question could not be brought to its end.
    #[error("too slow: an answer takes {took}, and not all came within {waited}")]
    TooSlow {
        /// The address and port asked.
        to: SocketAddr,
        /// What the first answer took.
        #[serde(rename = "took_ms")]
        took: Millis,
        /// How long all of it was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
}

impl TalkCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Protocol, Service};
        use Owner::FarSide;
        use Plea::Nothing;
        match self {
            Self::Silent { .. }
            | Self::SilentAfter { .. }
            | Self::AnsweredFromElsewhere { .. }
            | Self::WindowClosed { .. }
            | Self::ClosedUnasked { .. }
            | Self::ProxyHeaderWanted { .. }
            | Self::EndsBehindTls { .. }
            | Self::HungUp { .. }
            | Self::Reset { .. }
            | Self::Incomplete { .. }
            | Self::Endless { .. }
            | Self::WrongService { .. }
            | Self::BadReply { .. } => About::new(Protocol, FarSide, Nothing),
            // Its client here has the key, and knows whether the VPN is up.
            Self::OpenvpnKeyed { .. } => About::new(Protocol, Owner::ThisHost, Nothing).untold(),
            Self::AnswersNoStranger { .. } => About::new(Protocol, FarSide, Nothing).untold(),
            Self::TooSlow { .. } => About::new(Service, FarSide, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::Silent { .. } if passage.protocol == "bbdo" => say(
                "a broker takes one newcomer at a time and gives it 3 s: see who connects and says nothing (its log: could not accept client), and whether cbd is stuck"
            )
            .on_that_machine(format!("ss -tnp 'sport = :{}'", passage.port())),
            Self::HungUp { received: 0, .. } if passage.protocol == "ssh" => say(format!(
                "let {} in: /etc/hosts.deny and /etc/hosts.allow there (TCP wrappers look its name up first, which takes long while its name servers do not answer); a port that several services share (sslh) closes like this when SSH is none of them",
                passage.from()
            ))
            .on_that_machine("journalctl -u ssh -u sshd"),
            Self::Silent { .. }
            | Self::SilentAfter { .. }
            | Self::HungUp { .. }
            | Self::Reset { .. }
            | Self::Incomplete { .. } => {
                let look = say("read the service's own log while preflight runs again")
                    .on_that_machine(passage.listeners());
                if passage.is_here() {
                    look
                } else {
                    look.then("; nothing in it: a device in between accepts for it")
                }
            }
            Self::ClosedUnasked { .. } => say(format!(
                "see what accepts there: a load balancer or a port forwarding closes like this while no server behind it answers (start that one); a service does when {} is not in its list (hosts.allow, only_from, allowed_hosts)",
                passage.from()
            ))
            .on_that_machine(passage.listeners()),
            Self::EndsBehindTls { .. } => say(format!(
                "see what ends TLS there: stunnel or a load balancer closes like this while the service behind it does not answer (start that one: connect = in stunnel's file); a service does when {} is not in its list, or wants a client certificate",
                passage.from()
            ))
            .on_that_machine(passage.listeners()),
            Self::ProxyHeaderWanted { .. } => say(format!(
                "name the load balancer's address instead ({}), or let that port take connections without the header (haproxy: accept-proxy; nginx: listen … proxy_protocol; Postfix: smtpd_upstream_proxy_protocol)",
                passage.origin
            )),
            Self::WindowClosed { .. } => {
                let look = say("see whether the service is stuck: its log, and bytes it has not read (Recv-Q): ")
                    .there(format!("ss -tnp 'sport = :{}'", passage.port()));
                if passage.is_here() {
                    return look;
                }
                look.then("; not a connection of ours there: a device in between accepts for a server that it does not reach (SYN proxy)")
            }
            Self::AnsweredFromElsewhere { to, by } => say(format!(
                "have it answer from {} port {} (bind it to that address, or route {} back that way); no NAT of {} on the way",
                to.ip(),
                to.port(),
                passage.from(),
                by.ip()
            )),
            Self::Endless { .. } | Self::WrongService { .. } | Self::BadReply { .. } => say(format!(
                "see what listens on {} {}",
                passage.transport,
                passage.port()
            ))
            .on_that_machine(passage.listeners())
            .then(&format!("; or correct the port ({})", passage.origin)),
            Self::OpenvpnKeyed { .. } => {
                say("start the VPN's client here and read its log, since the port is open: ").here(
                    "systemctl enable --now openvpn-client@NAME; journalctl -u openvpn-client@NAME -n 20",
                )
            }
            Self::AnswersNoStranger { to, .. } => {
                say("test it with its own client, or see whether packets arrive")
                    .on_that_machine(format!("tcpdump -ni any udp port {}", to.port()))
            }
            Self::TooSlow { .. } => say(
                "see what it waits for there: its processor, its log; then raise the timeouts of what is checked there"
            ),
        }
    }
}

/// The cause when a peer that should speak `own` is recognised as something else.
///
/// `None` when its first bytes are of `own`, or of nothing known.
pub(crate) fn instead_of(expected: &'static str, own: Spoken, head: &[u8]) -> Option<Cause> {
    match recognise(head) {
        Spoken::Unknown => None,
        spoken if spoken == own => None,
        Spoken::Tls => Some(Cause::Tls(TlsCause::TlsUnexpected { expected: expected.into() })),
        spoken => Some(Cause::Talk(TalkCause::WrongService {
            expected: expected.into(),
            spoken,
            head: wire::head(head),
        })),
    }
}

/// What nobody knows is shown, as whoever looks may know it.
fn of_unknown(spoken: Spoken, head: &str) -> String {
    if spoken == Spoken::Unknown { format!(" ⟨{head}⟩") } else { String::new() }
}

/// "no answer to EHLO" or "nothing more".
fn missing(asked: Option<&str>) -> String {
    asked.map_or_else(|| "nothing more".to_owned(), |asked| format!("no answer to {asked}"))
}
