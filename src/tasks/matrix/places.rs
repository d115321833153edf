//! Which machine does another one mean by a name or an address?

use std::collections::HashMap;
use std::net::IpAddr;

use super::seen::{AskedFlow, MachineRun};

/// Machines by what others call them. What several machines have (an address of a container
/// bridge, `localhost`) names none of them.
#[derive(Debug, Default)]
pub(super) struct Places {
    addresses: HashMap<IpAddr, AddressOwner>,
    names: HashMap<String, AddressOwner>,
    /// First labels, with the role: `central` may be `central.example.com`.
    labels: HashMap<(String, String), AddressOwner>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AddressOwner {
    Only(usize),
    Several,
}

impl Places {
    /// Of machines, each with its runs.
    pub(super) fn of<'a>(machines: impl Iterator<Item = (usize, &'a MachineRun)>) -> Self {
        let mut places = Self::default();
        for (machine, run) in machines {
            for address in &run.addresses {
                own(&mut places.addresses, *address, machine);
            }
            let name = run.host.to_ascii_lowercase();
            own(&mut places.labels, (run.role.clone(), label(&name).to_owned()), machine);
            own(&mut places.names, name, machine);
        }
        places
    }

    /// The machine that a flow of the machine `from` goes to, if it is one of ours.
    pub(super) fn target(&self, from: usize, flow: &AskedFlow) -> Option<usize> {
        if flow.addresses.iter().any(IpAddr::is_loopback) {
            return Some(from);
        }
        let by_address = flow.addresses.iter().find_map(|address| only(&self.addresses, address));
        by_address.or_else(|| self.named(flow))
    }

    /// The machine that has this address, if it is one of ours.
    pub(super) fn at(&self, address: IpAddr) -> Option<usize> {
        only(&self.addresses, &address)
    }

    fn named(&self, flow: &AskedFlow) -> Option<usize> {
        let name = host_name(&flow.host).to_ascii_lowercase();
        only(&self.names, &name)
            .or_else(|| only(&self.labels, &(flow.to.clone(), label(&name).to_owned())))
    }
}

fn own<K: std::hash::Hash + Eq>(owners: &mut HashMap<K, AddressOwner>, key: K, machine: usize) {
    let owner = owners.entry(key).or_insert(AddressOwner::Only(machine));
    if *owner != AddressOwner::Only(machine) {
        *owner = AddressOwner::Several;
    }
}

fn only<K: std::hash::Hash + Eq>(owners: &HashMap<K, AddressOwner>, key: &K) -> Option<usize> {
    match owners.get(key) {
        Some(AddressOwner::Only(machine)) => Some(*machine),
        Some(AddressOwner::Several) | None => None,
    }
}

/// `central` of `central.example.com`.
fn label(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The name in a target that may be a URL.
fn host_name(host: &str) -> String {
    let url = url::Url::parse(host).ok().filter(|_| host.contains("://"));
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| host.to_owned())
}
