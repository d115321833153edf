//! Small trees, each with what one program of the machine would make of it.

use serde_json::Value;

use super::run;
use super::tree::Tree;

/// What `discover` says of a tree.
pub(crate) struct Discovered {
    found: Value,
    text: String,
}

impl Discovered {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let (code, text) = run(&Tree::with(files), &["discover", "--format", "json"]);
        assert_eq!(code, Some(0), "{text}");
        Self { found: serde_json::from_str(&text).unwrap(), text }
    }

    /// The values of that kind, each with where it was read.
    pub(crate) fn values(&self, what: &str) -> Vec<String> {
        let found = self.found["found"].as_array().unwrap().iter();
        let of_kind = found.filter(|entry| entry["what"] == what);
        let word = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        of_kind.map(|entry| format!("{} {}", word(entry, "value"), word(entry, "origin"))).collect()
    }

    /// The notes that begin so: file, line and reason.
    pub(crate) fn notes(&self, file: &str) -> Vec<String> {
        let notes = self.found["notes"].as_array().unwrap().iter();
        let word = |note: &Value, key: &str| note[key].as_str().unwrap().to_owned();
        let all = notes.map(|note| format!("{}: {}", word(note, "at"), word(note, "reason")));
        all.filter(|note| note.starts_with(file)).collect()
    }

    /// The codes of its mistakes.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mistakes = self.found["mistakes"].as_array().unwrap().iter();
        mistakes.map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    }
}

/// The steps of one row in a poller's plan: the target, and what is asked or why nothing is.
fn planned(files: &[(&str, &str)], row: &str) -> Vec<String> {
    let words = ["plan", "--role", "poller", "--only", row, "--format", "json"];
    let (code, text) = run(&Tree::with(files), &words);
    // Where nothing of the row can be asked, the plan says so and ends with 2.
    assert!(matches!(code, Some(0 | 2)), "{text}");
    // What stderr says follows.
    let mut parts = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let plan = parts.next().unwrap().unwrap();
    let step = |step: &Value| {
        let id = step["id"].as_str().unwrap().trim_start_matches(row).trim_start_matches('@');
        let ways = step["ask"]["ways"].as_array().into_iter().flatten();
        let ways =
            ways.map(|way| format!(" {} {}", way["protocol"].as_str().unwrap(), way["port"]));
        let skip = step["skip"]["reason"].as_str().map(|reason| format!(" skip {reason}"));
        format!("{id}{}{}", ways.collect::<String>(), skip.unwrap_or_default())
    };
    plan["steps"].as_array().unwrap().iter().map(step).collect()
}

const INCLUDES: &str = "configuration: !include config.d/*.yaml\n";
const GORGONE: &str = "etc/centreon-gorgone/config.d/40-gorgoned.yaml";

#[test]
fn gorgones_aliases_are_what_they_name() {
    let yaml = "x-listen: &listen\n  id: 2\n  external_com_type: tcp\n  \
        external_com_path: \"*:5556\"\ngorgone:\n  gorgonecore: *listen\n  modules:\n    \
        - &engine\n      name: engine\n      \
        package: gorgone::modules::centreon::engine::hooks\n      enable: true\n    - *engine\n";
    let machine =
        Discovered::of(&[("etc/centreon-gorgone/config.yaml", INCLUDES), (GORGONE, yaml)]);
    assert_eq!(machine.values("Gorgone listens on"), [format!("*:5556 /{GORGONE}:4")]);
    assert_eq!(machine.values("role"), [format!("poller /{GORGONE}:8")]);
    assert_eq!(machine.values("Gorgone's modules"), ["engine /etc/centreon-gorgone/config.yaml"]);
    assert_eq!((machine.mistakes(), machine.notes("/etc/centreon")), (vec![], vec![]));
}

#[test]
fn a_gorgone_that_is_only_partly_read_is_not_called_unreachable() {
    let part = "gorgone:\n  gorgonecore: &g {id: *g}\n  modules:\n    \
        - {name: engine, package: gorgone::modules::centreon::engine::hooks, enable: true}\n";
    let whole = part.replace("&g {id: *g}", "{id: 2}");
    for (yaml, mistakes, notes) in
        [(part, &[][..], 1), (whole.as_str(), &["gorgone-unreachable"][..], 0)]
    {
        let machine =
            Discovered::of(&[("etc/centreon-gorgone/config.yaml", INCLUDES), (GORGONE, yaml)]);
        assert_eq!(machine.mistakes(), mistakes, "{}", machine.text);
        assert_eq!(machine.notes("/etc/centreon-gorgone").len(), notes, "{}", machine.text);
    }
}

#[test]
fn apts_lists_of_mirrors_are_what_it_fetches() {
    let machine = Discovered::of(&[
        (
            "etc/apt/sources.list.d/debian.sources",
            "Types: deb deb-src\nURIs: mirror+file:///etc/apt/mirrors/debian.list\n\
             Suites: bookworm bookworm-updates\nComponents: main\n",
        ),
        ("etc/apt/mirrors/debian.list", "https://deb.example.com/debian\n"),
    ]);
    let suite = |suite| {
        format!(
            "https://deb.example.com/debian/dists/{suite}/InRelease /etc/apt/mirrors/debian.list:1"
        )
    };
    assert_eq!(machine.values("repository"), ["bookworm", "bookworm-updates"].map(suite));
    assert_eq!(machine.notes("/etc/apt"), [""; 0]);
}

#[test]
fn a_socks_proxy_in_apts_way_is_asked_by_its_port() {
    let files = [
        (
            "etc/apt/apt.conf.d/80proxy",
            "Acquire::http::Proxy \"socks5h://192.0.2.80:1080\";\n\
             Acquire::http::Proxy::deb2.example.com \"DIRECT\";\n",
        ),
        (
            "etc/apt/sources.list",
            "deb http://deb.example.com/debian bookworm main\n\
             deb tor+https://onion.example.com/debian bookworm main\n",
        ),
    ];
    let http = planned(&files, "poller.http");
    assert!(
        http.contains(
            &"http://deb.example.com/debian/dists/bookworm/InRelease skip unneeded".to_owned()
        ),
        "{http:?}"
    );
    assert_eq!(planned(&files, "poller.proxy"), ["192.0.2.80:1080 tcp 1080"]);
    let note = "/etc/apt/sources.list:2: `tor+https` goes through Tor, a proxy of its own, which is not read";
    assert_eq!(Discovered::of(&files).notes("/etc/apt"), [note]);
}

#[test]
fn one_line_that_apt_refuses_costs_it_all_lists() {
    let machine =
        Discovered::of(&[("etc/apt/sources.list", "deb http://deb.example.com bookworm\n")]);
    assert_eq!(machine.mistakes(), ["line-refused"]);
}

#[test]
fn a_subscription_is_asked_by_its_port_and_through_its_proxy() {
    let rhsm = "[server]\nhostname = subscription.example.com\nproxy_scheme = http\n\
        proxy_hostname = proxy.example.com\nproxy_port = 3128\nno_proxy =\n";
    let repo = "[rhel-9-baseos]\nname = BaseOS\n\
        baseurl = https://cdn.example.com/content/dist/rhel9/$releasever/x86_64/baseos/os\n\
        enabled = 1\nsslverify = 1\nsslcacert = /etc/rhsm/ca/site-uep.pem\n\
        sslclientkey = /etc/pki/entitlement/1-key.pem\n\
        sslclientcert = /etc/pki/entitlement/1.pem\n";
    let files = [
        ("etc/rhsm/rhsm.conf", rhsm),
        ("etc/yum.repos.d/redhat.repo", repo),
        ("etc/os-release", "PLATFORM_ID=\"platform:el9\"\n"),
    ];
    let http = planned(&files, "poller.http");
    for step in [
        "cdn.example.com:443 tcp 443",
        "https://subscription.example.com/subscription skip unneeded",
    ] {
        assert!(http.contains(&step.to_owned()), "{step}: {http:?}");
    }
    assert_eq!(planned(&files, "poller.proxy"), ["http://proxy.example.com:3128 http 3128"]);
}

#[test]
fn each_program_has_the_proxy_of_its_own_files() {
    let drop_in = "[Service]\nEnvironment=\"https_proxy=http://192.0.2.80:3128\"\n";
    let files = [
        ("etc/environment.d/10-proxy.conf", "https_proxy=http://192.0.2.82:3128\n"),
        ("etc/systemd/system/service.d/proxy.conf", drop_in),
        ("etc/wgetrc", "https_proxy = http://192.0.2.83:3128\n"),
        ("etc/security/pam_env.conf", "http_proxy DEFAULT=http://192.0.2.81:3128\n"),
        ("root/.curlrc", "proxy = http://192.0.2.84:3128\n"),
    ];
    let machine = Discovered::of(&files);
    let want = [
        "http://192.0.2.81:3128/ /etc/security/pam_env.conf:1",
        "http://192.0.2.82:3128/ /etc/environment.d/10-proxy.conf:1",
        "http://192.0.2.80:3128/ /etc/systemd/system/service.d/proxy.conf:2",
        "http://192.0.2.83:3128/ /etc/wgetrc:1",
        "http://192.0.2.84:3128/ /root/.curlrc:1",
    ];
    assert_eq!(machine.values("proxy"), want);
    // What services go through is a flow of this machine; what a user's tools do is not.
    assert_eq!(planned(&files, "poller.proxy"), ["http://192.0.2.80:3128 http 3128"]);
}

#[test]
fn behind_a_stub_that_leads_nowhere_stand_the_servers_of_netplan() {
    let tree = Tree::with(&[
        ("etc/systemd/resolved.conf.d/site.conf", "[Resolve]\nDNS=192.0.2.53\n"),
        (
            "etc/netplan/50-site.yaml",
            "network:\n  version: 2\n  ethernets:\n    eth0:\n      \
             nameservers: {addresses: [192.0.2.53], search: [example.com]}\n",
        ),
    ]);
    let stub = "../run/systemd/resolve/stub-resolv.conf";
    std::os::unix::fs::symlink(stub, tree.path().join("etc/resolv.conf")).unwrap();
    let (_, text) = run(&tree, &["discover"]);
    assert!(text.contains("192.0.2.53") && !text.contains("note"), "{text}");
}

#[test]
fn a_copys_loopback_is_never_ours() {
    let resolv = ("etc/resolv.conf", "nameserver 127.0.0.1\n");
    let hosts = ("etc/hosts", "127.0.1.1 poller1\n10.0.0.5 central\n");
    let files = [resolv, hosts, ("etc/dnsmasq.d/site.conf", "server=192.0.2.53\n")];
    let want = ["127.0.0.1 skip own-of-that-machine", "192.0.2.53 dns 53"];
    assert_eq!(planned(&files, "poller.dns"), want);
    // Names mean there what that machine's hosts file says.
    let tree = Tree::with(&files);
    for (host, asks) in [("poller1", None), ("localhost", None), ("central", Some("10.0.0.5"))] {
        let words = ["plan", "--role", "poller", "--only", "poller.bbdo", "--central", host];
        let (_, text) = run(&tree, &[&words[..], &["--format", "json"]].concat());
        // Where nothing can be asked, that is said behind it.
        let mut plans = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let plan = plans.next().unwrap().unwrap();
        assert_eq!(plan["steps"][0]["ask"]["host"].as_str(), asks, "{text}");
    }
}

#[test]
fn traps_arrive_at_the_port_that_a_rule_hands_on() {
    let snmptrapd =
        ("etc/snmp/snmptrapd.conf", "snmpTrapdAddr udp:1162\ndisableAuthorization yes\n");
    let rule = "table ip nat { chain pre { type nat hook prerouting priority -100; \
        udp dport 162 redirect to :1162 } }\n";
    let files = [snmptrapd, ("etc/nftables.conf", rule)];
    let machine = Discovered::of(&files);
    assert_eq!(machine.values("traps arrive at"), ["port 162 /etc/nftables.conf:1"]);
    assert_eq!(machine.notes("/etc/snmp"), [""; 0]);
    let (_, text) =
        run(&Tree::with(&files), &["plan", "--role", "poller", "--only", "poller.trap", "-v"]);
    assert!(text.contains("UDP 162") && text.contains("/etc/nftables.conf:1"), "{text}");
    let alone = Discovered::of(&[snmptrapd]).notes("/etc/snmp");
    assert!(alone[0].contains("no rule in the files hands them on to 1162"), "{alone:?}");
}
