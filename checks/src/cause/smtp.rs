//! Causes of mail servers.

use std::net::SocketAddr;

use super::Millis;
use super::about::{About, Layer, Owner, Plea, Whereabouts};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say};

/// Causes of mail servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SmtpCause {
    /// The mail server accepted and did not greet while we waited; mailers wait longer.
    #[error("accepts and does not greet within {waited}; mailers wait five minutes")]
    SmtpGreetingLate {
        /// The address and port asked.
        to: SocketAddr,
        /// How long its answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// The server greets with a permanent refusal.
    #[error("the mail server refuses this host: {reply} {text}")]
    SmtpRefused {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// The server is too busy or closing.
    #[error("the mail server is not available now: {reply} {text}")]
    SmtpUnavailable {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// A device on the way rewrites the conversation.
    #[error("a device on the way masks the mail server's answers ⟨{banner}⟩")]
    SmtpInspected {
        /// The masked line.
        banner: String,
    },
    /// EHLO and HELO were refused.
    #[error("the mail server refuses our greeting: {reply} {text}")]
    SmtpHelloRefused {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// STARTTLS is offered and does not work.
    #[error("STARTTLS is offered but refused: {reply} {text}")]
    SmtpStarttlsRefused {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// The client sends nothing without TLS, and the server offers none.
    #[error(
        "the mail server offers no STARTTLS, and this host's mail program sends nothing without it"
    )]
    SmtpStarttlsMissing {},
    /// It takes no mail from strangers at their first visit.
    #[error(
        "the mail server puts this host off, as it does with strangers ⟨greylisting⟩: {reply} {text}"
    )]
    SmtpGreylisted {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// It wants a login before it takes mail.
    #[error("the mail server wants a login: {reply} {text}")]
    SmtpAuthenticationWanted {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// The server takes mail inside TLS alone, and it was spoken to in plain text.
    #[error("the mail server wants TLS first: {reply} {text}")]
    SmtpTlsWanted {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// A block list names this host's address.
    #[error("the mail server refuses this host, which stands on a block list: {reply} {text}")]
    SmtpBlockListed {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// This host's address has no name in DNS, or one that does not lead back to it.
    #[error(
        "the mail server refuses this host, as DNS has no name for its address: {reply} {text}"
    )]
    SmtpNoReverseName {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// It does not take the sender.
    #[error("the mail server refuses the sender: {reply} {text}")]
    SmtpSenderRefused {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// It takes no mail for others from this host.
    #[error("the mail server does not relay for this host: {reply} {text}")]
    SmtpRelayDenied {
        /// SMTP reply code.
        reply: u16,
        /// The server's words.
        text: String,
    },
    /// The test mail asked for was not accepted.
    #[error("the test mail was refused: {text}")]
    SmtpMailRefused {
        /// The server's words.
        text: String,
    },
}

impl SmtpCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Protocol, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::{Nothing, Repair};
        use Whereabouts::Unknown;
        let network = Owner::Network;
        match self {
            Self::SmtpGreetingLate { .. } => About::new(Protocol, FarSide, Nothing).untold(),
            Self::SmtpRefused { .. }
            | Self::SmtpBlockListed { .. }
            | Self::SmtpRelayDenied { .. } => About::new(Authentication, FarSide, Nothing),
            Self::SmtpAuthenticationWanted { .. }
            | Self::SmtpTlsWanted { .. }
            | Self::SmtpNoReverseName { .. } => About::new(Authentication, ThisHost, Nothing),
            Self::SmtpGreylisted { .. } => About::new(Service, FarSide, Nothing),
            Self::SmtpSenderRefused { .. } => About::new(Service, ThisHost, Nothing),
            Self::SmtpUnavailable { .. } | Self::SmtpMailRefused { .. } => {
                About::new(Service, FarSide, Nothing)
            }
            Self::SmtpInspected { .. } => About::new(Protocol, network(Unknown), Repair),
            Self::SmtpHelloRefused { .. }
            | Self::SmtpStarttlsRefused { .. }
            | Self::SmtpStarttlsMissing { .. } => About::new(Protocol, FarSide, Nothing),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        let from = passage.from();
        match self {
            Self::SmtpGreetingLate { .. } => say(format!(
                "see in the server's own log whether it looks up {from} in DNS, or delays strangers; to wait longer: --timeout 10"
            )),
            Self::SmtpRefused { .. } => say(format!(
                "let {from} connect (postfix: smtpd_client_restrictions; exim: acl_smtp_connect), or use the relay meant for it"
            )),
            Self::SmtpUnavailable { .. } => say(
                "look at its queue, its disk and its limit of connections (postfix: anvil, postqueue -p; exim: smtp_accept_max, exim -bp), then run preflight again",
            ),
            Self::SmtpInspected { .. } => say(
                "switch SMTP inspection off on the firewall in between (ASA: no inspect esmtp)",
            ),
            Self::SmtpHelloRefused { .. } => say(format!(
                "take the name that {from} greets with, or say which one it should use (postfix: smtpd_helo_restrictions; exim: acl_smtp_helo)"
            )),
            Self::SmtpStarttlsRefused { .. } => {
                say("give its STARTTLS a certificate and key that work; see: ")
                    .there(passage.openssl())
            }
            Self::SmtpStarttlsMissing {} => {
                say(format!("offer STARTTLS to {from}; until then nothing is sent there"))
            }
            Self::SmtpGreylisted { .. } => say(format!(
                "exempt {from} from greylisting; until then a mail server of its own tries again and gets through"
            )),
            Self::SmtpAuthenticationWanted { .. } => say("give the mailer its login: ").here(
                "postconf -e smtp_sasl_auth_enable=yes smtp_sasl_password_maps=hash:/etc/postfix/sasl_passwd; postmap /etc/postfix/sasl_passwd",
            ),
            Self::SmtpTlsWanted { .. } => say("let the mailer use TLS: ")
                .here("postconf -e smtp_tls_security_level=may")
                .then("; a relay that offers no STARTTLS wants TLS from the first byte (smtps, port 465)"),
            Self::SmtpBlockListed { .. } => say(format!(
                "let {from} in past the block list (postfix: check_client_access before reject_rbl_client; exim: `accept hosts =` before dnslists), or have its address taken off the list that the words name"
            )),
            Self::SmtpNoReverseName { .. } => say(format!(
                "ask the DNS team for a name of {from} that leads back to it (PTR and A record): "
            ))
            .here(format!("dig -x {from}"))
            .then("; or let the relay take it without (postfix: mynetworks)"),
            Self::SmtpSenderRefused { .. } => say("use a sender that the relay takes: ")
                .here("postconf myorigin")
                .then(", and the sender set in Centreon"),
            Self::SmtpRelayDenied { .. } => say(format!(
                "let {from} relay there (postfix: mynetworks; exim: relay_from_hosts), or use the relay meant for it"
            )),
            Self::SmtpMailRefused { .. } => say(format!(
                "take the test mail from {from}, or say what it lacks; its words are above"
            )),
        }
    }
}
