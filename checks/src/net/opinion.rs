//! The second opinion on a name: what does each configured DNS server say by itself?
//!
//! The system resolver folds all of its servers into one failure. hickory asks
//! each of them alone, with the same search list and without `/etc/hosts`.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use hickory_resolver::Resolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::system_conf::read_system_conf;
use serde::{Deserialize, Serialize};

use super::{Ask, Deadline, Peer, Trust, udp};
use crate::cause::Cause;

/// What one DNS server said about a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// The server.
    pub server: IpAddr,
    /// An address, a response code, or how it failed.
    pub says: String,
}

impl std::fmt::Display for Opinion {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.server, self.says)
    }
}

/// What one server said, and why no question gets to it, if that is so.
pub(crate) struct Said {
    pub(crate) opinion: Opinion,
    pub(crate) out_of_reach: Option<Cause>,
}

/// Longest wait for one server.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for the refusal of a question: the kernel gives up on a gateway or a neighbour
/// after 3.07 s.
const REFUSAL: Duration = Duration::from_millis(3_300);
const DNS: u16 = 53;
/// glibc asks no more than three servers either.
const SERVERS: usize = 3;

/// Asks each server of `/etc/resolv.conf` for `name`, side by side.
pub(crate) async fn opinions(name: &str, wait: Deadline) -> Vec<Said> {
    let Ok((config, _)) = read_system_conf() else {
        return Vec::new();
    };
    let (domain, search, servers) = config.into_parts();
    let mut alone: Vec<NameServerConfig> = Vec::new();
    for server in servers {
        if alone.len() < SERVERS && alone.iter().all(|known| known.ip != server.ip) {
            alone.push(server);
        }
    }
    let asking = alone.into_iter().map(|server| {
        let ip = server.ip;
        let config = ResolverConfig::from_parts(domain.clone(), search.clone(), vec![server]);
        async move { opinion(ip, config, name, wait).await }
    });
    join_all(asking).await
}

/// Asks one server; if it does not answer, who refuses?
async fn opinion(server: IpAddr, config: ResolverConfig, name: &str, wait: Deadline) -> Said {
    let mut ask = Ask::new(Peer::from(SocketAddr::new(server, DNS)), wait, Trust::only([]));
    let (refusal, answer) = (pin!(udp::refusal(&mut ask, REFUSAL)), pin!(lookup(config, name)));
    let (answer, refusal) = match select(refusal, answer).await {
        Either::Left((Some(cause), _)) => (Err(String::new()), Some(cause)),
        Either::Left((None, answer)) => (answer.await, None),
        Either::Right((Ok(answer), _)) => (Ok(answer), None),
        Either::Right((Err(failure), refusal)) => (Err(failure), refusal.await),
    };
    let says = match (&refusal, answer) {
        (Some(cause), _) => cause.to_string(),
        (None, Ok(says) | Err(says)) => says,
    };
    Said { opinion: Opinion { server, says }, out_of_reach: refusal }
}

/// What the server answers, or how it fails to.
async fn lookup(config: ResolverConfig, name: &str) -> Result<String, String> {
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = PATIENCE;
    options.attempts = 1;
    options.use_hosts_file = ResolveHosts::Never;
    let resolver = match builder.build() {
        Ok(resolver) => resolver,
        Err(error) => return Err(error.to_string()),
    };
    match resolver.lookup_ip(name).await {
        Ok(found) => Ok(found.iter().next().map_or("no address".to_owned(), |ip| ip.to_string())),
        Err(error @ NetError::Dns(_)) => Ok(words(&error)),
        Err(error) => Err(words(&error)),
    }
}

/// How a server failed, in short.
pub(super) fn words(error: &NetError) -> String {
    match error {
        NetError::Timeout => "no answer".to_owned(),
        NetError::Dns(DnsError::ResponseCode(code)) => code.to_string(),
        NetError::Dns(DnsError::NoRecordsFound(none)) => none.response_code.to_string(),
        other => crate::wire::printable(&other.to_string()),
    }
}
