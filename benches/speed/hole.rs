//! A network namespace in which every packet is sent and none is answered.

use std::ffi::OsString;
use std::process::Command;

use crate::Outcome;

/// The namespace; dropping it removes it.
pub(crate) struct Hole {
    name: String,
}

impl Hole {
    /// Makes it; needs root and iproute2.
    ///
    /// Two ends of a cable, and nobody at the other one: without ARP packets
    /// leave at once and are discarded there.
    pub(crate) fn dig() -> Outcome<Self> {
        // Named as the labs of the tests are: what a killed bench leaves, their sweep removes.
        let name = format!("pf-{}-0-hole", std::process::id());
        ip(&["netns", "add", &name])?;
        let hole = Self { name };
        for words in [
            "link set lo up",
            "link add near type veth peer name far",
            "link set near arp off",
            "address add 10.2.0.7/24 dev near",
            "link set near up",
            "link set far up",
            "route add default dev near",
        ] {
            let command: Vec<&str> = words.split(' ').collect();
            ip(&[&["-n", &hole.name], command.as_slice()].concat())?;
        }
        Ok(hole)
    }

    /// `command`, to be run inside.
    pub(crate) fn inside(&self, command: &[OsString]) -> Vec<OsString> {
        let enter = ["ip", "netns", "exec", &self.name].map(OsString::from);
        enter.into_iter().chain(command.iter().cloned()).collect()
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        let _best_effort = ip(&["netns", "delete", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Outcome<()> {
    let ended = Command::new("ip").args(arguments).env("PATH", PATH).output()?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(format!("ip {}: {}", arguments.join(" "), said.trim_end()).into())
}

/// Where iproute2 lies, also for an ordinary user.
pub(crate) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
