//! `preflight demo --far-side`: two machines with one code, on loopback.
//!
//! A central that responds, and a poller that is given its code; neither has a service. The ports are free ones.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Arc;

use preflight_checks::Trust;
use tokio::task::JoinSet;

use super::{ORIGIN, catalogue};
use crate::catalogue::{Catalogue, Flow, Mode, Party, Role};
use crate::console::output::Output;
use crate::far_side::PairingCode;
use crate::respond::{DoorHost, Doors};
use crate::run::plan::{Counterpart, InstallPhase, Settings, plan};
use crate::settings::Job;
use crate::site::{Site, Sourced, Target};

/// Where both machines are.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A central that responds, and its poller; dropping it ends the central.
#[derive(Debug)]
pub(crate) struct DemoPair {
    code: PairingCode,
    poller: Job,
    doors: Vec<String>,
    host: Arc<DoorHost>,
    _central: JoinSet<()>,
}

impl DemoPair {
    /// Starts the central.
    ///
    /// # Errors
    ///
    /// When there is no free port, no certificate or no code.
    pub(crate) async fn start(output: &Output) -> io::Result<Self> {
        let catalogue = catalogue();
        let central = machine(Role::Central, Role::Poller, &catalogue, output)?;
        let mut poller = machine(Role::Poller, Role::Central, &catalogue, output)?;
        // Where one of the two listens, the other asks.
        poller.site.ports.clone_from(&central.site.ports);
        poller.settings.far_side = Some(Counterpart::Only);
        let code = PairingCode::new().ok_or(io::ErrorKind::Unsupported)?;
        let inbound = plan(&central.catalogue, &central.site, &central.settings);
        let doors = Doors::open(&inbound, Some(HERE)).await;
        let shown = doors.lines();
        let (host, tasks) = doors.stand_by(Some((code.clone(), Box::new(central))))?;
        Ok(Self { code, poller, doors: shown, host, _central: tasks })
    }

    /// The run of the poller, and the code that it is given.
    pub(crate) fn poller(&self) -> (&Job, &PairingCode) {
        (&self.poller, &self.code)
    }

    /// What stands on the central's screen at first.
    pub(crate) fn begins(&self) -> Vec<String> {
        let mut lines = vec!["the central: preflight respond --role central".to_owned()];
        lines.extend(self.doors.iter().cloned());
        lines.push(format!("  the code it asks for: {}", self.code.shown()));
        lines.push(String::new());
        lines.push("the poller: preflight --role poller --central 127.0.0.1 --far-side".to_owned());
        lines.push(String::new());
        lines
    }

    /// What stands there at the end.
    pub(crate) fn ends(&self) -> Vec<String> {
        let mut lines = vec![String::new(), "what the central saw".to_owned()];
        lines.extend(self.host.sum());
        lines
    }
}

/// One of the two, with the flows between them alone.
fn machine(role: Role, other: Role, catalogue: &Catalogue, output: &Output) -> io::Result<Job> {
    let mut site = Site::of(role, Trust::only([]));
    site.modes.extend([Mode::Zmq, Mode::Bbdo].map(|value| Sourced { value, origin: ORIGIN }));
    let place = HERE.to_string().parse().map_err(io::Error::other)?;
    site.targets.insert(Party(other.to_string()), vec![Target::new(place, ORIGIN)]);
    let mut settings = Settings::usual(InstallPhase::Before);
    for flow in catalogue.flows.iter().filter(|flow| is_between(flow, role, other)) {
        let id = flow.id.get_ref();
        site.ports.insert(id.clone(), Sourced { value: free_port()?, origin: ORIGIN });
        settings.only.push(id.clone());
    }
    Ok(Job {
        remarks: Vec::new(),
        code_place: None,
        catalogue: catalogue.clone(),
        site,
        settings,
        output: output.clone(),
        redact: None,
        unasked: Vec::new(),
    })
}

fn is_between(flow: &Flow, one: Role, other: Role) -> bool {
    let is_from = |a, b| flow.from.is(a) && flow.to.is(b);
    !flow.only_with_target && (is_from(one, other) || is_from(other, one))
}

/// A port that nobody has at present, over TCP and UDP.
fn free_port() -> io::Result<u16> {
    for _ in 0..TRIES {
        let tcp = TcpListener::bind((HERE, 0))?;
        let port = tcp.local_addr()?.port();
        if UdpSocket::bind((HERE, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Ports that are tried.
const TRIES: usize = 16;
