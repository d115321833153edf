//! `preflight demo`: a whole site on loopback, real probes, embedded far sides.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use preflight_checks::{
    Authority, Behaviour, Responder, ServerCertificates, Service, Transport, Trust, nsclient,
    quoted, snmp,
};
use secrecy::SecretString;
use tokio::net::{TcpListener, UdpSocket};

use crate::catalogue::{Catalogue, Flow, Mode, Party, Role, Way};
use crate::run::plan::{self, Phase, Plan, Settings};
use crate::settings::{Job, Output};
use crate::site::{self, Origin, Place, Sourced, Target};

/// The community the embedded agent answers to.
const COMMUNITY: &str = "preflight-demo";
/// The roles of the demo, in the order of their tables.
const ROLES: [Role; 2] = [Role::Central, Role::Poller];

/// A flow broken on purpose.
#[derive(Clone, Debug)]
pub(crate) struct Breakage {
    flow: String,
    behaviour: Behaviour,
}

/// Reads `FLOW=KIND` pairs.
///
/// # Errors
///
/// One sentence naming the flows or kinds there are.
pub(crate) fn breakages(pairs: &[(String, String)]) -> Result<Vec<Breakage>, String> {
    let catalogue = catalogue();
    let breakage = |(flow, kind): &(String, String)| {
        let row = catalogue
            .flows
            .iter()
            .find(|row| row.id.get_ref() == flow && is_breakable(row))
            .ok_or_else(|| {
                format!("no flow {} to break; known are {}", quoted(flow), breakable(&catalogue))
            })?;
        let behaviour = Behaviour::from_str(kind).map_err(|_| {
            format!("unknown kind {}; known are {}", quoted(kind), Behaviour::kinds().join(", "))
        })?;
        match row.ways.first() {
            Some(way) if behaviour.fits(way.service) => {
                Ok(Breakage { flow: flow.clone(), behaviour })
            }
            _ => Err(format!("`{flow}` cannot be broken by `{kind}`")),
        }
    };
    pairs.iter().map(breakage).collect()
}

/// Flows that one of the two machines opens; the VPN has no part in the demo.
fn is_breakable(flow: &Flow) -> bool {
    ROLES.iter().any(|&role| flow.from.is(role)) && !flow.only_with_target
}

fn breakable(catalogue: &Catalogue) -> String {
    let flows = catalogue.flows.iter().filter(|flow| is_breakable(flow));
    flows.map(|flow| flow.id.get_ref().as_str()).collect::<Vec<_>>().join(", ")
}

fn catalogue() -> Catalogue {
    // The embedded profile parses: a test holds it to that.
    Catalogue::profile("i-vertix").unwrap_or_else(|| unreachable!("the profile is embedded"))
}

/// The running site; dropping it ends every far side.
#[derive(Debug)]
pub(crate) struct Site {
    catalogue: Catalogue,
    trust: Trust,
    wrong_community: bool,
    /// Flow, its first way's service, and where its far side listens.
    far: Vec<(String, &'static Service, Responder)>,
    /// Our own listeners that others would connect to: flow and port.
    own: Vec<(String, u16, Held)>,
}

/// A bound port that answers nobody: for the rows that look at our own listeners.
#[derive(Debug)]
enum Held {
    Tcp { _listener: TcpListener },
    Udp { _socket: UdpSocket },
}

impl Site {
    /// Starts a far side for every flow.
    ///
    /// # Errors
    ///
    /// When no port can be bound or no certificate be made.
    pub(crate) async fn start(breaks: &[Breakage]) -> io::Result<Self> {
        let catalogue = catalogue();
        let authority = Authority::named("preflight demo CA")?;
        let tls = ServerCertificates::of(&authority, "preflight demo")?;
        let mut far = Vec::new();
        let mut own = Vec::new();
        for flow in &catalogue.flows {
            let Some(way) = flow.ways.first() else { continue };
            let id = flow.id.get_ref().clone();
            if is_breakable(flow) {
                let broken = breaks.iter().find(|broken| broken.flow == id);
                let behaviour = broken.map_or(Behaviour::Healthy, |broken| broken.behaviour);
                let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let responder = Responder::start(way.service, at, behaviour, Some(&tls)).await?;
                far.push((id.clone(), way.service, responder));
            }
            if ROLES.iter().any(|&role| flow.to.is(role)) {
                let (port, held) = hold(way).await?;
                own.push((id, port, held));
            }
        }
        let wrong_community =
            breaks.iter().any(|broken| broken.behaviour == Behaviour::WrongCommunity);
        Ok(Self { catalogue, trust: Trust::only([authority.der()]), wrong_community, far, own })
    }

    /// One run a machine.
    pub(crate) fn jobs(&self, output: &Output) -> Vec<Job> {
        ROLES.iter().map(|&role| self.job(role, output)).collect()
    }

    fn job(&self, role: Role, output: &Output) -> Job {
        let mut site = site::Site::of(role, self.trust.clone());
        let community = if self.wrong_community { "not-that-one" } else { COMMUNITY };
        site.snmp = snmp::Credentials::Community {
            version: snmp::CommunityVersion::V2c,
            community: SecretString::from(community),
        };
        let set_up = [Mode::Zmq, Mode::Bbdo].map(|value| Sourced { value, origin: ORIGIN });
        site.modes.extend(set_up);
        site.nsclient.password = Some(SecretString::from(nsclient::RESPONDER_PASSWORD));
        for (id, port, _) in &self.own {
            site.ports.insert(id.clone(), Sourced { value: *port, origin: ORIGIN });
        }
        let flows = self.catalogue.flows.iter().filter(|flow| flow.from.is(role));
        for flow in flows {
            self.fill(&mut site, flow);
        }
        Job {
            remarks: Vec::new(),
            catalogue: self.catalogue.clone(),
            site,
            settings: Settings::usual(Phase::After),
            output: output.for_role(role),
            redact: None,
            unasked: Vec::new(),
        }
    }

    /// Tells the site where this flow's far side listens.
    fn fill(&self, site: &mut site::Site, flow: &Flow) {
        let id = flow.id.get_ref();
        let Some((_, service, far)) = self.far.iter().find(|(flow, _, _)| flow == id) else {
            return;
        };
        let host = far.address.ip().to_string();
        // A URL pins the one protocol that the demo serves.
        let place: Result<Place, String> = match service.name {
            "https" | "ldaps" => format!("{}://{}", service.name, far.address).parse(),
            _ => host.parse(),
        };
        if let Ok(place) = place {
            let targets = site.targets.entry(flow.to.clone()).or_default();
            if targets.is_empty() {
                targets.push(Target::new(place, ORIGIN));
            }
            site.ports.insert(id.clone(), Sourced { value: far.address.port(), origin: ORIGIN });
        }
    }
}

/// The plan of one of [`Site::jobs`].
pub(crate) fn plan(job: &Job) -> Plan {
    let mut plan = plan::plan(&job.catalogue, &job.site, &job.settings);
    let vpn = Party("vpn".to_owned());
    plan.steps.retain(|step| step.to != vpn);
    plan
}

const ORIGIN: Origin = Origin::Other(std::borrow::Cow::Borrowed("demo"));

async fn hold(way: &Way) -> io::Result<(u16, Held)> {
    // On every address, as the platform's own daemons do: loopback only is a failure.
    let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Ok(match way.service.transport {
        Transport::Udp => {
            let socket = UdpSocket::bind(anywhere).await?;
            (socket.local_addr()?.port(), Held::Udp { _socket: socket })
        }
        Transport::Tcp => {
            let listener = TcpListener::bind(anywhere).await?;
            (listener.local_addr()?.port(), Held::Tcp { _listener: listener })
        }
    })
}
