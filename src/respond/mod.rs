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
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Gid, Uid, User, geteuid, setgid, setgroups, setuid};
use preflight_checks::{
    Authority, SERVICES, ServerCertificates, Service, Transport, holder_of, own_firewall, printable,
};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

pub(crate) use self::host::DoorHost;
use self::serve::{ServedPort, datagrams, streams};
use crate::catalogue::Role;
use crate::console::interrupt::{HeldSignals, Interruption};
use crate::console::output::complain;
use crate::far_side::{Door, DoorState, PairingCode};
use crate::run::plan::{Action, Direction, Plan, plan};
use crate::settings::Job;
use crate::site::local;

/// What is to be listened for.
#[derive(Debug)]
pub(crate) struct RespondRequest {
    /// The machine, whose plan has the flows.
    pub(crate) job: Job,
    /// How long to answer.
    pub(crate) within: Duration,
    /// On one address; none: on all.
    pub(crate) bind: Option<IpAddr>,
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

/// A port that is listened on.
#[derive(Debug)]
enum Bound {
    Stream(TcpListener),
    Datagrams(Vec<UdpSocket>),
}

/// The ports of a machine that flows come to, as far as they could be had.
#[derive(Debug)]
pub(crate) struct Doors {
    list: Vec<Door>,
    bound: Vec<(Entrance, Bound)>,
}

impl Doors {
    /// Takes the ports of the flows of `plan` that come in; a port in use stays with whoever has it.
    pub(crate) async fn open(plan: &Plan, at: Option<IpAddr>) -> Self {
        let mut doors = Self { list: Vec::new(), bound: Vec::new() };
        for entrance in ports(plan) {
            let Entrance { transport, port, .. } = entrance;
            let flows = entrance.flows.clone();
            let state = match bind(&entrance, at).await {
                Ok(there) => {
                    doors.bound.push((entrance, there));
                    DoorState::Open
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    let holder = holder_of(transport, port);
                    let unseen = || "a process that cannot be seen".to_owned();
                    DoorState::Taken(holder.unwrap_or_else(unseen))
                }
                Err(error) => DoorState::Shut(why(&error, port)),
            };
            doors.list.push(Door { flows, transport, port, state, closed: None });
        }
        doors
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
        let tasks = self.serve(&host, &certificates()?);
        Ok((host, tasks))
    }
}

fn certificates() -> io::Result<ServerCertificates> {
    let authority = Authority::named("preflight respond")?;
    ServerCertificates::of(&authority, "preflight respond")
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
    let RespondRequest { job, within, bind } = request;
    let plan = plan(&job.catalogue, &job.site, &job.settings);
    let mut doors = Doors::open(&plan, bind).await;
    doors.lines().iter().for_each(|line| say(line));
    if doors.bound.is_empty() {
        return complain("respond", "there is no port to listen on");
    }
    for door in doors.list.iter_mut().filter(|door| door.state == DoorState::Open) {
        door.closed = own_firewall(door.transport, door.port).await;
        if let Some(closed) = &door.closed {
            say(&format!("  ! {closed}"));
        }
    }
    let Some(code) = PairingCode::new() else {
        return complain("respond", "the system has no randomness for a code");
    };
    say(&other_side(plan.role, &code));
    say(&format!("  ends after {} s, or by Ctrl-C", within.as_secs()));
    if let Err(error) = drop_privileges() {
        return complain("respond", &format!("root's rights could not be given up: {error}"));
    }
    // Not before: giving up rights interrupts every thread, and the one that waits for signals ends.
    let mut interruption = Interruption::new();
    let Ok(tls) = certificates() else {
        return complain("respond", "no certificate could be made");
    };
    let host = Arc::new(DoorHost::new(doors.list.clone(), Some((code, Box::new(job))), true));
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

/// A line on stdout; a reader who is gone has seen enough.
fn say(line: &str) {
    let _closed_pipe = writeln!(io::stdout(), "{line}");
}

fn why(error: &io::Error, port: u16) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied if port < 1024 && !geteuid().is_root() => {
            "needs root".to_owned()
        }
        // Root may bind any port, unless a policy says otherwise.
        io::ErrorKind::PermissionDenied => {
            format!("is not permitted, perhaps by SELinux: semanage port -l | grep -w {port};")
        }
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
    // A socket an address: an answer leaves from where the question came to.
    let mut addresses: Vec<IpAddr> = match at {
        Some(at) => vec![at],
        None => local::host().addresses.into_iter().take(MAX_ADDRESSES).collect(),
    };
    if at.is_none() {
        addresses.push(IpAddr::from([127, 0, 0, 1]));
    }
    let mut sockets = Vec::new();
    for address in addresses {
        sockets.push(UdpSocket::bind(SocketAddr::new(address, port.port)).await?);
    }
    Ok(Bound::Datagrams(sockets))
}

/// Sockets for datagrams of one port.
const MAX_ADDRESSES: usize = 64;

/// The command for the other machine, and the code that it asks for.
fn other_side(role: Role, code: &PairingCode) -> String {
    let address = local::host().addresses.into_iter().next();
    let here = address.map_or_else(|| "ADDRESS".to_owned(), |address| address.to_string());
    let command = if role == Role::Poller {
        format!("preflight --role central --poller {here}")
    } else {
        format!("preflight --role poller --central {here}")
    };
    format!(
        "\n  on the other machine: {command} --far-side\n  the code it asks for: {}\n",
        code.shown()
    )
}

/// Gives up root's rights: what follows needs none, and opens no file.
fn drop_privileges() -> nix::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let nobody = User::from_name("nobody")?;
    let (user, group) = nobody
        .map_or((Uid::from_raw(NOBODY), Gid::from_raw(NOBODY)), |nobody| (nobody.uid, nobody.gid));
    setgroups(&[])?;
    setgid(group)?;
    setuid(user)
}

/// The user that owns nothing, where the machine has no name for it.
const NOBODY: u32 = 65_534;
