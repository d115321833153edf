//! `preflight respond`: the far side of flows whose services are not installed yet.
//!
//! Listens on the ports of the flows that come in, and answers each in the flow's own protocol, so
//! that the other machine's run proves the way. A port in use is left to whoever holds it. Ends by itself.

mod bounds;
mod host;
mod serve;
mod told;

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::stat::Mode as FileMode;
use nix::unistd::geteuid;
use preflight_checks::{
    Authority, Eavesdropper, SERVICES, ServerCertificates, Service, Transport, connections,
    holder_of, listens_at, own_firewall, own_firewall_depends, printable, selinux_refusal,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::SecretString;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

pub(crate) use self::bounds::{Bounds, DATAGRAMS};
pub(crate) use self::host::DoorHost;
use self::serve::{ServedPort, datagrams, overhear, streams};
use crate::catalogue::{Mode, Role};
use crate::console::interrupt::{HeldSignals, Interruption};
use crate::console::output::{complain, file};
use crate::console::privileges;
use crate::far_side::{Door, DoorState, PairingCode};
use crate::run::plan::{Action, Direction, Plan, plan};
use crate::settings::Job;
use crate::site::local;

/// What is to be listened for.
#[derive(Debug)]
pub(crate) struct RespondRequest {
    /// What is not there yet.
    pub(crate) stands_for: StandsFor,
    /// How long to answer.
    pub(crate) within: Duration,
    /// On one address; none: on all.
    pub(crate) bind: Option<IpAddr>,
    /// What an agent of SNMP lets others read with.
    pub(crate) community: Option<SecretString>,
    /// Where the code is written; none: to stdout.
    pub(crate) code_file: Option<PathBuf>,
}

/// What is stood in for.
#[derive(Debug)]
pub(crate) enum StandsFor {
    /// A machine of the platform, whose plan has the flows.
    Machine(Box<Job>),
    /// A monitored device: its services, each with its port. It has no code, since it opens no flow.
    Device(Vec<(&'static Service, u16)>),
}

/// One port that a flow comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entrance {
    flows: Vec<String>,
    service: &'static str,
    transport: Transport,
    port: u16,
}

impl Entrance {
    fn service(&self) -> Option<&'static Service> {
        SERVICES.iter().copied().find(|service| service.name == self.service)
    }
}

/// The ports of all flows that come in, each once.
fn ports(plan: &Plan) -> Vec<Entrance> {
    let mut ports: Vec<Entrance> = Vec::new();
    for step in plan.steps.iter().filter(|step| step.direction == Direction::Inbound) {
        let Action::Ask(question) = &step.action else { continue };
        for way in question.ways.iter().filter(|way| way.transport.has_ports()) {
            let same =
                |known: &&mut Entrance| (known.transport, known.port) == (way.transport, way.port);
            match ports.iter_mut().find(same) {
                Some(known) => known.flows.push(step.flow.clone()),
                None => ports.push(Entrance {
                    flows: vec![step.flow.clone()],
                    service: way.protocol,
                    transport: way.transport,
                    port: way.port,
                }),
            }
        }
    }
    ports
}

/// The ports of a monitored device.
fn device_ports(services: &[(&'static Service, u16)]) -> Vec<Entrance> {
    let of_service = |&(service, port): &(&'static Service, u16)| {
        service.transports().iter().map(move |&transport| Entrance {
            flows: vec!["a device".to_owned()],
            service: service.name,
            transport,
            port,
        })
    };
    services.iter().flat_map(of_service).collect()
}

/// A port that is listened on.
#[derive(Debug)]
enum Bound {
    Stream(TcpListener),
    Datagrams(Vec<UdpSocket>),
    /// Somebody else has it: what comes by is read.
    Beside(Eavesdropper),
}

/// The ports of a machine that flows come to, as far as they could be had.
#[derive(Debug)]
pub(crate) struct Doors {
    /// Who signs the certificate that is shown inside TLS, and nobody else's.
    authority: String,
    list: Vec<Door>,
    bound: Vec<(Entrance, Bound)>,
}

impl Doors {
    /// Takes the ports of the flows of `plan` that come in; a port in use stays with whoever has it.
    pub(crate) async fn open(plan: &Plan, at: Option<IpAddr>) -> Self {
        Self::open_all(ports(plan), at).await
    }

    async fn open_all(entrances: Vec<Entrance>, at: Option<IpAddr>) -> Self {
        // No other run has the name, so another's certificate is known by its issuer; without randomness none is.
        let mut number = [0; 8];
        let _common = SystemRandom::new().fill(&mut number);
        let authority = format!("preflight respond {:016x}", u64::from_be_bytes(number));
        let mut doors = Self { authority, list: Vec::new(), bound: Vec::new() };
        for entrance in entrances {
            let Entrance { transport, port, .. } = entrance;
            let flows = entrance.flows.clone();
            let mut is_watched = false;
            let state = match bind(&entrance, at).await {
                Ok(there) => {
                    doors.bound.push((entrance, there));
                    DoorState::Open
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    is_watched = if transport == Transport::Tcp {
                        connections(port).is_some()
                    } else {
                        // As far as this user may: a packet socket is root's.
                        let ears = Eavesdropper::open(port).ok();
                        let has_ears = ears.is_some();
                        doors.bound.extend(ears.map(|ears| (entrance, Bound::Beside(ears))));
                        has_ears
                    };
                    let holder = holder_of(transport, port);
                    let unseen = || "a process that cannot be seen".to_owned();
                    DoorState::Taken(holder.unwrap_or_else(unseen))
                }
                Err(error) => DoorState::Shut(why(&error, transport, port)),
            };
            let listens_at = if is_watched { listens_at(transport, port) } else { Vec::new() };
            let authority = (state == DoorState::Open).then(|| doors.authority.clone());
            let closed = None;
            let door =
                Door { flows, transport, port, state, closed, is_watched, authority, listens_at };
            doors.list.push(door);
        }
        doors
    }

    /// What is shown inside TLS.
    fn certificates(&self) -> io::Result<ServerCertificates> {
        ServerCertificates::of(&Authority::named(&self.authority)?, "preflight respond")
    }

    /// What there is, door by door.
    pub(crate) fn list(&self) -> &[Door] {
        &self.list
    }

    /// A line for each door.
    pub(crate) fn lines(&self) -> Vec<String> {
        let service = |door: &Door| {
            let same = |(one, _): &&(Entrance, Bound)| {
                (one.transport, one.port) == (door.transport, door.port)
            };
            self.bound.iter().find(same).map_or("", |(entrance, _)| entrance.service)
        };
        self.list.iter().map(|door| line(door, service(door))).collect()
    }

    /// Answers at the doors in the protocols of their flows, until what it gives is dropped.
    pub(crate) fn serve(self, host: &Arc<DoorHost>, tls: &ServerCertificates) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for (port, bound) in self.bound {
            let Some(service) = port.service() else { continue };
            let way = ServedPort::new(service, port.port, &port.flows.join(", "), host);
            match bound {
                Bound::Stream(listener) => {
                    tasks.spawn(streams(listener, way, Arc::clone(&tls.valid)));
                }
                Bound::Beside(ears) => {
                    tasks.spawn(overhear(ears, way));
                }
                Bound::Datagrams(sockets) => {
                    for socket in sockets {
                        tasks.spawn(datagrams(socket, way.clone()));
                    }
                }
            }
        }
        tasks
    }

    /// Answers, silently; of those who call with a code, whoever has the one that is given. Who has called
    /// itself gives none.
    ///
    /// # Errors
    ///
    /// When no certificate can be made.
    pub(crate) fn stand_by(
        self,
        paired: Option<(PairingCode, Box<Job>)>,
    ) -> io::Result<(Arc<DoorHost>, JoinSet<()>)> {
        let host = Arc::new(DoorHost::new(self.list.clone(), paired, false));
        let tls = self.certificates()?;
        let tasks = self.serve(&host, &tls);
        Ok((host, tasks))
    }
}

/// A line for a door of a machine that responds.
fn line(door: &Door, service: &str) -> String {
    let at = format!("{} {}", door.transport, door.port);
    let flows = door.flows.join(", ");
    match &door.state {
        DoorState::Open => format!("  listens     {at:<10} {service} for {flows}"),
        DoorState::Taken(holder) => {
            format!("  left alone  {at:<10} {holder} has it, for {flows}: the better far side")
        }
        DoorState::Shut(why) => format!("  impossible  {at:<10} {why} for {flows}"),
    }
}

/// Listens until the time is over, or Ctrl-C.
pub(crate) async fn respond(request: RespondRequest) -> ExitCode {
    // Threads that are started until somebody waits for signals must not take them.
    let _held = HeldSignals::stops();
    let RespondRequest { stands_for, within, bind, community, code_file } = request;
    let (entrances, job) = match stands_for {
        StandsFor::Machine(job) => {
            (ports(&plan(&job.catalogue, &job.site, &job.settings)), Some(job))
        }
        StandsFor::Device(services) => (device_ports(&services), None),
    };
    let mut doors = Doors::open_all(entrances, bind).await;
    doors.lines().iter().for_each(|line| say(line));
    if doors.list.is_empty() {
        let other = "no flow comes to this machine: run `preflight respond` on the other one, and preflight --far-side here";
        return complain("respond", other);
    }
    if doors.list.iter().all(|door| door.state != DoorState::Open) {
        return complain("respond", "there is no port to listen on");
    }
    for door in
        doors.list.iter_mut().filter(|door| door.state == DoorState::Open || door.is_watched)
    {
        door.closed = own_firewall(door.transport, door.port).await;
        let Door { transport, port, closed, .. } = &*door;
        match closed {
            Some(closed) => say(&format!("  ! {closed}")),
            // One family alone, say, or some senders alone.
            None => {
                if let Some(what) = own_firewall_depends(*transport, *port).await {
                    let whether = format!(
                        "whether this host's own firewall lets {transport} {port} in depends"
                    );
                    say(&format!("  ! {whether}: {}", printable(&what)));
                }
            }
        }
    }
    let paired = match job.map(|job| paired(job, code_file.as_deref())).transpose() {
        Ok(paired) => paired,
        Err((place, reason)) => return complain(&place, &reason),
    };
    let is_agent = |(entrance, bound): &(Entrance, Bound)| {
        entrance.service == SNMP && !matches!(bound, Bound::Beside(_))
    };
    let has_agent = doors.bound.iter().any(is_agent);
    if has_agent && community.is_none() {
        say(
            "\n  SNMP answers discovery (version 3) alone: no community was given to let others read with",
        );
    }
    say(&format!("\n  ends after {} s, or by Ctrl-C", within.as_secs()));
    if let Err(error) = privileges::drop() {
        return complain("respond", &format!("root's rights could not be given up: {error}"));
    }
    // Not before: giving up rights interrupts every thread, and the one that waits for signals ends.
    let mut interruption = Interruption::new();
    let Ok(tls) = doors.certificates() else {
        return complain("respond", "no certificate could be made");
    };
    let host = DoorHost::new(doors.list.clone(), paired, true).lets_read_with(community);
    let host = Arc::new(host);
    let tasks = doors.serve(&host, &tls);
    tokio::select! {
        () = tokio::time::sleep(within) => {}
        () = interruption.heard() => {}
    }
    drop(tasks);
    say("");
    host.sum().iter().for_each(|line| say(line));
    ExitCode::SUCCESS
}

/// A new code, told on stdout or in its file, and the machine whose flows it opens.
///
/// # Errors
///
/// What the code could not be had or told by, and why.
fn paired(job: Box<Job>, file: Option<&Path>) -> Result<(PairingCode, Box<Job>), (String, String)> {
    let Some(code) = PairingCode::new() else {
        let reason = "the system has no randomness for a code";
        return Err(("respond".to_owned(), reason.to_owned()));
    };
    let shown = match file {
        None => code.shown(),
        Some(path) => {
            let name = printable(&path.display().to_string());
            let write = |out: &mut dyn io::Write| writeln!(out, "{}", code.shown());
            let private = Some(FileMode::S_IRUSR | FileMode::S_IWUSR);
            file::replace(path, private, write).map_err(|error| {
                let reason = format!("{name}: {}", printable(&error.to_string()));
                ("--code-file".to_owned(), reason)
            })?;
            format!("in {name}")
        }
    };
    let modes = job.site.modes.iter().map(|mode| mode.value);
    say(&other_side(job.site.role, &modes.collect::<Vec<_>>(), &shown));
    Ok((code, job))
}

/// A line on stdout; a reader who is gone has seen enough.
pub(crate) fn say(line: &str) {
    let _closed_pipe = writeln!(io::stdout(), "{line}");
}

fn why(error: &io::Error, transport: Transport, port: u16) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied if port < 1024 && !geteuid().is_root() => {
            "needs root".to_owned()
        }
        // Anybody may bind a port from 1024 on, and root any, unless a policy says otherwise.
        io::ErrorKind::PermissionDenied => selinux_refusal(Path::new("/"), transport, port)
            .unwrap_or_else(|| "is not permitted, by a policy of this machine:".to_owned()),
        _ => printable(&error.to_string()),
    }
}

async fn bind(port: &Entrance, at: Option<IpAddr>) -> io::Result<Bound> {
    if port.transport == Transport::Tcp {
        let any = match at {
            Some(at) => TcpListener::bind((at, port.port)).await,
            // Takes IPv4 too; a kernel without IPv6 has no such address.
            None => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port.port)).await {
                Err(error)
                    if error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) =>
                {
                    TcpListener::bind(("0.0.0.0", port.port)).await
                }
                bound => bound,
            },
        };
        return any.map(Bound::Stream);
    }
    udp_sockets(at, port.port).await.map(Bound::Datagrams)
}

/// A socket an address: an answer leaves from where the question came to.
///
/// # Errors
///
/// When one of them cannot be had.
pub(crate) async fn udp_sockets(at: Option<IpAddr>, port: u16) -> io::Result<Vec<UdpSocket>> {
    let mut addresses: Vec<IpAddr> = match at {
        Some(at) => vec![at],
        None => local::host().addresses.into_iter().take(MAX_ADDRESSES).collect(),
    };
    if at.is_none() {
        addresses.push(IpAddr::from([127, 0, 0, 1]));
    }
    let mut sockets = Vec::new();
    for address in addresses {
        sockets.push(UdpSocket::bind(SocketAddr::new(address, port)).await?);
    }
    Ok(sockets)
}

/// Sockets for datagrams of one port.
const MAX_ADDRESSES: usize = 64;

/// The command for the other machine, and the code that it asks for.
fn other_side(role: Role, modes: &[Mode], code: &str) -> String {
    let address = local::host().addresses.into_iter().next();
    let here = address.map_or_else(|| "ADDRESS".to_owned(), |address| address.to_string());
    let command = if role == Role::Poller {
        format!("preflight --role central --poller {here}")
    } else {
        format!("preflight --role poller --central {here}")
    };
    let ways = modes.iter().filter_map(|mode| match mode {
        Mode::Pull | Mode::Pullwss | Mode::Ssh => Some(format!(" --mode {mode}")),
        Mode::BbdoReversed => Some(" --bbdo reversed".to_owned()),
        // It is what the other machine takes for granted, or knows from its own files.
        Mode::Zmq | Mode::Bbdo | Mode::ThroughRemote => None,
    });
    let ways: String = ways.collect();
    format!("\n  on the other machine: {command}{ways} --far-side\n  the code it asks for: {code}")
}

/// The service whose answers need a community.
const SNMP: &str = "snmp";
