//! The protocols, one a file: each asks its question and holds the far side that answers it.

// Questions and judges have one shape, whatever one of them needs.
#![allow(clippy::unused_self, clippy::unnecessary_wraps)]

pub mod bbdo;
pub mod closed;
pub mod dns;
pub mod gorgone_api;
pub mod http;
pub mod icmp;
pub mod ldap;
pub mod listener;
pub mod mssql;
pub mod mysql;
pub mod nrpe;
pub mod nsclient;
pub mod nsclient_nt;
pub mod ntp;
pub mod nts;
pub mod oracle;
pub mod otlp;
pub mod pcsd;
pub mod postgresql;
pub mod pullwss;
pub mod qnetd;
pub mod redis;
pub mod smtp;
pub mod snmp;
pub mod ssh;
pub mod tcp;
pub mod tls;
pub mod trap;
pub mod unheard;
pub mod zmtp;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::cause::instead_of;
use crate::cause::{Cause, Transport};
use crate::conceal::Secrets;
use crate::dialogue::Dialogue;
use crate::net::{Ask, FarStream, IdleWords};
use crate::recognise::Spoken;

/// From the table below: the probes, who asks which, and all services there is a far side for.
macro_rules! services {
    ($($(#[$doc:meta])* $variant:ident: $module:ident [$($listed:ident),*];)*) => {
        /// One question in one protocol; to whom is said when it is asked.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum Probe {
            $($(#[$doc])* $variant($module::Probe),)*
        }

        impl Probe {
            pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
                match self {
                    // Boxed one by one: ten thousand of the smallest need no room for the largest.
                    $(Self::$variant(probe) => Box::pin(probe.run(ask)).await,)*
                }
            }

            /// The service this probe asks for.
            #[must_use]
            pub fn service(&self) -> &'static Service {
                match self {
                    $(Self::$variant(probe) => services!(@asked probe $module [$($listed),*]),)*
                }
            }
        }

        /// Every service there is a far side for; [`listener`] asks nobody, and what is [`closed`] has none.
        pub const SERVICES: &[&Service] = &[$($(&$module::$listed,)*)*];

        #[cfg(test)]
        const MODULES: &[&str] = &[$(stringify!($module)),*];
    };
    (@asked $probe:ident $module:ident [$one:ident, $($other:ident),+]) => { $probe.service() };
    (@asked $probe:ident $module:ident [$($listed:ident)?]) => {{
        let _asks_one = $probe;
        &$module::SERVICE
    }};
}

// The question, the probe, its file, and the services it asks for: with and without TLS, where both
// are in use.
services! {
    /// Does the central's broker answer as one that takes this poller's data?
    Bbdo: bbdo [SERVICE];
    /// Is a port shut to this host, as it must be?
    Closed: closed [];
    /// Does the server resolve for this host, over UDP and over TCP?
    Dns: dns [SERVICE];
    /// Does Gorgone's API answer, and does each poller answer Gorgone?
    GorgoneApi: gorgone_api [SERVICE, SERVICE_TLS];
    /// Does the web server asked answer, or who answers instead?
    Http: http [SERVICE, SERVICE_TLS];
    /// Does the host answer an echo request?
    Icmp: icmp [SERVICE];
    /// Does the directory answer, and does it take our bind?
    Ldap: ldap [SERVICE, SERVICE_TLS];
    /// Does anything listen on a port of this host, and where?
    Listener: listener [];
    /// Does Microsoft SQL Server answer?
    Mssql: mssql [SERVICE];
    /// Does MySQL or MariaDB greet this host?
    Mysql: mysql [SERVICE];
    /// Does the NRPE daemon answer, and does it let this host ask?
    Nrpe: nrpe [SERVICE];
    /// Does NSClient++ answer, and does it let this host ask?
    Nsclient: nsclient [SERVICE];
    /// Does the agent answer the old protocol of `check_nt`?
    NsclientNt: nsclient_nt [SERVICE];
    /// Does the time server answer, and is our clock near its clock?
    Ntp: ntp [SERVICE];
    /// Does the key server of NTS hand out keys, and does its time server answer with them?
    Nts: nts [SERVICE];
    /// Does the listener of an Oracle database answer?
    Oracle: oracle [SERVICE];
    /// Does the receiver of monitoring agents answer, or an agent that waits for its poller?
    Otlp: otlp [SERVICE, SERVICE_TLS];
    /// Does the daemon answer through which the nodes of a cluster are set up?
    Pcsd: pcsd [SERVICE];
    /// Does PostgreSQL answer, and take this host?
    Postgresql: postgresql [SERVICE];
    /// Does Gorgone's WebSocket let pollers fetch their orders?
    Pullwss: pullwss [SERVICE, SERVICE_TLS];
    /// Does the quorum server of a cluster answer?
    Qnetd: qnetd [SERVICE];
    /// Does Redis answer PING, and what is it?
    Redis: redis [SERVICE, SERVICE_TLS];
    /// Does the mail relay greet us and take our EHLO?
    Smtp: smtp [SERVICE, SERVICE_TLS];
    /// Does the agent answer, and let us read?
    Snmp: snmp [SERVICE];
    /// Does an SSH server identify itself and offer keys?
    Ssh: ssh [SERVICE];
    /// Does the application port accept a connection?
    Tcp: tcp [SERVICE];
    /// Does the port finish a TLS handshake with a certificate we trust?
    Tls: tls [SERVICE];
    /// Does the trap receiver answer? No trap is sent, unless one is asked for.
    Trap: trap [SERVICE];
    /// Does anything refuse packets to a service that answers nobody it does not know?
    Unheard: unheard [RADIUS, NETFLOW, COROSYNC];
    /// Does Gorgone answer, ready to take orders, or another router of ZeroMQ?
    Zmq: zmtp [SERVICE, SERVICE_ROUTER];
}

/// Descriptors that a question with sockets of its own has open at most, the looks beside it apart.
pub(crate) const OWN_SOCKETS: usize = 4;

impl Probe {
    /// Descriptors that it has open at most, for whoever asks many at once.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        match self {
            // Its sockets are those of the whole run.
            Self::Snmp(_) => 0,
            _ => OWN_SOCKETS,
        }
    }

    /// Does it try a password that is locked after some refusals?
    #[must_use]
    pub fn risks_lockout(&self) -> bool {
        matches!(self, Self::Ldap(ldap::Probe { login: ldap::LdapLogin::As(_), .. }))
    }

    /// The proxy and the user whose password it is shown, for whoever asks others through the same.
    #[must_use]
    pub(crate) fn proxy_account(&self) -> Option<(String, String)> {
        let Self::Http(probe) = self else { return None };
        let proxy = probe.proxy.as_ref()?;
        Some((proxy.shown(), proxy.user.clone()?))
    }

    /// What its connections are kept with that are silent for long at work; none: it has no such ones, or they need a
    /// log-in.
    pub(crate) fn idle_words(&self) -> Option<IdleWords> {
        match self {
            Self::Bbdo(probe) => Some(probe.idle_words()),
            Self::Zmq(_) => Some(zmtp::idle_words()),
            _ => None,
        }
    }

    /// The same question, asked as nobody in particular, since another peer has
    /// refused the password.
    #[must_use]
    pub fn without_credentials(&self) -> Self {
        match self {
            Self::Ldap(probe) => {
                Self::Ldap(ldap::Probe { login: ldap::LdapLogin::Withheld, ..probe.clone() })
            }
            other => other.clone(),
        }
    }

    /// What it proves itself with, and what of its address is not shown.
    pub(crate) fn secrets(&self) -> Secrets {
        let known = |secret: &Option<SecretString>| {
            secret.as_ref().map(|secret| secret.expose_secret().to_owned())
        };
        let login = |user: Option<&str>, password: Option<&String>| {
            Some(format!("{}:{}", user?, password?))
        };
        match self {
            Self::Http(probe) => {
                let proxy = probe.proxy.as_ref();
                let password = proxy.and_then(|proxy| known(&proxy.password));
                let basic = login(proxy.and_then(|proxy| proxy.user.as_deref()), password.as_ref());
                let of_url = crate::discreet::secrets_of(&probe.url);
                Secrets::new(of_url.into_iter().chain(password), basic.as_slice())
            }
            Self::Ldap(ldap::Probe { login: ldap::LdapLogin::As(bind), .. }) => {
                Secrets::new([bind.password.expose_secret().to_owned()], &[])
            }
            Self::Nsclient(probe) => {
                let password = known(&probe.password);
                let basic = login(probe.user.as_deref(), password.as_ref());
                Secrets::new(password, basic.as_slice())
            }
            Self::GorgoneApi(probe) => {
                let login = probe.login.as_ref();
                let password = login.map(|login| login.password.expose_secret().to_owned());
                let basic =
                    login.zip(password.as_ref()).map(|(it, own)| format!("{}:{own}", it.user));
                Secrets::new(password, basic.as_slice())
            }
            Self::Pullwss(probe) => Secrets::new(known(&probe.token), &[]),
            Self::Otlp(probe) => Secrets::new(known(&probe.token), &[]),
            Self::Redis(probe) => Secrets::new(known(&probe.password), &[]),
            Self::NsclientNt(probe) => Secrets::new(known(&probe.password), &[]),
            Self::Snmp(probe) => Secrets::new(probe.credentials.secrets(), &[]),
            Self::Trap(probe) => {
                let known = probe.inform.as_ref().map(snmp::Credentials::secrets);
                Secrets::new(known.unwrap_or_default(), &[])
            }
            Self::Bbdo(_)
            | Self::Closed(_)
            | Self::Dns(_)
            | Self::Icmp(_)
            | Self::Ldap(_)
            | Self::Listener(_)
            | Self::Mssql(_)
            | Self::Mysql(_)
            | Self::Nrpe(_)
            | Self::Ntp(_)
            | Self::Nts(_)
            | Self::Oracle(_)
            | Self::Pcsd(_)
            | Self::Postgresql(_)
            | Self::Qnetd(_)
            | Self::Smtp(_)
            | Self::Ssh(_)
            | Self::Tcp(_)
            | Self::Tls(_)
            | Self::Unheard(_)
            | Self::Zmq(_) => Secrets::new([], &[]),
        }
    }

    /// The same question, with nothing that a second time would do twice: no bind, no mail.
    pub(crate) fn without_consequences(&self) -> Self {
        match self {
            Self::Smtp(probe) => Self::Smtp(smtp::Probe { test_mail: None, ..probe.clone() }),
            Self::Trap(_) => Self::Trap(trap::Probe::default()),
            other => other.without_credentials(),
        }
    }

    /// The same question, with these words where the port's protocol is one of the user's own.
    #[must_use]
    pub fn with_dialogue(self, dialogue: &Dialogue) -> Self {
        let dialogue = dialogue.clone();
        match self {
            Self::Tcp(probe) => Self::Tcp(tcp::Probe { dialogue, ..probe }),
            Self::Tls(probe) => Self::Tls(tls::Probe { dialogue, ..probe }),
            other => other,
        }
    }

    /// The same question, for this user and this database where the probe asks for some.
    #[must_use]
    pub fn with_session(self, session: &Session) -> Self {
        let Session { user, database } = session.clone();
        match self {
            Self::Postgresql(_) => Self::Postgresql(postgresql::Probe { user, database }),
            Self::Redis(probe) => Self::Redis(redis::Probe { user, ..probe }),
            other => other,
        }
    }
}

/// What is fixed about a protocol: its name, port, time, and both its halves.
#[derive(Debug)]
pub struct Service {
    /// The name used in the catalogue, and the scheme of its URLs: `ntp`.
    pub name: &'static str,
    /// What people call it, in tables and in requests to other teams: "SQL Server".
    pub title: &'static str,
    /// What is spoken on its port first, in the sentence that says what answers there instead: "TLS".
    pub expected: &'static str,
    /// The same, as the recogniser knows it; `Unknown` where the first bytes do not tell.
    pub spoken: Spoken,
    /// What its URL says of it.
    pub url: UrlForm,
    /// Words for whoever repairs it.
    pub hints: Hints,
    /// The port when nobody says otherwise; 0 where there are none.
    pub port: u16,
    /// TCP, UDP or ICMP.
    pub transport: Transport,
    /// Is it TLS from the first byte?
    pub tls: bool,
    /// The longest the whole question may take, all phases together.
    pub budget: Duration,
    /// How often it may be asked again after a pass, to count the answers: over UDP the question,
    /// over TCP a handshake that ends before there is a connection, and only after a delay that a
    /// lost packet makes. 0 where servers, or firewalls before them, limit the rate.
    pub repeats: usize,
    /// The probe as it is without any option.
    pub probe: fn() -> Probe,
    /// A harmless first datagram of a UDP service, for [`examine_path`](crate::examine_path).
    pub question: Option<fn() -> Vec<u8>>,
    /// The far side's half, for the responders.
    pub respond: Respond,
}

impl Service {
    /// The cause when `head`, the first bytes of an answer, is of another protocol than its own.
    pub(crate) fn instead(&self, head: &[u8]) -> Option<Cause> {
        instead_of(self.expected, self.spoken, head)
    }

    /// Does it hold visits without a log-in against the address they come from?
    ///
    /// OpenSSH does since 9.8 (`PerSourcePenalties`), also those that leave politely. So it is visited
    /// once a run, whoever wants to know.
    #[must_use]
    pub fn counts_visits(&self) -> bool {
        self.spoken == Spoken::Ssh
    }

    /// The far side's beginning of a conversation: inside TLS when the service is.
    ///
    /// # Errors
    ///
    /// When there is no certificate to present, or the handshake fails.
    pub async fn begin(&self, accepted: FarStream) -> std::io::Result<FarStream> {
        match self.hints.alpn {
            _ if !self.tls => Ok(accepted),
            Some(name) => accepted.secure_for(name).await,
            None => accepted.secure().await,
        }
    }

    /// The transports it is asked over; the first decides.
    #[must_use]
    pub fn transports(&self) -> &'static [Transport] {
        match (&self.respond, self.transport) {
            (Respond::Both { .. }, _) => &[Transport::Udp, Transport::Tcp],
            (_, Transport::Udp) => &[Transport::Udp],
            (_, Transport::Tcp) => &[Transport::Tcp],
            (_, Transport::Icmp) => &[Transport::Icmp],
        }
    }
}

/// What stands behind `SCHEME://` in a URL of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlForm {
    /// `HOST[:PORT]`
    Host,
    /// `HOST:PORT`: no port is usual.
    HostAndPort,
    /// `HOST[:PORT][/PATH]`
    Path,
    /// `[USER@]HOST[:PORT][/DATABASE]`, as clients of databases write it.
    Session,
}

/// Whose session a database is asked for; it looks at both before it asks for a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The user; none: nobody in particular.
    pub user: Option<String>,
    /// The database; none: the one named as the user.
    pub database: Option<String>,
}

/// Words for whoever repairs a service.
#[derive(Clone, Copy, Debug)]
pub struct Hints {
    /// What `openssl s_client -starttls` calls it; none: it has no such upgrade to TLS.
    pub starttls: Option<&'static str>,
    /// The protocol inside TLS that it has to be asked for by name (ALPN).
    pub alpn: Option<&'static str>,
    /// Where the conversation goes on beside its own port, so that a firewall has to let that pass too.
    pub then: Option<(Transport, u16)>,
    /// Whose address it or its users look up in the DNS, backwards.
    pub reverse: Option<ReverseOf>,
    /// The setting by which it serves its own machine alone, or others too.
    pub serves_others: Option<&'static str>,
}

/// An end of a conversation whose address is looked up backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReverseOf {
    /// The client's: servers of the Internet refuse one without a name.
    Client,
    /// The server's: people and logs call it by that name.
    Server,
}

impl Hints {
    /// Nothing in particular.
    pub(crate) const NONE: Self =
        Self { starttls: None, alpn: None, then: None, reverse: None, serves_others: None };
}

/// What a healthy far side does with a connection or a datagram.
#[derive(Clone, Copy)]
pub enum Respond {
    /// Answers one datagram; `None`: drops it.
    Datagram(Answer),
    /// Serves one connection, inside TLS already when the service says so.
    Stream(Serve),
    /// Answers nobody it does not know: there is no far side to stand in for.
    Nobody,
    /// Both, on the same port number.
    Both {
        /// Answers one datagram.
        datagram: Answer,
        /// Serves one connection.
        stream: Serve,
    },
}

/// The answer to one datagram; `None`: drops it.
pub type Answer = fn(&[u8]) -> Option<Vec<u8>>;

/// One connection, from its acceptance to its end.
pub type Serve = fn(FarStream) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

impl std::fmt::Debug for Respond {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Datagram(_) => "Datagram",
            Self::Stream(_) => "Stream",
            Self::Nobody => "Nobody",
            Self::Both { .. } => "Both",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_a_protocol_is_in_the_table() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/src/services");
        let files = std::fs::read_dir(here).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<String> =
            files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        files.retain(|name| name != "mod");
        files.sort();
        files.dedup();
        assert_eq!(files, MODULES);
    }

    #[test]
    fn no_two_services_share_a_name_or_a_title() {
        for (index, service) in SERVICES.iter().enumerate() {
            for other in SERVICES.iter().skip(index + 1) {
                assert_ne!(service.name, other.name);
                assert_ne!(service.title, other.title);
            }
        }
    }
}
