//! Machines on which Centreon is installed, among real servers: without a flag, `preflight` finds
//! out from their own files what they are and whom they need, and checks it for real.

mod machine;
mod report;
mod row;
mod site;

use crate::lab::servers::INTERNET;
use machine::{Machine, User};
use report::report;
use row::Row;
use site::Site;

#[test]
fn a_poller_is_checked_from_its_own_files() {
    let site = Site::new();
    let poller = site.poller();
    let gorgone = poller.line(GORGONE, "external_com_path");
    let broker = poller.line(MODULE, "central-module-master-output");
    for (user, gorgoned) in [(User::Root, "python3"), (User::Nobody, "a process of user root")] {
        let mut rows = basics(&poller, "poller");
        rows.extend([
            Row::passes("central.zmq").port(&gorgone).says(gorgoned),
            Row::passes("central.ssh").says(":22"),
            Row::passes("poller.bbdo@10.0.0.3").target(&broker).port(&broker).says("BBDO 3"),
        ]);
        rows.extend(monitored(&poller));
        // Hosts that tell less than all are a warning.
        report(poller.preflight(user)).is("poller", 0).notes(&[]).has(&rows);
    }
}

/// One thing after the other breaks, and what is said of it is nothing but that.
#[test]
fn what_breaks_on_a_poller_is_named() {
    let site = Site::new();
    let poller = site.poller();

    // The poller's own, and that of the server that several stand for.
    site.lab.stop("zmq_router");
    site.lab.stop("zmq_router");
    let gorgone = poller.line(GORGONE, "external_com_path");
    let gorgone = Row::fails("central.zmq").port(&gorgone).says("nothing-listens");
    report(poller.preflight(User::Root)).is("poller", 1).notes(&[]).says(&gorgone);

    site.lab.stop("chronyd");
    let time = poller.line(TIME, "time.example.test");
    let ntp = Row::fails("poller.ntp@time.example.test").target(&time).says("port-closed");
    report(poller.preflight(User::Root)).is("poller", 1).notes(&[]).says(&ntp);

    let denied = "permission denied; run as root, or as a user of its group";
    poller.close("centreon/conf.pm");
    poller.close("centreon-engine/resource.cfg");
    report(poller.preflight(User::Root)).notes(&[]);
    // Whatever else there is still says that this is a poller, and whom it asks.
    let host = |name| poller.block(HOSTS, "define host", name);
    report(poller.preflight(User::Nobody))
        .is("poller", 1)
        .notes(&[("/etc/centreon/conf.pm", denied), ("/etc/centreon-engine/resource.cfg", denied)])
        .says(&Row::passes("poller.snmp@10.0.0.4").target(&host("core")))
        .says(
            &Row::warns("poller.snmp@switch.example.test")
                .target(&host("access"))
                .says("snmp-not-read"),
        );

    poller.cut(MODULE);
    report(poller.preflight(User::Root))
        .is("poller", 1)
        .notes(&[(&format!("/etc/{MODULE}:"), "this is not JSON")])
        .says(&Row::is_skipped("poller.bbdo").says("no target; give --central HOST"));
}

#[test]
fn a_central_is_checked_from_its_own_files() {
    let site = Site::new();
    let central = site.central();
    let node = |id: &str| central.line(NODES, &format!("id: {id}"));
    let broker = |stream| central.line("centreon-broker/central-broker.json", stream);
    let reversed = broker("connection-to-poller6");
    let zmq = |host, node: &str| {
        Row::passes(format!("central.zmq@{host}")).target(node).port(node).says("router-external")
    };
    let ssh = |host, node: &str| {
        Row::passes(format!("central.ssh@{host}")).target(node).says("SSH-2.0-OpenSSH_")
    };
    let mut rows = basics(&central, "central");
    rows.insert(3, Row::is_skipped("central.ldap").says("no target; give --ldap HOST"));
    // The vendor's portal is the central's alone.
    let portal = format!("central.http@{INTERNET}");
    rows.insert(5, Row::passes(portal).says("Authority of the lab"));
    rows.extend([
        zmq("10.0.0.3", &node("2")),
        Row::is_skipped("central.zmq@10.0.0.4").says("the central connects by SSH"),
        zmq("10.0.0.5", &node("6")),
        ssh("10.0.0.3", &node("2")),
        ssh("10.0.0.4", &node("3")).port(&node("3")),
        ssh("10.0.0.5", &node("6")),
        // cbd is in no package of Debian's: something else listens in its place.
        Row::passes("poller.bbdo").port(&broker("central-broker-master-input")).says(":5669"),
        // Whether it is a broker's module, only a broker could tell.
        Row::warns("central.bbdo@10.0.0.5").target(&node("6")).port(&reversed).says("unproved"),
        // The files name a remote server that this site has not.
        Row::fails("central.remote-zmq@10.4.0.7")
            .target(&node("4"))
            .port(&node("4"))
            .says("10.2.0.1"),
        Row::fails("central.remote-ssh@10.4.0.7").target(&node("4")).says("10.2.0.1"),
        Row::passes("remote.bbdo").port(&broker("central-broker-master-input")).says(":5669"),
    ]);
    // Its interface is for this machine alone, and gorgoned is in no package of Debian's either.
    let api = central.line("centreon-gorgone/config.d/40-gorgoned.yaml", "8085");
    rows.push(Row::fails("central.gorgone-api@127.0.0.1:8085").target(&api).port(&api));
    rows.extend(monitored(&central));
    report(central.preflight(User::Root)).is("central", 1).notes(&[]).has(&rows);
}

/// What a machine of either kind needs, each with the line that says so.
fn basics(machine: &Machine<'_>, role: &str) -> Vec<Row> {
    let proxy = machine.line("apt/apt.conf.d/80proxy", "proxy.example.test");
    let packages = machine.line("apt/sources.list.d/debian.sources", "URIs");
    let passes = |target: &str| Row::passes(format!("{role}.{target}"));
    let repository = |suite: &str| {
        let url = format!("http://www.example.test/debian/dists/{suite}/InRelease");
        passes(&format!("http@{url}")).target(&packages).port(&proxy).says("by proxy")
    };
    vec![
        passes("ntp@time.example.test")
            .target(&machine.line(TIME, "time.example.test"))
            .says("stratum 7"),
        passes("dns@10.0.0.3")
            .target(&machine.line("resolv.conf", "nameserver"))
            .says("recursive, UDP and TCP"),
        passes("smtp@mail.example.test")
            .target(&machine.line("postfix/main.cf", "relayhost"))
            .says("mail.example.test ESMTP Postfix")
            // Debian's main.cf asks for no TLS, so this Postfix makes none.
            .says("STARTTLS"),
        passes("proxy@http://proxy.example.test:3128").target(&proxy).port(&proxy).says("squid/"),
        repository("bookworm"),
        repository("bookworm-updates"),
    ]
}

/// Whom the engine asks, and who reports to it.
fn monitored(machine: &Machine<'_>) -> Vec<Row> {
    let host = |name| machine.block(HOSTS, "define host", name);
    // The agent tells its name to the community and to the user of these objects alone.
    let snmp = |target: &str, name| {
        Row::passes(format!("poller.snmp@{target}")).target(&host(name)).says("switch of the lab")
    };
    vec![
        snmp("10.0.0.4", "core"),
        snmp("switch.example.test", "access"),
        Row::passes("poller.trap").port(&site::trap_unit()).says(":162"),
        // No object names the agent's password.
        Row::warns("poller.nsclient@10.0.0.5").target(&host("windows")).says("nsclient-not-read"),
    ]
}

const GORGONE: &str = "centreon-gorgone/config.d/40-gorgoned.yaml";
const HOSTS: &str = "centreon-engine/hosts.cfg";
const MODULE: &str = "centreon-broker/poller1-module.json";
const NODES: &str = "centreon-gorgone/nodes-register.yml";
const TIME: &str = "chrony/sources.d/site.sources";
