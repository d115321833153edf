//! Real servers that misbehave: configurations beyond those of a healthy site.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::lab::servers::{
    self, Certificate, LDAP_PASSWORD, LDAP_USER, net_snmp, privately, unconfined,
};
use crate::lab::{Lab, Node, Port, SERVER, run};
use crate::peer::{Io, Peer};
use crate::resolvers;

/// What [`squid`] wants to hear from `monitoring` on port 3129.
pub(crate) const PASSWORD: &str = "not-a-secret-proxy";

/// The site's name server, and one on 5353 that serves its own zone only.
pub(crate) fn named(lab: &Lab) {
    servers::named(lab, resolvers::RECORDS);
    let folder = lab.folder("own-zones");
    let configuration = lab.write(
        "own-zones/named.conf",
        "options {
            recursion no; allow-query { any; }; listen-on port 5353 { any; };
            listen-on-v6 { none; };
            dnssec-validation no; pid-file none; session-keyfile none; notify no;
        };
        controls { };
        zone \"example.test\" { type primary; file \"../named/example\"; };\n",
    );
    let mut command = lab.command(Node::Server, lab.path("bin/named"));
    command.current_dir(folder).arg("-g").arg("-c").arg(configuration);
    lab.start(Node::Server, "own-zones", &mut command, &[Port::Udp(5353), Port::Tcp(5353)]);
    lab.eventually("own-zones", || lab.log("own-zones").contains("all zones loaded"));
}

/// The site's mail server, and one whose every port refuses in its own way: see [`ODD_SMTPD`].
pub(crate) fn postfix(lab: &Lab, tls: &Certificate) {
    // Block lists and names of clients are looked up in the site's DNS.
    lab.etc(Node::Server, "resolv.conf", &format!("nameserver {SERVER}\n"));
    servers::postfix(lab, tls);
    let [configuration, queue, data] =
        ["odd-postfix", "odd-postfix-queue", "odd-postfix-data"].map(|name| lab.folder(name));
    run(lab.command(Node::Server, "chown").arg("postfix").arg(&data));
    lab.write(
        "odd-postfix/main.cf",
        &format!(
            "compatibility_level = 3.6
             myhostname = mail.example.test
             mydestination =
             alias_maps =
             mynetworks = 192.0.2.0/24
             queue_directory = {}
             data_directory = {}
             maillog_file = {}
             maillog_file_prefixes = /
             greylist = check_recipient_access static:{{450 4.2.0 Greylisted, see http://postgrey.example.test/}}",
            queue.display(),
            data.display(),
            lab.path("odd-postfix.log").display(),
        ),
    );
    // The indentation of a line counts here.
    let smtpd = |(port, options): &(u16, &str)| {
        let options = options.split(';').map(|option| format!("  -o {{ {option} }}\n"));
        format!("{port} inet n - n - - smtpd\n{}", options.collect::<String>())
    };
    let services = "smtpd pass - - n - - smtpd
cleanup unix n - n - 0 cleanup
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
2520 inet n - n - 1 postscreen
  -o { postscreen_greet_action = enforce }
";
    let ports: String = ODD_SMTPD.iter().map(smtpd).collect();
    fs::write(lab.path("odd-postfix/master.cf"), format!("{ports}{services}")).unwrap();
    let mut command = lab.command(Node::Server, "postfix");
    command.arg("-c").arg(configuration).arg("start-fg");
    lab.start(Node::Server, "odd-postfix", &mut command, &[Port::Tcp(2501), Port::Tcp(2520)]);
}

/// The port, and how the mail server there refuses: settings of Postfix, a semicolon between two.
const ODD_SMTPD: [(u16, &str); 12] = [
    (2501, "smtpd_delay_reject = no; smtpd_client_restrictions = reject"),
    (2502, "mynetworks = 10.2.0.0/16; smtpd_recipient_restrictions = $greylist"),
    (2503, "smtpd_client_restrictions = reject"),
    (2504, "smtpd_sender_restrictions = reject"),
    (2505, "smtpd_delay_reject = no; smtpd_helo_restrictions = reject"),
    (2506, "smtpd_client_restrictions = reject_rbl_client bl.example.test"),
    (2507, "smtpd_tls_security_level = none"),
    (2508, "smtpd_delay_reject = no; smtpd_client_restrictions = sleep 6"),
    (2509, "smtpd_sender_restrictions = reject_unknown_sender_domain"),
    (2510, "smtpd_client_restrictions = reject_unknown_reverse_client_hostname"),
    (2511, "smtpd_delay_reject = no; smtpd_client_restrictions = defer"),
    (2512, "soft_bounce = yes; smtpd_delay_reject = no; smtpd_client_restrictions = reject"),
];

/// An Exim that says no, on each port in its own way: see [`EXIM`].
pub(crate) fn exim(lab: &Lab, tls: &Certificate) {
    let rules = |of: &str| -> String {
        let rule = |&(port, stage, rule): &(u16, &str, &str)| {
            let (verb, rest) = rule.split_once(' ').unwrap_or((rule, ""));
            let rest = rest.replace("; ", "\n");
            let here =
                format!("{verb} condition = ${{if eq{{$received_port}}{{{port}}}}}\n{rest}\n");
            (stage == of).then_some(here)
        };
        EXIM.iter().filter_map(rule).collect()
    };
    let ports = EXIM.map(|(port, ..)| port);
    servers::exim(
        lab,
        &ports,
        &format!(
            "tls_advertise_hosts = ${{if eq{{$received_port}}{{2606}}{{*}}}}
             tls_certificate = {chain}
             tls_privatekey = /nowhere
             message_size_limit = ${{if eq{{$received_port}}{{2614}}{{10}}{{0}}}}
             domainlist local = example.test
             acl_smtp_connect = connect
             acl_smtp_helo = helo
             acl_smtp_mail = mail
             acl_smtp_rcpt = rcpt
             acl_smtp_data = data
             begin acl
             connect:
             {connect}
             accept
             helo:
             {helo}
             accept
             mail:
             {mail}
             accept
             rcpt:
             {rcpt}
             accept
             data:
             accept
             begin routers
             all:
             driver = accept
             domains = +local
             transport = nowhere
             begin transports
             nowhere:
             driver = appendfile
             file = /dev/null
             begin retry
             begin rewrite",
            chain = tls.chain.display(),
            connect = rules("connect"),
            helo = rules("helo"),
            mail = rules("mail"),
            rcpt = rules("rcpt"),
        ),
    );
}

/// The port, when it refuses, and the rule: a semicolon between two conditions.
const EXIM: [(u16, &str, &str); 14] = [
    (2601, "connect", "deny"),
    (2602, "connect", "defer"),
    (
        2603,
        "rcpt",
        "deny dnslists = bl.example.test; message = rejected because $sender_host_address is in a black list at $dnslist_domain",
    ),
    (2604, "connect", "drop message = no mail from you"),
    (2605, "helo", "deny message = HELO name not acceptable"),
    (2606, "mail", "deny ! encrypted = *; message = TLS required"),
    (2607, "mail", "deny ! authenticated = *; message = authentication required"),
    (2608, "rcpt", "defer ! verify = sender"),
    (2609, "rcpt", "deny ! verify = sender"),
    (2610, "rcpt", "defer message = greylisted, please try again later"),
    (2611, "rcpt", "deny domains = !+local; message = relay not permitted"),
    (2612, "rcpt", "defer"),
    (2613, "mail", "deny ! encrypted = *; message = You must use TLS here"),
    (2614, "data", "deny"),
];

/// The site's directory, and two that refuse: 3890 wants TLS before a password, 3891 wants none.
pub(crate) fn slapd(lab: &Lab, tls: &Certificate) {
    servers::slapd(lab, tls);
    for (port, refusal) in [(3890, "security simple_bind=128"), (3891, "disallow bind_simple")] {
        let name = format!("slapd-{port}");
        let database = lab.folder(&format!("{name}-data"));
        let text = format!(
            "include /etc/ldap/schema/core.schema
             modulepath /usr/lib/ldap
             moduleload back_mdb
             {refusal}
             database mdb
             suffix dc=example,dc=test
             rootdn {LDAP_USER}
             rootpw {LDAP_PASSWORD}
             directory {}",
            database.display()
        );
        let configuration = lab.write(&format!("{name}.conf"), &text);
        let mut command = lab.command(Node::Server, "slapd");
        let url = format!("ldap://:{port}/");
        command.args(["-d", "0", "-h", &url, "-f"]).arg(configuration);
        lab.start(Node::Server, &name, &mut command, &[Port::Tcp(port)]);
    }
}

/// The site's web server on 80 and 443, and one bad answer a port beside it.
pub(crate) fn nginx(lab: &Lab, tls: &Certificate) {
    let folder = lab.folder("nginx");
    let status = |status: u16| {
        format!("server {{ listen {0}; listen [::]:{0}; return {status}; }}\n", 8000 + status)
    };
    let statuses = [401, 403, 404, 407, 429, 500, 503, 511].map(status).concat();
    let configuration = lab.write(
        "nginx/nginx.conf",
        &format!(
            "daemon off; user root; pid nginx.pid; error_log stderr;
            events {{ }}
            http {{
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                ssl_certificate {chain}; ssl_certificate_key {key};
                server {{
                    listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl;
                    return 200 \"nginx of the lab\\n\";
                }}
                {statuses}
                server {{ listen 8502; location / {{ proxy_pass http://127.0.0.1:1; }} }}
                {instead}
                server {{ listen 8609 ssl default_server; ssl_reject_handshake on; }}
                server {{
                    listen 8609 ssl; server_name site.example.test; return 200;
                    ssl_certificate {faults}.pem; ssl_certificate_key {faults}.key;
                }}
                server {{ listen 8302; return 302 http://login.portal.test/login?to=$host; }}
                server {{
                    listen 8444 ssl; ssl_verify_client on; ssl_client_certificate {ca};
                    return 200 \"known\\n\";
                }}
            }}\n",
            chain = tls.chain.display(),
            key = tls.key.display(),
            ca = tls.ca.display(),
            instead = PAGES_INSTEAD,
            faults = lab.path("faults").display(),
        ),
    );
    let mut command = lab.command(Node::Server, "nginx");
    command.arg("-p").arg(folder).args(["-e", "stderr", "-c"]).arg(configuration);
    lab.start(Node::Server, "nginx", &mut command, &[Port::Tcp(80), Port::Tcp(443)]);
}

/// Pages that are not the ones asked for, and redirects without an end.
const PAGES_INSTEAD: &str = "
    server { listen 8600; listen 8606 ssl; default_type text/html;
        return 200 '<html><head><title>Web Page Blocked</title></head></html>'; }
    server { listen 8601; default_type text/html;
        return 200 '<html><head><title>Guest Network Login</title></head></html>'; }
    server { listen 8602; listen 8607 ssl; return 301 $request_uri; }
    server { listen 8603; location /a { return 302 /b; } location / { return 302 /a; } }
    server { listen 8604; location = / { return 302 /login; } location / { return 200 'in'; } }
    server { listen 8610 ssl; return 301 http://$host/; }
    server { listen 8611; listen 8612 ssl; return 308 ftp://$host/; }
    server { listen 8613; listen 8614 ssl; return 444; }
    server { listen 8615 http2; return 200; }
    server { listen 8616 proxy_protocol; listen 8617 ssl proxy_protocol; return 200; }
    server { listen 8608; default_type text/html;
        return 200 '<html><head><title>Login</title></head><body>Access denied? Log in.</body></html>'; }
";

/// A proxy for everyone on 3128, with users on 3129, for nobody on 3130, to port 443 only on 3131.
pub(crate) fn squid(lab: &Lab) {
    let folder = lab.folder("squid");
    run(lab.command(Node::Server, "chown").arg("proxy").arg(&folder));
    let hash = run(lab.command(Node::Server, "openssl").args(["passwd", "-apr1", PASSWORD]));
    let users = lab.write("squid/users", &format!("monitoring:{hash}"));
    let configuration = lab.write(
        "squid.conf",
        &format!(
            "http_port 3128
             http_port 3129
             http_port 3130
             http_port 3131
             auth_param basic program /usr/lib/squid/basic_ncsa_auth {users}
             auth_param basic children 1 startup=1 idle=1
             acl users proxy_auth REQUIRED
             acl with_users localport 3129
             acl for_nobody localport 3130
             acl to_443 localport 3131
             acl https port 443
             acl tunnel method CONNECT
             http_access deny for_nobody
             http_access deny to_443 tunnel !https
             http_access deny with_users !users
             http_access allow all
             cache deny all
             connect_timeout 2 seconds
             forward_timeout 3 seconds
             visible_hostname proxy.example.test
             dns_nameservers {SERVER}
             pid_filename none
             access_log none
             cache_log {log}
             netdb_filename none
             pinger_enable off
             shutdown_lifetime 0 seconds
             coredump_dir none",
            users = users.display(),
            log = folder.join("cache.log").display(),
        ),
    );
    let mut command =
        privately(lab, Node::Server, "mount -t tmpfs tmpfs /dev/shm", unconfined(lab, "squid"));
    command.args(["-N", "-d", "1", "-f"]).arg(configuration);
    let ports = [3128, 3129, 3130, 3131].map(Port::Tcp);
    lab.start(Node::Server, "squid", &mut command, &ports);
}

/// Beside [`squid`], whose copy of the program it runs: a proxy that wants NTLM and nothing else on
/// 3140; as one in the way of all, it reaches nobody on 3142 and denies everything on 3143.
pub(crate) fn other_squid(lab: &Lab) {
    let folder = lab.folder("other-squid");
    run(lab.command(Node::Server, "chown").arg("proxy").arg(&folder));
    let configuration = lab.write(
        "other-squid.conf",
        &format!(
            "http_port 3140
             http_port 3142 accel vhost vport=9 allow-direct
             http_port 3143 accel vhost vport=80 allow-direct
             auth_param ntlm program /bin/cat
             auth_param ntlm children 1 startup=1 idle=1
             acl users proxy_auth REQUIRED
             acl with_users localport 3140
             acl for_nobody localport 3143
             http_access deny for_nobody
             http_access deny with_users !users
             http_access allow all
             cache deny all
             connect_timeout 2 seconds
             forward_timeout 3 seconds
             visible_hostname filter.example.test
             dns_nameservers {SERVER}
             pid_filename none
             access_log none
             cache_log {log}
             netdb_filename none
             pinger_enable off
             shutdown_lifetime 0 seconds
             coredump_dir none",
            log = folder.join("cache.log").display(),
        ),
    );
    let mut command =
        privately(lab, Node::Server, "mount -t tmpfs tmpfs /dev/shm", lab.path("bin/squid"));
    command.args(["-N", "-d", "1", "-f"]).arg(configuration);
    let ports = [3140, 3142, 3143].map(Port::Tcp);
    lab.start(Node::Server, "other-squid", &mut command, &ports);
}

/// Beside [`squid`], tinyproxies: one that lets nobody in on 3150, with users on 3151, to port 8443
/// only on 3152, with a filter on 3153, and for everyone on 3154.
pub(crate) fn tinyproxy(lab: &Lab) {
    let filter = lab.write("tinyproxy.filter", "example");
    for (port, line) in [
        (3150, "Allow 192.0.2.1".to_owned()),
        (3151, format!("BasicAuth monitoring {PASSWORD}")),
        (3152, "ConnectPort 8443".to_owned()),
        (3153, format!("Filter \"{}\"", filter.display())),
        (3154, String::new()),
    ] {
        let name = format!("tinyproxy-{port}");
        let text = format!("Port {port}\nTimeout 10\nMaxClients 20\nLogLevel Info\n{line}\n");
        let configuration = lab.write(&format!("{name}.conf"), &text);
        let mut command = lab.command(Node::Server, "tinyproxy");
        command.args(["-d", "-c"]).arg(configuration);
        lab.start(Node::Server, &name, &mut command, &[Port::Tcp(port)]);
    }
}

/// haproxy: on 3201 no server is behind it; on 3202 to 3204 it expects another load balancer before it, with
/// SSH, SMTP and a web server's TLS behind.
pub(crate) fn haproxy(lab: &Lab) {
    let text = "defaults\n mode tcp\n timeout connect 2s\n timeout client 20s\n timeout server 20s\n\
        frontend plain\n bind 10.0.0.3:3201\n default_backend nobody\n\
        backend nobody\n server gone 127.0.0.1:9 check\n\
        listen ssh\n bind 10.0.0.3:3202 accept-proxy\n server behind 10.0.0.3:22\n\
        listen smtp\n bind 10.0.0.3:3203 accept-proxy\n server behind 10.0.0.3:25\n\
        listen tls\n bind 10.0.0.3:3204 accept-proxy\n server behind 10.0.0.3:443\n";
    let configuration = lab.write("haproxy.cfg", text);
    let mut command = lab.command(Node::Server, "haproxy");
    command.args(["-db", "-f"]).arg(configuration);
    lab.start(Node::Server, "haproxy", &mut command, &[Port::Tcp(3201), Port::Tcp(3204)]);
}

/// A SOCKS server on 1080.
pub(crate) fn socks(lab: &Lab) {
    let mut command = lab.command(Node::Server, "microsocks");
    lab.start(Node::Server, "socks", command.args(["-p", "1080"]), &[Port::Tcp(1080)]);
}

/// Gateways of `OpenVPN` over TCP: without a key of all clients on 1194, with one on [`KEYED_VPNS`],
/// and on 1198 one that hands a web server what is not its own.
pub(crate) fn openvpn(lab: &Lab, tls: &Certificate) {
    let openvpn = |port: u16| {
        let mut command = lab.command(Node::Server, "openvpn");
        command.args(["--mode", "server", "--tls-server", "--proto", "tcp-server", "--dh", "none"]);
        command.args(["--dev-type", "tun", "--dev", &format!("tun{port}")]);
        command.args(["--port", &port.to_string(), "--ca"]).arg(&tls.ca);
        command.arg("--cert").arg(&tls.chain).arg("--key").arg(&tls.key);
        command
    };
    let start = |port: u16, command: &mut Command| {
        lab.start(Node::Server, &format!("openvpn-{port}"), command, &[Port::Tcp(port)]);
    };
    start(1194, &mut openvpn(1194));
    start(1198, openvpn(1198).args(["--port-share", "127.0.0.1", "443"]));
    for (port, kind, option) in KEYED_VPNS {
        let key = lab.path(&format!("{option}.key"));
        run(lab.command(Node::Server, "openvpn").args(["--genkey", kind]).arg(&key));
        start(port, openvpn(port).arg(format!("--{option}")).arg(key));
    }
}

/// The port, the kind of key, and the option that wants it.
const KEYED_VPNS: [(u16, &str, &str); 3] = [
    (1195, "secret", "tls-auth"),
    (1196, "secret", "tls-crypt"),
    (1197, "tls-crypt-v2-server", "tls-crypt-v2"),
];

/// The site's SSH server on 22, and one beside it on each port of [`ODD_SSHD`].
pub(crate) fn sshd(lab: &Lab) {
    servers::sshd(lab);
    let key = lab.path("odd_ssh_host_key");
    run(lab
        .command(Node::Server, "ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key));
    for (port, lines) in ODD_SSHD {
        let name = format!("sshd-{port}");
        let configuration = lab.write(
            &format!("{name}.conf"),
            &format!("HostKey {}\nPort {port}\nPidFile none\nUsePAM no\n{lines}\n", key.display()),
        );
        let mut command =
            privately(lab, Node::Server, "mount -t tmpfs tmpfs /run && mkdir /run/sshd", "sshd");
        command.args(["-D", "-e", "-f"]).arg(configuration);
        lab.start(Node::Server, &name, &mut command, &[Port::Tcp(port)]);
    }
}

/// The port, and what is unusual about the server there.
const ODD_SSHD: [(u16, &str); 5] = [
    (2201, "KexAlgorithms diffie-hellman-group1-sha1"),
    (2202, "Ciphers aes128-cbc,3des-cbc"),
    (2203, "MACs hmac-md5\nCiphers aes128-ctr"),
    (2204, "MACs hmac-md5\nCiphers chacha20-poly1305@openssh.com"),
    (2205, "KexAlgorithms diffie-hellman-group18-sha512\nHostKeyAlgorithms ssh-ed25519"),
];

/// The site's agent, which also has a user `weak` without privacy.
pub(crate) fn snmpd(lab: &Lab) {
    let (community, user) = (servers::SNMP_COMMUNITY, servers::SNMP_USER);
    let (auth, privacy) = (servers::SNMP_AUTH_PASSWORD, servers::SNMP_PRIV_PASSWORD);
    let configuration = lab.write(
        "snmpd.conf",
        &format!(
            "rocommunity {community}
             rocommunity6 {community}
             rocommunity hidden default .1.3.6.1.2.1.99
             createUser {user} SHA {auth} AES {privacy}
             rouser {user} authPriv
             createUser weak SHA {auth}
             rouser weak authNoPriv
             sysName switch.example.test
             sysDescr switch of the lab"
        ),
    );
    let mut command = net_snmp(lab, Node::Server, "snmpd", &configuration);
    command.args(["-I", "-smux", "udp:161", "udp6:161"]);
    lab.start(Node::Server, "snmpd", &mut command, &[Port::Udp(161)]);
}

/// libzmq sockets that are no Gorgone: CURVE on 5560, PUB on 5561, REP on 5562.
pub(crate) fn other_zmq(lab: &Lab) {
    let script = lab.path("others.py");
    fs::write(
        &script,
        "import time, zmq
context = zmq.Context()
kept = []
for kind, port in ((zmq.ROUTER, 5560), (zmq.PUB, 5561), (zmq.REP, 5562)):
    socket = context.socket(kind)
    if port == 5560:
        socket.curve_server = True
        socket.curve_secretkey = zmq.curve_keypair()[1]
    socket.bind('tcp://*:%d' % port)
    kept.append(socket)
while True: time.sleep(60)
",
    )
    .unwrap();
    let mut command = lab.command(Node::Server, "/usr/bin/python3");
    let ports = [5560, 5561, 5562].map(Port::Tcp);
    lab.start(Node::Server, "other_zmq", command.arg(script), &ports);
}

/// Web servers with TLS of all kinds: 1.1 only on 8445, and those of [`ODD_TLS`].
pub(crate) fn odd_tls(lab: &Lab) {
    let serve = |port: u16, options: &str| {
        let mut command = lab.command(Node::Server, "openssl");
        command.args(["s_server", "-accept", &port.to_string(), "-www", "-quiet"]);
        command.args(options.split_whitespace());
        if !options.contains("-cert") {
            command.args(["-cert", "faults.pem", "-key", "faults.key"]);
        }
        lab.start(Node::Server, &format!("tls-{port}"), &mut command, &[Port::Tcp(port)]);
    };
    let openssl = |args: &str| {
        run(lab.command(Node::Server, "openssl").args(args.split_whitespace()));
    };
    lab.write("alternative", &format!("subjectAltName=IP:{SERVER}\n"));
    lab.write("common", "basicConstraints=CA:FALSE\n");
    for (name, key, signed) in [
        ("rsa", "rsa:2048", "-sha256 -extfile alternative"),
        ("short", "rsa:1024", "-sha256 -extfile alternative"),
        ("sha1", "rsa:2048", "-sha1 -extfile alternative"),
        ("p521", "ec:p521", "-sha256 -extfile alternative"),
        ("brainpool", "ec:p521", "-sha256 -extfile alternative"),
        ("common", "rsa:2048", "-sha256 -extfile common"),
    ] {
        let curve = if name == "brainpool" { "brainpoolP256r1" } else { "secp521r1" };
        openssl(&format!("ecparam -name {curve} -out ec-{name}"));
        let key = key.replace("ec:p521", &format!("ec:ec-{name}"));
        openssl(&format!(
            "req -new -newkey {key} -nodes -subj /CN={SERVER} -keyout {name}.key -out {name}.csr"
        ));
        openssl(&format!(
            "x509 -req -days 99 -in {name}.csr -CA faults-ca.pem -CAkey faults-ca.key -CAcreateserial \
             {signed} -out {name}.pem"
        ));
    }
    serve(8445, "-tls1_1 -cipher ALL:@SECLEVEL=0");
    for (port, options) in ODD_TLS {
        serve(port, options);
    }
}

/// The port, and the options of OpenSSL's own server there.
const ODD_TLS: [(u16, &str); 15] = [
    (8450, "-cert rsa.pem -key rsa.key -tls1_2 -cipher AES128-SHA"),
    (8451, "-cert rsa.pem -key rsa.key -tls1_2 -cipher ECDHE-RSA-AES128-SHA"),
    (8452, "-cert rsa.pem -key rsa.key -tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256"),
    (8453, "-groups X448"),
    (8454, "-cert rsa.pem -key rsa.key -tls1_2 -cipher NULL-SHA256:@SECLEVEL=0"),
    (8455, "-nocert -tls1_2 -cipher ADH-AES128-SHA256:@SECLEVEL=0"),
    (8456, "-cert short.pem -key short.key -cipher ALL:@SECLEVEL=0"),
    (8457, "-cert sha1.pem -key sha1.key -cipher ALL:@SECLEVEL=0"),
    (8458, "-cert p521.pem -key p521.key"),
    (8459, "-groups P-521"),
    (8460, "-cert common.pem -key common.key"),
    (8461, "-tls1_2 -CAfile faults-ca.pem -Verify 1 -verify_return_error"),
    (8462, "-tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256"),
    (8463, "-nocert -psk 1a2b3c4d -tls1_2 -cipher PSK-AES128-GCM-SHA256"),
    (8464, "-cert brainpool.pem -key brainpool.key"),
];

/// A broker, byte by byte as a real one of 3.1.0 answers; who speaks otherwise is cut off.
pub(crate) fn broker() -> Peer {
    Peer::tcp(serve_as_broker)
}

fn serve_as_broker(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(3)));
    while let Some(event) = bbdo_event(&mut stream) {
        let answer = if event == BBDO_WELCOME { WELCOME } else { VERSION_RESPONSE };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// A broker that takes one newcomer at a time, behind `silent` clients that each have its 3 s.
pub(crate) fn busy_broker(silent: u32) -> Peer {
    let before_us = Mutex::new(silent);
    Peer::tcp(move |stream| {
        let mut before = before_us.lock().unwrap_or_else(PoisonError::into_inner);
        thread::sleep(Duration::from_secs(3) * std::mem::take(&mut *before));
        serve_as_broker(stream);
    })
}

/// A broker that speaks `major` and closes on everything newer than a version response.
pub(crate) fn broker_of(major: u8) -> Peer {
    Peer::tcp(move |mut stream| {
        if bbdo_event(&mut stream) == Some(BBDO_VERSION_RESPONSE) {
            let answer = [b"\x57\xf6\0\x07\0\x02\0\x01\0\0\0\0\0\0\0\0\0".as_slice(), &[major]];
            let rest: &[u8] = b"\0\0\0\0\0";
            let _ = stream.write_all(&[&answer.concat(), rest].concat());
            crate::peer::drain(&mut stream);
        }
    })
}

/// The number of the next event; `None` when it is none.
fn bbdo_event(stream: &mut dyn Io) -> Option<u32> {
    let mut header = [0; 16];
    stream.read_exact(&mut header).ok()?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let event = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    if ![BBDO_WELCOME, BBDO_VERSION_RESPONSE].contains(&event) {
        return None;
    }
    stream.read_exact(&mut vec![0; length]).ok()?;
    Some(event)
}

const BBDO_VERSION_RESPONSE: u32 = 0x0002_0001;
const BBDO_WELCOME: u32 = 0x0002_0007;
const VERSION_RESPONSE: &[u8] =
    b"\x15\x7b\0\x12\0\x02\0\x01\0\0\0\x01\0\0\0\0\0\x03\0\x01\0\0COMPRESSION\0";
pub(crate) const WELCOME: &[u8] = b"\x17\xdd\0\x37\0\x02\0\x07\0\0\0\x01\0\0\0\0\
    \x0a\x04\x08\x03\x10\x01\x12\x0bCOMPRESSION\x18\x01\x22\x07Central\
    \x2a\x15central-broker-master\x30\x01";
