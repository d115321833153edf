use std::sync::Arc;

use preflight_checks::{Trust, snmp};
use secrecy::SecretString;

use super::*;
use crate::catalogue::Mode;
use crate::run::plan::{Action, InstallPhase, Settings, plan};
use crate::site::discover::facts::{
    At, Broker, Device, Gorgone, HostLookup, Listen, Machine, Mail, MailTls, MailTo, Read,
    RoleSign, Share, SnmpMacros, StreamFacts, TimeSource,
};
use crate::site::file::tests::schema::fits;
use crate::site::file::{SiteFile, Vault};
use crate::site::{Site, View};

fn at(file: &str, line: u32) -> At {
    At { file: Arc::from(file), line: Some(line) }
}

fn place(text: &str) -> Place {
    text.parse().unwrap()
}

fn subject(catalogue: &Catalogue, role: Role) -> Subject<'_> {
    Subject {
        name: "here".to_owned(),
        role,
        addresses: vec![[192, 0, 2, 1].into()],
        catalogue,
        whose: "this machine".to_owned(),
    }
}

fn catalogue() -> Catalogue {
    Catalogue::profile("centreon").unwrap()
}

fn stream(host: Option<&str>, port: u16, is_output: bool) -> StreamFacts {
    StreamFacts {
        name: "stream".to_owned(),
        is_output,
        host: host.map(str::to_owned),
        listens_on: None,
        port,
        grpc: false,
        tls: None,
        tls_files: Vec::new(),
        tls_hostname: None,
        compression: None,
        retention: host.is_none(),
        at: at("/etc/centreon-broker/module.json", 12),
    }
}

fn with_broker(facts: &mut Facts, stream: StreamFacts) {
    facts.brokers.push(Broker {
        at: At::file("/etc/centreon-broker/module.json"),
        name: "module".to_owned(),
        is_module: true,
        poller_id: None,
        bbdo_version: None,
        streams: vec![stream],
    });
}

fn gorgone() -> Gorgone {
    Gorgone {
        at: At::file("/etc/centreon-gorgone/config.yaml"),
        listens: None,
        api: None,
        pull: None,
        pullwss: None,
        pullwss_server: None,
        nodes: Vec::new(),
        unknown: None,
        modules: Vec::new(),
    }
}

/// What `facts` mean for that role, without the Internet's usual address.
fn join(facts: &Facts, role: Role) -> Knowledge {
    crate::site::join(facts, View { role, per_group: Some(2), internet: &[] })
}

/// What every machine says: time, mail, its role.
fn basics(role: Role) -> Facts {
    let time =
        |host: &str, line| TimeSource::of(place(host), "chrony", at("/etc/chrony.conf", line));
    Facts {
        roles: vec![RoleSign {
            role,
            at: at("/etc/centreon/conf.pm", 8),
            because: "$instance_mode".to_owned(),
            is_explicit: true,
        }],
        time: vec![time("10.0.0.3", 3), time("[2001:db8::1]:1123", 4)],
        names: vec![Read { value: place("10.0.0.53"), at: at("/etc/resolv.conf", 1) }],
        mail: vec![Mail {
            program: "postfix",
            to: MailTo::Relay { place: place("corp.example:465"), by_mx: true },
            share: Share::Rest,
            tls: MailTls::FromStart,
            login: false,
            from: Vec::new(),
            family: None,
            lookup: HostLookup::System,
            at: at("/etc/postfix/main.cf", 5),
        }],
        ..Facts::default()
    }
}

fn poller() -> Facts {
    let mut facts = basics(Role::Poller);
    with_broker(&mut facts, stream(Some("central.corp.example"), 5670, true));
    let listen = Listen { host: None, port: 5557, tls: false };
    let at = at("/etc/centreon-gorgone/config.d/40-gorgoned.yaml", 9);
    facts.gorgone = Some(Gorgone { listens: Some(Read { value: listen, at }), ..gorgone() });
    facts
}

fn central() -> Facts {
    let mut facts = basics(Role::Central);
    with_broker(&mut facts, stream(None, 5671, false));
    with_broker(&mut facts, stream(Some("10.3.0.7"), 5672, false));
    for mail in &mut facts.mail {
        mail.to = MailTo::Receivers;
    }
    let machine = |name: &str, host: &str, mode, line| Machine {
        id: Some(2),
        name: name.to_owned(),
        role: Role::Poller,
        place: place(host),
        mode: Some(mode),
        at: at("/var/lib/pollers", line),
    };
    facts.machines = vec![
        machine("Poller Süd", "10.2.0.7:5558", Mode::Zmq, 1),
        machine("Poller Süd", "10.3.0.7:2222", Mode::Ssh, 2),
        machine("behind", "10.4.0.7", Mode::ThroughRemote, 3),
    ];
    facts
}

/// Flow, and whom it asks how; what is not asked has no words of its own.
fn steps(role: Role, layers: impl IntoIterator<Item = Knowledge>) -> Vec<String> {
    let settings = Settings { trace: false, ..Settings::usual(InstallPhase::After) };
    let site = Site::of_layers(role, Trust::only([]), layers);
    let plan = plan(&catalogue(), &site, &settings);
    let shown = plan.steps.iter().map(|step| match &step.action {
        Action::Ask(question) => {
            let ways: Vec<String> =
                question.ways.iter().map(|way| format!("{}:{}", way.protocol, way.port)).collect();
            format!("{} {} {:?} {}", step.flow, question.host, question.find, ways.join(" "))
        }
        Action::Skip(_) | Action::Found(_) => format!("{} not asked", step.flow),
    });
    shown.collect()
}

/// Writes a site file of what was found, and reads it again.
fn again(facts: &Facts, layer: &Knowledge, role: Role) -> (String, Knowledge) {
    let catalogue = catalogue();
    let text = write(facts, layer, &subject(&catalogue, role));
    let file = SiteFile::parse("site.toml", &text)
        .unwrap_or_else(|broken| panic!("{}\n{text}", broken.explained()));
    file.check(&catalogue, &[]).unwrap_or_else(|broken| panic!("{}\n{text}", broken.explained()));
    fits(&text);
    let machine = file.machine("here").unwrap();
    let vault = Vault { folder: std::path::Path::new(""), facts: Some(facts) };
    let layer = file.layer(machine, |_| false, Some(&vault));
    let layer = layer.unwrap_or_else(|broken| panic!("{}\n{text}", broken.explained()));
    (text, layer)
}

#[track_caller]
fn plans_the_same(facts: &Facts, role: Role) -> String {
    let found = join(facts, role);
    let (text, said) = again(facts, &found, role);
    assert_eq!(steps(role, [said]), steps(role, [found]), "{text}");
    text
}

#[test]
fn what_is_written_plans_what_was_found() {
    let text = plans_the_same(&poller(), Role::Poller);
    for line in [
        "role = \"poller\" # $instance_mode (/etc/centreon/conf.pm:8)",
        "  \"10.0.0.3\", # /etc/chrony.conf:3",
        "  \"[2001:db8::1]:1123\", # /etc/chrony.conf:4",
        "dns = [\"10.0.0.53\"] # /etc/resolv.conf:1",
        "address = \"central.corp.example\" # /etc/centreon-broker/module.json:12",
        "ports.zmq = 5557 # /etc/centreon-gorgone/config.d/40-gorgoned.yaml:9",
        "ports.bbdo = 5670 # /etc/centreon-broker/module.json:12",
    ] {
        assert!(text.lines().any(|written| written == line), "{line}: {text}");
    }
    let text = plans_the_same(&central(), Role::Central);
    for line in [
        "smtp = [] # no mail relay is set: mail goes to each receiver's own server; give --smtp HOST if there is a relay (/etc/postfix/main.cf:5)",
        "[machine.\"Poller Süd\"]",
        "[machine.\"Poller Süd-2\"]",
        "mode = \"through-remote\" # /var/lib/pollers:3",
        "ports.ssh = 2222 # /var/lib/pollers:2",
        "bbdo = \"reversed\" # /etc/centreon-broker/module.json:12",
    ] {
        assert!(text.lines().any(|written| written == line), "{line}: {text}");
    }
}

#[test]
fn every_way_of_gorgone_and_broker_is_written_so_that_it_is_planned_again() {
    let mut pull = basics(Role::Poller);
    with_broker(&mut pull, stream(Some("10.0.0.5"), 5669, true));
    let central = Read { value: place("10.0.0.5:5559"), at: at("/etc/pull.yaml", 2) };
    pull.gorgone = Some(Gorgone { pull: Some(central), ..gorgone() });
    let mut reversed = basics(Role::Poller);
    with_broker(&mut reversed, stream(None, 5673, true));
    let mut two = poller();
    with_broker(&mut two, stream(Some("10.9.9.9"), 5669, true));
    for (facts, what) in [(pull, "mode = \"pull\""), (reversed, "bbdo = \"reversed\"")] {
        let text = plans_the_same(&facts, Role::Poller);
        assert!(text.contains(what), "{text}");
    }
    // Several centrals have no place in the file: a run takes them as they are found.
    let found = join(&two, Role::Poller);
    let (text, said) = again(&two, &found, Role::Poller);
    assert!(text.contains("# Its files name several centrals"), "{text}");
    assert_eq!(steps(Role::Poller, [said, found.clone()]), steps(Role::Poller, [found]), "{text}");
}

#[test]
fn a_client_of_nts_keeps_its_own_certificates_and_the_port_of_the_time() {
    let mut facts = basics(Role::Poller);
    let source = |host: &str, line| {
        let source = TimeSource::of(place(host), "chrony", at("/etc/chrony.conf", line));
        TimeSource { nts: Some(4460), ..source }
    };
    let own = TimeSource {
        trusted: vec!["/etc/chrony/own.pem".to_owned()],
        only_trusted: true,
        ..source("time.corp.example:1123", 5)
    };
    facts.time = vec![source("nts.example", 4), own];
    let text = plans_the_same(&facts, Role::Poller);
    for part in [
        "{ host = \"nts.example\", port = 4460, protocol = \"nts\" }, # /etc/chrony.conf:4",
        "{ host = \"time.corp.example\", port = 4460, protocol = \"nts\", nts = { port = 1123, trusted = [\"/etc/chrony/own.pem\"], only_trusted = true } }, # /etc/chrony.conf:5",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let found = join(&facts, Role::Poller);
    let (_, said) = again(&facts, &found, Role::Poller);
    let keys = |layer: &Knowledge| {
        let all = layer.targets[&Party("ntp".to_owned())].iter();
        let all = all.map(|target| target.nts.clone().unwrap_or_default());
        all.map(|nts| (nts.port, nts.trusted, nts.only_these)).collect::<Vec<_>>()
    };
    assert_eq!(keys(&said), keys(&found));
}

#[test]
fn a_machine_without_files_gets_a_file_of_examples() {
    for role in [Role::Central, Role::Poller, Role::Remote] {
        let text = plans_the_same(&Facts::default(), role);
        for example in ["#ntp = [", "#[[check]]", "#[credentials.snmp.default]", "#devices = ["] {
            assert!(text.lines().any(|line| line.starts_with(example)), "{example}: {text}");
        }
    }
}

#[test]
fn every_example_is_valid_without_its_mark() {
    for facts in [Facts::default(), poller(), central()] {
        let role = facts.roles.first().map_or(Role::Poller, |sign| sign.role);
        let (text, _) = again(&facts, &join(&facts, role), role);
        let without: Vec<&str> = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(example) if !example.starts_with(' ') => example,
                _ => line,
            })
            .collect();
        let file = SiteFile::parse("site.toml", &without.join("\n"));
        let checked = file.and_then(|file| file.check(&catalogue(), &[]));
        checked.unwrap_or_else(|broken| panic!("{}\n{text}", broken.explained()));
    }
}

fn device(name: &str, address: &str, line: u32, community: &str) -> (Device, Target) {
    let secret = SecretString::from(community);
    let file = at("/etc/centreon-engine/hosts.cfg", line);
    let macros = SnmpMacros { community: Some(secret.clone()), ..SnmpMacros::default() };
    let device = Device {
        name: name.to_owned(),
        address: address.to_owned(),
        template: None,
        snmp: Some(Arc::new(macros)),
        nsclient: false,
        agent: false,
        at: file.clone(),
    };
    let bare = Place { host: address.to_owned(), port: None, url: None };
    let mut target = Target::new(bare, Origin::File(file));
    target.snmp = Some(snmp::Credentials::Community {
        version: snmp::CommunityVersion::V2c,
        community: secret,
    });
    (device, target)
}

#[test]
fn secrets_are_written_as_references_that_lead_back_to_them() {
    let mut facts = poller();
    let mut layer = join(&facts, Role::Poller);
    for (name, address, line, community) in [
        ("switch1", "10.1.1.1", 3, "fake-one"),
        ("switch2", "10.1.1.2", 9, "fake-two"),
        ("switch3", "10.1.1.3", 15, "fake-one"),
    ] {
        let (device, target) = device(name, address, line, community);
        facts.devices.push(device);
        layer.add("device", target);
    }
    let (text, said) = again(&facts, &layer, Role::Poller);
    assert!(!text.contains("fake-"), "{text}");
    for line in [
        "  { host = \"10.1.1.3\", snmp = \"default\" }, # /etc/centreon-engine/hosts.cfg:15",
        "  { host = \"10.1.1.2\", snmp = \"snmp-2\" }, # /etc/centreon-engine/hosts.cfg:9",
        "community = { config = \"/etc/centreon-engine/hosts.cfg:switch2:_SNMPCOMMUNITY\" } # /etc/centreon-engine/hosts.cfg:9",
    ] {
        assert!(text.lines().any(|written| written == line), "{line}: {text}");
    }
    let of = |layer: &Knowledge| {
        let targets = layer.targets.get(&Party("device".to_owned())).unwrap();
        let shown = targets.iter().map(|target| match &target.snmp {
            Some(snmp::Credentials::Community { community, .. }) => {
                secrecy::ExposeSecret::expose_secret(community).to_owned()
            }
            _ => String::new(),
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(of(&said), ["fake-one", "fake-two", "fake-one"]);
}

#[test]
fn names_that_no_site_file_may_hold_are_left_out() {
    let mut facts = poller();
    facts.brokers.clear();
    with_broker(&mut facts, stream(Some("cent\nral\" ]"), 0, true));
    let mut layer = join(&facts, Role::Poller);
    let (hostile, target) = device("a\"\n[machine.x]\u{1b}", "10.1.1.1", 3, "fake-one");
    facts.devices.push(hostile);
    layer.add("device", target);
    let (text, said) = again(&facts, &layer, Role::Poller);
    assert!(text.contains("# Left out, since it is not a host: cent\\nral\" ]"), "{text}");
    assert!(text.contains("devices = [\"10.1.1.1\"]"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("fake-one"), "{text}");
    assert!(!said.targets.contains_key(&Party("central".to_owned())));
}
