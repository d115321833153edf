//! Tables of `main.cf` and what postfix makes of them; where it can be asked, by asking it.

use proptest::prelude::*;

use std::process::{Command, Stdio};

use super::super::super::testing::{Cell, Speaks, every_beginning, hostile, text, tree};
use super::super::tests::found;
use super::*;

/// As Debian's package writes it for a site with a smarthost.
const DEBIAN: &str = "# See /usr/share/postfix/main.cf.dist for a commented, more complete\n\
    smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)\nbiff = no\n\
    append_dot_mydomain = no\ncompatibility_level = 3.6\n\n\
    smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem\nsmtpd_tls_security_level=may\n\n\
    smtp_tls_CApath=/etc/ssl/certs\nsmtp_tls_security_level=may\n\
    smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache\n\n\
    myhostname = poller1.corp.example\nmydestination = $myhostname, localhost.localdomain,\n\
    \t# not a comment of its own\n  localhost\nrelayhost = [smtp.corp.example]:587\n\
    smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd\n\
    inet_interfaces = loopback-only\n";

fn mail(settings: &str) -> (String, Vec<String>) {
    found(&[(MAIN, settings)])
}

#[test]
fn debians_file_is_read() {
    let want = "postfix smtp.corp.example:587, TLS if offered login, /etc/postfix/main.cf:18";
    assert_eq!(mail(DEBIAN), (want.to_owned(), vec![]));
}

#[test]
fn brackets_ports_and_addresses_decide_who_is_asked() {
    for (relayhost, want) in [
        ("[smtp.corp.example]", "smtp.corp.example"),
        ("corp.example", "corp.example by MX"),
        ("corp.example:submission", "corp.example:587 by MX"),
        ("10.0.0.25:26", "10.0.0.25:26"),
        ("10.0.0.25", "10.0.0.25"),
        ("[2001:db8::25]:smtps", "2001:db8::25:465"),
        ("[IPv6:2001:db8::25]", "2001:db8::25"),
        ("$mydomain\nmyhostname = p.corp.example", "corp.example by MX"),
        ("[${relay}]:$(port)\nrelay = a.$mydomain\nport = 26\nmydomain=b", "a.b:26"),
        ("", "direct"),
    ] {
        let got = mail(&format!("relayhost = {relayhost}\n")).0;
        assert_eq!(got, format!("postfix {want}, no TLS, /etc/postfix/main.cf:1"));
    }
    assert_eq!(mail("biff = no\n").0, "postfix direct, no TLS, /etc/postfix/main.cf");
}

#[test]
fn the_last_setting_wins_and_may_be_continued() {
    let settings = "relayhost = [a.example]\nrelayhost =\n\n# comment\n   [b.example]:587\n";
    assert_eq!(mail(settings).0, "postfix b.example:587, no TLS, /etc/postfix/main.cf:2");
}

#[test]
fn tls_has_an_old_and_a_new_setting() {
    for (settings, want) in [
        ("smtp_use_tls = yes", "TLS if offered"),
        ("smtp_use_tls = yes\nsmtp_tls_security_level = none", "no TLS"),
        ("smtp_use_tls = yes\nsmtp_tls_security_level =", "TLS if offered"),
        ("smtp_enforce_tls = yes", "STARTTLS"),
        ("smtp_tls_security_level = encrypt", "STARTTLS"),
        ("smtp_tls_security_level = verify", "STARTTLS"),
        ("smtp_tls_security_level = dane", "TLS if offered"),
        ("smtp_tls_security_level = dane-only", "STARTTLS"),
        ("smtp_tls_security_level = encrypt\nsmtp_tls_wrappermode = yes", "TLS from start"),
    ] {
        let got = mail(&format!("{settings}\n")).0;
        assert_eq!(got, format!("postfix direct, {want}, /etc/postfix/main.cf"));
    }
}

#[test]
fn several_next_hops_are_tried_one_after_the_other() {
    let settings = "relayhost = [a.example]:587, b.example\nsmtp_fallback_relay = [c.example]\n";
    let want = [
        "postfix a.example:587, no TLS, /etc/postfix/main.cf:1",
        "postfix b.example by MX as fallback, no TLS, /etc/postfix/main.cf:1",
        "postfix c.example as fallback, no TLS, /etc/postfix/main.cf:2",
    ];
    assert_eq!(mail(settings), (want.join("; "), vec![]));
}

#[test]
fn the_next_hop_of_the_default_transport_goes_before_the_relay() {
    for relayhost in ["", "relayhost = [192.0.2.99]\n"] {
        let settings = format!("{relayhost}default_transport = smtp:[192.0.2.25]:587\n");
        let line = settings.lines().count();
        let want = format!("postfix 192.0.2.25:587, no TLS, /etc/postfix/main.cf:{line}");
        assert_eq!(mail(&settings), (want, vec![]));
    }
    let settings = "relayhost = [a.example]\ndefault_transport = relay\n";
    assert_eq!(mail(settings).0, "postfix a.example, no TLS, /etc/postfix/main.cf:1");
}

#[test]
fn a_transport_is_what_master_cf_makes_of_it() {
    let main = (MAIN, "default_transport = relay:[a.example]\n");
    let columns = "unix - - n - -";
    for (master, want) in [
        (
            format!(
                "relay {columns} smtp\n  -o smtp_tls_security_level=encrypt -o {{ smtp_tcp_port = 587 }}"
            ),
            "a.example:587, STARTTLS, /etc/postfix/main.cf:1",
        ),
        (
            format!("relay {columns} smtp -osmtp_fallback_relay=[b.example]"),
            "a.example, no TLS, /etc/postfix/main.cf:1; postfix b.example as fallback, no TLS, /etc/postfix/master.cf:1",
        ),
        (
            format!(
                "rewrite {columns} trivial-rewrite -o default_transport=smtp:[c.example]\nsmtp {columns} smtp"
            ),
            "c.example, no TLS, /etc/postfix/master.cf:1",
        ),
        (
            "smtp inet n - y - - smtpd".to_owned(),
            "nobody (master.cf has no transport `relay`), no TLS, /etc/postfix/main.cf:1",
        ),
    ] {
        let (ways, notes) = found(&[main, (MASTER, &master)]);
        assert_eq!(
            (ways.as_str(), notes),
            (format!("postfix {want}").as_str(), vec![]),
            "{master}"
        );
    }
    let master = format!(
        "relay {columns} pipe\n  user=x argv=/usr/bin/send\npickup {columns} pickup -o content_filter=scan:x\n"
    );
    let notes = [
        "/etc/postfix/master.cf:3: `content_filter` hands all mail to a filter, which is not read",
        "/etc/postfix/main.cf:1: the program of transport `relay` takes it, which is not read",
    ];
    assert_eq!(
        found(&[main, (MASTER, &master)]),
        ("none".to_owned(), notes.map(str::to_owned).to_vec())
    );
}

#[test]
fn tables_send_some_mail_elsewhere() {
    let main = "transport_maps = hash:/etc/postfix/transport\n\
        sender_dependent_relayhost_maps = inline:{{a@x = [s.example]:587}, b@x=DUNNO}\n\
        relayhost = [r.example]\n";
    let table = "# comment\nCorp.example smtp:[t.example]:26\nlocal.example local:\n\
        .example :[u.example]\nbad.example error:no\nown.example smtp:\n";
    let files =
        [(MAIN, main), ("/etc/postfix/transport", table), ("/etc/postfix/transport.db", "")];
    let want = [
        "postfix t.example:26 to corp.example, no TLS, /etc/postfix/transport:2",
        "postfix u.example to .example, no TLS, /etc/postfix/transport:4",
        "postfix direct to own.example, no TLS, /etc/postfix/transport:6",
        "postfix s.example:587 from a@x, no TLS, /etc/postfix/main.cf:2",
        "postfix r.example, no TLS, /etc/postfix/main.cf:3",
    ];
    assert_eq!(found(&files), (want.join("; "), vec![]));
    // Without its compiled form postfix cannot ask it.
    let (_, notes) = found(&files[..2]);
    let note = "hash:/etc/postfix/transport has no compiled table: postfix keeps all mail until postmap hash:/etc/postfix/transport is run";
    assert_eq!(notes, [format!("/etc/postfix/main.cf:1: {note}")]);
}

#[test]
fn a_table_for_everything_goes_before_every_setting() {
    let settings = "transport_maps = static:smtp:[t.example]\nrelayhost = [r.example]\n";
    assert_eq!(mail(settings).0, "postfix t.example, no TLS, /etc/postfix/main.cf:1");
}

#[test]
fn a_table_on_a_server_is_noted() {
    let settings = "transport_maps = proxy:ldap:/etc/postfix/t.cf\nalias_maps = mysql:/x\n\
        smtpd_milters = inet:localhost:1, inet:[10.0.0.9]:2\n";
    let notes = [
        "/etc/postfix/main.cf:2: `alias_maps` asks mysql:/x, which is not read",
        "/etc/postfix/main.cf:3: `smtpd_milters` asks inet:[10.0.0.9]:2, which is not read",
        "/etc/postfix/main.cf:1: `transport_maps` asks proxy:ldap:/etc/postfix/t.cf, which is not read",
        "/etc/postfix/main.cf:1: it asks ldap:/etc/postfix/t.cf, which is not read",
    ];
    assert_eq!(mail(settings).1, notes);
}

#[test]
fn without_dns_no_mail_servers_are_asked() {
    for setting in ["disable_dns_lookups = yes", "smtp_dns_support_level = disabled"] {
        let settings = format!("relayhost = corp.example\n{setting}\n");
        assert_eq!(mail(&settings).0, "postfix corp.example, no TLS, /etc/postfix/main.cf:1");
    }
}

#[test]
fn a_setting_that_refers_to_itself_is_noted() {
    for settings in ["relayhost = $relayhost\n", "relayhost = $a\na = $b$b\nb = $a$a\n"] {
        let note = "/etc/postfix/main.cf:1: it refers to itself, or to too many settings";
        assert_eq!(mail(settings), ("none".to_owned(), vec![note.to_owned()]));
    }
}

#[test]
fn a_relay_that_cannot_be_told_is_noted() {
    for (value, reason) in [
        ("$mydomain", "it uses this host's name, which neither main.cf nor /etc/hostname has"),
        ("$smtpd_banner", "it uses $smtpd_banner, which this file does not set"),
        ("${x~a}", "it depends on a condition that is not understood"),
        (&format!("$x\nx = {}", "a".repeat(5_000)), "it is longer than hosts and ports can be"),
        ("[a.example", "its bracket is not closed"),
        ("[a.example]:lmtp", "what follows the colon is not a port (1 to 65535)"),
        ("${a", "a bracket of a setting is not closed"),
    ] {
        let notes = vec![format!("/etc/postfix/main.cf:1: {reason}")];
        assert_eq!(mail(&format!("relayhost = {value}\n")), ("none".to_owned(), notes));
    }
}

#[test]
fn a_machine_for_local_mail_only_sends_none() {
    for (settings, reason) in [
        ("default_transport = error: no", "its transport is `error`"),
        (
            "default_transport = smtp\ndefer_transports = smtp",
            "defer_transports keeps all mail of `smtp`",
        ),
    ] {
        let (ways, notes) = mail(settings);
        assert!(ways.starts_with(&format!("postfix nobody ({reason})")), "{ways}");
        assert!(notes.is_empty(), "{notes:?}");
    }
}

#[test]
fn what_is_not_understood_is_noted_with_its_line() {
    let settings = "content_filter = smtp:[10.0.0.9]:10025\nheader_checks =\n\
        smtp_tls_per_site = static:MUST\nmy_own = x\nmy_relay = [a.example]\nrelayhost = $my_relay\n\
        fast_destination_concurrency_limit = 3\n";
    let (ways, mut notes) = mail(settings);
    notes.sort();
    assert_eq!(ways, "postfix a.example, no TLS, /etc/postfix/main.cf:6");
    let want = [
        "1: `content_filter` hands all mail to a filter, which is not read",
        "3: `smtp_tls_per_site` asks TLS of some relays, which is not read",
        "4: `my_own` is nothing of postfix that preflight knows; it may move a peer",
    ];
    assert_eq!(notes, want.map(|note| format!("/etc/postfix/main.cf:{note}")));
}

#[test]
fn addresses_kinds_and_lookups_are_those_of_the_client() {
    let relay = "relayhost = [a.example]\n";
    for (settings, want) in [
        ("smtp_bind_address = 10.0.0.7\n", "a.example, no TLS from 10.0.0.7"),
        (
            "smtp_bind_address = 10.0.0.7\nsmtp_bind_address6 = [2001:db8::7]\n",
            "a.example, no TLS from 10.0.0.7 2001:db8::7",
        ),
        ("inet_interfaces = 127.0.0.1, 10.0.0.7\n", "a.example, no TLS"),
        ("inet_interfaces = 10.0.0.7, [::1]\n", "a.example, no TLS from 10.0.0.7"),
        ("inet_interfaces = 10.0.0.7\nsmtp_bind_address = 0.0.0.0\n", "a.example, no TLS"),
        ("inet_protocols = ipv4\n", "a.example, no TLS by IPv4"),
        ("inet_protocols = ipv6\n", "a.example, no TLS by IPv6"),
        ("inet_protocols = ipv4, ipv6\n", "a.example, no TLS"),
    ] {
        let want = format!("postfix {want}, /etc/postfix/main.cf:1");
        assert_eq!(mail(&format!("{relay}{settings}")), (want, vec![]), "{settings}");
    }
    for (settings, lookup) in [
        ("", HostLookup::Dns),
        ("smtp_host_lookup = dns\n", HostLookup::Dns),
        ("smtp_host_lookup = native\n", HostLookup::System),
        ("smtp_host_lookup = native, dns\n", HostLookup::DnsFirst),
        ("disable_dns_lookups = yes\n", HostLookup::System),
    ] {
        let (_dir, files) = tree(&[(MAIN, &format!("{relay}{settings}"))]);
        let MailFound::Said(ways) = read(&files, &mut Facts::default()) else {
            panic!("{settings}")
        };
        assert_eq!(ways[0].lookup, lookup, "{settings}");
    }
}

#[test]
fn a_policy_is_of_the_next_hop_as_it_is_written() {
    let main = "relayhost = HOP\nsmtp_tls_security_level = may\n\
        smtp_tls_policy_maps = inline:{{[a.example]:587=encrypt}, {b.example=secure match=x}, .test=none, c.example=most}\n";
    for (hop, want) in [
        ("[a.example]:587", "a.example:587, STARTTLS"),
        ("[a.example]", "a.example, TLS if offered"),
        ("b.example", "b.example by MX, STARTTLS"),
        ("b.example:587", "b.example:587 by MX, TLS if offered"),
        ("x.b.example", "x.b.example by MX, TLS if offered"),
        ("x.y.test", "x.y.test by MX, no TLS"),
        ("[x.y.test]", "x.y.test, TLS if offered"),
    ] {
        let want = format!("postfix {want}, /etc/postfix/main.cf:1");
        assert_eq!(mail(&main.replace("HOP", hop)), (want, vec![]), "{hop}");
    }
    let note = "/etc/postfix/main.cf:3: `most` is not a level of TLS: postfix keeps this mail";
    assert_eq!(mail(&main.replace("HOP", "c.example")).1, [note]);
}

/// Has postfix send a mail: its own client, in a network of its own.
const SENDS: &str = "ip addr add 192.0.2.7/32 dev lo
    mount -t tmpfs none /var/log; mount -t tmpfs none /var/lib/postfix; chown postfix /var/lib/postfix
    mount -t tmpfs none /var/spool; mkdir /var/spool/postfix
    # Without a chroot, which would lack this /etc.
    postconf -F '*/*/chroot = n'
    postconf -MX smtp/inet
    postfix start >/dev/null 2>&1 && echo hi | $(postconf -h sendmail_path) -f root a@elsewhere.test || exit
    # It says so when it is done with the mail, whatever came of it.
    for i in $(seq 100); do grep -q 'postfix/smtp.*status=' /var/log/mail.log && break; sleep 0.1; done
    postfix stop >/dev/null 2>&1; true";

/// Where postfix's own client goes with this `main.cf`, from where, and whether it needs TLS.
fn theirs(main: &str) -> Option<String> {
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = /var/spool/postfix\nmyhostname = p.corp.example\n\
         data_directory = /var/lib/postfix\nmaillog_file = /var/log/mail.log\nalias_maps =\n{main}"
    );
    let etc = [
        (MAIN, main.as_str()),
        ("/etc/hosts", "127.0.0.1 localhost\n192.0.2.1 onlyhosts.example\n"),
        ("/etc/nsswitch.conf", "hosts: files dns\npasswd: files\ngroup: files\n"),
        ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
    ];
    Cell::run(&etc, |cell| {
        for address in ["192.0.2.1:25", "192.0.2.1:587", "[2001:db8::1]:25"] {
            cell.listen(address, Speaks::Smtp);
        }
        let mut run = Command::new("sh");
        let output = run.args(["-c", SENDS]).stdin(Stdio::null()).output().unwrap();
        let log = std::fs::read_to_string("/var/log/mail.log").unwrap_or_default();
        assert!(output.status.success(), "{output:?} {log}");
        let visit = cell.heard().into_iter().next()?;
        let said = |word: &str| visit.said.iter().any(|line| line.starts_with(word));
        let tls = match (visit.said.is_empty(), said("MAIL")) {
            (true, _) => "TLS from start",
            (false, true) => "none needed",
            (false, false) => "STARTTLS",
        };
        let usual = ["192.0.2.8", "2001:db8::8"].contains(&visit.from.ip().to_string().as_str());
        let from = if usual { String::new() } else { format!(" from {}", visit.from.ip()) };
        Some(format!("{}, {tls}{from}", visit.to))
    })
}

#[test]
fn postfix_goes_where_we_say() {
    let hosts: IpAddr = "192.0.2.1".parse().unwrap();
    for (main, want) in [
        ("relayhost = [192.0.2.1]\n", Some("192.0.2.1:25, none needed")),
        ("relayhost = 192.0.2.1:587\n", Some("192.0.2.1:587, none needed")),
        (
            "relayhost = [192.0.2.1]\nsmtp_bind_address = 192.0.2.7\n",
            Some("192.0.2.1:25, none needed from 192.0.2.7"),
        ),
        (
            "relayhost = [192.0.2.1]\ninet_interfaces = 192.0.2.7, 127.0.0.1, ::1\n",
            Some("192.0.2.1:25, none needed"),
        ),
        (
            "relayhost = [192.0.2.1]\ninet_interfaces = 192.0.2.7\n",
            Some("192.0.2.1:25, none needed from 192.0.2.7"),
        ),
        (
            "relayhost = [192.0.2.1]\nsmtp_tls_security_level = encrypt\n",
            Some("192.0.2.1:25, STARTTLS"),
        ),
        (
            "relayhost = [192.0.2.1]:587\nsmtp_tls_policy_maps = inline:{{[192.0.2.1]:587=encrypt}}\n",
            Some("192.0.2.1:587, STARTTLS"),
        ),
        (
            "relayhost = [192.0.2.1]\nsmtp_tls_policy_maps = inline:{{[192.0.2.1]:587=encrypt}}\n",
            Some("192.0.2.1:25, none needed"),
        ),
        ("relayhost = [2001:db8::1]\n", Some("[2001:db8::1]:25, none needed")),
        ("relayhost = [2001:db8::1]\ninet_protocols = ipv4\n", None),
        ("relayhost = [onlyhosts.example]\n", None),
        (
            "relayhost = [onlyhosts.example]\nsmtp_host_lookup = native\n",
            Some("192.0.2.1:25, none needed"),
        ),
        (
            "relayhost = [onlyhosts.example]\ndisable_dns_lookups = yes\n",
            Some("192.0.2.1:25, none needed"),
        ),
    ] {
        assert_eq!(theirs(main).as_deref(), want, "{main}");
        let (_dir, files) = tree(&[(MAIN, main)]);
        let MailFound::Said(ways) = read(&files, &mut Facts::default()) else { panic!("{main}") };
        let way = &ways[0];
        let place = way.relay().unwrap();
        let address = place.host.parse().unwrap_or(hosts);
        let is_found = way.lookup == HostLookup::System || !place.is_name();
        let is_reached = is_found && way.family.is_none_or(|family| family.has(address));
        let ours = is_reached.then(|| {
            let to = std::net::SocketAddr::new(address, place.port.unwrap_or(25));
            let tls = if way.tls == MailTls::StartTls { "STARTTLS" } else { "none needed" };
            let from: Vec<String> = way.from.iter().map(|own| format!(" from {own}")).collect();
            let from = from.concat();
            format!("{to}, {tls}{from}")
        });
        assert_eq!(ours.as_deref(), want, "{main}");
    }
}

#[test]
fn every_beginning_is_read() {
    every_beginning(MAIN, DEBIAN, |text| drop(ProcessSettings::parse(text, None)));
    assert_eq!(ProcessSettings::parse(&text(MAIN, DEBIAN), None).0.all().count(), 15);
    every_beginning(MASTER, "smtp unix - - y - - smtp\n  -o a=b -o { c = d }\n", |text| {
        drop(MasterServices::parse(text));
    });
}

/// What `postconf` answers about a `main.cf`.
fn postconf(main: &str, arguments: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [("main.cf", main), ("master.cf", "")] {
        std::fs::write(folder.path().join(file), text).unwrap();
        // A file that was just written could change yet: postfix would wait two seconds.
        let file = std::fs::File::options().append(true).open(folder.path().join(file)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
    }
    let mut command = std::process::Command::new("/usr/sbin/postconf");
    command.arg("-c").arg(folder.path()).args(arguments).output().unwrap()
}

fn settings(main: &str) -> (ProcessSettings, Option<Read<String>>) {
    ProcessSettings::parse(&text(MAIN, main), None)
}

#[test]
fn each_setting_that_postfix_has_was_decided() {
    let all = postconf("", &["-d", "-H"]);
    let names = String::from_utf8(all.stdout).unwrap();
    assert!(names.lines().count() > 800, "{names}");
    let undecided: Vec<&str> =
        names.lines().filter(|name| CONSTRUCTS.reading(name) == Reading::Unknown).collect();
    assert!(undecided.is_empty(), "{undecided:?}");
}

#[test]
fn values_are_what_postconf_says() {
    for value in [
        "[a.example]:587",
        "${y?[y.example]}${n?[n.example]}",
        "${y?{[y.example]}:{[n.example]}}",
        "${n?{[y.example]}:{[n.example]}}",
        "${n:[n.example]}",
        "${y:[n.example]}",
        "${n:{[n.example]}}",
        "${{$y} == {yes} ? {[y.example]} : {[n.example]}}",
        "${{$number} < {9} ? {[small.example]} : {[large.example]}}",
        "${{$number} >= {9} ? {[large.example]}}",
        "${{a} != {b}?{[y.example]}}",
        "[${host}]:$(port)",
        "$host.$mydomain$unset",
        "a$$b",
        "$default_transport$relay_transport",
    ] {
        let main = format!(
            "compatibility_level = 3.6\nmyhostname = p.corp.example\ny = yes\nn =\nnumber = 10\n\
             host = mail.example\nport = 587\nrelayhost = {value}\n"
        );
        let theirs = postconf(&main, &["-x", "-h", "relayhost"]).stdout;
        let theirs = String::from_utf8(theirs).unwrap();
        assert_eq!(settings(&main).0.value("relayhost").unwrap(), theirs.trim(), "{value}");
    }
}

#[test]
fn what_nobody_sets_is_what_postconf_says() {
    for (name, ours) in settings::DEFAULTS {
        // Ours lacks the half for installations of ten years ago.
        if *name != "relay_domains" {
            let theirs = postconf("compatibility_level = 3.6\n", &["-d", "-h", name]).stdout;
            assert_eq!(ours, &String::from_utf8(theirs).unwrap().trim(), "{name}");
        }
    }
}

#[test]
fn a_line_that_postfix_refuses_is_refused() {
    for main in ["relayhost = a\n", "relayhost = [a]\nrelayhost\n", "  x\nrelayhost = a\n", "= a\n"]
    {
        let theirs = postconf(main, &["relayhost"]);
        let ours = settings(main).1;
        assert_eq!(ours.is_some(), !theirs.status.success(), "{main}: {ours:?}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(
        main in hostile(MAIN, DEBIAN),
        master in hostile(MASTER, "smtp unix - - y - - smtp\n  -o a=b -o { c = d }\n"),
        value in "[\\[\\]$({?:=a.0-9, }]{0,40}",
    ) {
        let (settings, _) = ProcessSettings::parse(&main, None);
        for (name, _) in settings.all() {
            drop(settings.value(name));
        }
        drop(MasterServices::parse(&master));
        drop(relay(&value, &settings));
        let (settings, _) = super::tests::settings(&format!("relayhost = {value}\n"));
        drop(settings.value("relayhost"));
    }
}
