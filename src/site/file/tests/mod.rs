mod plans;
pub(super) mod schema;
mod secrets;

use super::*;
use crate::catalogue::Catalogue;

/// The example of the documentation.
pub(super) const EXAMPLE: &str = include_str!("../../../../docs/site-file.md");

pub(super) fn example() -> &'static str {
    let (_, rest) = EXAMPLE.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

pub(super) fn parsed(text: &str) -> SiteFile {
    SiteFile::parse("site.toml", text).unwrap_or_else(|broken| panic!("{}", broken.explained()))
}

/// Place and message of what is wrong with `text`, and the whole error.
fn refusal(text: &str) -> (String, String) {
    let checked = SiteFile::parse("site.toml", text).and_then(|file| {
        let profile = file.platform.profile.as_ref().map_or("i-vertix", |name| name.get_ref());
        file.check(&Catalogue::profile(profile).unwrap(), &[])
    });
    let broken = checked.unwrap_err();
    let explained = broken.explained();
    let first = explained.lines().next().unwrap_or_default().to_owned();
    (format!("{}: {first}", broken.place().strip_prefix("site.toml").unwrap()), explained)
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(refusal(text).0, expected, "{text}");
}

const CENTRAL: &str = "[machine.central]\nrole = \"central\"\naddress = \"10.0.0.5\"\n";

/// A central and a poller, with `lines` about the poller from line 7 on.
fn poller(lines: &str) -> String {
    format!("{CENTRAL}[machine.poller1]\nrole = \"poller\"\naddress = \"10.2.0.7\"\n{lines}\n")
}

#[test]
fn the_example_of_the_documentation_is_a_site_file() {
    let file = parsed(example());
    let catalogue = Catalogue::profile(file.platform.profile.as_ref().unwrap().get_ref()).unwrap();
    file.check(&catalogue, &[]).unwrap_or_else(|broken| panic!("{}", broken.explained()));
    let names: Vec<&str> = file.machines().iter().map(SiteMachine::name).collect();
    assert_eq!(names, ["central", "remote1", "poller1", "poller2", "poller3"]);
}

#[test]
fn the_mistake_in_the_documentation_looks_like_that() {
    let line = "preflight: site.toml:13:11: ";
    let (_, shown) = EXAMPLE.split_once(line).unwrap();
    let shown = shown.split_once("```").unwrap().0;
    let head =
        "[platform]\nname = \"Corp\"\nphase = \"after\"\n\n[services]\nntp = \"10.0.0.3\"\n\n";
    let text = format!("{head}{}", poller("central = \"centrl\"\nmode = \"zmq\""))
        .replace("address = \"10.2.0.7\"\n", "");
    assert_eq!(refusal(&text).1.trim_end(), shown.trim_end());
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    let all = "known are name, profile, version, phase, timeout, max_offset, groups, optional, \
         require, until_installed";
    for (text, expected) in [
        ("[platfrom]", ":1:2: unknown key of the file: `platfrom`; did you mean `platform`?"),
        (
            "[platform]\nprofil = 1",
            ":2:1: unknown key of [platform]: `profil`; did you mean `profile`?",
        ),
        ("[platform]\nx = 1", &format!(":2:1: unknown key of [platform]: `x`; {all}")),
        (
            "[services]\nnpt = \"x\"",
            ":2:1: unknown service of profile i-vertix: `npt`; did you mean `ntp`?",
        ),
        (
            "[services]\nntp = { hots = \"x\" }",
            ":2:9: unknown key of a server of `ntp`: `hots`; did you mean `host`?",
        ),
        ("[credentials.ldpa]", ":1:14: unknown key of [credentials]: `ldpa`; did you mean `ldap`?"),
        (
            &poller("portz = 1"),
            ":7:1: unknown key of [machine.poller1]: `portz`; did you mean `ports`?",
        ),
        (
            &poller("ports = { zqm = 1 }"),
            ":7:11: unknown key of [machine.poller1.ports]: `zqm`; did you mean `zmq`?",
        ),
        ("[[check]]\nnam = \"x\"", ":2:1: unknown key of [[check]]: `nam`; did you mean `name`?"),
    ] {
        refused(text, expected);
    }
}

#[test]
fn a_value_of_the_wrong_type_says_which_would_be_right() {
    for (text, expected) in [
        ("platform = 1", ":1:12: `platform` takes a table, not a number"),
        ("[platform]\nname = 1", ":2:8: `name` takes a string, not a number"),
        ("[platform]\nname = \" \"", ":2:8: `name` is empty"),
        ("[platform]\nname = \"a\\u001bb\"", ":2:8: `\\u{1b}` has no place in `name`"),
        ("[platform]\ntimeout = \"2\"", ":2:11: `timeout` takes a number, not a string"),
        ("[platform]\ntimeout = 21", ":2:11: `21` is not a factor from 0.1 to 20"),
        ("[platform]\nmax_offset = \"5\"", ":2:14: `5` is not a time; write 500ms or 2s"),
        ("[platform]\nphase = \"aftr\"", ":2:9: unknown `phase`: `aftr`; did you mean `after`?"),
        (
            &poller("ports = { zmq = \"5556\" }"),
            ":7:17: `zmq` takes a port (1 to 65535), not a string",
        ),
        (&poller("ports = { zmq = 70000 }"), ":7:17: `70000` is not a port (1 to 65535)"),
        (&poller("ports = { zmq = 0 }"), ":7:17: port 0 is not a port (1 to 65535)"),
        (&poller("nat = \"here\""), ":7:7: `here` is not an IP address"),
        (&poller("skip = [\"poller.ntp\"]"), ":7:8: `skip` takes a table, not a list"),
        (&poller("mode = \"zmp\""), ":7:8: unknown `mode`: `zmp`; did you mean `zmq`?"),
        (
            &poller("bbdo = \"reverse\""),
            ":7:8: unknown `bbdo`: `reverse`; did you mean `reversed`?",
        ),
        ("[services]\nntp = [\"10.0.0.3\", 4]", ":2:20: `ntp` takes a string, not a number"),
        (
            "[services]\nsmtp = { host = \"x\", find = 1 }",
            ":2:29: `find` takes a string, not a number",
        ),
        ("[check]\nname = \"x\"", ":1:1: a flow of your own begins with [[check]]"),
    ] {
        refused(text, expected);
    }
}

#[test]
fn hosts_and_urls_say_what_is_wrong_with_them() {
    for (text, expected) in [
        ("[services]\nntp = \"ho st\"", ":2:7: ` ` has no place in a host name"),
        ("[services]\nntp = \"10.0.0.256\"", ":2:7: `10.0.0.256` is not an IPv4 address"),
        ("[services]\nntp = \"x:0\"", ":2:7: port 0 is not a port (1 to 65535)"),
        ("[services]\nntp = { port = 1 }", ":2:7: a server of `ntp` has no `host`"),
        (
            "[services]\nntp = { host = \"x:1\", port = 2 }",
            ":2:16: `host` with a port of its own, and `port` beside it",
        ),
        (
            "[services]\nhttp = { url = \"http://x\", port = 2 }",
            ":2:35: `url` has its `port` in it",
        ),
        ("[services]\nhttp = { url = \"x\" }", ":2:16: this is not a URL: SCHEME://HOST"),
        (
            "[services]\nldap = { host = \"x\", protocol = \"ldpas\" }",
            ":2:33: unknown protocol: `ldpas`; did you mean `ldaps`?",
        ),
        ("[services]\nproxy = \"socks5://x\"", ":2:9: only http:// proxies are known"),
        (
            "[services]\nproxy = [\"x\", \"y\"]",
            ":2:9: there is one proxy on the way to the Internet",
        ),
        (
            "[services]\nhttp = { host = \"x\", proxy = true }",
            ":2:30: `proxy` takes a URL, or false for the straight way",
        ),
        (
            "[machine.x]\nrole = \"poller\"\naddress = \"x:1\"",
            ":3:11: a machine's address has no port; its services have",
        ),
        (
            &poller("devices = [\"snmp://x\"]"),
            ":7:12: a monitored host is a name or address, no URL",
        ),
        (
            &poller("connects_to = \"https://x\"\nmode = \"pullwss\""),
            ":7:15: with mode = \"pullwss\" this is ws://HOST:PORT/PATH or wss://…",
        ),
        (
            &poller("connects_to = \"wss://x\"\nmode = \"pull\""),
            ":7:15: with mode = \"pull\" this is HOST or HOST:PORT",
        ),
        ("[[check]]\nname = \"a\"\nurl = \"tcp://x\"", ":3:7: tcp://x needs a port"),
        (
            "[[check]]\nname = \"a b\"\nurl = \"tcp://x:1\"",
            ":2:8: `a b` is not a name (letters, digits, - and _)",
        ),
    ] {
        refused(text, expected);
    }
}

#[test]
fn a_flow_of_ones_own_has_a_scheme_that_is_known() {
    let (message, _) = refusal("[[check]]\nname = \"a\"\nurl = \"gopher://x\"");
    assert!(
        message.starts_with(":3:7: unknown scheme `gopher`; known are bbdo, dns,"),
        "{message}"
    );
}

#[test]
fn names_of_nothing_there_is_are_refused() {
    let two = "[machine.other]\nrole = \"central\"\n";
    for (text, expected) in [
        (
            poller("central = \"nobody\""),
            ":7:11: unknown machine: `nobody`; known are central, poller1",
        ),
        (poller("central = \"poller1\""), ":7:11: `poller1` is this machine itself"),
        (poller("remote = \"central\""), ":7:10: `central` is not a remote"),
        (
            poller(two).replace("[machine.p", "\n[machine.p"),
            ":5:10: which central is this one's? Give central = one of central, other",
        ),
        (
            poller(
                "devices = [{ host = \"x\", snmp = \"lna\" }]\n[credentials.snmp.lan]\ncommunity = { env = \"X\" }",
            ),
            ":7:33: unknown SNMP credentials: `lna`; did you mean `lan`?",
        ),
        (
            poller("devices = [{ host = \"x\", snmp = \"lan\" }]"),
            ":7:33: unknown SNMP credentials: `lan`; there is none",
        ),
        (
            poller("skip = { \"poller.ntpp\" = \"no\" }"),
            ":7:10: unknown flow: `poller.ntpp`; did you mean `poller.ntp`?",
        ),
        (
            poller("[[check]]\nname = \"a\"\nurl = \"tcp://x:1\"\nfrom = [\"pollr1\"]"),
            ":10:9: unknown machine: `pollr1`; did you mean `poller1`?",
        ),
        (
            "[platform]\ngroups = [\"map\"]".to_owned(),
            ":2:11: unknown group of profile i-vertix: `map`; known are basic, mail-auth, ncb, netflow, \
             bi",
        ),
        (
            "[machine.x]\nrole = \"map\"".to_owned(),
            ":2:8: profile i-vertix knows no role `map`; known are central, poller, remote, bi, \
             database",
        ),
        (
            "[machine.x]\nrole = \"polller\"".to_owned(),
            ":2:8: unknown `role`: `polller`; did you mean `poller`?",
        ),
        (
            "[machine.x]".to_owned(),
            ":1:10: [machine.x] has no role; give role = \"poller\" or \"central\"",
        ),
    ] {
        refused(&text, expected);
    }
}

#[test]
fn servers_that_nobody_asks_are_refused_with_who_would() {
    let centreon = "[platform]\nprofile = \"centreon\"\n";
    let lonely = |services: &str| format!("{services}[machine.p]\nrole = \"poller\"\n");
    refused(
        &lonely("[services]\nldap = \"10.0.0.4\"\n"),
        ":2:1: no machine of this file asks it; a central does (central.ldap)",
    );
    refused(
        &format!("{centreon}[services]\nmbi = \"10.0.0.4\"\n{CENTRAL}"),
        ":4:1: no machine of this file asks it; --group mbi switches on central.mbi, \
         central.mbi-database",
    );
    refused(
        &poller("services = { ldap = \"10.0.0.4\" }"),
        ":7:14: no flow of a poller asks it; a central does (central.ldap)",
    );
    let windows = format!("{CENTRAL}nsclient = \"10.0.0.4\"\n");
    refused(
        &windows,
        ":4:12: no flow of a central asks it; a poller does (poller.nsclient), and a central whose \
         own engine asks devices (--group basic)",
    );
    let catalogue = Catalogue::profile("i-vertix").unwrap();
    parsed(&format!("{windows}devices = []\n")).check(&catalogue, &[]).unwrap();
    parsed(&poller("services = { ldap = [] }")).check(&catalogue, &[]).unwrap();
    let catalogue = Catalogue::profile("centreon").unwrap();
    let mbi = parsed(&format!("{centreon}[services]\nmbi = \"10.0.0.4\"\n{CENTRAL}"));
    mbi.check(&catalogue, &["mbi".to_owned()]).unwrap();
}

#[test]
fn what_is_there_twice_is_refused() {
    let (key, _) = refusal("[services]\nntp = \"a\"\nntp = \"b\"");
    assert_eq!(key, ":3:1: duplicate key");
    let (table, _) = refusal(&format!("{CENTRAL}{CENTRAL}"));
    assert_eq!(table, ":4:10: duplicate key");
    let check = "[[check]]\nname = \"a\"\nurl = \"tcp://x:1\"\n";
    refused(&format!("{check}{check}"), ":5:8: the name `a` is used twice");
    let same = poller("").replace("10.2.0.7", "10.0.0.5");
    refused(&same, ":6:11: this is the address of `central` too");
    let ports = |port| format!("address = \"10.2.0.7\"\nports = {{ zmq = {port} }}\n");
    let beside = |port| {
        format!(
            "{}\n[machine.p2]\nrole = \"poller\"\n{}",
            poller("ports = { zmq = 5556 }"),
            ports(port)
        )
    };
    refused(&beside(5556), ":11:11: this is the address of `poller1` too");
    let file = parsed(&beside(5557));
    file.check(&Catalogue::profile("i-vertix").unwrap(), &[]).unwrap();
}

#[test]
fn what_belongs_to_the_lower_machine_is_refused_at_the_upper_one() {
    refused(
        &format!("{CENTRAL}mode = \"pull\""),
        ":4:8: a central has none above it; this belongs to its pollers",
    );
    refused(
        &poller("connects_to = \"wss://x\""),
        ":7:15: `connects_to` is used with mode = \"pull\" or \"pullwss\" only",
    );
}

#[test]
fn credentials_are_whole_and_fit_their_version() {
    let snmp = |lines: &str| format!("[credentials.snmp.default]\n{lines}");
    for (text, expected) in [
        (snmp("version = \"2c\""), ":1:1: [credentials.snmp.default] has no `community`"),
        (snmp("version = \"4\""), ":2:11: unknown `version`: `4`; known are 1, 2c, 3"),
        (snmp("version = \"3\""), ":1:1: [credentials.snmp.default] has no `user`"),
        (
            snmp("version = \"3\"\ncommunity = { env = \"X\" }"),
            ":3:13: version 3 has no community; give user, auth and priv",
        ),
        (snmp("community = { env = \"X\" }\nuser = \"u\""), ":3:8: `user` needs version = \"3\""),
        (
            snmp("version = \"3\"\nuser = \"u\"\npriv = { env = \"X\" }"),
            ":4:8: privacy needs authentication too (auth)",
        ),
        (
            snmp("version = \"3\"\nuser = \"u\"\nauth_protocol = \"sha-265\""),
            ":4:17: unknown protocol: `sha-265`; did you mean `sha-256`?",
        ),
        (snmp("community = {}"), ":2:13: `community` takes one of env, file, config"),
        (
            snmp("community = { env = \"A\", file = \"B\" }"),
            ":2:13: `community` takes one of env, file, config",
        ),
        (
            snmp("community = { config = \"hosts.cfg\" }"),
            ":2:24: `config` takes FILE:KEY or FILE:HOST:KEY, the file with its whole path",
        ),
        (
            snmp("community = { config = \"/etc/x:_SNMPCOMUNITY\" }"),
            ":2:24: unknown key of a configuration: `_SNMPCOMUNITY`; did you mean `_SNMPCOMMUNITY`?",
        ),
        (
            "[credentials.ldap]\nbind_dn = \"cn=x\"".to_owned(),
            ":1:1: [credentials.ldap] has no `password`",
        ),
    ] {
        refused(&text, expected);
    }
}

#[test]
fn a_literal_secret_is_refused_and_not_repeated() {
    let how = "a secret does not belong in this file; write";
    for (text, place, key) in [
        ("[credentials.snmp.default]\ncommunity = \"hunter2\"", ":2:13", "community"),
        ("[credentials.snmp.default]\ncommunity = 'hunter2'", ":2:13", "community"),
        ("[credentials.snmp.default]\ncommunity = [\"hunter2\"]", ":2:13", "community"),
        (
            "[credentials.ldap]\nbind_dn = \"x\"\npassword = \"\"\"\nhunter2\"\"\"",
            ":3:12",
            "password",
        ),
        ("credentials = { nsclient = { password = \"hunter2\" } }", ":1:41", "password"),
        // Also where none belongs at all.
        (
            "[machine.x]\ndevices = [{ host = \"x\", community = \"hunter2\" }]",
            ":2:38",
            "community",
        ),
    ] {
        let (first, whole) = refusal(text);
        let way = format!("`{key} = {{ env = \"NAME\" }}` or `{key} = {{ file = \"PATH\" }}`");
        assert_eq!(first, format!("{place}: {how} {way}"), "{text}");
        assert!(!whole.contains("hunter2"), "{whole}");
        assert!(whole.contains("***"), "{whole}");
    }
}

#[test]
fn no_error_repeats_a_secret_that_stands_beside_it() {
    for text in [
        "[credentials.snmp.default]\ncommunity = \"hunter2",
        "[credentials.snmp.default]\ncommunity = hunter2",
        "[credentials.ldap]\npassword = \"\"\"hunter2",
        "[credentials.ldap]\n# password = \"hunter2\"\nbind_dn = 1",
        "[credentials.snmp.default]\ncommunity = { literal = \"hunter2\" }",
        "[credentials.snmp.default]\ncommunity = { env = \"hunter2!\" }",
        "[services]\nproxy = \"http://me:hunter2@proxy.example:3128\"",
        "[services]\nntp = \"me:hunter2@x\"",
        "[[check]]\nname = \"a\"\nurl = \"postgresql://me:hunter2@db.example\"",
        "[[check]]\nname = \"a\"\nurl = \"me:hunter2@db.example\"",
    ] {
        let (_, whole) = refusal(text);
        assert!(!whole.contains("hunter2"), "{text}: {whole}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_where_it_stops_being_any() {
    let (first, whole) = refusal("[services]\nntp = [\"10.0.0.3\"");
    assert!(first.starts_with(":2:"), "{first}");
    assert!(whole.contains("ntp = ["), "{whole}");
    let deep = format!("x = {}", "[".repeat(100_000));
    assert!(refusal(&deep).0.starts_with(":1:"));
}

#[test]
fn a_machine_is_known_by_address_or_name() {
    let file = parsed(&poller("").replace("10.2.0.7", "poller1.corp.example"));
    let [central, poller] = file.machines() else { panic!("two machines") };
    let here = ["10.0.0.5".parse().unwrap()];
    assert!(central.is_at(&here, "anything"));
    assert!(!poller.is_at(&here, "anything"));
    for name in ["poller1", "POLLER1", "poller1.corp.example"] {
        assert!(poller.is_at(&[], name), "{name}");
        assert!(!central.is_at(&[], name), "{name}");
    }
    assert!(!poller.is_at(&[], ""));
    assert!(is_name_of("poller1", "poller1.lab.example"));
    assert!(!is_name_of("poller1.corp.example", "poller1.lab.example"));
}

#[test]
fn a_file_cut_off_anywhere_is_read_or_refused_with_a_place() {
    let whole = example();
    for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        if let Err(broken) = SiteFile::parse("site.toml", &whole[..end]) {
            assert!(broken.place().starts_with("site.toml"), "{end}: {}", broken.explained());
        }
    }
}

#[test]
fn keys_for_the_time_are_for_a_server_that_is_asked_by_nts() {
    let server = |more: &str| format!("[services]\nntp = {{ host = \"x\", {more} }}\n");
    parsed(&server("nts = { port = 1123, trusted = [\"/a.pem\"], only_trusted = true }"));
    refused(
        &server("protocol = \"ntp\", nts = { port = 1123 }"),
        ":2:32: `nts` beside it is for a server that is asked by nts",
    );
    let (message, _) = refusal(&server("nts = { prot = 1123 }"));
    assert!(message.contains("did you mean `port`?"), "{message}");
}
