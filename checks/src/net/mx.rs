//! MX: which hosts take the mail of a domain?
//!
//! A relay without brackets in Postfix's `relayhost` is such a domain. One that
//! names no mail server takes its mail itself.
//!
//! Reference: [RFC 5321 §5.1](https://www.rfc-editor.org/rfc/rfc5321#section-5.1),
//! [RFC 7505](https://www.rfc-editor.org/rfc/rfc7505) for a domain that takes none.

use std::net::SocketAddr;

use hickory_proto::rr::rdata::MX;
use hickory_proto::rr::{RData, RecordType};

use super::Deadline;
use super::srv::{Missing, NO_DOMAIN, is_host, records, text};
use crate::cause::{Cause, NameCause};

/// The hosts that take mail for `domain`, the preferred in front, at most eight.
/// Asks `servers`, or those of `/etc/resolv.conf` when there are none.
///
/// # Errors
///
/// [`NameCause::NameNotFound`](crate::cause::NameCause::NameNotFound), or [`NameCause::ResolverFailed`](crate::cause::NameCause::ResolverFailed) which says why.
pub async fn mail_servers(
    domain: &str,
    servers: &[SocketAddr],
    wait: Deadline,
) -> Result<Vec<String>, Cause> {
    let domain = domain.trim_end_matches('.');
    let shown = crate::wire::clean(domain.as_bytes(), MAX_SHOWN);
    let failed = |error: String| {
        Cause::Name(NameCause::ResolverFailed { name: shown.clone(), error, servers: Vec::new() })
    };
    if !is_host(domain) {
        return Err(failed(NO_DOMAIN.to_owned()));
    }
    match records(&format!("{domain}."), RecordType::MX, servers, wait).await {
        Err(Missing::Name) => Err(NameCause::not_found(shown, true).into()),
        Err(Missing::Record) => Ok(vec![domain.to_owned()]),
        Err(Missing::Failed(why)) => Err(failed(why)),
        Ok(found) => {
            let records = found.into_iter().filter_map(|record| match record {
                RData::MX(server) => Some(server),
                _ => None,
            });
            judge(domain, records.collect()).map_err(|why| failed(why.to_owned()))
        }
    }
}

/// Puts the servers in order, and leaves out those that name no host.
fn judge(domain: &str, mut records: Vec<MX>) -> Result<Vec<String>, &'static str> {
    if records.is_empty() {
        return Ok(vec![domain.to_owned()]);
    }
    if records.iter().all(|record| record.exchange.is_root()) {
        return Err(TAKES_NONE);
    }
    records.sort_by(|a, b| (a.preference, &a.exchange).cmp(&(b.preference, &b.exchange)));
    let mut servers: Vec<String> = Vec::new();
    for server in records.iter().map(|record| text(&record.exchange)).filter(|name| is_host(name)) {
        if servers.len() < MOST && !servers.contains(&server) {
            servers.push(server);
        }
    }
    if servers.is_empty() { Err(NO_HOST) } else { Ok(servers) }
}

/// Servers handed on; the preferred ones come first.
const MOST: usize = 8;
/// A name has at most 253 characters.
const MAX_SHOWN: usize = 253;
const TAKES_NONE: &str = "the domain says that it takes no mail";
const NO_HOST: &str = "none of its MX records names a host";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_proto::rr::Name;

    use super::*;

    fn record(preference: u16, host: &str) -> MX {
        MX::new(preference, Name::from_ascii(host).unwrap())
    }

    #[test]
    fn the_lowest_preference_comes_first_and_each_host_once() {
        let records = vec![
            record(20, "second.corp.example."),
            record(10, "First.corp.example."),
            record(30, "first.corp.example."),
        ];
        let order = ["first.corp.example", "second.corp.example"].map(str::to_owned);
        assert_eq!(judge("corp.example", records), Ok(order.to_vec()));
    }

    #[test]
    fn a_domain_without_mail_servers_takes_its_mail_itself() {
        assert_eq!(judge("corp.example", Vec::new()), Ok(vec!["corp.example".to_owned()]));
    }

    #[test]
    fn a_domain_that_takes_no_mail_says_so() {
        assert_eq!(judge("corp.example", vec![record(0, ".")]), Err(TAKES_NONE));
    }

    #[test]
    fn names_that_are_none_are_left_out_and_the_rest_is_bounded() {
        let mut records: Vec<MX> = (0..100).map(|n| record(n, &format!("mx{n}."))).collect();
        records.push(MX::new(0, Name::from_labels([b"sp ace".as_slice()]).unwrap()));
        assert_eq!(judge("corp.example", records).unwrap().len(), MOST);
        let space = Name::from_labels([b"sp ace".as_slice()]).unwrap();
        assert_eq!(judge("corp.example", vec![MX::new(0, space)]), Err(NO_HOST));
    }

    #[tokio::test]
    async fn what_is_no_domain_is_not_asked_for() {
        let nobody = [SocketAddr::from(([127, 0, 0, 1], 9))];
        let wait = Deadline::after(Duration::from_secs(5));
        let cause = mail_servers("two words", &nobody, wait).await.unwrap_err();
        assert!(cause.to_string().ends_with(NO_DOMAIN), "{cause}");
    }
}
