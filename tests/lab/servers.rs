//! One function a server: the real program from Debian's package, in the foreground, with its own
//! configuration and data in the lab's folder. None reads or writes the machine's own files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use preflight_checks::{Authority, params_for};
use rcgen::{DnType, KeyUsagePurpose};

use super::{Lab, Node, Port, SERVER, SERVER_V6, find, run};

/// Answers a client whose own clock it never touches, as a source of stratum 7.
pub(crate) fn chronyd(lab: &Lab) {
    start_chronyd(lab, "local stratum 7");
}

/// The same, which hands out keys for NTS too, in the name of `certificate`.
pub(crate) fn chronyd_with_nts(lab: &Lab, certificate: &Certificate) {
    let keys = lab.folder("nts");
    let (chain, key) = (certificate.chain.display(), certificate.key.display());
    let own = format!(
        "local stratum 7
         ntsservercert {chain}
         ntsserverkey {key}
         ntsdumpdir {}
         ntsprocesses 0",
        keys.display()
    );
    start_chronyd_on(lab, &own, &[Port::Udp(123), Port::Tcp(4460)]);
}

/// What a shell does first so that the program under test finds chrony where a package puts it.
///
/// Nothing, unless `tests/run` had to unpack it beside the machine's own `/usr`. The mount is seen in
/// the shell's own mount namespace only.
pub(crate) fn chrony_in_usr() -> String {
    let chronyd = find("chronyd");
    match chronyd.parent().and_then(Path::parent) {
        Some(beside) if !["/", "/usr"].map(Path::new).contains(&beside) => {
            format!("mount -t overlay overlay -o lowerdir={}:/usr /usr && ", beside.display())
        }
        _ => String::new(),
    }
}

/// Answers, but has no time to give: leap indicator "unknown".
pub(crate) fn unsynchronised_chronyd(lab: &Lab) {
    start_chronyd(lab, "");
}

fn start_chronyd(lab: &Lab, source: &str) {
    start_chronyd_on(lab, source, &[Port::Udp(123)]);
}

fn start_chronyd_on(lab: &Lab, source: &str, ports: &[Port]) {
    // No file is a device here or below: a daemon that runs as root replaces what it is told to write.
    let configuration = lab.write(
        "chrony.conf",
        &format!(
            "{source}
             allow all
             cmdport 0
             bindcmdaddress /
             pidfile {}",
            lab.path("chronyd.pid").display()
        ),
    );
    let mut command = lab.command(Node::Server, unconfined(lab, "chronyd"));
    // -x: this machine's clock is not ours to set.
    command.args(["-x", "-d", "-u", "root", "-f"]).arg(configuration);
    lab.start(Node::Server, "chronyd", &mut command, ports);
}

/// Resolves all names of the lab, from a root zone of its own; `records` adds to `example.test`.
///
/// Callers still have to name it in the client's `resolv.conf`.
pub(crate) fn named(lab: &Lab, records: &str) {
    let folder = lab.folder("named");
    let soa = "$TTL 60\n@ SOA ns.example.test. hostmaster.example.test. 1 60 60 60 60\n\
               @ NS ns.example.test.\n";
    // A zone that is forwarded is delegated all the same, as the root is this server's own.
    lab.write(
        "named/root",
        &format!("{soa}ns.example.test. A {SERVER}\nhalf.test. NS ns.example.test.\n"),
    );
    let hosts = NAMES.map(|name| format!("{name} A {SERVER}\n{name} AAAA {SERVER_V6}\n")).concat();
    lab.write("named/example", &format!("{soa}{hosts}{records}\n"));
    let configuration = lab.write(
        "named/named.conf",
        "options {
            recursion yes; allow-recursion { any; }; allow-query { any; };
            listen-on { any; }; listen-on-v6 { any; };
            dnssec-validation no; pid-file none; session-keyfile none; notify no;
            version \"named of the lab\";
        };
        controls { };
        zone \".\" { type primary; file \"root\"; };
        zone \"example.test\" { type primary; file \"example\"; };
        zone \"half.test\" { type forward; forward only; forwarders { 10.0.0.3 port 5408; }; };\n",
    );
    let mut command = lab.command(Node::Server, unconfined(lab, "named"));
    command.current_dir(folder).arg("-g").arg("-c").arg(configuration);
    lab.start(Node::Server, "named", &mut command, &[Port::Udp(53), Port::Tcp(53)]);
    // It binds before it has read its zones.
    lab.eventually("named", || lab.log("named").contains("all zones loaded"));
}

/// A VPN in TLS over TCP 443 between client and router: `tun0`, 10.8.0.7 to 10.8.0.1; without any route.
pub(crate) fn openvpn(lab: &Lab, tls: &Certificate) {
    let ends = [
        (Node::Router, "vpn", &["--tls-server", "--dh", "none"][..], ["10.8.0.1", "10.8.0.7"]),
        (Node::Client, "vpn-client", &["--tls-client"], ["10.8.0.7", "10.8.0.1"]),
    ];
    for (node, name, tls_end, [own, other]) in ends {
        let mut command = lab.command(node, "openvpn");
        command.args(["--verb", "3", "--dev", "tun0", "--ifconfig", own, other]).args(tls_end);
        command.arg("--ca").arg(&tls.ca).arg("--cert").arg(&tls.chain).arg("--key").arg(&tls.key);
        let ports: &[Port] = if node == Node::Router {
            command.args(["--proto", "tcp-server", "--lport", "443"]);
            &[Port::Tcp(443)]
        } else {
            command.args(["--proto", "tcp-client", "--remote", "10.2.0.1", "443"]);
            &[]
        };
        lab.start(node, name, &mut command, ports);
    }
    // What comes through before both ends are ready is lost.
    for name in ["vpn", "vpn-client"] {
        let is_up = || lab.log(name).contains("Initialization Sequence Completed");
        lab.eventually(name, is_up);
    }
}

/// Greets as `mail.example.test`, offers STARTTLS and delivers nothing.
pub(crate) fn postfix(lab: &Lab, tls: &Certificate) {
    let configuration = lab.folder("postfix");
    let queue = lab.folder("postfix-queue");
    let data = lab.folder("postfix-data");
    run(lab.command(Node::Server, "chown").arg("postfix").arg(&data));
    lab.write(
        "postfix/main.cf",
        &format!(
            "compatibility_level = 3.6
             myhostname = mail.example.test
             mydestination =
             alias_maps =
             local_recipient_maps =
             queue_directory = {}
             data_directory = {}
             maillog_file = {}
             maillog_file_prefixes = /
             smtpd_tls_security_level = may
             smtpd_tls_cert_file = {}
             smtpd_tls_key_file = {}\n",
            queue.display(),
            data.display(),
            lab.path("postfix.log").display(),
            tls.chain.display(),
            tls.key.display(),
        ),
    );
    lab.write(
        "postfix/master.cf",
        "smtp inet n - n - - smtpd
         pickup unix n - n 60 1 pickup
         cleanup unix n - n - 0 cleanup
         qmgr unix n - n 300 1 qmgr
         tlsmgr unix - - n 1000? 1 tlsmgr
         rewrite unix - - n - - trivial-rewrite
         anvil unix - - n - 1 anvil
         proxymap unix - - n - - proxymap
         postlog unix-dgram n - n - 1 postlogd",
    );
    let mut command = lab.command(Node::Server, "postfix");
    command.arg("-c").arg(configuration).arg("start-fg");
    lab.start(Node::Server, "postfix", &mut command, &[Port::Tcp(25)]);
}

/// The directory of `dc=example,dc=test`: 389, also with TLS, and 636; [`LDAP_USER`] may bind.
pub(crate) fn slapd(lab: &Lab, tls: &Certificate) {
    let database = lab.folder("slapd");
    let configuration = lab.write(
        "slapd.conf",
        &format!(
            "include /etc/ldap/schema/core.schema
             modulepath /usr/lib/ldap
             moduleload back_mdb
             TLSCACertificateFile {}
             TLSCertificateFile {}
             TLSCertificateKeyFile {}
             database mdb
             suffix dc=example,dc=test
             rootdn {LDAP_USER}
             rootpw {LDAP_PASSWORD}
             directory {}",
            tls.ca.display(),
            tls.chain.display(),
            tls.key.display(),
            database.display(),
        ),
    );
    let entries = lab.write(
        "entries.ldif",
        "dn: dc=example,dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: example\n\n\
         dn: cn=monitoring,dc=example,dc=test\nobjectClass: applicationProcess\ncn: monitoring\n",
    );
    run(lab.command(Node::Server, "slapadd").arg("-f").arg(&configuration).arg("-l").arg(entries));
    let mut command = lab.command(Node::Server, "slapd");
    command.args(["-d", "stats", "-h", "ldap:/// ldaps:///", "-f"]).arg(configuration);
    lab.start(Node::Server, "slapd", &mut command, &[Port::Tcp(389), Port::Tcp(636)]);
}

/// The Internet as far as the platform needs it: HTTP and HTTPS.
pub(crate) fn nginx(lab: &Lab, tls: &Certificate) {
    let folder = lab.folder("nginx");
    let configuration = lab.write(
        "nginx/nginx.conf",
        &format!(
            "daemon off; user root; pid nginx.pid; error_log stderr;
            events {{ }}
            http {{
                access_log access.log;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                ssl_certificate {}; ssl_certificate_key {};
                server {{
                    listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl;
                    location ~ /InRelease$ {{
                        return 200 \"-----BEGIN PGP SIGNED MESSAGE-----\\nHash: SHA256\\n\";
                    }}
                    location ~ /repomd.xml$ {{ return 200 \"<repomd/>\"; }}
                    location / {{ return 200 \"nginx of the lab\\n\"; }}
                }}
            }}\n",
            tls.chain.display(),
            tls.key.display(),
        ),
    );
    let mut command = lab.command(Node::Server, "nginx");
    command.arg("-p").arg(folder).args(["-e", "stderr", "-c"]).arg(configuration);
    lab.start(Node::Server, "nginx", &mut command, &[Port::Tcp(80), Port::Tcp(443)]);
}

/// A host that adds `lab` to its identification, and lets nobody in.
pub(crate) fn sshd(lab: &Lab) {
    sshd_on(lab, Node::Server);
}

/// The same, in another place.
pub(crate) fn sshd_on(lab: &Lab, node: Node) {
    let key = lab.path(&format!("ssh_host_key_{node}"));
    run(lab.command(node, "ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    let configuration = lab.write(
        &format!("sshd_config_{node}"),
        &format!("HostKey {}\nVersionAddendum lab\nPidFile none\nUsePAM no\n", key.display()),
    );
    // It insists on this folder, which only exists where the service has run.
    let mut command = privately(lab, node, "mount -t tmpfs tmpfs /run && mkdir /run/sshd", "sshd");
    command.args(["-D", "-e", "-f"]).arg(configuration);
    lab.start(node, "sshd", &mut command, &[Port::Tcp(22)]);
}

/// The agent of `switch.example.test`: [`SNMP_COMMUNITY`] for v1 and v2c, [`SNMP_USER`] for v3.
pub(crate) fn snmpd(lab: &Lab) {
    let configuration = lab.write(
        "snmpd.conf",
        &format!(
            "rocommunity {SNMP_COMMUNITY}
             rocommunity6 {SNMP_COMMUNITY}
             createUser {SNMP_USER} SHA {SNMP_AUTH_PASSWORD} AES {SNMP_PRIV_PASSWORD}
             rouser {SNMP_USER} authPriv
             sysName switch.example.test
             sysDescr switch of the lab"
        ),
    );
    let mut command = net_snmp(lab, Node::Server, "snmpd", &configuration);
    command.args(["-I", "-smux", "udp:161", "udp6:161"]);
    lab.start(Node::Server, "snmpd", &mut command, &[Port::Udp(161)]);
}

/// Receives traps, as on a poller; [`SNMP_COMMUNITY`] may log.
pub(crate) fn snmptrapd(lab: &Lab, node: Node) {
    let configuration =
        lab.write("snmptrapd.conf", &format!("authCommunity log {SNMP_COMMUNITY}\n"));
    let mut command = net_snmp(lab, node, "snmptrapd", &configuration);
    lab.start(node, "snmptrapd", command.args(["udp:162", "udp6:162"]), &[Port::Udp(162)]);
}

pub(crate) fn net_snmp(lab: &Lab, node: Node, program: &str, configuration: &Path) -> Command {
    let mut command = lab.command(node, program);
    command.env("SNMP_PERSISTENT_DIR", lab.folder(&format!("{program}-state")));
    command.args(["-f", "-Lo", "-C", "-c"]).arg(configuration);
    command
}

/// A libzmq ROUTER with the identity of Gorgone's external socket; it answers no message.
pub(crate) fn zmq_router(lab: &Lab, node: Node, port: u16) {
    let script = lab.write(
        "router.py",
        &format!(
            "import zmq
             socket = zmq.Context().socket(zmq.ROUTER)
             socket.setsockopt(zmq.IPV6, 1)
             socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
             socket.setsockopt(zmq.IDENTITY, b'router-external')
             socket.bind('tcp://*:{port}')
             while True: socket.recv_multipart()"
        ),
    );
    // Debian's own: it is the one python3-zmq belongs to.
    let mut command = lab.command(node, "/usr/bin/python3");
    lab.start(node, "zmq_router", command.arg(script), &[Port::Tcp(port)]);
}

/// A broker's TLS, made by the library cbd makes it with: the welcome is the one a real broker
/// sent, what follows is `GnuTLS`. `credentials` are those of `gnutls-serv`; none: anonymous.
pub(crate) fn broker_with_gnutls(lab: &Lab, port: u16, credentials: &[String]) {
    // As `broker/tls/src/params.cc` has them.
    let priorities = "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1:+ANON-DH:%COMPAT";
    let inner = port + 1;
    let mut command = lab.command(Node::Server, "gnutls-serv");
    command.args(["--echo", "--port", &inner.to_string(), "--priority", priorities]);
    let name = format!("gnutls-{port}");
    lab.start(Node::Server, &name, command.args(credentials), &[Port::Tcp(inner)]);
    let script = lab.path(&format!("broker-{port}.py"));
    // Its indentation counts, so that it is written as it is.
    let program = format!(
        "import asyncio
WELCOME = bytes.fromhex('3aab003d000200070000000000000000' '0a0408031001120f') \\
    + b'TLS COMPRESSION' + bytes.fromhex('18012207') + b'Central' + bytes.fromhex('2a15') \\
    + b'central-broker-master' + bytes.fromhex('30013801')
async def pour(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()
async def serve(reader, writer):
    try:
        head = await reader.readexactly(16)
        await reader.readexactly(int.from_bytes(head[2:4], 'big'))
    except asyncio.IncompleteReadError:
        return writer.close()
    writer.write(WELCOME)
    away, out = await asyncio.open_connection('127.0.0.1', {inner})
    await asyncio.gather(pour(reader, out), pour(away, writer))
async def main():
    server = await asyncio.start_server(serve, '0.0.0.0', {port})
    await server.serve_forever()
asyncio.run(main())
"
    );
    fs::write(&script, program).unwrap();
    let mut command = lab.command(Node::Server, "/usr/bin/python3");
    let name = format!("broker-{port}");
    lab.start(Node::Server, &name, command.arg(script), &[Port::Tcp(port)]);
}

/// What the kernel routes to [`DELAYED`] goes on to `device` so much later.
///
/// Two tunnels and a program between them, for kernels without `tc netem`.
pub(crate) fn delay(lab: &Lab, node: Node, device: &str, wait: Duration) {
    lab.ip(
        node,
        &format!(
            "tuntap add dev {DELAYED} mode tun
             tuntap add dev late mode tun
             link set {DELAYED} up
             link set late up
             rule add iif late table 77
             route add 10.0.0.0/16 dev {device} table 77"
        ),
    );
    for interface in ["all", "late"] {
        lab.sysctl(node, &format!("net/ipv4/conf/{interface}/rp_filter"), "0");
    }
    let script = lab.path("delay.py");
    let program = format!(
        "import fcntl, os, select, struct, time, collections
def tunnel(name):
    opened = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(opened, 0x400454ca, struct.pack('16sH', name, 0x1001))
    return opened
early, late = tunnel(b'{DELAYED}'), tunnel(b'late')
print('ready', flush=True)
waiting = collections.deque()
while True:
    wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    if select.select([early], [], [], wait)[0]:
        waiting.append((time.monotonic() + {}, os.read(early, 65536)))
    while waiting and waiting[0][0] <= time.monotonic():
        os.write(late, waiting.popleft()[1])
",
        wait.as_secs_f64()
    );
    fs::write(&script, program).unwrap();
    let mut command = lab.command(node, "/usr/bin/python3");
    lab.start(node, "delay", command.arg(script), &[]);
    lab.eventually("delay", || lab.log("delay").contains("ready"));
}

/// The device through which [`delay`] takes packets.
pub(crate) const DELAYED: &str = "early";

/// A proxy that calls itself `proxy.example.test`, resolves with [`named`] and lets everyone through.
pub(crate) fn squid(lab: &Lab) {
    let folder = lab.folder("squid");
    run(lab.command(Node::Server, "chown").arg("proxy").arg(&folder));
    let configuration = lab.write(
        "squid.conf",
        &format!(
            "http_port 3128
             http_access allow all
             cache deny all
             visible_hostname proxy.example.test
             dns_nameservers {SERVER}
             pid_filename none
             access_log stdio:{folder}/access.log squid
             buffered_logs off
             cache_log {folder}/cache.log
             netdb_filename none
             pinger_enable off
             shutdown_lifetime 0 seconds
             coredump_dir none",
            folder = folder.display()
        ),
    );
    // The names of its shared memory are the same for all squids of a machine.
    let mut command =
        privately(lab, Node::Server, "mount -t tmpfs tmpfs /dev/shm", unconfined(lab, "squid"));
    command.args(["-N", "-d", "1", "-f"]).arg(configuration);
    lab.start(Node::Server, "squid", &mut command, &[Port::Tcp(3128)]);
}

/// An Exim on these ports, with `settings` behind its own: the main ones first, then the sections.
pub(crate) fn exim(lab: &Lab, ports: &[u16], settings: &str) {
    let folder = lab.folder("exim");
    let [passwd, group] = ["passwd", "group"].map(|name| {
        let of_machine = fs::read_to_string(format!("/etc/{name}")).unwrap();
        // Its owner, who is built into the program.
        let owner = if name == "passwd" { ":999:999::/:/bin/sh" } else { ":999:" };
        lab.write(&format!("exim/{name}"), &format!("{of_machine}\nDebian-exim:x{owner}\n"))
    });
    let listed: Vec<String> = ports.iter().map(u16::to_string).collect();
    let configuration = lab.write(
        "exim/exim.conf",
        &format!(
            "primary_hostname = exim.example.test
             spool_directory = {folder}
             log_file_path = {folder}/%slog
             pid_file_path = {folder}/pid
             keep_environment =
             exim_user = nobody
             exim_group = nogroup
             never_users =
             daemon_smtp_ports = {ports}
             local_interfaces = 0.0.0.0
             host_lookup =
             {settings}",
            folder = folder.display(),
            ports = listed.join(" : "),
        ),
    );
    run(lab.command(Node::Server, "chown").arg("-R").arg("nobody:nogroup").arg(&folder));
    run(lab.command(Node::Server, "chown").arg("root:root").arg(&configuration));
    let as_its_owner = format!(
        "mount --bind {} /etc/passwd && mount --bind {} /etc/group",
        passwd.display(),
        group.display()
    );
    let mut command = privately(lab, Node::Server, &as_its_owner, "exim4");
    command.arg("-C").arg(configuration).arg("-bdf");
    let ports: Vec<Port> = ports.iter().copied().map(Port::Tcp).collect();
    lab.start(Node::Server, "exim", &mut command, &ports);
}

/// NRPE as Debian ships it, on 5666: TLS without any certificate.
pub(crate) fn nrpe(lab: &Lab) {
    let folder = lab.folder("nrpe");
    run(lab.command(Node::Server, "chown").arg("nobody:nogroup").arg(&folder));
    let configuration = lab.write(
        "nrpe.cfg",
        &format!(
            "pid_file={folder}/pid
             log_file={folder}/log
             server_port=5666
             nrpe_user=nobody
             nrpe_group=nogroup
             allowed_hosts=10.2.0.0/16",
            folder = folder.display(),
        ),
    );
    let mut command = lab.command(Node::Server, "nrpe");
    command.arg("-c").arg(configuration).arg("-f");
    lab.start(Node::Server, "nrpe", &mut command, &[Port::Tcp(5666)]);
}

/// A `MariaDB` that talks to the hosts `allowed` (a name with wildcards), and to no other.
pub(crate) fn mariadbd(lab: &Lab, allowed: &str) {
    let data = format!("--datadir={}", lab.path("mariadb").display());
    let user = lab.write("mariadb.sql", &format!("CREATE USER {DATABASE_USER}@'{allowed}';\n"));
    let small = ["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M"];
    run(lab
        .command(Node::Server, "mariadb-install-db")
        .args(["--no-defaults", "--skip-test-db", "--user=root", &data])
        .args(small));
    let mut command = lab.command(Node::Server, "mariadbd");
    command
        .args(["--no-defaults", "--user=root", "--bind-address=*", &data])
        .arg(format!("--socket={}", lab.path("mariadb.sock").display()))
        .arg(format!("--init-file={}", user.display()))
        .arg(format!("--pid-file={}", lab.path("mariadb.pid").display()))
        .args(small);
    lab.start(Node::Server, "mariadbd", &mut command, &[Port::Tcp(3306)]);
}

/// A `PostgreSQL` with TLS, that lets [`DATABASE_USER`] in from the client's network.
pub(crate) fn postgresql(lab: &Lab, tls: &Certificate) {
    let home = lab.folder("postgresql");
    let data = home.join("data");
    let key = home.join("server.key");
    fs::copy(&tls.key, &key).unwrap();
    run(lab.command(Node::Server, "chown").args(["-R", "postgres"]).arg(&home));
    run(as_postgres(lab, "initdb").args(["--no-sync", "--auth=trust"]).arg(&data));
    run(lab.command(Node::Server, "sh").args([
        "-c",
        &format!(
            "for net in 10.2.0.0/24 fd00:2::/64; do
                 echo \"host all {DATABASE_USER} $net scram-sha-256\" >>\"$0\"
             done"
        ),
        &data.join("pg_hba.conf").display().to_string(),
    ]));
    let mut command = as_postgres(lab, "postgres");
    command.arg("-D").arg(data);
    for setting in [
        "listen_addresses=*".to_owned(),
        "fsync=off".to_owned(),
        format!("unix_socket_directories={}", home.display()),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", tls.chain.display()),
        format!("ssl_key_file={}", key.display()),
    ] {
        command.args(["-c", &setting]);
    }
    lab.start(Node::Server, "postgresql", &mut command, &[Port::Tcp(5432)]);
    // It listens before it can serve.
    lab.eventually("postgresql", || lab.log("postgresql").contains("ready to accept connections"));
}

/// A program of the `PostgreSQL` server, which refuses to run as root.
fn as_postgres(lab: &Lab, program: &str) -> Command {
    let version = fs::read_dir("/usr/lib/postgresql").ok().and_then(|mut all| all.next());
    let version =
        version.expect("PostgreSQL is missing: run tests/run, which installs it").unwrap();
    let mut command = lab.command(Node::Server, "setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--init-groups"])
        .arg(version.path().join("bin").join(program));
    command
}

/// A program for which `setup` rearranges the file system, as nothing outside of it will see.
pub(crate) fn privately(lab: &Lab, node: Node, setup: &str, program: impl AsRef<Path>) -> Command {
    // `ip netns exec` gives each command a mount namespace of its own.
    let mut command = lab.command(node, "sh");
    command.arg("-c").arg(format!("{setup} && exec \"$0\" \"$@\"")).arg(find(program));
    command
}

/// A copy of a program: `AppArmor` confines this one, by its path, to folders that are not ours.
pub(crate) fn unconfined(lab: &Lab, program: &str) -> PathBuf {
    copied(lab, &find(program))
}

/// A copy of a program in the lab's folder, made by another process: one that this process has
/// open for writing could not be run, and a child of another thread may have inherited it.
pub(crate) fn copied(lab: &Lab, program: &Path) -> PathBuf {
    let folder = lab.folder("bin");
    run(Command::new("cp").arg(program).arg(&folder));
    folder.join(program.file_name().unwrap())
}

/// A certificate for all names and addresses of the server, and the authority that signed it.
pub(crate) struct Certificate {
    pub(crate) ca: PathBuf,
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    pub(crate) fn new(lab: &Lab) -> Self {
        let mut ca = Authority::params("Authority of the lab");
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca = Authority::of(ca).unwrap();
        let addresses =
            [SERVER.to_string(), SERVER_V6.to_string(), "*.row.example.test".to_owned()];
        let names = NAMES.map(|name| format!("{name}.example.test"));
        let names = names.iter().chain(&addresses).map(String::as_str).chain([INTERNET]);
        let mut leaf = params_for(&names.collect::<Vec<_>>()).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, "server of the lab");
        let own = ca.sign(&leaf).unwrap();

        let key = lab.write("server.key", &own.key.serialize_pem());
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            ca: lab.write("ca.pem", &ca.pem()),
            chain: lab.write("server.pem", &own.certificate.pem()),
            key,
        }
    }
}

/// The certificate of somebody who has signed nothing here.
pub(crate) fn another_authority() -> String {
    Authority::named("Somebody else").unwrap().pem()
}

/// The server's names in `example.test`.
const NAMES: [&str; 10] =
    ["ns", "central", "poller", "time", "mail", "ldap", "www", "proxy", "switch", "database"];

/// What profile i-vertix asks for in the Internet.
pub(crate) const INTERNET: &str = "api.portal.i-vertix.cloud";
pub(crate) const LDAP_USER: &str = "cn=monitoring,dc=example,dc=test";
pub(crate) const LDAP_PASSWORD: &str = "not-a-secret-ldap";
pub(crate) const DATABASE_USER: &str = "monitoring";
pub(crate) const SNMP_COMMUNITY: &str = "not-a-secret-community";
pub(crate) const SNMP_USER: &str = "monitoring";
pub(crate) const SNMP_AUTH_PASSWORD: &str = "not-a-secret-auth";
pub(crate) const SNMP_PRIV_PASSWORD: &str = "not-a-secret-priv";
