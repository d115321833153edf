//! SRV: which hosts offer a service of a domain, and in which order are they asked?
//!
//! `_ldap._tcp.corp.example` names the directories of `corp.example`. Here the
//! order is always the same: by priority, then the heaviest first, where a
//! client would draw lots; a run is to be repeatable.
//!
//! Reference: [RFC 2782](https://www.rfc-editor.org/rfc/rfc2782).

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::Resolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::system_conf::read_system_conf;

use super::Deadline;
use super::opinion::words;
use crate::cause::{Cause, NameCause};

/// A host that offers a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name, without the last dot.
    pub host: String,
    /// The port it offers the service on.
    pub port: u16,
}

/// The hosts that offer `service` (`_ldap._tcp`) in `domain`, those to ask first
/// in front, at most 16. Asks `servers`, or those of `/etc/resolv.conf` when
/// there are none.
///
/// # Errors
///
/// [`NameCause::NameNotFound`](crate::cause::NameCause::NameNotFound), or [`NameCause::ResolverFailed`](crate::cause::NameCause::ResolverFailed) which says why: no
/// answer, no such record, none that names a host, no name of a domain.
pub async fn offers(
    service: &str,
    domain: &str,
    servers: &[SocketAddr],
    wait: Deadline,
) -> Result<Vec<Offer>, Cause> {
    let domain = domain.trim_end_matches('.');
    let shown = crate::wire::clean(format!("{service}.{domain}").as_bytes(), MAX_SHOWN);
    let failed = |error: String| {
        Cause::Name(NameCause::ResolverFailed { name: shown.clone(), error, servers: Vec::new() })
    };
    if !is_host(domain) {
        return Err(failed(NO_DOMAIN.to_owned()));
    }
    let name = format!("{service}.{domain}.");
    match records(&name, RecordType::SRV, servers, wait).await {
        Err(Missing::Name) => Err(NameCause::not_found(shown, true).into()),
        Err(Missing::Record) => Err(failed(NO_RECORD.to_owned())),
        Err(Missing::Failed(why)) => Err(failed(why)),
        Ok(found) => {
            let records = found.into_iter().filter_map(|record| match record {
                RData::SRV(offer) => Some(offer),
                _ => None,
            });
            judge(records.collect()).map_err(|why| failed(why.to_owned()))
        }
    }
}

/// Why there are no records.
pub(super) enum Missing {
    /// There is no such name.
    Name,
    /// The name has none of that type.
    Record,
    /// It could not be asked: why, in words.
    Failed(String),
}

/// The records of one type that `servers`, or the system's, have for `name`.
pub(super) async fn records(
    name: &str,
    kind: RecordType,
    servers: &[SocketAddr],
    wait: Deadline,
) -> Result<Vec<RData>, Missing> {
    let config = config(servers).map_err(|error| Missing::Failed(words(&error)))?;
    match wait.bound(ask(config, name, kind)).await {
        None => Err(Missing::Failed(format!("no answer within {}", wait.waited()))),
        Some(Err(error)) => Err(match response_code(&error) {
            Some(ResponseCode::NXDomain) => Missing::Name,
            Some(ResponseCode::NoError) => Missing::Record,
            _ => Missing::Failed(words(&error)),
        }),
        Some(Ok(records)) => Ok(records),
    }
}

fn config(servers: &[SocketAddr]) -> Result<ResolverConfig, NetError> {
    if servers.is_empty() {
        return Ok(read_system_conf()?.0);
    }
    let server = |server: &SocketAddr| {
        let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = server.port();
        }
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    };
    Ok(ResolverConfig::from_name_servers(servers.iter().map(server).collect()))
}

async fn ask(config: ResolverConfig, name: &str, kind: RecordType) -> Result<Vec<RData>, NetError> {
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = PATIENCE;
    options.attempts = TRIES;
    options.use_hosts_file = ResolveHosts::Never;
    let found = builder.build()?.lookup(name, kind).await?;
    Ok(found.answers().iter().map(|record| record.data.clone()).collect())
}

/// What the server says when it has no such record.
fn response_code(error: &NetError) -> Option<ResponseCode> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => Some(none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => Some(*code),
        _ => None,
    }
}

/// Puts the records in order, and leaves out those that name no host.
fn judge(mut records: Vec<SRV>) -> Result<Vec<Offer>, &'static str> {
    if records.is_empty() {
        return Err(NO_RECORD);
    }
    // A lone "." says that the domain has decided against it (RFC 2782).
    if records.iter().all(|record| record.target.is_root()) {
        return Err(NOT_OFFERED);
    }
    records.sort_by(|a, b| {
        let key = |record: &SRV| (record.priority, u16::MAX - record.weight);
        key(a).cmp(&key(b)).then_with(|| (&a.target, a.port).cmp(&(&b.target, b.port)))
    });
    let mut offers: Vec<Offer> = Vec::new();
    for offer in records.iter().filter_map(offer) {
        if offers.len() < MOST && !offers.contains(&offer) {
            offers.push(offer);
        }
    }
    if offers.is_empty() { Err(NO_HOST) } else { Ok(offers) }
}

fn offer(record: &SRV) -> Option<Offer> {
    let host = text(&record.target);
    (record.port != 0 && is_host(&host)).then_some(Offer { host, port: record.port })
}

pub(super) fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// What getaddrinfo takes as a host's name.
pub(super) fn is_host(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits_label = |label: &str| (1..=63).contains(&label.len());
    name.len() <= 253 && name.chars().all(fits) && name.split('.').all(fits_label)
}

/// Longest wait for one server and try, as for the second opinion.
const PATIENCE: Duration = Duration::from_secs(2);
/// A packet may be lost.
const TRIES: usize = 2;
/// Offers handed on; a directory with more controllers lists its nearest first.
const MOST: usize = 16;
/// A name has at most 253 characters.
const MAX_SHOWN: usize = 253;
pub(super) const NO_DOMAIN: &str = "this is not a name of a domain";
const NO_RECORD: &str = "it has no SRV record";
const NOT_OFFERED: &str = "the domain says that it does not offer this service";
const NO_HOST: &str = "none of its SRV records names a host and a port";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(priority: u16, weight: u16, port: u16, target: &str) -> SRV {
        SRV::new(priority, weight, port, Name::from_ascii(target).unwrap())
    }

    fn hosts(records: Vec<SRV>) -> Vec<String> {
        judge(records).unwrap().into_iter().map(|offer| offer.host).collect()
    }

    #[test]
    fn the_lowest_priority_comes_first_and_in_it_the_heaviest() {
        let records = vec![
            record(20, 0, 389, "last.corp.example."),
            record(10, 0, 389, "light.corp.example."),
            record(10, 60, 389, "b.corp.example."),
            record(10, 60, 389, "A.corp.example."),
            record(0, 1, 3268, "first.corp.example."),
        ];
        let order = ["first", "a", "b", "light", "last"].map(|it| format!("{it}.corp.example"));
        assert_eq!(hosts(records), order);
    }

    #[test]
    fn one_host_and_port_is_one_offer() {
        let twice = vec![record(0, 0, 389, "dc1.corp."), record(5, 0, 389, "DC1.corp.")];
        let offer = Offer { host: "dc1.corp".to_owned(), port: 389 };
        assert_eq!(judge(twice), Ok(vec![offer]));
    }

    #[test]
    fn names_that_are_none_are_left_out_and_the_rest_is_bounded() {
        let mut records: Vec<SRV> =
            (0..100).map(|n| record(1, 0, 389, &format!("dc{n}."))).collect();
        records.push(record(0, 0, 0, "no-port."));
        let space = Name::from_labels([b"sp ace".as_slice()]).unwrap();
        records.push(SRV::new(0, 0, 389, space));
        let hosts = hosts(records);
        assert_eq!(hosts.len(), MOST);
        assert_eq!(hosts[0], "dc0");
    }

    #[test]
    fn a_domain_that_decided_against_it_is_told_from_one_that_forgot() {
        assert_eq!(judge(vec![record(0, 0, 0, ".")]), Err(NOT_OFFERED));
        assert_eq!(judge(Vec::new()), Err(NO_RECORD));
        assert_eq!(judge(vec![record(0, 0, 0, "dc1.")]), Err(NO_HOST));
    }

    #[tokio::test]
    async fn what_is_no_domain_is_not_asked_for() {
        for domain in ["", "two words", "a..b", "\u{1b}[31m", &"a".repeat(300)] {
            let wait = Deadline::after(Duration::from_secs(5));
            let nobody = [SocketAddr::from(([127, 0, 0, 1], 9))];
            let cause = offers("_ldap._tcp", domain, &nobody, wait).await.unwrap_err();
            assert!(cause.to_string().ends_with(NO_DOMAIN), "{cause}");
            assert!(!cause.to_string().contains('\u{1b}'));
        }
    }

    #[tokio::test]
    async fn silence_ends_at_the_deadline() {
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let servers = [silent.local_addr().unwrap()];
        let wait = Deadline::after(Duration::from_millis(300));
        let cause = offers("_ldap._tcp", "corp.example", &servers, wait).await.unwrap_err();
        let said = cause.to_string();
        let begins = "_ldap._tcp.corp.example could not be resolved: no answer within ";
        assert!(said.starts_with(begins), "{said}");
    }

    proptest! {
        #[test]
        fn the_order_of_the_records_changes_nothing(
            mut records in prop::collection::vec((0_u16..3, 0_u16..3, 0_u16..3, "[a-c]{1,2}"), 1..20)
                .prop_map(|all| all.iter().map(|(p, w, port, name)| record(*p, *w, *port, name))
                    .collect::<Vec<_>>()),
        ) {
            let first = judge(records.clone());
            records.reverse();
            prop_assert_eq!(judge(records), first);
        }
    }
}
