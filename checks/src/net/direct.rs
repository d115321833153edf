//! Names of which the DNS alone is asked, past `/etc/hosts` and every other source.
//!
//! postfix's client of SMTP does so unless `smtp_host_lookup` says otherwise, and so finds
//! less than all other programs of the same machine.
//!
//! Reference: postconf(5), `smtp_host_lookup`.

use std::net::IpAddr;
use std::time::Instant;

use hickory_proto::rr::{RData, RecordType};

use super::Deadline;
use super::names::{NameSource, Naming};
use super::resolve::{Addresses, resolve};
use super::srv::{Missing, NO_DOMAIN, is_host, records};
use crate::cause::{Cause, NameCause};
use crate::wire;

/// What the DNS says of `host`, as it is written: no domain of a search list is appended.
///
/// # Errors
///
/// [`NameCause::NameNotInDns`](crate::cause::NameCause::NameNotInDns), where `/etc/hosts` knows the name; else a cause of the layer
/// [`crate::Layer::Name`].
pub async fn resolve_by_dns(
    host: &str,
    names: &Naming,
    wait: Deadline,
) -> Result<Addresses, Cause> {
    if host.parse::<IpAddr>().is_ok() || host.contains('%') {
        return resolve(host, names, wait).await;
    }
    let name = wire::clean(host.as_bytes(), MAX_SHOWN);
    let failed = |error: String| {
        Cause::Name(NameCause::ResolverFailed { name: name.clone(), error, servers: Vec::new() })
    };
    let absolute = format!("{}.", host.trim_end_matches('.'));
    if !is_host(absolute.trim_end_matches('.')) {
        return Err(failed(NO_DOMAIN.to_owned()));
    }
    let servers = names.dns_servers(host)?;
    let started = Instant::now();
    let ask = |kind| records(&absolute, kind, &servers, wait);
    let (v4, v6) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
    let found = [&v4, &v6].into_iter().flatten().flatten();
    let addresses: Vec<IpAddr> = found
        .filter_map(|record| match record {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
        .collect();
    if !addresses.is_empty() {
        let (source, took) = (Some(NameSource::Dns), Some(started.elapsed()));
        return Ok(Addresses { addresses, canonical: None, scope: 0, source, took, concern: None });
    }
    let is_without = |heard: &Result<Vec<RData>, Missing>| {
        matches!(heard, Ok(_) | Err(Missing::Name | Missing::Record))
    };
    if let Some(Err(Missing::Failed(error))) = [v4, v6].iter().find(|heard| !is_without(heard)) {
        // Why no server answers is looked into there.
        return Err(resolve(host, names, wait)
            .await
            .err()
            .unwrap_or_else(|| failed(error.clone())));
    }
    Err(without(names, host, name))
}

/// What the DNS says of `host`, which without a dot is first a name of this machine's own domain.
///
/// So does a transport of exim's for hosts of its own (`dns_qualify_single`).
///
/// # Errors
///
/// As of [`resolve_by_dns`].
pub async fn resolve_by_dns_in_domain(
    host: &str,
    names: &Naming,
    wait: Deadline,
) -> Result<Addresses, Cause> {
    if let Some(domain) = names.domain().filter(|_| !host.contains(['.', ':'])) {
        let full = format!("{host}.{domain}");
        match resolve_by_dns(&full, names, wait).await {
            Err(Cause::Name(NameCause::NameNotInDns { .. } | NameCause::NameNotFound { .. })) => {}
            answered => {
                return answered.map(|found| Addresses { canonical: Some(full), ..found });
            }
        }
    }
    resolve_by_dns(host, names, wait).await
}

/// What the DNS says of `host`, and where it does not know the name, what the system says.
///
/// So do exim, unless a router says otherwise, and postfix with `smtp_host_lookup = dns, native`:
/// while no name server answers, `/etc/hosts` is of no help to them.
///
/// # Errors
///
/// A cause of the layer [`crate::Layer::Name`].
pub async fn resolve_by_dns_first(
    host: &str,
    names: &Naming,
    wait: Deadline,
) -> Result<Addresses, Cause> {
    match resolve_by_dns(host, names, wait).await {
        Err(Cause::Name(NameCause::NameNotInDns { .. } | NameCause::NameNotFound { .. })) => {
            resolve(host, names, wait).await
        }
        answered => answered,
    }
}

fn without(names: &Naming, host: &str, name: String) -> Cause {
    match names.in_hosts(host).next() {
        Some((address, origin)) => {
            Cause::Name(NameCause::NameNotInDns { name, address, origin: origin.to_string() })
        }
        None => NameCause::not_found(name, true).into(),
    }
}

/// A name has at most 253 characters.
const MAX_SHOWN: usize = 253;

#[cfg(test)]
mod tests {
    use super::super::names::NameFiles;
    use super::*;

    #[test]
    fn what_only_the_hosts_file_knows_is_said() {
        let files = NameFiles { hosts: Some("# x\n10.0.0.25 relay\n"), ..NameFiles::default() };
        let names = Naming::copy(files);
        let cause = without(&names, "relay", "relay".to_owned());
        assert_eq!(
            cause.to_string(),
            "the DNS does not know relay, and the program that goes there asks nothing else \
             (/etc/hosts:2 has 10.0.0.25)"
        );
        assert_eq!(without(&names, "other", "other".to_owned()).code(), "name-not-found");
    }
}
