//! The request as commands for the machines' own firewalls; never for a device in the network.
//!
//! What a report says reaches a command only as an address, a number or a plain word: a file from
//! elsewhere must not put a command into this one.
//!
//! References: nft(8), firewall-cmd(1), firewalld.richlanguage(5), firewalld.policies(5).

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use preflight_checks::{Transport, printable};

use super::end::{End, Firewall};
use super::row::{Row, Source};
use super::{ChangeRequest, Machine};

/// Whose commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// nft(8)
    Nft,
    /// firewall-cmd(1)
    Firewalld,
}

/// Seen from the machine that the command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// Writes the commands, machine by machine.
///
/// # Errors
///
/// What the writer says.
pub(super) fn write(
    request: &ChangeRequest,
    tool: Tool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut machines: BTreeMap<String, Vec<(Way, &Row)>> = BTreeMap::new();
    for row in &request.rows {
        if let Some((machine, way)) = concerned(request, row) {
            machines.entry(machine).or_default().push((way, row));
        }
    }
    if machines.is_empty() {
        return writeln!(out, "# No machine's own firewall is concerned: there is nothing to run.");
    }
    for (index, (machine, rows)) in machines.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write_machine(machine, rows, tool, out)?;
    }
    Ok(())
}

/// The machine whose own firewall the row is about: one of ours whatever the row calls it.
fn concerned(request: &ChangeRequest, row: &Row) -> Option<(String, Way)> {
    let called = |end: &End| request.own(end).map_or_else(|| end.shown(), title);
    match &row.at {
        Firewall::Source(machine) => Some((called(machine), Way::Out)),
        Firewall::Target(_) => Some((called(&row.destination), Way::In)),
        // Blocked elsewhere or not at all: with everything, what our own machines listen on.
        _ if request.all => request.own(&row.destination).map(|own| (title(own), Way::In)),
        _ => None,
    }
}

/// `poller-1 (10.2.0.7, fd00:2::7)`
fn title(machine: &Machine) -> String {
    const SHOWN: usize = 3;
    let addresses: Vec<String> =
        machine.addresses.iter().take(SHOWN).map(ToString::to_string).collect();
    match addresses.as_slice() {
        [] => machine.name.clone(),
        some => format!("{} ({})", machine.name, some.join(", ")),
    }
}

fn write_machine(
    machine: &str,
    rows: &[(Way, &Row)],
    tool: Tool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    writeln!(out, "# On {}, as root.", printable(machine))?;
    let leaves = rows.iter().any(|(way, _)| *way == Way::Out);
    match tool {
        Tool::Nft => writeln!(out, "{NFT}")?,
        Tool::Firewalld if leaves => writeln!(out, "{FIREWALLD}\n{POLICY}")?,
        Tool::Firewalld => writeln!(out, "{FIREWALLD}")?,
    }
    for (way, row) in rows {
        write_row(*way, row, tool, out)?;
    }
    match tool {
        Tool::Nft => Ok(()),
        Tool::Firewalld => writeln!(out, "firewall-cmd --reload"),
    }
}

const NFT: &str = "\
# Table and chains as in Debian's /etc/nftables.conf; yours: nft list ruleset
# This holds until the next start: write the rules into that file too.";

const FIREWALLD: &str = "\
# In the default zone; for another add --zone=NAME: firewall-cmd --get-active-zones";

/// What leaves a machine is a policy's affair.
const POLICY: &str = "\
firewall-cmd --permanent --new-policy=preflight
firewall-cmd --permanent --policy=preflight --add-ingress-zone=HOST
firewall-cmd --permanent --policy=preflight --add-egress-zone=ANY
firewall-cmd --permanent --policy=preflight --set-priority=-100";

fn write_row(way: Way, row: &Row, tool: Tool, out: &mut dyn io::Write) -> io::Result<()> {
    for purpose in &row.purposes {
        writeln!(out, "# {}: {}", printable(&row.flows.join(", ")), printable(purpose))?;
    }
    let peers: Vec<IpAddr> = match way {
        Way::In => row.sources.iter().filter_map(Source::seen_as).collect(),
        Way::Out => row.destination.address.into_iter().collect(),
    };
    let unknown = match way {
        Way::In => row.sources.iter().filter(|source| source.seen_as().is_none()).count(),
        Way::Out => usize::from(peers.is_empty()),
    };
    if unknown > 0 && (way == Way::Out || !peers.is_empty()) {
        writeln!(out, "# {unknown} more without an address in the reports: add it here")?;
    }
    if unknown > 0 && peers.is_empty() && way == Way::In {
        writeln!(out, "# from everywhere: no address of those who connect is in the reports")?;
    }
    for family in [4, 6] {
        let of_family = |peer: &&IpAddr| peer.is_ipv4() == (family == 4);
        let peers: Vec<IpAddr> = peers.iter().filter(of_family).copied().collect();
        if !peers.is_empty() {
            let rule = Opening { way, peers: Some((family, &peers)), row };
            rule.write(tool, out)?;
        }
    }
    if peers.is_empty() && way == Way::In {
        Opening { way, peers: None, row }.write(tool, out)?;
    }
    Ok(())
}

/// One row's ports, for peers of one address family or for everybody.
struct Opening<'a> {
    way: Way,
    peers: Option<(u8, &'a [IpAddr])>,
    row: &'a Row,
}

impl Opening<'_> {
    fn write(&self, tool: Tool, out: &mut dyn io::Write) -> io::Result<()> {
        for transport in &self.row.transports {
            match tool {
                Tool::Nft => writeln!(out, "{}", self.nft(*transport))?,
                Tool::Firewalld => self.firewalld(*transport, out)?,
            }
        }
        Ok(())
    }

    fn nft(&self, transport: Transport) -> String {
        let (chain, end) = match self.way {
            Way::In => ("input", "saddr"),
            Way::Out => ("output", "daddr"),
        };
        let peers = self.peers.map_or_else(String::new, |(family, peers)| {
            let family = if family == 4 { "ip" } else { "ip6" };
            format!("{family} {end} {} ", set(peers))
        });
        let (transport, ports) = (transport.lower(), set(&self.row.ports));
        let comment = self.comment();
        format!(
            "nft 'insert rule inet filter {chain} {peers}{transport} dport {ports} accept{comment}'"
        )
    }

    /// The flows, if they are plain words: nothing else may stand in a command.
    fn comment(&self) -> String {
        let is_plain = |flow: &&String| {
            flow.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let flows: Vec<&str> = self.row.flows.iter().filter(is_plain).map(String::as_str).collect();
        let text = flows.join(" ");
        // nft takes at most 128 bytes.
        if flows.is_empty() || text.len() > 100 {
            String::new()
        } else {
            format!(" comment \"{text}\"")
        }
    }

    fn firewalld(&self, transport: Transport, out: &mut dyn io::Write) -> io::Result<()> {
        let transport = transport.lower();
        let (policy, end) = match self.way {
            Way::In => ("", "source"),
            Way::Out => ("--policy=preflight ", "destination"),
        };
        for port in &self.row.ports {
            let Some((family, peers)) = self.peers else {
                writeln!(out, "firewall-cmd --permanent --add-port={port}/{transport}")?;
                continue;
            };
            for peer in peers {
                let rule = format!(
                    "rule family=\"ipv{family}\" {end} address=\"{peer}\" port port=\"{port}\" protocol=\"{transport}\" accept"
                );
                writeln!(out, "firewall-cmd --permanent {policy}--add-rich-rule='{rule}'")?;
            }
        }
        Ok(())
    }
}

/// `5669`, or `{ 636, 389 }`
fn set(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    match items.as_slice() {
        [only] => only.clone(),
        several => format!("{{ {} }}", several.join(", ")),
    }
}
