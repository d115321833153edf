//! Two network namespaces: the poller in the near one, and in the far one a whole range of addresses.
//!
//! ```text
//! near 10.97.0.2 ── 10.97.0.1 far: all of 10.98.0.0/16 is its own, and 10.99.0.0/16 is forbidden
//! ```

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns};

use crate::Outcome;

/// Both of them; dropping it removes them.
pub(crate) struct Far {
    name: String,
}

impl Far {
    /// Makes them; needs root, iproute2 and nftables.
    pub(crate) fn build() -> Outcome<Self> {
        // Named as the labs of the tests are: what a killed bench leaves, their sweep removes.
        let far = Self { name: format!("pf-{}-0", std::process::id()) };
        let (near_name, far_name) = (far.near(), far.far());
        ip(&format!("netns add {near_name}"))?;
        ip(&format!("netns add {far_name}"))?;
        ip(&format!("-n {near_name} link add eth0 type veth peer name eth0 netns {far_name}"))?;
        for (name, lines) in [
            (
                &near_name,
                "link set lo up
                 address add 10.97.0.2/24 dev eth0
                 link set eth0 up
                 route add default via 10.97.0.1",
            ),
            (
                &far_name,
                "link set lo up
                 address add 10.97.0.1/24 dev eth0
                 link set eth0 up
                 route add local 10.98.0.0/16 dev lo
                 route add prohibit 10.99.0.0/16",
            ),
        ] {
            for line in lines.lines() {
                ip(&format!("-n {name} {}", line.trim()))?;
            }
        }
        far.in_far(&["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"], "")?;
        Ok(far)
    }

    fn near(&self) -> String {
        format!("{}-near", self.name)
    }

    fn far(&self) -> String {
        format!("{}-far", self.name)
    }

    /// `command`, to be run in the near one.
    pub(crate) fn inside(&self, command: &[OsString]) -> Vec<OsString> {
        let enter = ["ip", "netns", "exec", &self.near()].map(OsString::from);
        enter.into_iter().chain(command.iter().cloned()).collect()
    }

    /// These rules are all that the far one has.
    pub(crate) fn rules(&self, rules: &str) -> Outcome<()> {
        self.in_far(&["nft", "-f", "-"], &format!("flush ruleset\n{rules}\n"))
    }

    /// Takes this thread, and what it opens from now on, into the far one.
    pub(crate) fn enter(&self) -> Outcome<()> {
        let namespace = File::open(format!("/run/netns/{}", self.far()))?;
        Ok(setns(namespace, CloneFlags::CLONE_NEWNET)?)
    }

    fn in_far(&self, command: &[&str], input: &str) -> Outcome<()> {
        let mut run = Command::new("ip")
            .args(["netns", "exec", &self.far()])
            .args(command)
            .env("PATH", PATH)
            .stdin(Stdio::piped())
            .spawn()?;
        run.stdin.take().ok_or("no input")?.write_all(input.as_bytes())?;
        let ended = run.wait()?;
        if ended.success() { Ok(()) } else { Err(format!("{}: {ended}", command.join(" ")).into()) }
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        for name in [self.near(), self.far()] {
            let _best_effort = ip(&format!("netns delete {name}"));
        }
    }
}

fn ip(arguments: &str) -> Outcome<()> {
    let ended = Command::new("ip").args(arguments.split_whitespace()).env("PATH", PATH).output()?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(format!("ip {arguments}: {}", said.trim_end()).into())
}

/// Where iproute2 and nftables lie, also for an ordinary user.
pub(crate) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
