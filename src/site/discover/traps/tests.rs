use std::fs;

use proptest::prelude::*;

use super::super::constructs::Reading;
use super::super::testing::program;
use super::*;

/// As Centreon's package writes it, without its comments.
const CENTREON_CONF: &str = "\
# Disable Auth
disableAuthorization yes

# traphandle default /usr/sbin/snmptt
traphandle default su -l centreon -c \"/usr/share/centreon/bin/centreontrapdforward\"
";

/// The unit of Red Hat's package.
const RED_HAT: &str = "[Service]\nType=notify\nEnvironment=OPTIONS=\"-Lsd\"\n\
    EnvironmentFile=-/etc/sysconfig/snmptrapd\nExecStart=/usr/sbin/snmptrapd $OPTIONS -f\n";

/// The unit of Debian's package.
const DEBIAN: &str = "[Service]\nType=notify\nUser=Debian-snmp\n\
    ExecStart=/usr/sbin/snmptrapd -LOw -f udp:162 udp6:162\n";

fn facts(more: &[(&str, &str)]) -> Facts {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in more {
        let path = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut facts = Facts::default();
    read(&Files::below(root.path()), &mut facts);
    facts
}

/// `HOST:PORT FILE:LINE` of each socket.
fn listens(facts: &Facts) -> Vec<String> {
    let listens = facts.traps.as_ref().unwrap().listens.iter();
    listens
        .map(|read| {
            let Listen { host, port, .. } = &read.value;
            format!("{}:{port} {}", host.as_deref().unwrap_or("*"), read.at)
        })
        .collect()
}

#[test]
fn centreons_file_hands_traps_on_and_listens_everywhere() {
    let facts = facts(&[(CONF, CENTREON_CONF)]);
    let traps = facts.traps.as_ref().unwrap();
    let forwards = traps.forwards.as_ref().unwrap();
    assert_eq!(forwards.value, "/usr/share/centreon/bin/centreontrapdforward");
    assert_eq!(forwards.at.to_string(), "/etc/snmp/snmptrapd.conf:5");
    assert_eq!(traps.listens, []);
    assert_eq!(facts.notes, []);
}

#[test]
fn what_hands_traps_on_to_another_host_is_noted() {
    let conf = "# forward none\nForward default udp:10.0.0.9:162\ndisableAuthorization yes\nfrobnicate 1\n";
    let facts = facts(&[(CONF, conf)]);
    let notes: Vec<String> =
        facts.notes.iter().map(|note| format!("{}: {}", note.at, note.reason)).collect();
    let want = [
        "/etc/snmp/snmptrapd.conf:2: `forward` hands traps on to another host, which is not read",
        "/etc/snmp/snmptrapd.conf:4: `frobnicate` is nothing of snmptrapd that preflight knows; it may move a peer",
    ];
    assert_eq!(notes, want);
}

/// `snmptrapd -H` lists what it takes.
#[test]
fn each_directive_that_snmptrapd_has_was_decided() {
    let mut snmptrapd = std::process::Command::new(program("snmptrapd"));
    let output = snmptrapd.arg("-H").output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let names = said.lines().filter_map(|line| line.strip_prefix("    ")?.split(' ').next());
    let names: Vec<String> = names
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(str::to_ascii_lowercase)
        .collect();
    assert!(names.len() > 100 && names.iter().any(|name| name == "forward"), "{said}");
    let open: Vec<&String> =
        names.iter().filter(|name| CONSTRUCTS.reading(name) == Reading::Unknown).collect();
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn no_receiver_listens_on_thousands_of_addresses() {
    let line = |n| format!("snmpTrapdAddr udp:10.0.{}.{}:162\n", n / 200, n % 200 + 1);
    let text: String = (0..10_000).map(line).collect();
    assert_eq!(listens(&facts(&[(CONF, &text)])).len(), MOST_ADDRESSES);
}

#[test]
fn an_example_file_hands_nothing_on() {
    let example = "#traphandle default /usr/share/centreon/bin/centreontrapdforward\n\
                   traphandle default /usr/bin/traptoemail -s smtp.example.org foobar@example.org\n";
    assert_eq!(facts(&[(CONF, example)]).traps.unwrap().forwards, None);
}

#[test]
fn a_list_of_addresses_is_read_in_each_spelling() {
    let conf = "snmpTrapdAddr udp:10.0.0.7:1162,udp6:[2001:db8::7]:162\n\
                snmptrapdaddr 10.0.0.8\n\
                snmpTrapdAddr udp:163\n\
                snmpTrapdAddr localhost:164,2001:db8::9\n";
    assert_eq!(
        listens(&facts(&[(CONF, conf)])),
        [
            "10.0.0.7:1162 /etc/snmp/snmptrapd.conf:1",
            "2001:db8::7:162 /etc/snmp/snmptrapd.conf:1",
            "10.0.0.8:162 /etc/snmp/snmptrapd.conf:2",
            "*:163 /etc/snmp/snmptrapd.conf:3",
            "localhost:164 /etc/snmp/snmptrapd.conf:4",
            "2001:db8::9:162 /etc/snmp/snmptrapd.conf:4",
        ]
    );
}

/// As snmptrapd 5.9 warns of it, or does not, of each of these files.
#[test]
fn a_receiver_that_takes_no_trap_is_noted() {
    for (line, takes) in [
        ("traphandle default /bin/true", false),
        ("rocommunity public", false),
        ("createUser a MD5 averylongword", false),
        ("disableAuthorization on", false),
        ("disableAuthorization 1", true),
        ("DisableAuthorization yes", true),
        ("authUser log a", true),
        ("authCommunity log,execute,net public", true),
        ("group g v2c x", true),
    ] {
        let facts = facts(&[(CONF, line)]);
        let is_noted =
            facts.notes.iter().any(|note| note.reason.starts_with("snmptrapd drops every trap"));
        assert_eq!(!is_noted, takes, "{line}: {:?}", facts.notes);
    }
}

#[test]
fn an_address_that_hears_no_udp_is_noted() {
    let facts = facts(&[(CONF, "\nsnmpTrapdAddr tcp:162,udp:162,a/b\ndisableAuthorization 1\n")]);
    assert_eq!(listens(&facts), ["*:162 /etc/snmp/snmptrapd.conf:2"]);
    let reasons: Vec<_> = facts.notes.iter().map(|note| note.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["snmptrapd listens by tcp here, not by UDP", "`a/b` is not an address to listen on"]
    );
}

#[test]
fn options_restrict_what_the_file_opens() {
    let conf = (CONF, "snmpTrapdAddr udp:1162\n");
    let seen = facts(&[
        conf,
        (
            "/etc/sysconfig/snmptrapd",
            "# options\nOPTIONS=\"-Lsd -p /run/snmptrapd.pid udp:127.0.0.1:162\"\n",
        ),
        ("/usr/lib/systemd/system/snmptrapd.service", RED_HAT),
    ]);
    assert_eq!(listens(&seen), ["127.0.0.1:162 /etc/sysconfig/snmptrapd:2"]);
    let seen = facts(&[
        conf,
        ("/etc/default/snmptrapd", "TRAPDOPTS='-LSwd -p /run/snmptrapd.pid 127.0.0.1:162'\n"),
    ]);
    assert_eq!(listens(&seen), ["127.0.0.1:162 /etc/default/snmptrapd:1"]);
}

#[test]
fn options_without_an_address_leave_the_file_alone() {
    let seen = facts(&[
        (CONF, "snmpTrapdAddr udp:1162\n"),
        ("/etc/sysconfig/snmptrapd", "OPTIONS=\"-Lsd -LS 4 d -On -m ALL -F '%b' -p /run/x.pid\"\n"),
    ]);
    assert_eq!(listens(&seen), ["*:1162 /etc/snmp/snmptrapd.conf:1"]);
}

#[test]
fn a_service_with_its_own_command_line_takes_no_options() {
    let seen = facts(&[
        (CONF, "snmpTrapdAddr udp:1162\n"),
        ("/etc/default/snmptrapd", "TRAPDOPTS='udp:127.0.0.1:162'\n"),
        ("/lib/systemd/system/snmptrapd.service", DEBIAN),
    ]);
    assert_eq!(listens(&seen), ["*:162 /lib/systemd/system/snmptrapd.service:4"]);
}

#[test]
fn a_drop_in_has_the_last_word() {
    let seen = facts(&[
        (CONF, ""),
        ("/lib/systemd/system/snmptrapd.service", DEBIAN),
        (
            "/etc/systemd/system/snmptrapd.service.d/local.conf",
            "[Service]\nExecStart=\nExecStart=/usr/sbin/snmptrapd -f udp:10.0.0.7:162\n",
        ),
    ]);
    let local = "/etc/systemd/system/snmptrapd.service.d/local.conf:3";
    assert_eq!(listens(&seen), [format!("10.0.0.7:162 {local}")]);
}

#[test]
fn centreons_daemon_tells_a_poller_by_its_mode() {
    let mode = |text: &str| facts(&[(CENTREON, text)]).roles;
    let poller = mode("our %centreontrapd_config = (\n    mode => 1,\n);\n1;\n");
    assert_eq!((poller[0].role, poller[0].at.line), (Role::Poller, Some(2)));
    assert!(mode("    # mode => 1,\n    mode => 0,\n").is_empty());
    assert!(mode("    mode_x => 1,\n").is_empty());
}

#[test]
fn a_machine_without_snmptrapd_has_no_notes() {
    let facts = facts(&[]);
    assert!(facts.traps.is_none() && facts.notes.is_empty());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let noise = String::from_utf8_lossy(&bytes);
        let text = Text { file: CONF.into(), text: format!("{CENTREON_CONF}snmpTrapdAddr {noise}") };
        let (addresses, _) = parse(&text);
        sockets(addresses, &mut Facts::default());
        mode(&text);
    }

    #[test]
    fn no_word_makes_it_panic(word in "[a-z0-9:\\[\\].,/$-]{0,30}") {
        is_address(&word);
    }
}

#[test]
fn half_a_file_is_no_reason_to_panic() {
    for end in 0..CENTREON_CONF.len() {
        parse(&Text { file: CONF.into(), text: CENTREON_CONF[..end].to_owned() });
    }
}
