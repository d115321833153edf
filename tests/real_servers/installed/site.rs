//! The servers a monitored site has, and the two machines of Centreon's among them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use super::machine::Machine;
use crate::lab::servers::{
    self, Certificate, SNMP_AUTH_PASSWORD, SNMP_COMMUNITY, SNMP_PRIV_PASSWORD, SNMP_USER,
};
use crate::lab::{Lab, Node};
use crate::support::far::{Far, healthy_at};

/// A lab full of servers.
pub(crate) struct Site {
    pub(crate) lab: Lab,
    tls: Certificate,
    /// What Debian has no package of: a broker and a Windows server's agent.
    _others: Vec<Far>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let lab = Lab::new();
        // More pollers than one live on the server.
        lab.ip(Node::Server, "address add 10.0.0.4/24 dev eth0\naddress add 10.0.0.5/24 dev eth0");
        let tls = Certificate::new(&lab);
        let starts: [&(dyn Fn() + Sync); 8] = [
            &|| servers::named(&lab, ""),
            &|| servers::chronyd(&lab),
            &|| servers::postfix(&lab, &tls),
            &|| servers::nginx(&lab, &tls),
            &|| servers::squid(&lab),
            &|| servers::snmpd(&lab),
            &|| servers::sshd(&lab),
            &|| servers::zmq_router(&lab, Node::Server, 5556),
        ];
        thread::scope(|scope| starts.iter().for_each(|start| drop(scope.spawn(start))));
        servers::snmptrapd(&lab, Node::Client);
        let far = |node, service, port: u16| {
            lab.inside(node, || {
                healthy_at(service, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
            })
        };
        let others = vec![
            far(Node::Server, "bbdo", 5669),
            far(Node::Server, "nsclient", 8443),
            // The central's own, when the machine is one.
            far(Node::Client, "bbdo", 5669),
        ];
        Self { lab, tls, _others: others }
    }

    /// A poller whose central is `10.0.0.3`, with three hosts to ask.
    pub(crate) fn poller(&self) -> Machine<'_> {
        let machine = self.debian();
        machine.install("exported-objects", &["centreon-engine"]);
        machine.install("poller-zmq", &CENTREON);
        let module = "centreon-broker/poller1-module.json";
        machine.edit(module, &[("10.0.0.5", "10.0.0.3")]);
        hosts(&machine);
        servers::zmq_router(&self.lab, Node::Client, 5556);
        servers::sshd_on(&self.lab, Node::Client);
        machine
    }

    /// A central with a poller by ZMQ, one by SSH, and one whose broker waits to be called.
    pub(crate) fn central(&self) -> Machine<'_> {
        let machine = self.debian();
        machine.install("exported-objects", &["centreon-engine"]);
        machine.install("central-24.10", &CENTREON);
        let nodes = [("10.2.0.7", "10.0.0.3"), ("10.3.0.7", "10.0.0.4")];
        machine.edit("centreon-gorgone/nodes-register.yml", &nodes);
        let reversed = "  - id: 6\n    type: push_zmq\n    address: 10.0.0.5\n    port: 5556\n";
        machine.append("centreon-gorgone/nodes-register.yml", reversed);
        machine.edit("centreon-broker/central-broker.json", &[("10.6.0.7", "10.0.0.5")]);
        hosts(&machine);
        machine
    }

    /// Debian with its packages, set up for this site.
    fn debian(&self) -> Machine<'_> {
        let machine = Machine::new(&self.lab);
        let pool = "pool 2.debian.pool.ntp.org iburst";
        machine.edit("chrony/chrony.conf", &[(pool, &format!("#{pool}"))]);
        machine.write("chrony/sources.d/site.sources", "server time.example.test iburst\n");
        machine.write("resolv.conf", "search example.test\nnameserver 10.0.0.3\n");
        machine.write("hosts", "127.0.0.1 localhost\n10.0.0.3 api.portal.i-vertix.cloud\n");
        // As `postconf -e` does it.
        machine.append("postfix/main.cf", "relayhost = [mail.example.test]\n");
        machine.write("apt/sources.list.d/debian.sources", SOURCES);
        machine.write("apt/apt.conf.d/80proxy", PROXY);
        // As update-ca-certificates does it.
        let authority = fs::read_to_string(&self.tls.ca).unwrap();
        machine.append("ssl/certs/ca-certificates.crt", &authority);
        machine
    }
}

/// Where snmptrapd's own unit says that it listens on port 162.
pub(crate) fn trap_unit() -> String {
    // `/lib` is a link to it, but on systems that were never merged.
    let units = ["/usr/lib", "/lib"].map(|lib| format!("{lib}/systemd/system/snmptrapd.service"));
    let text = |unit: &String| Some((unit.clone(), fs::read_to_string(unit).ok()?));
    let (unit, text) = units.iter().find_map(text).unwrap();
    let line = text.lines().position(|line| line.starts_with("ExecStart=")).unwrap();
    format!("{unit}:{}", line + 1)
}

/// Hosts as the web interface exports them; their templates are the fixture's.
fn hosts(machine: &Machine<'_>) {
    machine.edit("centreon-engine/resource.cfg", &[("obviously-fake-secret", SNMP_COMMUNITY)]);
    let options = format!(
        "--snmp-username='{SNMP_USER}' --authprotocol='SHA' --authpassphrase='{SNMP_AUTH_PASSWORD}' \
         --privprotocol='AES' --privpassphrase='{SNMP_PRIV_PASSWORD}'"
    );
    let host = |name, address, template, more: &str| {
        format!(
            "define host {{\n    host_name                      {name} \n    \
             address                        {address} \n    \
             use                            {template} \n{more}}}\n\n"
        )
    };
    let v3 = format!("    _SNMPEXTRAOPTIONS              {options} \n");
    let all = [
        host("access", "switch.example.test", "OS-Linux-SNMP-custom", ""),
        host("core", "10.0.0.4", "Net-Cisco-Standard-SNMP-custom", &v3),
        host("windows", "10.0.0.5", "OS-Windows-NSClient-05-Restapi-custom", ""),
    ];
    machine.write("centreon-engine/hosts.cfg", &all.concat());
}

/// What Centreon's packages and its export put below `/etc`.
const CENTREON: [&str; 5] =
    ["centreon", "centreon-broker", "centreon-engine", "centreon-gorgone", "snmp"];

const SOURCES: &str = "\
Types: deb
URIs: http://www.example.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";
const PROXY: &str = "Acquire::http::Proxy \"http://proxy.example.test:3128\";\n";
