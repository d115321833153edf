//! Canaries: a secret in every place one can stand in, and none in anything that is printed.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::far::{Quiet, echo, healthy};
use crate::support::{Ended, FORMATS, PROGRAM, command, finish, preflight, start, wait, wrapped};

/// Files of a machine; `{}` is where a secret stands.
const FILES: &[(&str, &str)] = &[
    (
        "etc/yum.repos.d/centreon.repo",
        "[business]\nbaseurl=https://yum.example.com/centreon-business/{}/25.10/el9/\nenabled=1\n\
         [query]\nbaseurl=https://yum.example.com/q?token={}\n\
         [login]\nbaseurl=https://user:{}@yum.example.com/login/\n\
         [keys]\nbaseurl=https://yum.example.com/own/?key={}\nusername=me\npassword={}\n\
         [list]\nmirrorlist=https://mirrors.example.com/list?repo=x&api_key={}\n\
         [meta]\nmetalink=https://mirrors.example.com/{}/metalink?repo=y\n\
         [proxied]\nbaseurl=https://yum.example.com/p/\nproxy=http://user:{}@proxy.example.com:3128\n\
         [own]\nbaseurl=https://yum.example.com/o/\nproxy=http://proxy.example.com:3128\n\
         proxy_username=me\nproxy_password={}\n\
         [variable]\nbaseurl=https://yum.example.com/$customer/el9/\n\
         [broken]\nbaseurl=https://user:{}@yum.example.com:99999/x\n",
    ),
    ("etc/dnf/vars/customer", "{}\n"),
    ("etc/dnf/dnf.conf", "[main]\nproxy=http://me:{}@proxy.example.com:3128\nproxy_password={}\n"),
    (
        "etc/zypp/repos.d/own.repo",
        "[z]\nenabled=1\nbaseurl=https://zypp.example.com/{}/x?token={}\n",
    ),
    (
        "etc/apt/sources.list",
        "deb https://apt.example.com/{}/debian bookworm main\n\
         deb https://user:{}@apt.example.com/login bookworm main\n\
         deb https://apt.example.com/flat/{}/ ./\n\
         deb https://apt.example.com/priv/{} bookworm main\n\
         deb [signed-by=/x] https://bearer:{}@apt.example.com:99999/ bookworm main\n",
    ),
    (
        "etc/apt/sources.list.d/own.sources",
        "Types: deb\nURIs: https://deb.example.com/{}/debian/ mirror+file:/etc/apt/mirrors\n\
         Suites: bookworm\nComponents: main\n",
    ),
    ("etc/apt/mirrors", "https://mirror.example.com/{}/debian\n"),
    ("etc/apt/auth.conf", "machine apt.example.com login me password {}\n"),
    (
        "etc/apt/apt.conf.d/80proxy",
        "Acquire::http::Proxy \"http://me:{}@proxy.example.com:3128\";\n\
         Acquire::https::Proxy::deb.example.com \"http://me:{}@proxy2.example.com:3128\";\n\
         Acquire::http::Proxy::broken \"http://me:{}#@proxy:1\";\n",
    ),
    (
        "etc/rhsm/rhsm.conf",
        "[server]\nhostname=rhsm.example.com\nproxy_hostname=proxy.example.com\nproxy_user=me\nproxy_password={}\n",
    ),
    ("etc/environment", "http_proxy=http://me:{}@proxy.example.com:3128\nno_proxy=u:{}@x\n"),
    (
        "etc/profile.d/proxy.sh",
        "export https_proxy=\"http://me:{}@proxy.example.com:3128/?key={}\"\nexport all_proxy=me:{}:x@y:z\n",
    ),
    ("etc/environment.d/10.conf", "HTTPS_PROXY=http://me:{}@proxy.example.com:3128\n"),
    (
        "etc/security/pam_env.conf",
        "ftp_proxy DEFAULT=http://me:{}@p\nhttps_proxy DEFAULT=http://me:{}@p:1\n",
    ),
    (
        "etc/systemd/system/cbd.service.d/proxy.conf",
        "[Service]\nEnvironment=\"http_proxy=http://me:{}@proxy.example.com:3128\"\nEnvironment=TOKEN={}\n",
    ),
    (
        "etc/wgetrc",
        "use_proxy=on\nhttp_proxy=http://me:{}@proxy.example.com:3128\nproxy_password={}\nheader=Authorization: {}\n",
    ),
    (
        "root/.curlrc",
        "proxy = \"http://me:{}@proxy.example.com:3128\"\nproxy-user = \"me:{}\"\nheader = \"X: {}\"\n",
    ),
    (
        "etc/centreon/config.d/10-database.yaml",
        "database:\n  db_configuration:\n    dsn: \"mysql:host=db.example.com;port=3306;dbname=centreon;password={}\"\n    username: centreon\n    password: \"{}\"\n  db_realtime:\n    dsn: \"user:{}@nothing\"\n",
    ),
    (
        "etc/centreon/conf.pm",
        "$instance_mode = 'central';\n$centreon_config = {\n  db_host => 'db.example.com',\n  db_user => 'centreon',\n  db_passwd => '{}',\n};\n$mysql_passwd = '{}';\n",
    ),
    ("etc/centreon/centreon.conf.php", "<?php\n$conf_centreon['password'] = '{}';\n"),
    (
        "etc/centreon-gorgone/config.yaml",
        "name: g\nconfiguration:\n  gorgone:\n    gorgonecore:\n      external_com_type: tcp\n      external_com_path: \"*:5556\"\n\
         \x20   modules:\n      - name: httpserver\n        enable: true\n        address: 0.0.0.0\n        port: 8085\n        auth:\n          enabled: true\n          user: admin\n          password: \"{}\"\n\
         \x20     - name: pull\n        enable: true\n        target_path: \"tcp://me:{}@central.example.com:5556\"\n\
         \x20     - name: pullwss\n        enable: true\n        address: central.example.com\n        port: 443\n        token: \"{}\"\n        proxy: \"http://me:{}@proxy.example.com:3128\"\n\
         \x20     - name: statistics\n        enable: true\n        secret: \"{}\"\n",
    ),
    (
        "etc/centreon-broker/central-broker.json",
        "{\"centreonBroker\":{\"broker_id\":1,\"broker_name\":\"b\",\"poller_id\":1,\"poller_name\":\"p\",\"output\":[\
         {\"name\":\"o\",\"type\":\"ipv4\",\"protocol\":\"bbdo\",\"host\":\"me:{}@central.example.com\",\"port\":\"5669\",\"tls\":\"yes\",\"ca_name\":\"{}\"},\
         {\"name\":\"g\",\"type\":\"bbdo_client\",\"transport_protocol\":\"gRPC\",\"host\":\"c.example.com\",\"port\":\"5669\",\"authorization\":\"{}\"},\
         {\"name\":\"s\",\"type\":\"sql\",\"db_host\":\"db.example.com\",\"db_user\":\"me\",\"db_password\":\"{}\"}]}}",
    ),
    (
        "etc/centreon-engine/centengine.cfg",
        "cfg_file=/etc/centreon-engine/hosts.cfg\nresource_file=/etc/centreon-engine/resource.cfg\nbroker_module=/usr/lib64/nagios/cbmod.so /etc/centreon-broker/p.json token={}\n",
    ),
    ("etc/centreon-engine/resource.cfg", "$USER1$=/usr/lib/x\n$USER2$={}\n$SECRETMACRO$={}\n"),
    (
        "etc/centreon-engine/hosts.cfg",
        "define host {\n host_name a\n address 10.20.0.1\n _SNMPVERSION 2c\n _SNMPCOMMUNITY {}\n check_command c!{}\n _APIPASSWORD {}\n}\n\
         define host {\n host_name b\n address 10.20.0.2\n _SNMPVERSION 3\n _SNMPEXTRAOPTIONS --snmp-username=u --authprotocol=SHA --authpassphrase={} --privprotocol=AES --privpassphrase={}\n}\n\
         define host {\n host_name c\n address me:{}@10.20.0.3\n _SNMPCOMMUNITY $USER2$\n}\n\
         define host {\n host_name d\n address https://h/?token={}\n _SNMPCOMMUNITY x\n}\n",
    ),
    (
        "etc/postfix/main.cf",
        "relayhost = [me:{}@smtp.example.com]:587\nsmtp_sasl_password_maps = static:me:{}\ntransport_maps = hash:/etc/postfix/transport\n",
    ),
    ("etc/postfix/transport", "x.example.com smtp:[me:{}@y.example.com]\n"),
    ("etc/postfix/sasl_passwd", "[smtp.example.com]:587 me:{}\n"),
    ("etc/exim4/passwd.client", "*.example.com:me:{}\n"),
    (
        "etc/msmtprc",
        "account default\nhost smtp2.example.com\nuser me\npassword {}\npasswordeval \"echo {}\"\n",
    ),
    (
        "etc/mail.rc",
        "set smtp=smtp.example.com\nset smtp-auth-password={}\nset mta=smtps://me:{}@mta.example.com:465\n",
    ),
    ("etc/ssmtp/ssmtp.conf", "mailhub=smtp3.example.com:587\nAuthUser=me\nAuthPass={}\n"),
    (
        "etc/nullmailer/remotes",
        "smtp4.example.com smtp --user=me --pass={}\nme:{}@smtp5.example.com smtp\n",
    ),
    ("etc/dma/dma.conf", "SMARTHOST me:{}@smtp6.example.com\nAUTHPATH /etc/dma/auth.conf\n"),
    ("etc/dma/auth.conf", "me|smtp6.example.com:{}\n"),
    (
        "etc/snmp/snmptrapd.conf",
        "authCommunity log,execute,net {}\ncreateUser -e 0x80 u SHA {} AES {}\ntraphandle default /usr/bin/x --password={}\nsnmpTrapdAddr udp:me:{}@x:162\n",
    ),
    ("etc/snmp/snmpd.conf", "rocommunity {} 10.0.0.0/8\ncreateUser v SHA {}\n"),
    (
        "etc/chrony/chrony.conf",
        "server me:{}@ntp.example.com iburst\nserver ntp2.example.com key {}\nfrobnicate {}\n",
    ),
    ("etc/nsclient.ini", "[/settings/default]\npassword={}\nallowed hosts=127.0.0.1,me:{}@h\n"),
    (
        "etc/centreon-engine/otl_server.json",
        "{\"otel_server\":{\"host\":\"0.0.0.0\",\"port\":4317,\"token\":\"{}\"},\"centreon_agent\":{\"reverse_connections\":[{\"host\":\"me:{}@agent.example.com\",\"port\":4317,\"token\":\"{}\"}]}}",
    ),
    (
        "etc/centreon-monitoring-agent/centagent.json",
        "{\"host\":\"h\",\"endpoint\":\"me:{}@poller.example.com:4317\",\"token\":\"{}\"}",
    ),
    (
        "etc/NetworkManager/system-connections/w.nmconnection",
        "[wifi-security]\npsk={}\n[ipv4]\ndns=me:{}@x;\n",
    ),
    ("etc/resolv.conf", "nameserver me:{}@10.0.0.53\nnameserver 10.0.0.53\n"),
    ("etc/hosts", "10.0.0.5 central.example.com me:{}@x\n"),
    ("etc/nsswitch.conf", "hosts: files dns\n"),
];

/// A secret nobody would choose as a name, one for each place.
fn canary(number: usize) -> String {
    format!("fAk{number:03}zQ7w9Xk4Lm2")
}

/// Lays the tree; how many canaries it holds.
fn lay(root: &Path) -> usize {
    let mut count = 0;
    for (path, text) in FILES {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut whole = String::new();
        for (index, piece) in text.split("{}").enumerate() {
            if index > 0 {
                whole.push_str(&canary(count));
                count += 1;
            }
            whole.push_str(piece);
        }
        fs::write(path, whole).unwrap();
    }
    count
}

/// What all canaries have, whichever way their number is written.
const TAIL: &str = "zQ7w9Xk4Lm2";

#[track_caller]
fn shows_none(text: &str, context: &str) {
    let coded = ["enR3djlYazRMbTI", "7a51377739586b", "7a 51 37 77 39"];
    let found: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(TAIL) || coded.iter().any(|coded| line.contains(coded)))
        .collect();
    assert!(found.is_empty(), "{context}:\n{}", found.join("\n"));
}

#[track_caller]
fn none_in(ended: &Ended, context: &str) {
    shows_none(&format!("{}\n{}", ended.stdout, ended.stderr), context);
}

#[test]
fn no_secret_of_any_file_is_shown_by_discover_plan_or_init() {
    let folder = tempfile::tempdir().unwrap();
    let count = lay(folder.path());
    assert!(count >= 76, "{count}");
    let root = folder.path().to_str().unwrap();
    for role in ["central", "poller", "remote"] {
        for (command, formats) in
            [("discover", &["table", "json"][..]), ("plan", &["table", "json"])]
        {
            for format in formats {
                let role: &[&str] = if command == "plan" { &["--role", role] } else { &[] };
                let words = [&[command, "--root", root, "--format", format], role].concat();
                let ended = preflight(&words);
                assert_eq!(ended.code, Some(0), "{ended:#?}");
                assert!(ended.stdout.contains("yum.example.com"), "{ended:#?}");
                none_in(&ended, &format!("{words:?}"));
            }
        }
        let ended = preflight(&["init", "--root", root, "--role", role]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(ended.stdout.contains("https://yum.example.com/centreon-business/***/25.10"));
        none_in(&ended, "init");
    }
}

/// A run that was given a secret in every place at once, and every command over its report.
///
/// In a network namespace of its own, where no name of the files leads anywhere.
#[test]
fn no_output_of_a_run_shows_a_secret_of_any_source() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["root", "home", "tmp", "out"] {
        fs::create_dir(at(name)).unwrap();
    }
    let first = lay(&at("root"));
    let own = |number: usize| canary(first + number);
    fs::write(at("home/.centreonApi"), format!("admin:{}\n", own(0))).unwrap();
    fs::write(at("password"), format!("{}\n", own(1))).unwrap();
    let site = format!(
        "[services]\nntp = \"127.0.0.1\"\n\
         http = {{ url = \"http://127.0.0.1:9/***/x\", secret = {{ env = \"OWN_URL\" }} }}\n\
         [machine.own]\nrole = \"ROLE\"\ndevices = [\"127.0.0.1\"]\n\
         [credentials.snmp.default]\nversion = \"3\"\nuser = \"u\"\nauth = {{ file = \"{0}\" }}\n\
         priv = {{ env = \"OWN_PRIV\" }}\n\
         [credentials.proxy]\nuser = \"u\"\npassword = {{ config = \"/etc/dnf/dnf.conf:proxy_password\" }}\n",
        at("password").display()
    );
    let path = |name: &str| at(name).to_str().unwrap().to_owned();
    let url = format!("http://127.0.0.1:9/centreon-business/{}/x?token={}", own(3), own(4));
    for role in ["central", "poller"] {
        fs::write(at("site.toml"), site.replace("ROLE", role)).unwrap();
        let formats: Vec<String> = crate::secrets::FILES
            .iter()
            .map(|it| format!("{it}={}", path(&format!("out/{role}.{it}"))))
            .collect();
        let mut words = vec!["--root".to_owned(), path("root"), "--verbose".to_owned()];
        let run = ["--timeout", "0.1", "--no-trace", "--format", "table"];
        words.extend(run.map(str::to_owned));
        words.extend(formats.into_iter().flat_map(|it| ["--format".to_owned(), it]));
        let by_flags = ["--role", role, "--http", &url, "--snmp-community-file", "-"];
        let site = path("site.toml");
        for (name, more) in [("flags", &by_flags[..]), ("site", &["--site", &site, "--as", "own"])]
        {
            let mut shell = std::process::Command::new("unshare");
            shell.args(["-n", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh", PROGRAM]);
            let words: Vec<&str> =
                words.iter().map(String::as_str).chain(more.iter().copied()).collect();
            let mut command = wrapped(shell, &words);
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(at("tmp"));
            command.env("HOME", at("home")).env("TMPDIR", at("tmp"));
            command.env("OWN_URL", own(6)).env("OWN_PRIV", own(7)).env("OWN_SECRET", own(8));
            let names = crate::secrets::SECRETS.iter().enumerate();
            command.envs(names.map(|(number, (_, variable, _))| (variable, own(10 + number))));
            command.env("https_proxy", format!("http://u:{}@127.0.0.1:9", own(9)));
            command.stdin(fs::File::open(at("password")).unwrap());
            let ended = finish(command);
            let context = format!("{role} by {name}");
            assert!([Some(1), Some(3)].contains(&ended.code), "{context}: {ended:#?}");
            none_in(&ended, &context);
            for file in fs::read_dir(at("out")).unwrap() {
                let file = file.unwrap().path();
                shows_none(&fs::read_to_string(&file).unwrap(), &format!("{context}: {file:?}"));
            }
            assert_eq!(fs::read_dir(at("tmp")).unwrap().count(), 0, "{context}: a file is left");
            let report = path(&format!("out/{role}.json"));
            assert!(fs::read_to_string(&report).unwrap().contains("127.0.0.1"), "{context}");
            over_a_report(&report, &context);
        }
    }
}

/// Every command over a saved report.
#[track_caller]
fn over_a_report(report: &str, context: &str) {
    let mut all: Vec<Vec<&str>> = vec![vec!["explain", report]];
    for format in crate::secrets::FILES.iter().chain(&["table"]) {
        all.push(vec!["show", report, "--verbose", "--format", format]);
        all.push(vec!["redact", report, "--redact-keep-text", "--format", format]);
    }
    for format in ["table", "html", "json", "markdown", "csv"] {
        all.push(vec!["merge", report, "--format", format]);
    }
    for format in ["table", "json", "markdown"] {
        all.push(vec!["diff", report, report, "--format", format]);
    }
    for format in ["text", "markdown", "csv", "nft", "firewalld"] {
        all.push(vec!["request", report, "--all", "--format", format]);
    }
    for words in all {
        let ended = preflight(&words);
        assert!(
            !ended.stdout.is_empty() || words[0] == "explain",
            "{context}: {words:?}: {ended:#?}"
        );
        none_in(&ended, &format!("{context}: {words:?}"));
    }
}

/// The site file that `init` writes leads back to the whole address, where that stands.
#[test]
fn the_site_file_refers_to_the_file_that_has_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = healthy("http");
    let repositories = folder.path().join("etc/yum.repos.d");
    fs::create_dir_all(&repositories).unwrap();
    let url = format!("http://{}/centreon-business/{}/25.10", server.at(), canary(1));
    fs::write(repositories.join("x.repo"), format!("[x]\nbaseurl={url}\n")).unwrap();
    let root = folder.path().to_str().unwrap();
    let written = preflight(&["init", "--root", root, "--role", "poller"]).quietly(0).stdout;
    let entry = "secret = { config = \"/etc/yum.repos.d/x.repo:url\" }";
    assert!(written.contains(entry), "{written}");
    let site = folder.path().join("site.toml");
    // What stands for the secret may also be given by itself, or as the whole address.
    for (reference, value) in [
        ("{ env = \"WHOLE\" }", format!("{url}/repodata/repomd.xml")),
        ("{ env = \"WHOLE\" }", canary(1)),
    ] {
        let text = written.replace("{ config = \"/etc/yum.repos.d/x.repo:url\" }", reference);
        fs::write(&site, text).unwrap();
        let words =
            ["--as", "poller", "--site", site.to_str().unwrap(), "--only", "*.http", "--verbose"];
        for format in ["table", "json"] {
            let mut command = command(&[&words[..], &["--format", format]].concat());
            command.env("WHOLE", &value);
            let ended = finish(command);
            assert!(ended.stdout.contains("centreon-business/***/25.10"), "{ended:#?}");
            none_in(&ended, format);
        }
    }
    // Without it nothing is asked with stars in the address.
    fs::write(&site, written.replace(&format!(", {entry}"), "")).unwrap();
    let ended = preflight(&["plan", "--site", site.to_str().unwrap()]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("`***` stands for a secret; `secret` says where"), "{ended:#?}");
}

/// Every flag of every command gets what nobody should have typed there.
#[test]
fn a_value_that_is_refused_is_not_repeated_with_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    for command_word in [
        "", "plan", "flows", "discover", "init", "demo", "explain", "show", "diff", "redact",
        "merge", "request",
    ] {
        let words: Vec<&str> =
            [command_word, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let help = preflight(&words).stdout;
        let flags: Vec<&str> = help
            .split(|c: char| c.is_whitespace() || c == '[')
            .filter(|word| word.starts_with("--") && word.len() > 3)
            .map(|word| word.trim_end_matches([',', '.', ':', ';', ')']))
            .collect();
        assert!(flags.len() > 1, "{help}");
        for flag in flags.iter().filter(|flag| !["--help", "--version", "--output"].contains(flag))
        {
            for value in values() {
                let given = format!("{flag}={value}");
                // A run would ask; what is refused is refused by its plan, too.
                let command_word = if command_word.is_empty() { "plan" } else { command_word };
                let words = [command_word, given.as_str()];
                let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
                let mut run = command(&words);
                run.current_dir(folder.path());
                none_in(&finish(run), &format!("{words:?}"));
            }
        }
        for value in values() {
            let words = [command_word, value.as_str()];
            let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            let mut run = command(&words);
            run.current_dir(folder.path());
            none_in(&finish(run), &format!("{words:?}"));
        }
    }
}

/// A secret, as people paste it where it does not belong.
fn values() -> Vec<String> {
    let canary = canary(7);
    [
        "https://u:{}@h/",
        "https://u:{}@h:99999/",
        "x=https://u:{}@h/",
        "x=h://u:{}@h/",
        "u:{}@h",
        "https://h.invalid/?token={}",
        "x=redis://:{}@h/0",
        "{}",
    ]
    .map(|shape| shape.replace("{}", &canary))
    .to_vec()
}

#[test]
fn a_value_of_a_site_file_that_is_refused_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site.toml");
    let keys = [
        "[platform]\nname = ",
        "[platform]\nprofile = ",
        "[platform]\nphase = ",
        "[platform]\ntimeout = ",
        "[platform]\noptional = ",
        "[services]\nntp = ",
        "[services]\nhttp = ",
        "[services]\nproxy = ",
        "[services]\nwhatever = ",
        "[services]\nhttp = { url = ",
        "[machine.a]\nrole = ",
        "[machine.a]\nrole = \"poller\"\naddress = ",
        "[machine.a]\nrole = \"poller\"\nnat = ",
        "[machine.a]\nrole = \"poller\"\nmode = ",
        "[machine.a]\nrole = \"poller\"\nconnects_to = ",
        "[machine.a]\nrole = \"poller\"\ncentral = ",
        "[machine.a]\nrole = \"poller\"\ndevices = ",
        "[machine.a]\nrole = \"poller\"\nfrom = ",
        "[machine.a]\nrole = \"poller\"\nlistens = ",
        "[credentials.snmp.default]\ncommunity = ",
        "[credentials.ldap]\npassword = { env = ",
        "[credentials.ldap]\npassword = { config = ",
        "[[check]]\nname = ",
        "[[check]]\nname = \"x\"\nurl = ",
    ];
    for key in keys {
        for value in values() {
            let close = if key.contains('{') { " }" } else { "" };
            let text = format!("{key}\"{value}\"{close}\n");
            fs::write(&site, &text).unwrap();
            let ended = preflight(&["plan", "--site", site.to_str().unwrap(), "--role", "poller"]);
            // Alone it may be any name.
            if ended.code != Some(0) && value.contains(['@', '?']) {
                none_in(&ended, &text);
            }
        }
    }
}

/// What a child of ours is started with is to be seen by everybody.
#[test]
fn no_child_gets_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (seen, program) = (folder.path().join("seen"), folder.path().join("centreon"));
    let script = format!(
        "#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/environ >> {0}\ntr '\\0' ' ' < /proc/$$/cmdline >> {0}\n\
         tr '\\0' '\\n' < /proc/$PPID/environ >> {0}\necho 'id;name'\n",
        seen.display()
    );
    fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    fs::write(folder.path().join(".centreonApi"), format!("admin:{}", canary(1))).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let mut run = std::process::Command::new(PROGRAM);
    run.args(["plan", "--clapi", "--role", "central"]).env_clear();
    run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (number, name) in
        ["PREFLIGHT_SNMP_COMMUNITY", "PREFLIGHT_PROXY_PASSWORD", "OWN_SECRET"].iter().enumerate()
    {
        run.env(name, canary(number));
    }
    run.env("PATH", path).env("HOME", folder.path());
    let ended = finish(run);
    none_in(&ended, "plan --clapi");
    let seen = fs::read_to_string(&seen).unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
    assert!(seen.contains("PATH="), "{seen}");
    shows_none(&seen, "environment of the child");
}

/// Neither its command line nor, but for what it was given, its environment has a secret.
#[test]
fn a_run_shows_no_secret_to_other_users_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let quiet = Quiet::new();
    let community = folder.path().join("community");
    fs::write(&community, canary(1)).unwrap();
    let device = quiet.at();
    let words = [
        "--role",
        "poller",
        "--only",
        "poller.snmp",
        "--device",
        &device,
        "--timeout",
        "0.3",
        "--snmp-community-file",
        community.to_str().unwrap(),
    ];
    let child = start(command(&words));
    let proc = format!("/proc/{}", child.id());
    let read = |file: &str| {
        let bytes = fs::read(format!("{proc}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    // Until then it is this test's own process.
    let patience = std::time::Instant::now();
    while !read("cmdline").contains("--device") && patience.elapsed().as_secs() < 10 {
        std::thread::yield_now();
    }
    let (line, environment) = (read("cmdline"), read("environ"));
    none_in(&wait(child), "run");
    assert!(line.contains("--device"), "{line}");
    shows_none(&format!("{line}\n{environment}"), "/proc");
}

/// Of an answer that repeats the request nothing of the token is left, in any format.
#[test]
fn a_peer_that_repeats_the_address_shows_no_token() {
    let echo = echo();
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let http =
            format!("http://{}/centreon-business/{}/x?key={}", echo.at(), canary(1), canary(2));
        let check = format!("own={http}");
        let words =
            ["--role", "poller", "--only", "*.http,custom.*", "--verbose", "--format", format];
        let words =
            [&words[..], &["--http", &http, "--check", &check, "--timeout", "0.2"]].concat();
        let mut run = command(&words);
        run.current_dir(folder.path());
        let ended = finish(run);
        assert!(ended.code.is_some() && !ended.stdout.is_empty(), "{ended:#?}");
        none_in(&ended, format);
    }
}
