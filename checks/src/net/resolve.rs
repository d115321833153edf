//! Names: what the platform's own daemons would get from getaddrinfo.
//!
//! `/etc/hosts`, `nsswitch.conf` and search domains count as they do for every
//! daemon; hickory is the second opinion, never the first.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;
use std::time::Duration;

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use nix::net::if_::if_nametoindex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::opinion::{Opinion, Said, opinions};
use super::{Deadline, nsswitch};
use crate::cause::{Cause, LocalRoute};
use crate::wire;

/// The addresses of a name, in the order the system prefers them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// At least one.
    pub addresses: Vec<IpAddr>,
    /// The name they belong to, when it is not the one asked for: a search
    /// domain was appended, or an alias followed.
    pub canonical: Option<String>,
    /// The interface whose link they are of (`fe80::1%eth0`), by its number; 0: of none.
    pub scope: u32,
    /// How long the resolver took; `None` for an address literal.
    pub took: Option<Duration>,
}

/// Longest wait for the system resolver: its own default is 5 s per server and
/// try, so a dead first server costs 5 s before the second is asked.
pub const RESOLVE: Duration = Duration::from_secs(7);

/// A healthy resolver has answered by now.
const IN_TROUBLE: Duration = Duration::from_secs(3);

/// getaddrinfo cannot be cancelled: this many threads may hang in it at once.
static LOOKUPS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(32));

/// Resolves `host` as the daemons on this machine would.
///
/// # Errors
///
/// [`Cause::NameNotFound`], [`Cause::NameNotAskedFor`], [`Cause::NameWithoutAddress`],
/// [`Cause::NameServerUnreachable`] or [`Cause::ResolverFailed`].
pub async fn resolve(host: &str, wait: Deadline) -> Result<Addresses, Cause> {
    if let Ok(literal) = host.parse() {
        return Ok(Addresses { addresses: vec![literal], scope: 0, canonical: None, took: None });
    }
    if let Some(on_link) = on_link(host) {
        return on_link;
    }
    let started = Instant::now();
    let name = host.to_owned();
    let lookup = async {
        let _slot = LOOKUPS.acquire().await;
        tokio::task::spawn_blocking(move || system_lookup(&name)).await
    };
    let mut lookup = std::pin::pin!(lookup);
    // A resolver that takes this long is in trouble: what do its servers say?
    let in_time = wait.within(IN_TROUBLE).bound(&mut lookup).await;
    let (found, mut said) = if in_time.is_some() {
        (in_time, Vec::new())
    } else {
        tokio::join!(wait.bound(&mut lookup), opinions(host, wait))
    };
    let cause = match found {
        Some(Ok(found)) => match judge(host, found) {
            Ok((addresses, canonical)) => {
                let took = Some(started.elapsed());
                return Ok(Addresses { addresses, scope: 0, canonical, took });
            }
            Err(cause) => cause,
        },
        Some(Err(join)) => failed(host, join.to_string()),
        None => failed(host, format!("no answer from the resolver within {}", wait.waited())),
    };
    if said.is_empty() {
        said = wait.bound(opinions(host, wait)).await.unwrap_or_default();
    }
    Err(hidden(with(said, cause), nsswitch::barrier(host)))
}

/// A name that DNS knows and this host's look-up does not ask DNS for is not missing.
fn hidden(cause: Cause, barrier: Option<(String, String)>) -> Cause {
    match (cause, barrier) {
        (Cause::NameNotFound { name, servers }, Some((at, services))) if knows(&servers) => {
            Cause::NameNotAskedFor { name, at, services, servers }
        }
        (cause, _) => cause,
    }
}

/// Does a server have an address for it?
fn knows(servers: &[Opinion]) -> bool {
    servers.iter().any(|opinion| opinion.says.parse::<IpAddr>().is_ok())
}

/// An address and the interface whose link it is of: `fe80::1%eth0`, `fe80::1%2`.
fn on_link(host: &str) -> Option<Result<Addresses, Cause>> {
    let (address, interface) = host.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    let numbered = interface.parse().ok().filter(|&number: &u32| number > 0);
    let scope = numbered.or_else(|| if_nametoindex(interface).ok());
    let missing = || Cause::NoRoute { to: address.into(), route: LocalRoute::NoInterface };
    let addresses = vec![address.into()];
    Some(scope.ok_or_else(missing).map(|scope| Addresses {
        addresses,
        scope,
        canonical: None,
        took: None,
    }))
}

/// The cause, and what each server said; or that not one of them was reached.
fn with(said: Vec<Said>, cause: Cause) -> Cause {
    let is_out_of_reach = said.iter().all(|said| said.out_of_reach.is_some());
    let first = said.iter().find_map(|Said { opinion, out_of_reach }| {
        Some((opinion.server, out_of_reach.clone()?)).filter(|_| is_out_of_reach)
    });
    let servers = said.into_iter().map(|said| said.opinion).collect();
    match (cause, first) {
        (Cause::NameNotFound { name, .. }, _) => Cause::NameNotFound { name, servers },
        (Cause::ResolverFailed { name, .. }, Some((server, because))) => {
            Cause::NameServerUnreachable { name, server, because: Box::new(because), servers }
        }
        (Cause::ResolverFailed { name, error, .. }, None) => {
            Cause::ResolverFailed { name, error, servers }
        }
        (other, _) => other,
    }
}

/// Addresses, and the name they belong to when it is another one.
type Found = (Vec<IpAddr>, Option<String>);

fn system_lookup(name: &str) -> Result<Found, LookupError> {
    let hints = AddrInfoHints {
        socktype: SockType::Stream.into(),
        flags: libc::AI_CANONNAME,
        ..AddrInfoHints::default()
    };
    let entries: Vec<_> = getaddrinfo(Some(name), None, Some(hints))?.flatten().collect();
    let canonical = entries.iter().find_map(|entry| entry.canonname.clone());
    let addresses = entries.iter().map(|entry| entry.sockaddr.ip()).collect();
    Ok((addresses, canonical.filter(|canonical| !canonical.eq_ignore_ascii_case(name))))
}

fn judge(name: &str, found: Result<Found, LookupError>) -> Result<Found, Cause> {
    match found {
        Ok((mut addresses, canonical)) => {
            let mut known = std::collections::HashSet::new();
            addresses.retain(|address| known.insert(*address));
            if addresses.is_empty() {
                return Err(Cause::NameWithoutAddress { name: name.to_owned() });
            }
            Ok((addresses, canonical.map(|name| wire::printable(&name))))
        }
        Err(error) => Err(match error.kind() {
            LookupErrorKind::NoName => {
                Cause::NameNotFound { name: name.to_owned(), servers: Vec::new() }
            }
            LookupErrorKind::NoData => Cause::NameWithoutAddress { name: name.to_owned() },
            _ => failed(name, in_short(&std::io::Error::from(error).to_string())),
        }),
    }
}

fn failed(name: &str, error: String) -> Cause {
    Cause::ResolverFailed { name: name.to_owned(), error, servers: Vec::new() }
}

/// The resolver's words without the preface that every error has.
fn in_short(error: &str) -> String {
    error.strip_prefix("failed to lookup address information: ").unwrap_or(error).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_its_own_answer() {
        let deadline = Deadline::after(Duration::from_secs(1));
        let found = resolve("2001:db8::1", deadline).await.unwrap();
        assert_eq!(found.addresses, ["2001:db8::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(found.took, None);
    }

    #[tokio::test]
    async fn an_address_of_a_link_keeps_its_interface() {
        let deadline = Deadline::after(Duration::from_secs(1));
        let found = resolve("fe80::1%lo", deadline).await.unwrap();
        let addresses = vec!["fe80::1".parse().unwrap()];
        let loopback = Addresses { addresses, scope: 1, canonical: None, took: None };
        assert_eq!(found, loopback);
        assert_eq!(resolve("fe80::1%1", deadline).await.unwrap(), loopback);
        let missing = resolve("fe80::1%no-such0", deadline).await.unwrap_err();
        assert_eq!(
            missing.to_string(),
            "this host has no route to fe80::1 (no interface of that name)"
        );
    }

    fn said(last: u8, out_of_reach: Option<Cause>) -> Said {
        let server = IpAddr::from([10, 0, 0, last]);
        Said { opinion: Opinion { server, says: String::new() }, out_of_reach }
    }

    #[test]
    fn a_name_server_that_is_out_of_reach_is_the_cause_unless_another_one_was_reached() {
        let to = IpAddr::from([10, 0, 0, 53]);
        let no_route = Cause::NoRoute { to, route: crate::LocalRoute::Missing };
        let failure = || failed("central", "Temporary failure in name resolution".to_owned());
        let cause = with(vec![said(53, Some(no_route.clone()))], failure());
        let Cause::NameServerUnreachable { server, ref because, .. } = cause else {
            panic!("{cause:?}")
        };
        assert_eq!((server, &**because), (to, &no_route));
        assert_eq!(
            cause.to_string(),
            "central cannot be resolved: no route to the name server 10.0.0.53 \
             (no entry and no default route)"
        );
        for reached in [vec![], vec![said(53, Some(no_route)), said(54, None)]] {
            assert_eq!(with(reached, failure()).code(), "resolver-failed");
        }
    }

    #[test]
    fn a_name_that_dns_knows_is_hidden_only_where_nsswitch_says_so() {
        let cause = |says: &str| {
            let server = IpAddr::from([10, 0, 0, 53]);
            let servers = vec![Opinion { server, says: says.to_owned() }];
            Cause::NameNotFound { name: "central.local".to_owned(), servers }
        };
        let line = || Some(("/etc/nsswitch.conf:12".to_owned(), "hosts: files".to_owned()));
        let found = hidden(cause("10.0.0.5"), line());
        assert_eq!(found.code(), "name-not-asked-for");
        assert_eq!(
            found.to_string(),
            "this host does not ask DNS for central.local (/etc/nsswitch.conf:12 says \
             `hosts: files`), which knows it (10.0.0.53: 10.0.0.5)"
        );
        assert_eq!(hidden(cause("10.0.0.5"), None).code(), "name-not-found");
        assert_eq!(hidden(cause("Non-Existent Domain"), line()).code(), "name-not-found");
    }

    #[tokio::test]
    async fn localhost_comes_from_the_hosts_file() {
        let deadline = Deadline::after(Duration::from_secs(5));
        let found = resolve("localhost", deadline).await.unwrap();
        assert!(found.addresses.iter().all(IpAddr::is_loopback));
    }
}
