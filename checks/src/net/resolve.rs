//! Names: what the platform's own daemons would get from getaddrinfo.
//!
//! `/etc/hosts`, `nsswitch.conf` and search domains count as they do for every daemon; what each DNS
//! server says by itself is the second opinion, never the first. For a copy of another machine's files
//! its own DNS servers stand in for a resolver that we cannot call.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;
use std::time::Duration;

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use nix::net::if_::if_nametoindex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Deadline;
use super::names::{NameSource, Naming};
use super::opinion::{NameAnswer, ServerOpinion, opinions};
use crate::cause::{Cause, Concern, LocalRoute, Millis, NameCause, Opinion, RouteCause};
use crate::wire;

/// The addresses of a name, in the order the system prefers them.
#[derive(Clone, Debug, PartialEq)]
pub struct Addresses {
    /// At least one.
    pub addresses: Vec<IpAddr>,
    /// The name they belong to, when it is not the one asked for: a search
    /// domain was appended, or an alias followed.
    pub canonical: Option<String>,
    /// The interface whose link they are of (`fe80::1%eth0`), by its number; 0: of none.
    pub scope: u32,
    /// Where they came from; `None` for an address literal.
    pub source: Option<NameSource>,
    /// How long the resolver took; `None` for an address literal.
    pub took: Option<Duration>,
    /// What will hurt.
    pub concern: Option<Concern>,
}

/// Longest wait for the system resolver: its own default is 5 s per server and
/// try, so a dead first server costs 5 s before the second is asked.
pub const RESOLVE: Duration = Duration::from_secs(7);

/// A healthy resolver has answered by now; what takes longer is felt by every daemon.
///
/// Shorter than the shortest wait for a server that can be set (`options timeout:1`).
const SLOW: Duration = Duration::from_millis(900);

/// getaddrinfo cannot be cancelled: this many threads may hang in it at once.
static LOOKUPS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(32));

/// Domains of the public Internet that exist for certain, one of them with a name in every file
/// that a distribution or a vendor ships.
const PUBLIC: [&str; 16] = [
    "ntp.org",
    "debian.org",
    "ubuntu.com",
    "redhat.com",
    "centos.org",
    "fedoraproject.org",
    "rockylinux.org",
    "almalinux.org",
    "oracle.com",
    "suse.com",
    "opensuse.org",
    "centreon.com",
    "i-vertix.cloud",
    "google.com",
    "cloudflare.com",
    "microsoft.com",
];

/// The domain of the public Internet that `name` belongs to.
#[must_use]
pub fn public_domain(name: &str) -> Option<&'static str> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_in = |domain: &&&str| {
        name.strip_suffix(**domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    PUBLIC.iter().find(is_in).copied()
}

/// Resolves `host` as the daemons of the machine whose `names` these are would.
///
/// # Errors
///
/// A cause of the layer [`crate::Layer::Name`].
pub async fn resolve(host: &str, names: &Naming, wait: Deadline) -> Result<Addresses, Cause> {
    if let Ok(address) = host.parse() {
        return Ok(literal(address));
    }
    if let Some(on_link) = on_link(host) {
        return on_link;
    }
    let started = Instant::now();
    let (found, mut said) = if names.is_copy {
        by_files(host, names, wait).await?
    } else {
        by_system(host, names, wait).await
    };
    let cause = match found {
        Ok((addresses, canonical)) => {
            let took = started.elapsed();
            let source = names.source(host, &addresses);
            if let Some(&address) = addresses.first().filter(|_| addresses.iter().all(is_nobody)) {
                let (name, origin) = (host.to_owned(), source.to_string());
                return Err(Cause::Name(NameCause::NameIsNobody { name, address, origin }));
            }
            let concern = (took > wait.scale(SLOW)).then(|| slow(host, took, &said));
            let (source, took) = (Some(source), Some(took));
            return Ok(Addresses { addresses, scope: 0, canonical, source, took, concern });
        }
        Err(cause) => cause,
    };
    if said.is_empty() {
        said = wait.bound(opinions(host, names, wait)).await.unwrap_or_default();
    }
    if let Some((file, error)) = &names.unread {
        let (name, file, error) = (host.to_owned(), (*file).to_owned(), error.clone());
        return Err(Cause::Name(NameCause::NameFileUnread { name, file, error }));
    }
    let cause = hidden(cause, &said, names.barrier(host));
    Err(explained(cause, said, names, wait).await)
}

/// Addresses, and the name they belong to when it is another one.
type FoundAddresses = (Vec<IpAddr>, Option<String>);

/// What getaddrinfo says; and when that takes long, what its servers say meanwhile.
async fn by_system(
    host: &str,
    names: &Naming,
    wait: Deadline,
) -> (Result<FoundAddresses, Cause>, Vec<ServerOpinion>) {
    let name = host.to_owned();
    let lookup = async {
        let _slot = LOOKUPS.acquire().await;
        tokio::task::spawn_blocking(move || system_lookup(&name)).await
    };
    let mut lookup = std::pin::pin!(lookup);
    let in_time = wait.within(SLOW).bound(&mut lookup).await;
    let (found, said) = if in_time.is_some() {
        (in_time, Vec::new())
    } else {
        tokio::join!(wait.bound(&mut lookup), opinions(host, names, wait))
    };
    let found = match found {
        Some(Ok(found)) => judge(host, found),
        Some(Err(join)) => Err(failed(host, join.to_string())),
        // It would have come to that: glibc gives up on what is not answered, and takes the rest.
        None => match known(&said) {
            Some(found) => Ok(found),
            None => {
                Err(failed(host, format!("no answer from the resolver within {}", wait.waited())))
            }
        },
    };
    (found, said)
}

/// An address that no host can have: `0.0.0.0`, `::`, a multicast or the broadcast address.
///
/// A connection to `0.0.0.0` reaches this machine itself.
pub(crate) fn is_nobody(address: &IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    address.is_unspecified() || address.is_multicast() || is_broadcast
}

/// A name that DNS knows and the look-up does not ask DNS for is not missing.
fn hidden(cause: Cause, said: &[ServerOpinion], barrier: Option<(String, String)>) -> Cause {
    let knows = said.iter().any(|said| !said.addresses().is_empty());
    match (cause, barrier) {
        (Cause::Name(NameCause::NameNotFound { name, .. }), Some((at, services))) if knows => {
            let servers = said.iter().map(ServerOpinion::opinion).collect();
            Cause::Name(NameCause::NameNotAskedFor { name, at, services, servers })
        }
        (cause, _) => cause,
    }
}

/// An address and the interface whose link it is of: `fe80::1%eth0`, `fe80::1%2`.
fn on_link(host: &str) -> Option<Result<Addresses, Cause>> {
    let (address, interface) = host.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    let numbered = interface.parse().ok().filter(|&number: &u32| number > 0);
    let scope = numbered.or_else(|| if_nametoindex(interface).ok());
    let missing =
        || Cause::Route(RouteCause::NoRoute { to: address.into(), route: LocalRoute::NoInterface });
    Some(scope.ok_or_else(missing).map(|scope| Addresses { scope, ..literal(address.into()) }))
}

/// What needs no look-up.
fn literal(address: IpAddr) -> Addresses {
    Addresses {
        addresses: vec![address],
        canonical: None,
        scope: 0,
        source: None,
        took: None,
        concern: None,
    }
}

/// What a copy's hosts file says, or the first of its own servers that knows.
///
/// # Errors
///
/// Nobody here can ask: the address or the name server is that machine itself.
async fn by_files(
    host: &str,
    names: &Naming,
    wait: Deadline,
) -> Result<(Result<FoundAddresses, Cause>, Vec<ServerOpinion>), Cause> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (address, _) in names.in_hosts(host) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    // That machine's loopback is not ours.
    if let Some(&address) = addresses.first().filter(|_| addresses.iter().all(IpAddr::is_loopback))
    {
        let (name, origin) = (host.to_owned(), names.source(host, &addresses).to_string());
        return Err(Cause::Name(NameCause::NameIsLoopback { name, address, origin }));
    }
    if !addresses.is_empty() {
        return Ok((Ok((addresses, None)), Vec::new()));
    }
    names.dns_servers(host)?;
    let missing = || Cause::from(NameCause::not_found(host, false));
    let said = opinions(host, names, wait).await;
    let denied = said.iter().all(|said| matches!(said.v4, NameAnswer::NoName(_)));
    let without = said.iter().all(|said| matches!(said.v4, NameAnswer::NoAddress(_)));
    let found = match known(&said) {
        // Its look-up ends before it comes to DNS.
        _ if names.barrier(host).is_some() => Err(missing()),
        Some(found) => Ok(found),
        None if denied => Err(missing()),
        None if without => {
            Err(Cause::Name(NameCause::NameWithoutAddress { name: host.to_owned() }))
        }
        None => Err(failed(host, "no server of that machine says".to_owned())),
    };
    Ok((found, said))
}

/// What the first server says that knows an address.
fn known(said: &[ServerOpinion]) -> Option<FoundAddresses> {
    let said = said.iter().find(|said| !said.addresses().is_empty())?;
    let canonical = match (&said.v4, &said.v6) {
        (NameAnswer::Addresses(_, end), _) | (_, NameAnswer::Addresses(_, end)) => end.clone(),
        _ => None,
    };
    Some((said.addresses(), canonical))
}

/// The servers that are the reason.
fn slow(host: &str, took: Duration, said: &[ServerOpinion]) -> Concern {
    let fails = |heard: &NameAnswer| {
        !matches!(
            heard,
            NameAnswer::Addresses(..) | NameAnswer::NoAddress(_) | NameAnswer::NoName(_)
        )
    };
    let to_blame = said.iter().filter(|said| fails(&said.v4) || fails(&said.v6));
    let servers = to_blame.map(ServerOpinion::opinion).collect();
    Concern::NameSlow { name: host.to_owned(), took: Millis(took), servers }
}

/// The cause in the light of what each server said.
async fn explained(
    cause: Cause,
    said: Vec<ServerOpinion>,
    names: &Naming,
    wait: Deadline,
) -> Cause {
    let servers: Vec<Opinion> = said.iter().map(ServerOpinion::opinion).collect();
    let dangling = said.iter().find_map(ServerOpinion::dangling);
    let is_out_of_reach = said.iter().all(|said| said.out_of_reach().is_some());
    let first = said.first().filter(|_| is_out_of_reach);
    let first = first.and_then(|said| Some((said.server.ip(), said.out_of_reach()?.clone())));
    match (cause, dangling, first) {
        (
            Cause::Name(
                NameCause::NameNotFound { name, .. } | NameCause::NameWithoutAddress { name },
            ),
            Some((target, end)),
            _,
        ) => Cause::Name(NameCause::AliasBroken { name, target: target.to_owned(), end, servers }),
        (Cause::Name(NameCause::ResolverFailed { name, .. }), _, _) if names.servers.is_empty() => {
            Cause::Name(NameCause::NoNameServer { name })
        }
        (Cause::Name(NameCause::ResolverFailed { name, .. }), _, Some((server, because))) => {
            Cause::Name(NameCause::NameServerUnreachable {
                name,
                server,
                because: Box::new(because),
                servers,
            })
        }
        (
            Cause::Name(
                NameCause::NameNotFound { name, .. } | NameCause::ResolverFailed { name, .. },
            ),
            ..,
        ) if knows_no_internet(&name, names, wait).await => {
            Cause::Name(NameCause::NoInternetNames { name, servers })
        }
        (Cause::Name(NameCause::NameNotFound { name, .. }), ..) => {
            Cause::Name(NameCause::NameNotFound { name, servers, dns_alone: false })
        }
        (Cause::Name(NameCause::ResolverFailed { name, error, .. }), ..) => {
            Cause::Name(NameCause::ResolverFailed { name, error, servers })
        }
        (other, ..) => other,
    }
}

/// Do the servers answer, and deny or fail a domain of the Internet that exists for certain?
async fn knows_no_internet(name: &str, names: &Naming, wait: Deadline) -> bool {
    let Some(domain) = public_domain(name) else { return false };
    let said = wait.bound(opinions(&format!("{domain}."), names, wait)).await.unwrap_or_default();
    let answered =
        |heard: &NameAnswer| matches!(heard, NameAnswer::NoName(_) | NameAnswer::Fails(_));
    !said.is_empty() && said.iter().all(|said| answered(&said.v4))
}

fn system_lookup(name: &str) -> Result<FoundAddresses, LookupError> {
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

fn judge(name: &str, found: Result<FoundAddresses, LookupError>) -> Result<FoundAddresses, Cause> {
    match found {
        Ok((mut addresses, canonical)) => {
            let mut known = std::collections::HashSet::new();
            addresses.retain(|address| known.insert(*address));
            if addresses.is_empty() {
                return Err(Cause::Name(NameCause::NameWithoutAddress { name: name.to_owned() }));
            }
            Ok((addresses, canonical.map(|name| wire::printable(&name))))
        }
        Err(error) => Err(match error.kind() {
            LookupErrorKind::NoName => NameCause::not_found(name, false).into(),
            LookupErrorKind::NoData => {
                Cause::Name(NameCause::NameWithoutAddress { name: name.to_owned() })
            }
            _ => failed(name, in_short(&std::io::Error::from(error).to_string())),
        }),
    }
}

fn failed(name: &str, error: String) -> Cause {
    Cause::Name(NameCause::ResolverFailed { name: name.to_owned(), error, servers: Vec::new() })
}

/// The resolver's words without the preface that every error has.
fn in_short(error: &str) -> String {
    error.strip_prefix("failed to lookup address information: ").unwrap_or(error).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::names::NameFiles;
    use super::*;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    #[tokio::test]
    async fn an_address_is_its_own_answer() {
        let found = resolve("2001:db8::1", &Naming::here(), soon()).await.unwrap();
        assert_eq!(found.addresses, ["2001:db8::1".parse::<IpAddr>().unwrap()]);
        assert_eq!((found.took, found.source), (None, None));
    }

    #[tokio::test]
    async fn an_address_that_no_host_can_have_is_asked_of_nobody() {
        for nobody in ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"] {
            let hosts = format!("{nobody} central\n");
            let files = NameFiles { hosts: Some(&hosts), ..NameFiles::default() };
            let cause = resolve("central", &Naming::copy(files), soon()).await.unwrap_err();
            assert_eq!(cause.code(), "name-is-nobody", "{nobody}");
            // As an address it is where somebody listens.
            assert!(resolve(nobody, &Naming::default(), soon()).await.is_ok());
        }
    }

    #[tokio::test]
    async fn an_address_of_a_link_keeps_its_interface() {
        let names = Naming::default();
        let found = resolve("fe80::1%lo", &names, soon()).await.unwrap();
        let loopback = Addresses { scope: 1, ..literal("fe80::1".parse().unwrap()) };
        assert_eq!(found, loopback);
        assert_eq!(resolve("fe80::1%1", &names, soon()).await.unwrap(), loopback);
        let missing = resolve("fe80::1%no-such0", &names, soon()).await.unwrap_err();
        assert_eq!(
            missing.to_string(),
            "this host has no route to fe80::1 (no interface of that name)"
        );
    }

    fn said(last: u8, heard: &NameAnswer) -> ServerOpinion {
        let server = ([10, 0, 0, last], 53).into();
        ServerOpinion { server, v4: heard.clone(), v6: heard.clone() }
    }

    fn names() -> Naming {
        Naming::copy(NameFiles { resolv: Some("nameserver 10.0.0.53\n"), ..NameFiles::default() })
    }

    #[tokio::test]
    async fn a_name_server_that_is_out_of_reach_is_the_cause_unless_another_one_was_reached() {
        let to = IpAddr::from([10, 0, 0, 53]);
        let no_route = Cause::Route(RouteCause::NoRoute { to, route: crate::LocalRoute::Missing });
        let unreachable = NameAnswer::OutOfReach(no_route.clone());
        let failure = || failed("central", "Temporary failure in name resolution".to_owned());
        let cause = explained(failure(), vec![said(53, &unreachable)], &names(), soon()).await;
        let Cause::Name(NameCause::NameServerUnreachable { server, ref because, .. }) = cause
        else {
            panic!("{cause:?}")
        };
        assert_eq!((server, &**because), (to, &no_route));
        assert_eq!(
            cause.to_string(),
            "central cannot be resolved: no route to the name server 10.0.0.53 \
             (no entry and no default route)"
        );
        for reached in [vec![], vec![said(53, &unreachable), said(54, &NameAnswer::Silent)]] {
            let cause = explained(failure(), reached, &names(), soon()).await;
            assert_eq!(cause.code(), "resolver-failed");
        }
    }

    #[tokio::test]
    async fn what_the_servers_say_explains_what_the_resolver_only_denies() {
        let denied = || Cause::from(NameCause::not_found("central", false));
        let alias = NameAnswer::NoName(Some("gone.example".into()));
        let cause = explained(denied(), vec![said(53, &alias)], &names(), soon()).await;
        assert_eq!(cause.to_string(), "central is an alias of gone.example, which does not exist");
        let nobody = Naming::copy(NameFiles::default());
        let failure = failed("central", "Temporary failure in name resolution".to_owned());
        let cause = explained(failure, Vec::new(), &nobody, soon()).await;
        assert_eq!(cause.code(), "no-name-server");
    }

    #[tokio::test]
    async fn the_loopback_of_a_copy_is_never_asked_here() {
        for (resolv, code) in
            [("nameserver 127.0.0.1\n", "name-server-elsewhere"), ("", "no-name-server")]
        {
            let copy = Naming::copy(NameFiles { resolv: Some(resolv), ..NameFiles::default() });
            assert_eq!(resolve("central", &copy, soon()).await.unwrap_err().code(), code);
        }
    }

    #[tokio::test]
    async fn the_hosts_file_of_a_copy_is_read_first() {
        let hosts = "127.0.1.1 central\n10.0.0.5 smtp\n10.0.0.6 smtp\n10.0.0.5 smtp\n";
        let files = NameFiles {
            hosts: Some(hosts),
            resolv: Some("nameserver 127.0.0.1\n"),
            ..NameFiles::default()
        };
        let found = resolve("smtp", &Naming::copy(files), soon()).await.unwrap();
        let both: [IpAddr; 2] = [[10, 0, 0, 5].into(), [10, 0, 0, 6].into()];
        assert_eq!((found.addresses, found.source), (both.into(), Some(NameSource::Hosts(2))));
        // That machine's loopback is never asked here.
        let cause = resolve("central", &Naming::copy(files), soon()).await.unwrap_err();
        assert_eq!(cause.code(), "name-is-loopback");
        let dns = NameFiles { nsswitch: Some("hosts: dns\n"), ..files };
        let cause = resolve("smtp", &Naming::copy(dns), soon()).await.unwrap_err();
        assert_eq!(cause.code(), "name-server-elsewhere");
    }

    #[test]
    fn a_slow_name_blames_the_servers_that_fail() {
        let six = ServerOpinion {
            v6: NameAnswer::Silent,
            ..said(53, &NameAnswer::Addresses(vec![[10, 0, 0, 5].into()], None))
        };
        let healthy = said(54, &NameAnswer::Addresses(vec![[10, 0, 0, 5].into()], None));
        let concern = slow("central", Duration::from_millis(5_100), &[six, healthy]);
        assert_eq!(
            concern.to_string(),
            "central takes 5.1 s to resolve: 10.0.0.53: 10.0.0.5; no answer for IPv6 (AAAA)"
        );
    }

    #[test]
    fn names_of_the_internet_are_known_by_their_domain() {
        assert_eq!(public_domain("2.debian.pool.ntp.org."), Some("ntp.org"));
        assert_eq!(public_domain("Packages.Centreon.com"), Some("centreon.com"));
        assert_eq!(public_domain("ntp.org"), Some("ntp.org"));
        for own in ["central.corp.example", "notntp.org", "org", ""] {
            assert_eq!(public_domain(own), None, "{own}");
        }
    }

    #[test]
    fn a_name_that_dns_knows_is_hidden_only_where_nsswitch_says_so() {
        let cause = || {
            Cause::Name(NameCause::NameNotFound {
                name: "central.local".into(),
                servers: Vec::new(),
                dns_alone: false,
            })
        };
        let line = || Some(("/etc/nsswitch.conf:12".to_owned(), "hosts: files".to_owned()));
        let knows = [said(53, &NameAnswer::Addresses(vec![[10, 0, 0, 5].into()], None))];
        let found = hidden(cause(), &knows, line());
        assert_eq!(found.code(), "name-not-asked-for");
        assert_eq!(
            found.to_string(),
            "this host does not ask DNS for central.local (/etc/nsswitch.conf:12 says \
             `hosts: files`), which knows it (10.0.0.53: 10.0.0.5)"
        );
        assert_eq!(hidden(cause(), &knows, None).code(), "name-not-found");
        let denies = [said(53, &NameAnswer::NoName(None))];
        assert_eq!(hidden(cause(), &denies, line()).code(), "name-not-found");
    }

    #[tokio::test]
    async fn localhost_comes_from_the_hosts_file() {
        let found = resolve("localhost", &Naming::here(), soon()).await.unwrap();
        assert!(found.addresses.iter().all(IpAddr::is_loopback));
    }
}
