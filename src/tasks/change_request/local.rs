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

use super::end::{Firewall, RuleEnd};
use super::row::{RequestRow, RuleSource};
use super::{ChangeRequest, RequestMachine};
use crate::run::wish::rich_rule;

/// The firewall whose commands are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirewallTool {
    /// nft(8)
    Nft,
    /// firewall-cmd(1)
    Firewalld,
}

/// Seen from the machine that the command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleWay {
    In,
    Out,
}

/// Writes the commands, machine by machine.
pub(super) fn write(
    request: &ChangeRequest,
    tool: FirewallTool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut machines: BTreeMap<String, Vec<(RuleWay, &RequestRow)>> = BTreeMap::new();
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
fn concerned(request: &ChangeRequest, row: &RequestRow) -> Option<(String, RuleWay)> {
    let called = |end: &RuleEnd| request.own(end).map_or_else(|| end.shown(), title);
    match &row.at {
        Firewall::Source(machine) => Some((called(machine), RuleWay::Out)),
        Firewall::Target(_) => Some((called(&row.destination), RuleWay::In)),
        // Blocked elsewhere or not at all: with everything, what our own machines listen on.
        _ if request.all => request.own(&row.destination).map(|own| (title(own), RuleWay::In)),
        _ => None,
    }
}

/// `poller-1 (10.2.0.7, fd00:2::7)`
fn title(machine: &RequestMachine) -> String {
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
    rows: &[(RuleWay, &RequestRow)],
    tool: FirewallTool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    writeln!(out, "# On {}, as root.", printable(machine))?;
    let goes = |wanted: RuleWay| rows.iter().any(|(way, _)| *way == wanted);
    let hooks: Vec<&str> = [RuleWay::In, RuleWay::Out]
        .into_iter()
        .filter(|way| goes(*way))
        .map(RuleWay::hook)
        .collect();
    match tool {
        FirewallTool::Nft => writeln!(out, "{NFT}\n(\n{NFT_ELSEWHERE}\n{}", nft_check(&hooks))?,
        FirewallTool::Firewalld if goes(RuleWay::Out) => writeln!(out, "{FIREWALLD}\n{POLICY}")?,
        FirewallTool::Firewalld => writeln!(out, "{FIREWALLD}")?,
    }
    for (way, row) in rows {
        write_row(*way, row, tool, out)?;
    }
    match tool {
        FirewallTool::Nft => writeln!(out, "{}\n)", nft_warning(&hooks)),
        FirewallTool::Firewalld => writeln!(out, "firewall-cmd --reload"),
    }
}

const NFT: &str = "\
# For the chains of the table \"inet filter\", as in Debian's /etc/nftables.conf. An accept there does not undo a
# drop of another table, so these lines look first, and change nothing where they would not help.
# They hold until the next start: write the rules into that file too.";

/// Who else filters at a hook: a table and a chain a line.
const NFT_ELSEWHERE: &str = r#"elsewhere() {
    nft list chains | awk -v hook="$1" '
        $1 == "table" { table = $2 " " $3 }
        $1 == "chain" { chain = $2 }
        $0 ~ "type filter hook " hook " " && table != "inet filter" { print "table " table ", chain " chain }'
}"#;

/// Ends the block where there is no such chain, and says what filters instead.
fn nft_check(hooks: &[&str]) -> String {
    format!(
        r#"for hook in {}; do
    nft list chain inet filter $hook >/dev/null 2>&1 && continue
    echo "nothing was changed: the table \"inet filter\" has no chain $hook here" >&2
    case "$(elsewhere $hook)" in
    "") echo "nothing else filters $hook either: no rule is needed" >&2 ;;
    *"inet firewalld"*) echo "firewalld filters $hook: use preflight request --format firewalld" >&2 ;;
    *) echo "the rules belong where $hook is filtered:" >&2; elsewhere $hook >&2 ;;
    esac
    exit 1
done"#,
        hooks.join(" ")
    )
}

/// Says at the end who may drop what was accepted.
fn nft_warning(hooks: &[&str]) -> String {
    format!(
        r#"for hook in {}; do
    [ -z "$(elsewhere $hook)" ] && continue
    echo "the rules are in; what these drop of $hook stays dropped:" >&2; elsewhere $hook >&2
done"#,
        hooks.join(" ")
    )
}

const FIREWALLD: &str = "\
# In the default zone; for another add --zone=NAME: firewall-cmd --get-active-zones";

/// What leaves a machine is a policy's affair.
const POLICY: &str = "\
firewall-cmd --permanent --get-policies | grep -qw preflight ||
    firewall-cmd --permanent --new-policy=preflight
firewall-cmd --permanent --policy=preflight --add-ingress-zone=HOST
firewall-cmd --permanent --policy=preflight --add-egress-zone=ANY
firewall-cmd --permanent --policy=preflight --set-priority=-100";

fn write_row(
    way: RuleWay,
    row: &RequestRow,
    tool: FirewallTool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    for purpose in &row.purposes {
        writeln!(out, "# {}: {}", printable(&row.flows.join(", ")), printable(purpose))?;
    }
    let peers: Vec<Option<LocalPeer>> = match way {
        RuleWay::In => row.sources.iter().map(LocalPeer::of_source).collect(),
        RuleWay::Out => vec![row.destination.address.map(LocalPeer::from)],
    };
    for is_v4 in [true, false] {
        let of_family = |peer: &&LocalPeer| peer.is_v4 == is_v4;
        let peers: Vec<&LocalPeer> = peers.iter().flatten().filter(of_family).collect();
        for command in (Commands { way, row }).of_family(tool, is_v4, &peers) {
            writeln!(out, "{command}")?;
        }
    }
    if peers.iter().any(Option::is_none) {
        // To open a port to everybody is nobody's wish: a person fills in whom it is for.
        let blank = match way {
            RuleWay::In => "SOURCE",
            RuleWay::Out => "DESTINATION",
        };
        let whose = names_without_address(way, row);
        writeln!(
            out,
            "# the address of {whose} is not known: put it in place of {blank}, and take the # away"
        )?;
        let blank = LocalPeer { text: blank.to_owned(), is_v4: true };
        for command in (Commands { way, row }).of_family(tool, true, &[&blank]) {
            writeln!(out, "# {command}")?;
        }
    }
    Ok(())
}

/// The peers whose address a person has to find out: "poller2.example.com, device".
fn names_without_address(way: RuleWay, row: &RequestRow) -> String {
    let name = |end: &RuleEnd| end.name.as_deref().map(printable);
    let names: Vec<String> = match way {
        RuleWay::In => {
            let unknown = row.sources.iter().filter(|it| LocalPeer::of_source(it).is_none());
            unknown.filter_map(|source| name(&source.end)).collect()
        }
        RuleWay::Out => name(&row.destination).into_iter().collect(),
    };
    names.join(", ")
}

impl RuleWay {
    fn hook(self) -> &'static str {
        match self {
            Self::In => "input",
            Self::Out => "output",
        }
    }

    /// Which end of a packet the peer is.
    fn end(self) -> &'static str {
        match self {
            Self::In => "source",
            Self::Out => "destination",
        }
    }
}

/// An address or a subnet at the other end.
struct LocalPeer {
    text: String,
    is_v4: bool,
}

impl From<IpAddr> for LocalPeer {
    fn from(address: IpAddr) -> Self {
        Self { text: address.to_string(), is_v4: address.is_ipv4() }
    }
}

impl LocalPeer {
    /// As the firewall sees it; `None`: nobody knows.
    fn of_source(source: &RuleSource) -> Option<Self> {
        let subnet = |(address, bits): (IpAddr, u8)| Self {
            text: format!("{address}/{bits}"),
            is_v4: address.is_ipv4(),
        };
        source.seen_as().map(Self::from).or_else(|| source.end.subnet().map(subnet))
    }
}

/// What opens one row's ports.
struct Commands<'a> {
    way: RuleWay,
    row: &'a RequestRow,
}

impl Commands<'_> {
    /// Those for peers of one address family; none without a peer.
    fn of_family(&self, tool: FirewallTool, is_v4: bool, peers: &[&LocalPeer]) -> Vec<String> {
        if peers.is_empty() {
            return Vec::new();
        }
        let transports = self.row.transports.iter();
        match tool {
            FirewallTool::Nft => transports.map(|over| self.nft(is_v4, peers, *over)).collect(),
            FirewallTool::Firewalld => {
                transports.flat_map(|over| self.firewalld(is_v4, peers, *over)).collect()
            }
        }
    }

    fn nft(&self, is_v4: bool, peers: &[&LocalPeer], transport: Transport) -> String {
        let (chain, family) = (self.way.hook(), if is_v4 { "ip" } else { "ip6" });
        let end = match self.way {
            RuleWay::In => "saddr",
            RuleWay::Out => "daddr",
        };
        let peers = set(peers.iter().map(|peer| peer.text.clone()));
        let ports = set(self.row.ports.iter().map(ToString::to_string));
        let what = match transport {
            Transport::Icmp if is_v4 => "icmp type echo-request".to_owned(),
            Transport::Icmp => "icmpv6 type echo-request".to_owned(),
            Transport::Tcp | Transport::Udp => format!("{} dport {ports}", transport.lower()),
        };
        let comment = self.comment();
        format!(
            "nft 'insert rule inet filter {chain} {family} {end} {peers} {what} accept{comment}'"
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

    fn firewalld(&self, is_v4: bool, peers: &[&LocalPeer], transport: Transport) -> Vec<String> {
        let policy = match self.way {
            RuleWay::In => "",
            RuleWay::Out => "--policy=preflight ",
        };
        let each = |port: &u16| {
            let (port, end) = (*port, self.way.end());
            let rules = peers.iter().map(move |peer| {
                let rule = rich_rule(end, (&peer.text, is_v4), port, transport);
                format!("firewall-cmd --permanent {policy}--add-rich-rule='{rule}'")
            });
            rules.collect::<Vec<_>>()
        };
        self.row.ports.iter().flat_map(each).collect()
    }
}

/// `5669`, or `{ 636, 389 }`
fn set(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match items.as_slice() {
        [only] => only.clone(),
        several => format!("{{ {} }}", several.join(", ")),
    }
}
