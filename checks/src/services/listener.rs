//! Listener: does anything on this host listen on a port, where, and which process?
//!
//! For flows that come in: traps on UDP 162, pollers on TCP 5669. Asks the
//! kernel for its sockets, or reads its tables, and this host's own firewall and sends nothing, so a pass says
//! nothing of the path.
//!
//! Reference: `proc_net(5)`, `proc_pid_fd(5)`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cause::{Cause, PortCause, Transport};
use crate::evidence::{Seen, Value};
use crate::firewall::selinux::{PortLabel, label};
use crate::firewall::{FirewallOpinion, opinion};
use crate::net::listening::{Listening, listening};
use crate::net::{Ask, aside};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::wire;
use crate::{Respond, Service};

/// Looks for a listener on this host; the peer is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// TCP or UDP.
    pub transport: Transport,
    /// The port that is listened on.
    pub port: u16,
    /// The port the other side comes to, where a rule hands that on to `port`.
    pub arrives: Option<u16>,
    /// Who comes, as far as that is known.
    pub senders: Vec<IpAddr>,
}

impl Probe {
    /// Looks at a port that anybody may come to.
    #[must_use]
    pub fn of(transport: Transport, port: u16) -> Self {
        Self { transport, port, arrives: None, senders: Vec::new() }
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self::of(Transport::Udp, 162)
    }
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let probe = self.clone();
        // All open files of a busy machine: an NTP answer must not wait for them to be counted.
        let (sockets, holder, opinion) = aside(move || probe.look()).await??;
        if sockets.is_empty() {
            let Self { transport, port, .. } = *self;
            let label = aside(move || label(Path::new("/"), transport, port)).await?;
            note_label(label, transport, port, &mut ask.seen);
        }
        self.judge(&sockets, &holder, opinion, &mut ask.seen)
    }

    fn look(&self) -> Result<(Vec<Socket>, Holder, FirewallOpinion), Cause> {
        let Self { transport, port, .. } = *self;
        let unreadable = |error: io::Error| {
            Cause::Port(PortCause::ListenersUnknown {
                transport,
                port,
                error: format!("/proc/net: {error}"),
            })
        };
        let sockets = self.sockets().map_err(unreadable)?;
        let holder = holder(&sockets);
        let opinion = opinion(transport, self.comes_to(), &self.senders);
        Ok((sockets, holder, opinion))
    }

    /// The port the other side comes to.
    fn comes_to(&self) -> u16 {
        self.arrives.unwrap_or(self.port)
    }

    /// Decides from what listens, and from what this host's rules say.
    fn judge(
        &self,
        sockets: &[Socket],
        holder: &Holder,
        opinion: FirewallOpinion,
        seen: &mut Seen,
    ) -> Result<(), Cause> {
        seen.evidence.set(OWN_FIREWALL, self.told(&opinion));
        let closed = match opinion {
            FirewallOpinion::Closed(cause) => Some(*cause),
            _ => None,
        };
        let Some(first) = sockets.first() else {
            let Self { transport, port, .. } = *self;
            return Err(
                closed.unwrap_or(Cause::Port(PortCause::NothingListens { transport, port }))
            );
        };
        let process = holder.words();
        seen.evidence.set("process", process.as_str());
        if let Holder::Process { pid, .. } = holder {
            seen.evidence.set("pid", *pid);
        }
        let addresses: Value = sockets.iter().map(|socket| socket.address.to_string()).collect();
        seen.evidence.set("addresses", addresses);
        let reachable = sockets.iter().find(|socket| !is_loopback(socket.address.ip()));
        let Some(socket) = reachable else {
            return Err(Cause::Port(PortCause::ListensOnLoopback {
                address: first.address,
                process,
            }));
        };
        seen.headline = format!("{process} on {}", socket.address);
        closed.map_or(Ok(()), Err)
    }

    /// What this host's rules say, for a reader.
    fn told(&self, opinion: &FirewallOpinion) -> String {
        let port = format!("{} {}", self.transport, self.comes_to());
        match opinion {
            FirewallOpinion::LetsIn { by } => format!("lets {port} in by {by}"),
            FirewallOpinion::LetsInto { port: to } if *to == self.port => {
                format!("lets {port} in, to port {to}")
            }
            FirewallOpinion::LetsInto { port: to } => {
                format!("hands {port} on to port {to}, and not to {}", self.port)
            }
            FirewallOpinion::Closed(_) => format!("does not let {port} in"),
            FirewallOpinion::DependsOn(what) => {
                format!("whether it lets {port} in depends: {}", what.join("; "))
            }
            FirewallOpinion::Untold(why) => format!("not known: {why}"),
        }
    }

    /// What listens on the port, over IPv4 and IPv6.
    fn sockets(&self) -> io::Result<Vec<Socket>> {
        if self.transport == Transport::Tcp
            && let Some(found) = listening(self.port)
        {
            let of = |Listening { at: address, user, inode }| Socket { address, user, inode };
            return Ok(found.into_iter().map(of).collect());
        }
        let tables = match self.transport {
            Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
            Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
            // The kernel itself answers.
            Transport::Icmp => return Ok(Vec::new()),
        };
        let mut found = Vec::new();
        for table in tables {
            match read(Path::new(table), MAX_TABLE) {
                Ok(text) => found.extend(self.listening(&text)),
                // A kernel without IPv6 has no such table.
                Err(error) if error.kind() == io::ErrorKind::NotFound && table.ends_with('6') => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn listening<'a>(&self, table: &'a str) -> impl Iterator<Item = Socket> + use<'a> {
        let Self { transport, port, .. } = *self;
        let state = match transport {
            Transport::Tcp => LISTEN,
            // A connected UDP socket hears its own peer only.
            Transport::Udp | Transport::Icmp => UNCONNECTED,
        };
        let rows = table.lines().skip(1).filter_map(Socket::parse);
        rows.filter(move |(socket, is)| socket.address.port() == port && *is == state)
            .map(|(socket, _)| socket)
    }
}

/// Says what `SELinux` has for a port on which nothing listens yet; a service that listens was let.
fn note_label(label: Option<PortLabel>, transport: Transport, port: u16, seen: &mut Seen) {
    let Some(label) = label else { return };
    seen.evidence.set("selinux", label.words);
    if let Some(given) = label.given {
        seen.headline = format!("SELinux has the type {given} for {transport} {port}");
    }
}

/// Not in the list of services: there is no far side to stand in for.
pub(crate) const SERVICE: Service = Service {
    name: "listener",
    title: "listener",
    expected: "listener",
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 162,
    transport: Transport::Udp,
    tls: false,
    budget: Duration::from_secs(2),
    question: None,
    repeats: 0,
    probe: || crate::Probe::Listener(Probe::default()),
    respond: Respond::Datagram(|_| None),
};

/// One row of a socket table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    address: SocketAddr,
    user: u32,
    inode: u64,
}

impl Socket {
    /// `sl local remote state queues timer retransmits uid timeout inode …`
    fn parse(row: &str) -> Option<(Self, u8)> {
        let mut fields = row.split_ascii_whitespace().skip(1);
        let address = address(fields.next()?)?;
        let state = u8::from_str_radix(fields.nth(1)?, 16).ok()?;
        let user = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some((Self { address, user, inode }, state))
    }
}

/// `0100007F:00A2`: words of the address as this machine's integers.
fn address(text: &str) -> Option<SocketAddr> {
    let (words, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = words.get(at * 8..(at + 1) * 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let address = match words.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?].map(u32::from_be_bytes);
            let bits = words.into_iter().fold(0, |bits, word| bits << 32 | u128::from(word));
            IpAddr::from(Ipv6Addr::from_bits(bits))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whose socket it is, as far as this user may see.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// A process whose descriptors we may read.
    Process { name: String, pid: u32 },
    /// A process of somebody else.
    User { name: String },
}

impl Holder {
    fn words(&self) -> String {
        match self {
            Self::Process { name, .. } => name.clone(),
            Self::User { name } => format!("a process of user {name}"),
        }
    }
}

/// Who has a port of this host, as far as this user may see: "snmptrapd (pid 42)"; `None`: nobody.
#[must_use]
pub fn holder_of(transport: Transport, port: u16) -> Option<String> {
    let sockets = Probe::of(transport, port).sockets().ok()?;
    (!sockets.is_empty()).then(|| match holder(&sockets) {
        Holder::Process { name, pid } => format!("{name} (pid {pid})"),
        user @ Holder::User { .. } => user.words(),
    })
}

/// The addresses that somebody listens on at a port of this host.
#[must_use]
pub fn listens_at(transport: Transport, port: u16) -> Vec<IpAddr> {
    let sockets = Probe::of(transport, port).sockets().unwrap_or_default();
    sockets.iter().map(|socket| socket.address.ip()).collect()
}

/// On what it depends whether this host's own rules let somebody in to a port; `None`: they do, they do not, or it
/// cannot be told.
pub async fn own_firewall_depends(transport: Transport, port: u16) -> Option<String> {
    match aside(move || opinion(transport, port, &[])).await {
        Ok(FirewallOpinion::DependsOn(what)) => Some(what.join("; ")),
        _ => None,
    }
}

/// Why this host's own rules let nobody in to a port; `None`: they do, or it cannot be told.
pub async fn own_firewall(transport: Transport, port: u16) -> Option<Cause> {
    match aside(move || opinion(transport, port, &[])).await {
        Ok(FirewallOpinion::Closed(cause)) => Some(*cause),
        _ => None,
    }
}

/// The oldest process that holds one of `sockets`.
fn holder(sockets: &[Socket]) -> Holder {
    let names: Vec<String> =
        sockets.iter().map(|socket| format!("socket:[{}]", socket.inode)).collect();
    let pid = if names.is_empty() { None } else { process(&names) };
    let user = sockets.first().map_or(0, |socket| socket.user);
    match pid {
        Some(pid) => Holder::Process { name: command(pid), pid },
        None => Holder::User { name: user_name(user) },
    }
}

/// Only root sees the descriptors of all processes; the others look empty.
fn process(names: &[String]) -> Option<u32> {
    let mut pids: Vec<u32> =
        entries(PathBuf::from("/proc")).filter_map(|(_, name)| name.parse().ok()).collect();
    pids.sort_unstable();
    let descriptors = pids.into_iter().flat_map(|pid| {
        let folder = PathBuf::from(format!("/proc/{pid}/fd"));
        entries(folder).map(move |(descriptor, _)| (pid, descriptor))
    });
    let mut targets = descriptors
        .take(MAX_DESCRIPTORS)
        .filter_map(|(pid, descriptor)| Some((pid, fs::read_link(descriptor).ok()?)));
    targets.find(|(_, to)| names.iter().any(|name| to.as_os_str() == name.as_str())).map(|it| it.0)
}

/// Path and name of everything in a folder we may read.
fn entries(folder: PathBuf) -> impl Iterator<Item = (PathBuf, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?)))
}

/// A process may call itself anything.
fn command(pid: u32) -> String {
    let name = read(Path::new(&format!("/proc/{pid}/comm")), MAX_COMMAND).unwrap_or_default();
    match name.trim() {
        "" => format!("process {pid}"),
        name => wire::clean(name.as_bytes(), MAX_NAME),
    }
}

/// From the file: a directory that is down must not hold up the answer.
fn user_name(user: u32) -> String {
    let passwd = read(Path::new("/etc/passwd"), MAX_TABLE).unwrap_or_default();
    name_in(&passwd, user).unwrap_or_else(|| user.to_string())
}

/// `name:password:uid:…`
fn name_in(passwd: &str, user: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| wire::clean(name.as_bytes(), MAX_NAME))
    })
}

/// A file's first `limit` bytes, as text.
fn read(file: &Path, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The fact that tells what this host's own rules say.
const OWN_FIREWALL: &str = "own_firewall";
/// `TCP_LISTEN` and `TCP_CLOSE` of the kernel, which UDP borrows.
const LISTEN: u8 = 0x0a;
const UNCONNECTED: u8 = 0x07;
/// About 100,000 rows; listeners come first in the tables of TCP.
const MAX_TABLE: u64 = 16 << 20;
const MAX_COMMAND: u64 = 64;
const MAX_NAME: usize = 32;
/// Looks at so many descriptors of all processes together, then gives up.
const MAX_DESCRIPTORS: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::damaged;
    use crate::net::{Deadline, Peer, Trust};
    use proptest::prelude::*;
    use std::net::{TcpListener, UdpSocket};

    /// As Linux prints them on a little-endian machine.
    const UDP: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 0100007F:00A2 00000000:0000 07 00000000:00000000 00:00000000 00000000   108        0 4711 2 0 0
  101: 00000000:00A2 00000000:0000 07 00000000:00000000 00:00000000 00000000   108        0 4712 2 0 0
  102: 0100007F:00A2 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4713 2 0 0
  103: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4714 2 0 0
";

    fn snmptrapd() -> Holder {
        Holder::Process { name: "snmptrapd".to_owned(), pid: 42 }
    }

    fn socket(address: &str) -> Socket {
        Socket { address: address.parse().unwrap(), user: 108, inode: 1 }
    }

    fn verdict(addresses: &[&str], holder: &Holder) -> (Result<(), Cause>, Seen) {
        let sockets: Vec<Socket> = addresses.iter().map(|address| socket(address)).collect();
        let mut seen = Seen::default();
        let open = FirewallOpinion::LetsIn { by: "eth0".to_owned() };
        (Probe::default().judge(&sockets, holder, open, &mut seen), seen)
    }

    async fn here(transport: Transport, port: u16) -> (Result<(), Cause>, Seen) {
        let peer = Peer::from(SocketAddr::from(([127, 0, 0, 1], port)));
        let deadline = Deadline::after(Duration::from_secs(2));
        let probe = crate::Probe::Listener(Probe::of(transport, port));
        let finding = crate::examine(&probe, peer, deadline, &Trust::only([])).await;
        (finding.verdict, finding.seen)
    }

    #[test]
    fn a_listener_shows_who_and_where() {
        let (verdict, seen) = verdict(&["127.0.0.1:162", "0.0.0.0:162"], &snmptrapd());
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, "snmptrapd on 0.0.0.0:162");
        assert_eq!(seen.evidence.fact("pid"), Some(&42.into()));
        let both: Value = ["127.0.0.1:162", "0.0.0.0:162"].iter().collect();
        assert_eq!(seen.evidence.fact("addresses"), Some(&both));
    }

    #[test]
    fn ipv6_any_is_written_as_it_is_bound() {
        let user = Holder::User { name: "Debian-snmp".to_owned() };
        let (verdict, seen) = verdict(&["[::]:162"], &user);
        assert_eq!(verdict, Ok(()));
        assert_eq!(seen.headline, "a process of user Debian-snmp on [::]:162");
        assert_eq!(seen.evidence.fact("pid"), None);
    }

    #[test]
    fn a_type_that_a_port_was_given_is_named_and_one_that_is_not_known_stays_a_fact() {
        let words = "enforcing".to_owned();
        for (given, headline) in
            [(Some("http_port_t"), "SELinux has the type http_port_t for TCP 5669"), (None, "")]
        {
            let given = given.map(str::to_owned);
            let label = PortLabel { given, words: words.clone() };
            let mut seen = Seen::default();
            note_label(Some(label), Transport::Tcp, 5669, &mut seen);
            assert_eq!(seen.headline, headline);
            assert_eq!(seen.evidence.fact("selinux"), Some(&words.clone().into()));
        }
    }

    #[test]
    fn loopback_only_is_out_of_reach() {
        for address in ["127.0.0.1:162", "127.9.9.9:162", "[::1]:162", "[::ffff:127.0.0.1]:162"] {
            let expected = Cause::Port(PortCause::ListensOnLoopback {
                address: address.parse().unwrap(),
                process: "snmptrapd".to_owned(),
            });
            assert_eq!(verdict(&[address], &snmptrapd()).0, Err(expected));
        }
    }

    #[test]
    fn an_empty_table_means_that_nothing_listens() {
        let expected =
            Cause::Port(PortCause::NothingListens { transport: Transport::Udp, port: 162 });
        assert_eq!(verdict(&[], &snmptrapd()).0, Err(expected));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn connected_sockets_and_other_ports_do_not_count() {
        let found: Vec<u64> = Probe::default().listening(UDP).map(|socket| socket.inode).collect();
        assert_eq!(found, [4711, 4712]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_read_as_the_kernel_prints_them() {
        assert_eq!(address("0100007F:00A2"), Some("127.0.0.1:162".parse().unwrap()));
        let mapped = "0000000000000000FFFF00000100007F:1625";
        assert_eq!(address(mapped), Some("[::ffff:127.0.0.1]:5669".parse().unwrap()));
        let global = "B80D0120000000000000000001000000:0016";
        assert_eq!(address(global), Some("[2001:db8::1]:22".parse().unwrap()));
    }

    #[test]
    fn every_truncation_of_a_row_is_passed_over() {
        let row = UDP.lines().nth(1).unwrap();
        let inode = row.find("4711").unwrap();
        for length in 0..=inode {
            assert_eq!(Socket::parse(&row[..length]), None, "{length} bytes");
        }
        for text in ["", ":", "zz:00A2", "0100007F:ZZZZ", "ÄÄÄÄ:0001", "00:01"] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn users_are_named_from_the_file() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\nDebian-snmp:x:108:114::/:/bin/false\n";
        assert_eq!(name_in(passwd, 108).as_deref(), Some("Debian-snmp"));
        assert_eq!(name_in(passwd, 7), None);
    }

    #[tokio::test]
    async fn a_socket_of_our_own_is_found_with_its_process() {
        let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
        let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
        for (transport, bound) in
            [(Transport::Udp, udp.local_addr()), (Transport::Tcp, tcp.local_addr())]
        {
            let port = bound.unwrap().port();
            let (verdict, seen) = here(transport, port).await;
            assert_eq!(verdict, Ok(()));
            assert!(seen.headline.ends_with(&format!(" on 0.0.0.0:{port}")), "{}", seen.headline);
            let us = Value::from(std::process::id());
            assert_eq!(seen.evidence.fact("pid"), Some(&us));
        }
    }

    #[tokio::test]
    async fn a_port_nobody_holds_is_named() {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let expected = Cause::Port(PortCause::NothingListens { transport: Transport::Udp, port });
        assert_eq!(here(Transport::Udp, port).await.0, Err(expected));
    }

    proptest! {
        #[test]
        fn no_row_breaks_the_table_reader(row in damaged(UDP.lines().nth(1).unwrap().as_bytes())) {
            let _any_socket = Socket::parse(&String::from_utf8_lossy(&row));
        }
    }
}
