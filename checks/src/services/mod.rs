//! The protocols, one a file: each asks its question and holds the far side that answers it.

pub mod bbdo;
pub mod dns;
pub mod gorgone_api;
pub mod http;
pub mod ldap;
pub mod listener;
pub mod mssql;
pub mod mysql;
pub mod nsclient;
pub mod ntp;
pub mod postgresql;
pub mod pullwss;
pub mod smtp;
pub mod snmp;
pub mod ssh;
pub mod tcp;
pub mod tls;
pub mod trap;
pub mod zmtp;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::cause::{Cause, Transport};
use crate::net::{Ask, FarStream};

/// One question in one protocol; to whom is said when it is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Probe {
    /// Does the central's broker answer as one that takes this poller's data?
    Bbdo(bbdo::Probe),
    /// Does the server resolve for this host, over UDP and over TCP?
    Dns(dns::Probe),
    /// Does Gorgone's API answer, and does each poller answer Gorgone?
    GorgoneApi(gorgone_api::Probe),
    /// Does the web server asked answer, or who answers instead?
    Http(http::Probe),
    /// Does the directory answer, and does it take our bind?
    Ldap(ldap::Probe),
    /// Does anything listen on a port of this host, and where?
    Listener(listener::Probe),
    /// Does Microsoft SQL Server answer?
    Mssql(mssql::Probe),
    /// Does MySQL or MariaDB greet this host?
    Mysql(mysql::Probe),
    /// Does NSClient++ answer, and does it let this host ask?
    Nsclient(nsclient::Probe),
    /// Does the time server answer, and is our clock near its clock?
    Ntp(ntp::Probe),
    /// Does PostgreSQL answer, and take this host?
    Postgresql(postgresql::Probe),
    /// Does Gorgone's WebSocket let pollers fetch their orders?
    Pullwss(pullwss::Probe),
    /// Does the mail relay greet us and take our EHLO?
    Smtp(smtp::Probe),
    /// Does the agent answer, and let us read?
    Snmp(snmp::Probe),
    /// Does an SSH server identify itself and offer keys?
    Ssh(ssh::Probe),
    /// Does the application port accept a connection?
    Tcp(tcp::Probe),
    /// Does the port finish a TLS handshake with a certificate we trust?
    Tls(tls::Probe),
    /// Does the trap receiver answer? No trap is sent.
    Trap(trap::Probe),
    /// Does Gorgone answer, ready to take orders?
    Zmq(zmtp::Probe),
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        match self {
            Self::Bbdo(probe) => probe.run(ask).await,
            Self::Dns(probe) => probe.run(ask).await,
            Self::GorgoneApi(probe) => probe.run(ask).await,
            Self::Http(probe) => probe.run(ask).await,
            Self::Ldap(probe) => probe.run(ask).await,
            Self::Listener(probe) => probe.run(ask).await,
            Self::Mssql(probe) => probe.run(ask).await,
            Self::Mysql(probe) => probe.run(ask).await,
            Self::Nsclient(probe) => probe.run(ask).await,
            Self::Ntp(probe) => probe.run(ask).await,
            Self::Postgresql(probe) => probe.run(ask).await,
            Self::Pullwss(probe) => probe.run(ask).await,
            Self::Smtp(probe) => probe.run(ask).await,
            Self::Snmp(probe) => probe.run(ask).await,
            Self::Ssh(probe) => probe.run(ask).await,
            Self::Tcp(probe) => probe.run(ask).await,
            Self::Tls(probe) => probe.run(ask).await,
            Self::Trap(probe) => probe.run(ask).await,
            Self::Zmq(probe) => probe.run(ask).await,
        }
    }

    /// Does it try a password that is locked after some refusals?
    #[must_use]
    pub fn risks_lockout(&self) -> bool {
        matches!(self, Self::Ldap(ldap::Probe { login: ldap::Login::As(_), .. }))
    }

    /// Does it ask for a path, as a URL names one?
    #[must_use]
    pub fn takes_path(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Pullwss(_))
    }

    /// The same question, asked as nobody in particular, since another peer has
    /// refused the password.
    #[must_use]
    pub fn without_credentials(&self) -> Self {
        match self {
            Self::Ldap(probe) => {
                Self::Ldap(ldap::Probe { login: ldap::Login::Withheld, ..probe.clone() })
            }
            other => other.clone(),
        }
    }

    /// The service this probe asks for.
    #[must_use]
    pub fn service(&self) -> &'static Service {
        match self {
            Self::Bbdo(_) => &bbdo::SERVICE,
            Self::Dns(_) => &dns::SERVICE,
            Self::GorgoneApi(probe) => probe.service(),
            Self::Http(probe) => probe.service(),
            Self::Ldap(probe) => probe.service(),
            Self::Listener(_) => &listener::SERVICE,
            Self::Mssql(_) => &mssql::SERVICE,
            Self::Mysql(_) => &mysql::SERVICE,
            Self::Nsclient(_) => &nsclient::SERVICE,
            Self::Ntp(_) => &ntp::SERVICE,
            Self::Postgresql(_) => &postgresql::SERVICE,
            Self::Pullwss(probe) => probe.service(),
            Self::Smtp(probe) => probe.service(),
            Self::Snmp(_) => &snmp::SERVICE,
            Self::Ssh(_) => &ssh::SERVICE,
            Self::Tcp(_) => &tcp::SERVICE,
            Self::Tls(_) => &tls::SERVICE,
            Self::Trap(_) => &trap::SERVICE,
            Self::Zmq(_) => &zmtp::SERVICE,
        }
    }
}

/// Every service there is a far side for; [`listener`] asks nobody.
pub const SERVICES: &[&Service] = &[
    &bbdo::SERVICE,
    &dns::SERVICE,
    &gorgone_api::SERVICE,
    &gorgone_api::SERVICE_TLS,
    &http::SERVICE,
    &http::SERVICE_TLS,
    &ldap::SERVICE,
    &ldap::SERVICE_TLS,
    &mssql::SERVICE,
    &mysql::SERVICE,
    &nsclient::SERVICE,
    &ntp::SERVICE,
    &postgresql::SERVICE,
    &pullwss::SERVICE,
    &pullwss::SERVICE_TLS,
    &smtp::SERVICE,
    &smtp::SERVICE_TLS,
    &snmp::SERVICE,
    &ssh::SERVICE,
    &tcp::SERVICE,
    &tls::SERVICE,
    &trap::SERVICE,
    &zmtp::SERVICE,
];

/// What is fixed about a protocol: its name, port, time, and both its halves.
#[derive(Debug)]
pub struct Service {
    /// The name used in the catalogue: `ntp`.
    pub name: &'static str,
    /// The port when nobody says otherwise.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
    /// Is it TLS from the first byte?
    pub tls: bool,
    /// The longest the whole question may take, all phases together.
    pub budget: Duration,
    /// How often the question may be asked again after a pass, to count the
    /// answers; 0 where servers limit the rate, and over TCP.
    pub repeats: usize,
    /// The probe as it is without any option.
    pub probe: fn() -> Probe,
    /// A harmless first datagram of a UDP service, for [`examine_path`](crate::examine_path).
    pub question: Option<fn() -> Vec<u8>>,
    /// The far side's half, for the responders.
    pub respond: Respond,
}

impl Service {
    /// The transports it is asked over; the first decides.
    #[must_use]
    pub fn transports(&self) -> &'static [Transport] {
        match (&self.respond, self.transport) {
            (Respond::Both { .. }, _) => &[Transport::Udp, Transport::Tcp],
            (_, Transport::Udp) => &[Transport::Udp],
            (_, Transport::Tcp) => &[Transport::Tcp],
        }
    }
}

/// What a healthy far side does with a connection or a datagram.
#[derive(Clone, Copy)]
pub enum Respond {
    /// Answers one datagram; `None`: drops it.
    Datagram(Answer),
    /// Serves one connection, inside TLS already when the service says so.
    Stream(Serve),
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
            Self::Both { .. } => "Both",
        })
    }
}
