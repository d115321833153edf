//! Reverse: does the DNS name an address, and does that name lead back to it?
//!
//! Mail servers on the Internet ask so of whoever connects, and trust a name only if it leads back to the
//! address it was given for (forward-confirmed). A name that leads elsewhere is an entry that somebody
//! forgot. Where the DNS itself does not answer, nothing is said.
//!
//! Reference: RFC 1035 §3.5, RFC 8499 §7 (forward-confirmed).

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::{Name, RData, RecordType};

use super::Deadline;
use super::srv::{Missing, is_host, records, text};
use crate::cause::Concern;

/// What the DNS says of `address`, as far as it will hurt; asks `servers`, or those of
/// `/etc/resolv.conf` when there are none.
///
/// With `needs_name` an address without any name is worth a word, too.
pub async fn reverse(
    address: IpAddr,
    needs_name: bool,
    servers: &[SocketAddr],
    wait: Deadline,
) -> Option<Concern> {
    let of_address = Name::from(address).to_ascii();
    let name = match records(&of_address, RecordType::PTR, servers, wait).await {
        Ok(found) => found.into_iter().find_map(|record| match record {
            RData::PTR(name) => Some(text(&name.0)),
            _ => None,
        }),
        Err(Missing::Name | Missing::Record) => None,
        Err(Missing::Failed(_)) => return None,
    };
    let Some(name) = name.filter(|name| is_host(name)) else {
        return needs_name.then_some(Concern::ReverseNameMissing { address });
    };
    let absolute = format!("{name}.");
    let ask = |kind| records(&absolute, kind, servers, wait);
    let (v4, v6) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
    let is_untold = |heard: &Result<Vec<RData>, Missing>| matches!(heard, Err(Missing::Failed(_)));
    if is_untold(&v4) || is_untold(&v6) {
        return None;
    }
    let found = [&v4, &v6].into_iter().flatten().flatten();
    let leads_to = found.filter_map(|record| match record {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    });
    judge(address, name, &leads_to.collect::<Vec<_>>())
}

/// Does the name lead back?
fn judge(address: IpAddr, name: String, leads_to: &[IpAddr]) -> Option<Concern> {
    let is_confirmed = leads_to.contains(&address);
    let leads_to = leads_to.iter().map(ToString::to_string).collect();
    (!is_confirmed).then_some(Concern::ReverseNameElsewhere { address, name, leads_to })
}

/// Is it an address of the Internet, which servers there may look up?
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(own) => {
            let [a, b, ..] = own.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_inside = own.is_private() || own.is_loopback() || own.is_link_local();
            !(is_shared || is_inside || own.is_unspecified() || own.is_documentation())
        }
        IpAddr::V6(own) => {
            let is_inside =
                own.is_unique_local() || own.is_loopback() || own.is_unicast_link_local();
            !(is_inside || own.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_back_is_worth_no_word() {
        let own = IpAddr::from([192, 0, 2, 7]);
        let other = IpAddr::from([192, 0, 2, 99]);
        let name = || "poller.example".to_owned();
        assert_eq!(judge(own, name(), &[other, own]), None);
        for (leads_to, said) in [
            (
                vec![other],
                "192.0.2.7 is called poller.example in the DNS (PTR), which is 192.0.2.99",
            ),
            (vec![], "192.0.2.7 is called poller.example in the DNS (PTR), which has no address"),
        ] {
            assert_eq!(judge(own, name(), &leads_to).unwrap().to_string(), said);
        }
    }

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for (address, is) in [
            ("10.2.0.7", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("172.31.0.1", false),
            ("8.8.8.8", true),
            ("fd00::7", false),
            ("fe80::1", false),
            ("2a00:1450::1", true),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), is, "{address}");
        }
    }
}
