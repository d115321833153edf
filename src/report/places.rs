//! Places: where in the network are the many targets of one flow?
//!
//! A subnet a person would name: the finest that leaves no more of them than a
//! page can show.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::report::StepReport;

/// Targets of one subnet, or of one domain.
#[derive(Clone, Debug)]
pub(super) struct PlaceOnMap<'a> {
    /// `10.20.30.0/24`, `*.example.com`
    pub(super) name: String,
    /// Its steps, in the order of the report.
    pub(super) steps: Vec<&'a StepReport>,
}

/// `steps` by place, at most `most` of them; three there may always be: the addresses of
/// either family, and the names.
pub(super) fn places<'a>(steps: &[&'a StepReport], most: usize) -> Vec<PlaceOnMap<'a>> {
    let finer = PREFIXES.iter().map(|&prefixes| by(steps, |step| near(step, prefixes)));
    let mut coarsest = Vec::new();
    for places in finer {
        if places.len() <= most {
            return places;
        }
        coarsest = places;
    }
    coarsest
}

/// Lengths of the prefixes of a place, IPv4 and IPv6, finest first.
const PREFIXES: [(u8, u8); 6] = [(24, 64), (20, 56), (16, 48), (12, 40), (8, 32), (0, 0)];
fn by<'a>(steps: &[&'a StepReport], name: impl Fn(&StepReport) -> String) -> Vec<PlaceOnMap<'a>> {
    let mut places: Vec<PlaceOnMap<'a>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for &step in steps {
        let name = name(step);
        let at = *known.entry(name.clone()).or_insert(places.len());
        match places.get_mut(at) {
            Some(place) => place.steps.push(step),
            None => places.push(PlaceOnMap { name, steps: vec![step] }),
        }
    }
    places
}

fn near(step: &StepReport, prefixes: (u8, u8)) -> String {
    let host = step.target.as_ref().map_or("", |target| target.host.as_str());
    let is_finest = Some(&prefixes) == PREFIXES.first();
    match &step.group {
        Some(group) if is_finest => group.clone(),
        Some(group) => subnet(group.split('/').next().unwrap_or_default(), prefixes),
        None => subnet(host, prefixes),
    }
}

fn subnet(host: &str, (v4, v6): (u8, u8)) -> String {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    match address {
        Ok(IpAddr::V4(_)) if v4 == 0 => "other IPv4 addresses".to_owned(),
        Ok(IpAddr::V6(_)) if v6 == 0 => "other IPv6 addresses".to_owned(),
        Ok(IpAddr::V4(address)) => {
            let mask = u32::MAX << (32 - u32::from(v4));
            format!("{}/{v4}", Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        Ok(IpAddr::V6(address)) => {
            let mask = u128::MAX << (128 - u32::from(v6));
            format!("{}/{v6}", Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        Err(_) if v4 < 24 => "names".to_owned(),
        Err(_) => match host.split_once('.') {
            Some((_, domain)) if !host.contains('/') => format!("*.{domain}"),
            _ => "names".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::tests::{asked, step};

    fn names(hosts: impl Iterator<Item = String>, most: usize) -> Vec<String> {
        let steps: Vec<StepReport> =
            hosts.map(|host| asked(step("poller.snmp"), &host, 161)).collect();
        let steps: Vec<&StepReport> = steps.iter().collect();
        places(&steps, most).into_iter().map(|place| place.name).collect()
    }

    #[test]
    fn neighbours_share_a_place_named_as_their_subnet() {
        let hosts = ["10.1.2.3", "10.1.2.4", "fd00::1", "a.example.com", "10.1.9.1", "plain"];
        assert_eq!(
            names(hosts.into_iter().map(str::to_owned), 9),
            ["10.1.2.0/24", "fd00::/64", "*.example.com", "10.1.9.0/24", "names"]
        );
    }

    #[test]
    fn subnets_widen_until_they_are_few_enough() {
        let hosts =
            |many: u32| (0..many).map(|n| Ipv4Addr::from_bits(n << 8 | 10 << 24).to_string());
        assert_eq!(names(hosts(60), 8).first().unwrap(), "10.0.0.0/20");
        assert_eq!(names(hosts(300), 8), ["10.0.0.0/16", "10.1.0.0/16"]);
        assert_eq!(names(hosts(50_000), 8), ["10.0.0.0/8"]);
        let far = (0..250_u32).map(|n| Ipv4Addr::from_bits(n << 24).to_string());
        assert_eq!(names(far, 8), ["other IPv4 addresses"]);
    }

    #[test]
    fn whatever_they_are_called_there_are_few() {
        let hosts = (0..900_u32).flat_map(|n| {
            [format!("h.d{n}.example"), format!("fd{n:02x}::1"), format!("{}.0.0.1", n % 256)]
        });
        assert!(names(hosts, 8).len() <= 3);
    }
}
