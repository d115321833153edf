//! The other ends of all flows of a poller and of a central, on loopback.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use preflight_checks::{Authority, Behaviour, Responder, SERVICES, ServerCertificates, Service};
use tokio::net::{TcpListener, UdpSocket};

use crate::Outcome;

/// What the bench needs to know of a row of the catalogue.
struct Flow {
    id: &'static str,
    from: &'static str,
    /// The flag of its target.
    flag: &'static str,
    /// The service at its other end.
    service: &'static str,
}

const FLOWS: [Flow; 15] = [
    flow("central.ntp", "central", "--ntp", "ntp"),
    flow("central.dns", "central", "--dns", "dns"),
    flow("central.smtp", "central", "--smtp", "smtp"),
    flow("central.ldap", "central", "--ldap", "ldaps"),
    flow("central.http", "central", "--http", "https"),
    flow("central.zmq", "central", "--poller", "zmq"),
    flow("central.ssh", "central", "--poller", "ssh"),
    flow("poller.ntp", "poller", "--ntp", "ntp"),
    flow("poller.dns", "poller", "--dns", "dns"),
    flow("poller.smtp", "poller", "--smtp", "smtp"),
    flow("poller.http", "poller", "--http", "https"),
    flow("poller.vpn", "poller", "--vpn", "tls"),
    flow("poller.bbdo", "poller", "--central", "bbdo"),
    flow("poller.snmp", "poller", "--device", "snmp"),
    flow("poller.nsclient", "poller", "--nsclient", "nsclient"),
];

const fn flow(
    id: &'static str,
    from: &'static str,
    flag: &'static str,
    service: &'static str,
) -> Flow {
    Flow { id, from, flag, service }
}

/// Rows that others open: this machine's own listeners, by the role that has them.
const OWN_TCP: [(&str, &str); 3] =
    [("central", "poller.bbdo"), ("poller", "central.zmq"), ("poller", "central.ssh")];
const OWN_UDP: [(&str, &str); 1] = [("poller", "poller.trap")];

/// The running other ends; dropping it ends them.
pub(crate) struct Site {
    far: Vec<(&'static Flow, Responder)>,
    tcp: Vec<(&'static str, &'static str, TcpListener)>,
    udp: Vec<(&'static str, &'static str, UdpSocket)>,
}

impl Site {
    /// Starts the other end of every flow; each shows `behaviour`.
    pub(crate) async fn start(behaviour: Behaviour, tls: &ServerCertificates) -> Outcome<Self> {
        let mut far = Vec::new();
        for flow in &FLOWS {
            let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let service = service(flow.service)?;
            far.push((flow, Responder::start(service, at, behaviour, Some(tls)).await?));
        }
        // On every address, as the platform's own daemons do: loopback only is a failure.
        let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut tcp = Vec::new();
        for (role, flow) in OWN_TCP {
            tcp.push((role, flow, TcpListener::bind(anywhere).await?));
        }
        let mut udp = Vec::new();
        for (role, flow) in OWN_UDP {
            udp.push((role, flow, UdpSocket::bind(anywhere).await?));
        }
        Ok(Self { far, tcp, udp })
    }

    /// The arguments that tell a machine of this role where everything is.
    pub(crate) fn arguments(&self, role: &str) -> io::Result<Vec<OsString>> {
        let mut arguments = vec!["--role".to_owned(), role.to_owned()];
        for (flow, far) in self.far.iter().filter(|(flow, _)| flow.from == role) {
            arguments.push(flow.flag.to_owned());
            if is_url(flow) {
                arguments.push(format!("{}://{}", flow.service, far.address));
            } else {
                arguments.push(far.address.ip().to_string());
                arguments.extend(port(flow.id, far.address));
            }
        }
        for (_, flow, listener) in self.tcp.iter().filter(|(owner, ..)| *owner == role) {
            arguments.extend(port(flow, listener.local_addr()?));
        }
        for (_, flow, socket) in self.udp.iter().filter(|(owner, ..)| *owner == role) {
            arguments.extend(port(flow, socket.local_addr()?));
        }
        Ok(arguments.into_iter().map(OsString::from).collect())
    }
}

/// The arguments of a machine whose targets all are at addresses of their own in 192.0.2.0/24,
/// the network for examples (RFC 5737), on the ports of the profile.
pub(crate) fn nowhere(role: &str) -> Vec<OsString> {
    let flows = FLOWS.iter().zip(1..).filter(|(flow, _)| flow.from == role);
    let mut targets: Vec<[String; 2]> = Vec::new();
    for (flow, number) in flows {
        let host = format!("192.0.2.{number}");
        let target = if is_url(flow) { format!("{}://{host}", flow.service) } else { host };
        // Two flows may have one target: a poller is asked by ZMQ and by SSH.
        if targets.iter().all(|[flag, _]| flag != flow.flag) {
            targets.push([flow.flag.to_owned(), target]);
        }
    }
    let role = ["--role".to_owned(), role.to_owned()];
    role.into_iter().chain(targets.into_iter().flatten()).map(OsString::from).collect()
}

/// The flows that a machine of this role opens itself, as `--only` takes them.
pub(crate) fn asked(role: &str) -> String {
    let flows = FLOWS.iter().filter(|flow| flow.from == role);
    flows.map(|flow| flow.id).collect::<Vec<_>>().join(",")
}

/// Of two protocols in one row, a URL pins the one that is served.
fn is_url(flow: &Flow) -> bool {
    matches!(flow.service, "https" | "ldaps")
}

fn port(flow: &str, address: SocketAddr) -> [String; 2] {
    ["--port".to_owned(), format!("{flow}={}", address.port())]
}

/// The service of that name.
pub(crate) fn service(name: &str) -> Outcome<&'static Service> {
    let mut services = SERVICES.iter();
    let found = services.find(|service| service.name == name);
    Ok(found.ok_or_else(|| format!("there is no service `{name}`"))?)
}

/// Certificates for this machine; their authority's goes to the file `ca`.
pub(crate) fn certificates(ca: &Path) -> Outcome<ServerCertificates> {
    let authority = Authority::named("Authority of the bench")?;
    std::fs::write(ca, authority.pem())?;
    Ok(ServerCertificates::of(&authority, "server of the bench")?)
}
