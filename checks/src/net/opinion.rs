//! The second opinion on a name: what does each configured DNS server say by itself?
//!
//! The system resolver folds all of its servers into one failure. hickory asks
//! each of them alone, with the same search list and without `/etc/hosts`.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::Resolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::system_conf::read_system_conf;
use serde::{Deserialize, Serialize};

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

/// Longest wait for one server.
const PATIENCE: Duration = Duration::from_secs(2);
/// glibc asks no more than three servers either.
const SERVERS: usize = 3;

/// Asks each server of `/etc/resolv.conf` for `name`, side by side.
pub(crate) async fn opinions(name: &str) -> Vec<Opinion> {
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
        async move { Opinion { server: ip, says: ask(config, name).await } }
    });
    join_all(asking).await
}

async fn ask(config: ResolverConfig, name: &str) -> String {
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = PATIENCE;
    options.attempts = 1;
    options.use_hosts_file = ResolveHosts::Never;
    let resolver = match builder.build() {
        Ok(resolver) => resolver,
        Err(error) => return error.to_string(),
    };
    match resolver.lookup_ip(name).await {
        Ok(found) => found.iter().next().map_or("no address".to_owned(), |ip| ip.to_string()),
        Err(error) => words(&error),
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
