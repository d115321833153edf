//! `preflight demo`: a whole site on loopback, real probes, embedded far sides.

mod pair;

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
use crate::console::output::Output;
use crate::run::plan::{self, InstallPhase, Plan, Settings};
use crate::settings::Job;
use crate::site::{self, Origin, Place, Sourced, Target};

pub(crate) use pair::DemoPair;

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
pub(crate) struct DemoSite {
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

impl DemoSite {
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
            code_place: None,
            catalogue: self.catalogue.clone(),
            site,
            settings: Settings::usual(InstallPhase::After),
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

/// The plan of one of [`DemoSite::jobs`].
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
        // It is the kernel that answers, on no port.
        Transport::Icmp => return Err(io::ErrorKind::Unsupported.into()),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use preflight_checks::{Concern, Deadline, Peer, Respond, examine};

    use super::*;
    use crate::catalogue::PROFILES;
    use crate::run::plan::Action;

    /// Rows whose own protocol no far side here proves, and why.
    const UNPROVED: &[(&str, &str)] = &[
        (
            "i-vertix central.bbdo tcp",
            "a poller that waits for its broker would take whoever negotiates for it",
        ),
        ("centreon central.radius radius", "answers who knows its secret"),
        (
            "centreon central.bbdo tcp",
            "a poller that waits for its broker would take whoever negotiates for it",
        ),
        ("centreon central.mbi tcp", "the protocol of CBIS is published nowhere"),
        ("centreon central.ha-corosync corosync", "answers its own cluster"),
        ("centreon database.ha-corosync corosync", "answers its own cluster"),
    ];

    /// Rows that others open: here only a listener can be looked at.
    const INBOUND: &[&str] = &[
        "i-vertix poller.trap",
        "i-vertix poller.netflow",
        "centreon poller.trap",
        "centreon map.web",
        "centreon poller.cma",
        "centreon-cloud poller.trap",
        "centreon-cloud poller.cma",
    ];

    fn role_of(flow: &Flow) -> Option<Role> {
        let names = <Role as strum::VariantNames>::VARIANTS.iter();
        names.filter_map(|name| name.parse().ok()).find(|&role| flow.from.is(role))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_row_of_every_profile_passes_against_its_own_far_side() {
        let authority = Authority::named("Authority of the walk").unwrap();
        let tls = ServerCertificates::of(&authority, "the walk").unwrap();
        let trust = Trust::only([authority.der()]);
        let (mut unproved, mut inbound) = (Vec::new(), Vec::new());
        for (profile, _) in PROFILES {
            let catalogue = Catalogue::profile(profile).unwrap();
            for flow in &catalogue.flows {
                let id = flow.id.get_ref();
                let Some(role) = role_of(flow) else {
                    inbound.push(format!("{profile} {id}"));
                    continue;
                };
                for way in &flow.ways {
                    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                    let far = Responder::start(way.service, at, Behaviour::Healthy, Some(&tls));
                    let mut far = far.await.unwrap();
                    if matches!(way.service.respond, Respond::Nobody) {
                        // Nothing listens there.
                        far.address.set_port(9);
                    }
                    let (asked, is_proved) =
                        asked(&catalogue, flow, way, role, far.address, &trust).await;
                    if !is_proved {
                        unproved.push(format!("{profile} {id} {asked}"));
                    }
                }
            }
        }
        let known: Vec<&str> = UNPROVED.iter().map(|(row, _)| *row).collect();
        assert_eq!(unproved, known);
        assert_eq!(inbound, INBOUND);
    }

    /// Asks one row in one way; which service that was, and whether the pass proves it.
    async fn asked(
        catalogue: &Catalogue,
        flow: &Flow,
        way: &Way,
        role: Role,
        far: SocketAddr,
        trust: &Trust,
    ) -> (&'static str, bool) {
        let mut site = site::Site::of(role, trust.clone());
        site.snmp = snmp::Credentials::Community {
            version: snmp::CommunityVersion::V2c,
            community: SecretString::from(COMMUNITY),
        };
        site.nsclient.password = Some(SecretString::from(nsclient::RESPONDER_PASSWORD));
        site.modes.extend(flow.mode.map(|value| Sourced { value, origin: ORIGIN }));
        let place = format!("{}://{}", way.service.name, far).parse().unwrap();
        site.targets.insert(flow.to.clone(), vec![Target::new(place, ORIGIN)]);
        let id = flow.id.get_ref();
        let settings = Settings {
            only: vec![id.clone()],
            groups: flow.group.iter().cloned().collect(),
            ..Settings::usual(InstallPhase::After)
        };
        let plan = plan::plan(catalogue, &site, &settings);
        let question = plan.steps.iter().find_map(|step| match &step.action {
            Action::Ask(question) if step.flow == *id => Some(question),
            _ => None,
        });
        let question = question.unwrap_or_else(|| panic!("{id} is not asked: {:#?}", plan.steps));
        let asked = question.ways.first().unwrap();
        let deadline = Deadline::after(Duration::from_secs(20));
        let finding = examine(&asked.probe, Peer::from(far), deadline, trust).await;
        let service = asked.probe.service();
        if matches!(service.respond, Respond::Nobody) {
            let cause = finding.verdict.unwrap_err();
            // No far side listens there.
            assert_eq!(cause.code(), "port-closed", "{id}");
            return (service.name, false);
        }
        assert_eq!(finding.verdict, Ok(()), "{id} {}: {:#?}", service.name, finding.seen);
        (service.name, !finding.seen.concerns.contains(&Concern::Unproved))
    }
}
