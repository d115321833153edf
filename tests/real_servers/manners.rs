//! What a visit costs a server and leaves in its log, measured: packets and bytes by the server's
//! own nftables, lines in what it writes at the settings of its distribution or its usual ones.
//!
//! The table of the README's section on manners is made from the bounds below; a measurement above
//! its bound fails, and one below half of it as well: then the bound says too little.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use super::PREFLIGHT;
use crate::lab::servers::{self, Certificate};
use crate::lab::{Lab, Node, Port, run};
use crate::{site, together};

/// A server, how it is asked, and what that may cost it.
struct Visit {
    server: &'static str,
    /// The row's name.
    name: &'static str,
    url: &'static str,
    /// As nftables has it.
    port: &'static str,
    /// Where it writes, in the lab's folder; none: nowhere.
    log: Option<&'static str>,
    /// Lines that a visit adds.
    lines: usize,
    /// What these lines are, for the table.
    says: &'static str,
    /// Lines more, when it answers late.
    late: usize,
    /// To a healthy server: packets and bytes, the headers of IP included.
    most: (u64, u64),
}

/// What a late answer over TCP costs besides: twelve SYN, and a RST for each.
const LATE: (u64, u64) = (24, 1_400);
/// Packets to a port from which nothing comes back.
const SILENT: u64 = 35;

const VISITS: [Visit; 19] = [
    Visit {
        server: "sshd",
        name: "ssh",
        url: "ssh://10.0.0.3",
        port: "tcp dport 22",
        log: Some("sshd.log"),
        lines: 2,
        says: "INFO, one names preflight",
        late: 0,
        most: (10, 2_400),
    },
    Visit {
        server: "postfix",
        name: "smtp",
        url: "smtp://10.0.0.3",
        port: "tcp dport 25",
        log: Some("postfix.log"),
        lines: 2,
        says: "`connect`, `disconnect`; 4 more if it greets after 1.2 s",
        late: 4,
        most: (18, 1_600),
    },
    Visit {
        server: "slapd (`stats`)",
        name: "ldap",
        url: "ldap://10.0.0.3",
        port: "tcp dport 389",
        log: Some("slapd.log"),
        lines: 12,
        says: "one for each step",
        late: 0,
        most: (24, 3_200),
    },
    Visit {
        server: "chronyd",
        name: "ntp",
        url: "ntp://10.0.0.3",
        port: "udp dport 123",
        log: Some("chronyd.log"),
        lines: 0,
        says: "",
        late: 0,
        most: (2, 150),
    },
    Visit {
        server: "BIND",
        name: "dns",
        url: "dns://10.0.0.3",
        port: "meta l4proto { tcp, udp } th dport 53",
        log: Some("named.log"),
        lines: 0,
        says: "",
        late: 0,
        most: (38, 2_000),
    },
    Visit {
        server: "snmpd",
        name: "snmp",
        url: "snmp://10.0.0.3",
        port: "udp dport 161",
        log: Some("snmpd.log"),
        lines: 26,
        says: "`Connection from UDP`",
        late: 0,
        most: (28, 2_600),
    },
    Visit {
        server: "snmptrapd",
        name: "trap",
        url: "trap://10.0.0.3",
        port: "udp dport 162",
        log: Some("snmptrapd.log"),
        lines: 0,
        says: "",
        late: 0,
        most: (28, 2_600),
    },
    Visit {
        server: "nginx",
        name: "http",
        url: "http://10.0.0.3/",
        port: "tcp dport 80",
        log: Some("nginx/access.log"),
        lines: 1,
        says: "the GET",
        late: 0,
        most: (8, 500),
    },
    Visit {
        server: "nginx, TLS",
        name: "https",
        url: "https://10.0.0.3/",
        port: "tcp dport 443",
        log: Some("nginx/access.log"),
        lines: 1,
        says: "the GET",
        late: 0,
        most: (14, 1_300),
    },
    Visit {
        server: "MariaDB",
        name: "mysql",
        url: "mysql://10.0.0.3",
        port: "tcp dport 3306",
        log: Some("mariadbd.log"),
        lines: 2,
        says: "`Access denied for user 'preflight'`; that its address has no name",
        late: 0,
        most: (8, 450),
    },
    Visit {
        server: "PostgreSQL",
        name: "postgresql",
        url: "postgresql://10.0.0.3",
        port: "tcp dport 5432",
        log: Some("postgresql.log"),
        lines: 2,
        says: "FATAL, as it lets no such user in",
        late: 0,
        most: (24, 2_200),
    },
    Visit {
        server: "Redis",
        name: "redis",
        url: "redis://10.0.0.3",
        port: "tcp dport 6379",
        log: Some("redis.log"),
        lines: 0,
        says: "",
        late: 0,
        most: (9, 500),
    },
    Visit {
        server: "libzmq, as in Gorgone",
        name: "zmq",
        url: "zmq://10.0.0.3:5556",
        port: "tcp dport 5556",
        log: Some("zmq_router.log"),
        lines: 0,
        says: "",
        late: 0,
        most: (9, 550),
    },
    Visit {
        server: "Exim (`+smtp_connection`)",
        name: "exim",
        url: "smtp://10.0.0.3:2525",
        port: "tcp dport 2525",
        log: Some("exim/mainlog"),
        lines: 2,
        says: "`SMTP connection from`, and how it ended",
        late: 4,
        most: (18, 1_600),
    },
    Visit {
        server: "unbound",
        name: "unbound",
        url: "dns://10.0.0.3:5353",
        port: "meta l4proto { tcp, udp } th dport 5353",
        log: Some("unbound.log"),
        lines: 0,
        says: "",
        late: 0,
        most: (38, 2_000),
    },
    Visit {
        server: "NRPE",
        name: "nrpe",
        url: "nrpe://10.0.0.3",
        port: "tcp dport 5666",
        log: Some("nrpe/log"),
        lines: 2,
        says: "Error, `Could not complete SSL handshake`",
        late: 0,
        most: (18, 1_600),
    },
    Visit {
        server: "corosync-qnetd",
        name: "qnetd",
        url: "qnetd://10.0.0.3",
        port: "tcp dport 5403",
        log: Some("qnetd.log"),
        lines: 0,
        says: "",
        late: 0,
        most: (8, 450),
    },
    Visit {
        server: "Apache",
        name: "apache",
        url: "http://10.0.0.3:8080/",
        port: "tcp dport 8080",
        log: Some("apache/access.log"),
        lines: 1,
        says: "the GET",
        late: 0,
        most: (8, 500),
    },
    Visit {
        server: "Squid, on the way to a website",
        name: PROXIED,
        url: "http://10.0.0.3:8081/",
        port: "tcp dport 3128",
        log: Some("squid/access.log"),
        lines: 1,
        says: "the GET",
        late: 0,
        most: (8, 500),
    },
];

/// The visit that goes through a proxy.
const PROXIED: &str = "squid";

#[test]
fn a_visit_costs_what_the_readme_says() {
    let (lab, tls) = site();
    together(&[
        &|| servers::sshd(&lab),
        &|| servers::postfix(&lab, &tls),
        &|| servers::slapd(&lab, &tls),
        &|| servers::chronyd(&lab),
        &|| servers::snmpd(&lab),
        &|| servers::snmptrapd(&lab, Node::Server),
        &|| servers::nginx(&lab, &tls),
        &|| servers::mariadbd(&lab, "10.2.0.%"),
        &|| servers::postgresql(&lab, &tls),
        &|| redis(&lab),
        &|| servers::zmq_router(&lab, Node::Server, 5556),
        &|| exim(&lab),
        &|| unbound(&lab),
        &|| servers::nrpe(&lab),
        &|| qnetd(&lab),
        &|| apache(&lab),
        &|| servers::squid(&lab),
    ]);
    let lines = |visit: &Visit| {
        let log = visit.log.map(|log| fs::read_to_string(lab.path(log)).unwrap_or_default());
        log.map_or(0, |log| log.lines().filter(|line| !line.trim().is_empty()).count())
    };
    // It says so after it has begun to listen.
    lab.eventually("mariadbd", || {
        let log = fs::read_to_string(lab.path("mariadbd.log")).unwrap_or_default();
        log.contains("ready for connections") && log.ends_with('\n')
    });
    count(&lab);
    let before: Vec<usize> = VISITS.iter().map(lines).collect();

    ask(&lab, &tls);
    // Once is enough: what it tries after a silence would count for the others.
    ask_by_proxy(&lab);
    // A server says that somebody left when it has noticed.
    std::thread::sleep(Duration::from_millis(500));
    let healthy = counted(&lab);
    let left: Vec<usize> =
        VISITS.iter().zip(&before).map(|(visit, before)| lines(visit) - before).collect();
    lab.rule(Node::Server, "input", "iifname eth0 drop");
    ask(&lab, &tls);
    let silent = counted(&lab);

    let mut wrong = Vec::new();
    for (index, visit) in VISITS.iter().enumerate() {
        let (packets, bytes) = healthy[index];
        let unheard = silent[index].0 - packets;
        let fits =
            |measured: u64, most: u64, late: u64| measured <= most + late && measured >= most / 2;
        // Both rows of nginx are in one log.
        let log = VISITS.iter().filter(|other| other.log == visit.log);
        let (lines, late) =
            log.fold((0, 0), |(lines, late), other| (lines + other.lines, late + other.late));
        let is_well = fits(packets, visit.most.0, LATE.0)
            && fits(bytes, visit.most.1, LATE.1)
            && unheard <= SILENT
            && left[index] <= lines + late
            && (lines == 0 || left[index] > 0);
        if !is_well {
            let left = left[index];
            wrong.push(format!(
                "{}: {left} lines, {packets} packets, {bytes} bytes, silent {unheard}",
                visit.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `UPDATE_DOCS=1 cargo test --test real_servers manners` writes the table anew.
#[test]
fn the_readme_has_the_table_of_visits() {
    const BEGIN: &str = "<!-- visits: made from the measured bounds -->";
    const END: &str = "<!-- end of visits -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let page = fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut table =
        "| server | lines in its log | packets, bytes to it |\n| --- | --- | --- |\n".to_owned();
    for Visit { server, lines, says, most: (packets, bytes), .. } in &VISITS {
        let lines = if says.is_empty() { "none".to_owned() } else { format!("{lines}: {says}") };
        writeln!(table, "| {server} | {lines} | {packets}, {bytes} |").unwrap();
    }
    let (packets, _) = LATE;
    writeln!(
        table,
        "\nA late answer over TCP costs {packets} packets more. After a silence no port gets more than {SILENT}."
    )
    .unwrap();
    let made = format!("{before}{BEGIN}\n{table}{END}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &made).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), made, "run it with UPDATE_DOCS=1");
}

/// Asks every server once.
fn ask(lab: &Lab, tls: &Certificate) {
    let community = lab.write("community", servers::SNMP_COMMUNITY);
    let checks: Vec<String> = VISITS
        .iter()
        .filter(|visit| visit.name != PROXIED)
        .map(|visit| format!("--check={}={}", visit.name, visit.url))
        .collect();
    let community = format!("--snmp-community-file={}", community.display());
    let ca = format!("--ca={}", tls.ca.display());
    let own = ["--only=custom.*", &community, &ca].map(str::to_owned);
    ask_for(lab, &[&own[..], &checks].concat(), checks.len());
}

/// Asks a website through the proxy.
fn ask_by_proxy(lab: &Lab) {
    let visit = VISITS.iter().find(|visit| visit.name == PROXIED).unwrap();
    let http = format!("--http={}", visit.url);
    let own = ["--only=central.http", &http, "--proxy=http://10.0.0.3:3128"].map(str::to_owned);
    ask_for(lab, &own, 1);
}

fn ask_for(lab: &Lab, own: &[String], count: usize) {
    let mut command = lab.in_client(PREFLIGHT);
    command.args(["--role=central", "--phase=after", "--no-discovery", "--format=json"]).args(own);
    let output = command.output().unwrap();
    let steps: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(steps["steps"].as_array().unwrap().len(), count, "{steps:#}");
}

/// Has the server count what reaches it, before any rule drops it.
fn count(lab: &Lab) {
    let mut rules = "table inet manners {\n".to_owned();
    for visit in &VISITS {
        writeln!(rules, "counter of_{} {{\n}}", visit.name).unwrap();
    }
    rules += "chain input {\ntype filter hook input priority -300;\n";
    for Visit { port, name, .. } in &VISITS {
        writeln!(rules, "{port} counter name \"of_{name}\"").unwrap();
    }
    lab.nft(Node::Server, &(rules + "}\n}\n"));
}

/// Packets and bytes of each visit so far.
fn counted(lab: &Lab) -> Vec<(u64, u64)> {
    let counted = |visit: &Visit| {
        let mut nft = lab.command(Node::Server, "nft");
        let name = format!("of_{}", visit.name);
        let text = run(nft.args(["list", "counter", "inet", "manners", &name]));
        let number = |word: &str| -> u64 {
            let mut words = text.split_whitespace().skip_while(|other| *other != word);
            words.nth(1).unwrap().parse().unwrap()
        };
        (number("packets"), number("bytes"))
    };
    VISITS.iter().map(counted).collect()
}

/// A Redis that keeps nothing.
fn redis(lab: &Lab) {
    let mut command: Command = lab.command(Node::Server, "redis-server");
    command.args(["--port", "6379", "--bind", "0.0.0.0", "--save", "", "--protected-mode", "no"]);
    lab.start(Node::Server, "redis", &mut command, &[Port::Tcp(6379)]);
}

/// An Exim that takes no mail, with the log of its usual settings.
fn exim(lab: &Lab) {
    let settings = "log_selector = +smtp_connection
             begin routers
             begin transports";
    servers::exim(lab, &[2525], settings);
}

/// An Unbound that asks the lab's BIND.
fn unbound(lab: &Lab) {
    let configuration = lab.write(
        "unbound.conf",
        "server:
             interface: 0.0.0.0
             port: 5353
             do-daemonize: no
             do-ip6: no
             username: \"\"
             chroot: \"\"
             pidfile: \"\"
             use-syslog: no
             module-config: iterator
             access-control: 10.2.0.0/16 allow
             do-not-query-localhost: no
             local-zone: test. nodefault
         stub-zone:
             name: .
             stub-addr: 10.0.0.3
         remote-control:
             control-enable: no",
    );
    let mut command = lab.command(Node::Server, servers::unconfined(lab, "unbound"));
    command.args(["-d", "-c"]).arg(configuration);
    lab.start(Node::Server, "unbound", &mut command, &[Port::Udp(5353), Port::Tcp(5353)]);
}

/// Corosync's quorum server without TLS.
fn qnetd(lab: &Lab) {
    let folder = lab.folder("qnetd");
    let mut command = lab.command(Node::Server, "corosync-qnetd");
    command.args(["-f", "-l", "0.0.0.0", "-p", "5403", "-s", "off"]);
    for (option, file) in [("local_socket_file", "socket"), ("lock_file", "lock")] {
        command.arg("-S").arg(format!("{option}={}", folder.join(file).display()));
    }
    lab.start(Node::Server, "qnetd", &mut command, &[Port::Tcp(5403)]);
}

/// Apache with the log of Debian's settings; behind the proxy stands its second port.
fn apache(lab: &Lab) {
    let folder = lab.folder("apache");
    let modules: String = ["mpm_event", "authz_core"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let configuration = lab.write(
        "apache.conf",
        &format!(
            "{modules}ServerRoot {folder}
             PidFile {folder}/pid
             Listen 8080
             Listen 8081
             ServerName www.example.test
             DocumentRoot {folder}
             ErrorLog {folder}/error.log
             LogFormat \"%h %l %u %t \\\"%r\\\" %>s %O\" common
             <VirtualHost *:8080>
             CustomLog {folder}/access.log common
             </VirtualHost>
             <VirtualHost *:8081>
             </VirtualHost>",
            folder = folder.display(),
        ),
    );
    let mut command = lab.command(Node::Server, servers::unconfined(lab, "apache2"));
    command.args(["-D", "FOREGROUND", "-f"]).arg(configuration);
    lab.start(Node::Server, "apache", &mut command, &[Port::Tcp(8080), Port::Tcp(8081)]);
}
