//! Which of ten thousand devices are asked?
//!
//! What a network lets through differs from segment to segment, and what an
//! agent answers from template to template: so a few devices of each segment
//! and template are asked, always the same ones. Pure: devices in, a choice out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::discover::facts::Device;

/// Devices asked in one run, unless all are: at a few packets each that is what
/// a run has time for, and a table somebody still reads.
pub(crate) const MOST: usize = 200;

/// Devices that differ in nothing a path or an agent could know: one segment,
/// one template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeviceGroup {
    /// The segment.
    pub(crate) segment: Segment,
    /// The template its devices use, if any.
    pub(crate) template: Option<Arc<str>>,
}

impl fmt::Display for DeviceGroup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.segment)
    }
}

/// Where an address belongs: `10.20.30.0/24`, `2001:db8:1:2::/64`, `names`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// The first three bytes.
    V4(Ipv4Addr),
    /// The first eight bytes.
    V6(Ipv6Addr),
    /// Names, whose addresses are not known before they are asked for.
    Names,
}

impl Segment {
    fn of(address: &SampledAddress) -> Self {
        match address {
            SampledAddress::Literal(IpAddr::V4(v4)) => {
                Self::V4(v4 & Ipv4Addr::new(255, 255, 255, 0))
            }
            SampledAddress::Literal(IpAddr::V6(v6)) => {
                Self::V6(v6 & Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0))
            }
            SampledAddress::Name(_) => Self::Names,
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(first) => write!(out, "{first}/24"),
            Self::V6(first) => write!(out, "{first}/64"),
            Self::Names => out.write_str("names"),
        }
    }
}

/// A device that is asked, and for how many it stands.
#[derive(Clone, Debug)]
pub(crate) struct Sampled<'d> {
    /// The device.
    pub(crate) device: &'d Device,
    /// Its group; its label is `10.20.30.0/24`.
    pub(crate) group: Arc<DeviceGroup>,
    /// Addresses the group has.
    pub(crate) of: usize,
}

/// A choice of devices.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample<'d> {
    /// Those that are asked: by group, and in it by address.
    pub(crate) devices: Vec<Sampled<'d>>,
    /// Addresses there are.
    pub(crate) addresses: usize,
    /// Groups there are.
    pub(crate) groups: usize,
    /// Groups of which no device is asked: there are more than [`MOST`].
    pub(crate) groups_left_out: usize,
}

/// Chooses `per_group` devices of each group, at most [`MOST`] in all; without
/// a number, all. No address is taken twice. The same devices give the same
/// choice, whatever their order.
pub(crate) fn sample<'d>(
    devices: impl IntoIterator<Item = &'d Device>,
    per_group: Option<usize>,
) -> Sample<'d> {
    let groups = groups(devices);
    let addresses = groups.values().map(Vec::len).sum();
    let shares = match per_group {
        Some(most) => {
            shares(&groups.values().map(|group| group.len().min(most)).collect::<Vec<_>>())
        }
        None => groups.values().map(Vec::len).collect(),
    };
    let mut sample = Sample { addresses, groups: groups.len(), ..Sample::default() };
    for ((group, devices), share) in groups.into_iter().zip(shares) {
        let (group, of) = (Arc::new(group), devices.len());
        sample.groups_left_out += usize::from(share == 0);
        let taken = devices.into_iter().take(share);
        sample.devices.extend(taken.map(|device| Sampled {
            device,
            group: Arc::clone(&group),
            of,
        }));
    }
    sample
}

/// An address as it is sorted: numbers by value, then names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SampledAddress {
    Literal(IpAddr),
    Name(String),
}

impl SampledAddress {
    fn of(device: &Device) -> Self {
        match device.address.parse() {
            Ok(literal) => Self::Literal(literal),
            Err(_) => Self::Name(device.address.to_ascii_lowercase()),
        }
    }
}

/// The devices of each group by address, each address once.
fn groups<'d>(
    devices: impl IntoIterator<Item = &'d Device>,
) -> BTreeMap<DeviceGroup, Vec<&'d Device>> {
    let mut sorted: Vec<(SampledAddress, &Device)> =
        devices.into_iter().map(|device| (SampledAddress::of(device), device)).collect();
    // Of two at one address, the one that is asked something.
    sorted.sort_by_cached_key(|(address, device)| {
        let is_idle = device.snmp.is_none() && !device.nsclient;
        (address.clone(), is_idle, device.name.clone(), device.template.clone())
    });
    sorted.dedup_by(|(later, _), (earlier, _)| later == earlier);
    let mut groups: BTreeMap<DeviceGroup, Vec<&Device>> = BTreeMap::new();
    for (address, device) in sorted {
        let group =
            DeviceGroup { segment: Segment::of(&address), template: device.template.clone() };
        groups.entry(group).or_default().push(device);
    }
    groups
}

/// How many of each group are taken, when each wants so many and there is room
/// for [`MOST`]: one of each, then two of each; when not all can have one more,
/// those that can are spread evenly.
fn shares(wanted: &[usize]) -> Vec<usize> {
    let mut shares = vec![0; wanted.len()];
    let mut room = MOST;
    while room > 0 {
        let wanting = shares.iter_mut().zip(wanted).filter(|(share, wanted)| **share < **wanted);
        let mut wanting: Vec<&mut usize> = wanting.map(|(share, _)| share).collect();
        let chosen = evenly(wanting.len(), room);
        if chosen.is_empty() {
            break;
        }
        room -= chosen.len();
        for index in chosen {
            if let Some(share) = wanting.get_mut(index) {
                **share += 1;
            }
        }
    }
    shares
}

/// At most `room` of the numbers below `count`, as far apart as they can be.
fn evenly(count: usize, room: usize) -> BTreeSet<usize> {
    let chosen = count.min(room);
    (0..chosen).map(|number| number * count / chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::discover::At;
    use proptest::prelude::*;

    fn device(address: &str, template: &str) -> Device {
        Device {
            name: format!("host-{address}"),
            address: address.to_owned(),
            template: Some(Arc::from(template)),
            snmp: None,
            nsclient: false,
            at: At::file("/etc/centreon-engine/hosts.cfg"),
            agent: false,
        }
    }

    fn addresses<'d>(sample: &Sample<'d>) -> Vec<&'d str> {
        sample.devices.iter().map(|sampled| sampled.device.address.as_str()).collect()
    }

    #[test]
    fn two_of_each_segment_and_template_are_asked_the_lowest_first() {
        let devices = [
            device("10.20.30.100", "Linux"),
            device("10.20.30.20", "Linux"),
            device("10.20.30.3", "Linux"),
            device("10.20.30.4", "Switch"),
            device("10.20.31.1", "Linux"),
            device("2001:db8:1:2::7", "Linux"),
            device("2001:db8:1:2:ffff::", "Linux"),
            device("srv.corp.example", "Linux"),
        ];
        let sample = sample(&devices, Some(2));
        assert_eq!(
            addresses(&sample),
            [
                "10.20.30.3",
                "10.20.30.20",
                "10.20.30.4",
                "10.20.31.1",
                "2001:db8:1:2::7",
                "2001:db8:1:2:ffff::",
                "srv.corp.example",
            ]
        );
        let labels: Vec<String> =
            sample.devices.iter().map(|sampled| sampled.group.to_string()).collect();
        assert_eq!(
            labels,
            [
                "10.20.30.0/24",
                "10.20.30.0/24",
                "10.20.30.0/24",
                "10.20.31.0/24",
                "2001:db8:1:2::/64",
                "2001:db8:1:2::/64",
                "names",
            ]
        );
        let of: Vec<usize> = sample.devices.iter().map(|sampled| sampled.of).collect();
        assert_eq!(of, [3, 3, 1, 1, 2, 2, 1]);
        assert_eq!((sample.addresses, sample.groups, sample.groups_left_out), (8, 5, 0));
    }

    #[test]
    fn of_two_hosts_at_one_address_the_one_asked_by_snmp_is_taken() {
        let mut asked = device("10.0.0.1", "Linux");
        asked.snmp = Some(Arc::default());
        let devices = [device("10.0.0.1", "Ping"), asked, device("10.0.0.1", "Ping")];
        let sample = sample(&devices, None);
        let [only] = sample.devices.as_slice() else { panic!("{sample:#?}") };
        assert!(only.device.snmp.is_some());
        assert_eq!(only.of, 1);
    }

    #[test]
    fn a_name_is_the_same_name_in_capitals() {
        let devices = [device("SRV.corp.example", "t"), device("srv.corp.example", "t")];
        assert_eq!(sample(&devices, None).devices.len(), 1);
    }

    #[test]
    fn all_devices_are_all() {
        let devices: Vec<Device> =
            (0..1_000).map(|n| device(&format!("10.0.{}.{}", n / 250, n % 250), "Linux")).collect();
        assert_eq!(sample(&devices, None).devices.len(), 1_000);
    }

    #[test]
    fn very_many_groups_are_asked_evenly_and_the_rest_is_counted() {
        let of_group = |group: usize| {
            (1..=3).map(move |n| device(&format!("10.{}.{}.{n}", group / 256, group % 256), "t"))
        };
        let devices: Vec<Device> = (0..800).flat_map(of_group).collect();
        let sample = sample(&devices, Some(2));
        assert_eq!(sample.devices.len(), MOST);
        assert_eq!((sample.groups, sample.groups_left_out), (800, 600));
        assert_eq!(addresses(&sample)[..3], ["10.0.0.1", "10.0.4.1", "10.0.8.1"]);
    }

    #[test]
    fn a_second_device_of_each_group_comes_after_the_first_of_all() {
        assert_eq!(shares(&[2; 150]).iter().sum::<usize>(), MOST);
        assert_eq!(shares(&[2; 150]).iter().filter(|&&share| share == 0).count(), 0);
        assert_eq!(shares(&[1, 5, 0]), [1, 5, 0]);
        assert_eq!(shares(&[]), [0; 0]);
    }

    proptest! {
        #[test]
        fn the_order_of_the_devices_changes_nothing(
            mut devices in prop::collection::vec((0_u8..4, 0_u8..9, 0_u8..3), 0..60)
                .prop_map(|all| all.into_iter().map(|(net, host, template)| {
                    device(&format!("10.0.{net}.{host}"), &format!("t{template}"))
                }).collect::<Vec<_>>()),
            per_group in prop::option::of(0_usize..4),
        ) {
            let named = |devices: &[Device]| {
                let sample = sample(devices, per_group);
                let chosen = sample.devices.iter();
                chosen.map(|one| (one.device.address.clone(), one.group.clone())).collect::<Vec<_>>()
            };
            let first = named(&devices);
            devices.reverse();
            prop_assert_eq!(&named(&devices), &first);
            let distinct: BTreeSet<_> = first.iter().map(|(address, _)| address).collect();
            prop_assert_eq!(distinct.len(), first.len());
        }
    }
}
