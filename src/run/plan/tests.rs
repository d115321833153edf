//! Whole plans, compared.

use preflight_checks::{SERVICES, Trust, http, snmp};

use super::*;

fn settings() -> Settings {
    Settings::usual(InstallPhase::Before)
}

fn site(role: Role, targets: &[(&str, &str)]) -> Site {
    let mut site = Site::of(role, Trust::only([]));
    for (party, text) in targets {
        let target = Target::new(text.parse().unwrap(), Origin::flag("--test"));
        site.targets.entry(Party((*party).to_owned())).or_default().push(target);
    }
    site
}

/// Each step as "id: protocol host:port origin" or its skip.
fn lines(site: &Site, settings: &Settings) -> Vec<String> {
    let catalogue = Catalogue::profile("i-vertix").unwrap();
    plan(&catalogue, site, settings).steps.iter().map(line).collect()
}

fn line(step: &Step) -> String {
    match &step.action {
        Action::Skip(reason) => format!("{}: {reason}", step.id),
        Action::Found(mistake) => format!("{}: {mistake}", step.id),
        Action::Ask(question) => {
            let way = |asked: &Asked| {
                format!("{}:{} ({})", asked.protocol, asked.port, asked.port_origin)
            };
            let ways: Vec<String> = question.ways.iter().map(way).collect();
            let also = question.also_try.as_ref().map(|asked| format!(" else {}", asked.port));
            format!("{}: {} {}{}", step.id, question.host, ways.join(" "), also.unwrap_or_default())
        }
    }
}

#[test]
fn a_poller_without_targets_knows_only_the_internet_and_itself() {
    let lines = lines(&site(Role::Poller, &[]), &settings());
    assert_eq!(
        lines,
        [
            "poller.ntp: no target; give --ntp HOST",
            "poller.dns: no target; give --dns HOST",
            "poller.smtp: no target; give --smtp HOST",
            "poller.http: no target; give --http HOST",
            "central.zmq: 0.0.0.0 zmq:5666 (profile)",
            "central.ssh: 0.0.0.0 ssh:22 (profile)",
            "poller.bbdo: no target; give --central HOST",
            "poller.snmp: no target; give --device HOST",
            "poller.trap: 0.0.0.0 trap:162 (profile)",
            "poller.nsclient: no target; give --nsclient HOST",
        ]
    );
}

#[test]
fn a_port_of_tls_is_asked_with_tls() {
    let targets =
        [("smtp", "10.0.0.25:465"), ("smtp", "10.0.0.26:587"), ("smtp", "smtp://10.0.0.27:465")];
    let only = Settings { only: vec!["poller.smtp".to_owned()], ..settings() };
    let want = [
        "poller.smtp@10.0.0.25:465: 10.0.0.25 smtps:465 (--test)",
        "poller.smtp@10.0.0.26:587: 10.0.0.26 smtp:587 (--test)",
        "poller.smtp@smtp://10.0.0.27:465: 10.0.0.27 smtp:465 (--test)",
    ];
    assert_eq!(lines(&site(Role::Poller, &targets), &only), want);
}

#[test]
fn a_central_asks_its_poller_and_looks_at_its_own_broker() {
    let site = site(Role::Central, &[("poller", "10.0.0.9"), ("ldap", "ldap://dc1")]);
    let lines = lines(&site, &settings());
    assert!(
        lines.contains(&"central.zmq@10.0.0.9: 10.0.0.9 zmq:5666 (profile) else 5556".to_owned())
    );
    assert!(lines.contains(&"central.ssh@10.0.0.9: 10.0.0.9 ssh:22 (profile)".to_owned()));
    assert!(lines.contains(&"central.ldap@ldap://dc1: dc1 ldap:389 (profile)".to_owned()));
    assert!(lines.contains(&"poller.bbdo: 0.0.0.0 bbdo:5669 (profile)".to_owned()));
}

#[test]
fn one_of_two_ports_suffices_until_the_target_names_one() {
    let both = site(Role::Central, &[("ldap", "dc1")]);
    let lines_of = |site: &Site| {
        let only = Settings { only: vec!["central.ldap".to_owned()], ..settings() };
        lines(site, &only)
    };
    assert_eq!(lines_of(&both), ["central.ldap@dc1: dc1 ldaps:636 (profile) ldap:389 (profile)"]);
    let one = site(Role::Central, &[("ldap", "dc1:389")]);
    assert_eq!(lines_of(&one), ["central.ldap@dc1:389: dc1 ldap:389 (--test)"]);
}

#[test]
fn two_ports_of_one_host_are_two_steps() {
    let site = site(Role::Poller, &[("device", "10.1.1.1:161"), ("device", "10.1.1.1:1161")]);
    let only = Settings { only: vec!["poller.snmp".to_owned()], ..settings() };
    let catalogue = Catalogue::profile("i-vertix").unwrap();
    let ids: Vec<String> =
        plan(&catalogue, &site, &only).steps.into_iter().map(|step| step.id).collect();
    assert_eq!(ids, ["poller.snmp@10.1.1.1:161", "poller.snmp@10.1.1.1:1161"]);
}

#[test]
fn a_port_that_was_given_is_not_guessed_around() {
    let mut site = site(Role::Central, &[("poller", "10.0.0.9")]);
    let port = Sourced { value: 5556, origin: Origin::flag("--port") };
    site.ports.insert("central.zmq".to_owned(), port);
    let only = Settings { only: vec!["central.zmq".to_owned()], ..settings() };
    assert_eq!(lines(&site, &only), ["central.zmq@10.0.0.9: 10.0.0.9 zmq:5556 (--port)"]);
}

#[test]
fn a_skip_keeps_its_reason_and_its_row() {
    let skip = vec![("poller.s*".to_owned(), Some("mail goes another way".to_owned()))];
    let settings = Settings { skip, ..settings() };
    let lines = lines(&site(Role::Poller, &[("smtp", "10.0.0.25")]), &settings);
    let smtp = "poller.smtp@10.0.0.25: skipped: mail goes another way".to_owned();
    assert!(lines.contains(&smtp), "{lines:#?}");
}

#[test]
fn the_vpn_is_a_flow_of_its_own_and_carries_the_platform() {
    let site = site(Role::Poller, &[("vpn", "vpn.example"), ("central", "10.8.0.1")]);
    let catalogue = Catalogue::profile("i-vertix").unwrap();
    let plan = plan(&catalogue, &site, &settings());
    let step = |flow: &str| plan.steps.iter().find(|step| step.flow == flow).unwrap();
    assert_eq!(line(step("poller.vpn")), "poller.vpn@vpn.example: vpn.example tls:443 (profile)");
    assert_eq!(step("poller.bbdo").through_vpn.as_deref(), Some("vpn.example"));
    assert_eq!(step("poller.http").through_vpn, None);
    let Action::Ask(question) = &step("poller.vpn").action else { panic!("it is asked") };
    let Probe::Tls(gateway) = &question.ways[0].probe else { panic!("by TLS") };
    assert!(gateway.of_vpn);
}

#[test]
fn only_names_that_dns_must_know_are_asked_of_it() {
    let mut site = site(
        Role::Poller,
        &[
            ("central", "central.corp.example"),
            ("smtp", "10.0.0.25"),
            ("ntp", "ntp"),
            ("ldap", "DC1.corp.example"),
        ],
    );
    site.hosts_names = vec!["dc1.corp.example".to_owned()];
    assert_eq!(names_needed(&site), ["central.corp.example"]);
}

#[test]
fn a_proxy_is_asked_instead_of_the_internet_and_of_nobody_else() {
    let mut site = site(Role::Central, &[("poller", "10.0.0.5")]);
    let url = "http://proxy.corp.example:3128".parse().unwrap();
    let proxy = http::Proxy { url, user: None, password: None };
    site.proxy = Some(Sourced { value: proxy, origin: Origin::flag("--proxy") });
    let lines = lines(&site, &settings());
    let internet =
        "central.http@https://api.portal.i-vertix.cloud: proxy.corp.example https:3128 (--proxy)";
    assert!(lines.contains(&internet.to_owned()), "{lines:#?}");
    assert!(lines.contains(&"central.ssh@10.0.0.5: 10.0.0.5 ssh:22 (profile)".to_owned()));
}

#[test]
fn globs_stand_for_any_text() {
    for (glob, id, fits) in [
        ("poller.*", "poller.ntp", true),
        ("*.ntp", "poller.ntp", true),
        ("p*r.*p", "poller.ntp", true),
        ("poller.ntp", "poller.ntp", true),
        ("poller", "poller.ntp", false),
        ("*.dns", "poller.ntp", false),
    ] {
        assert_eq!(matches(glob, id), fits, "{glob} on {id}");
    }
}

#[test]
fn a_plan_shows_no_secret() {
    let mut site = site(Role::Poller, &[("device", "10.1.1.1")]);
    site.snmp = snmp::Credentials::Community {
        version: snmp::CommunityVersion::V2c,
        community: secrecy::SecretString::from("obviously-fake-secret"),
    };
    let catalogue = Catalogue::profile("i-vertix").unwrap();
    let plan = plan(&catalogue, &site, &settings());
    let texts = [serde_json::to_string(&plan).unwrap(), format!("{plan:?}")];
    assert!(texts.iter().all(|text| !text.contains("obviously-fake-secret")));
}

#[test]
fn a_websocket_is_asked_for_on_the_path_of_its_url() {
    let path = |check: &str| {
        let mut site = Site::of(Role::Poller, Trust::only([]));
        site.custom.push(check.parse().unwrap());
        let catalogue = Catalogue::profile("i-vertix").unwrap();
        let plan = plan(&catalogue, &site, &settings());
        let step = plan.steps.into_iter().find(|step| step.flow == "custom.x").unwrap();
        let Action::Ask(question) = step.action else { panic!("it is asked") };
        let Probe::Pullwss(probe) = question.ways[0].probe.clone() else { panic!("pullwss") };
        (probe.path, probe.tls, question.ways[0].port)
    };
    assert_eq!(path("x=pullwss://central"), ("/".to_owned(), false, 8086));
    assert_eq!(path("x=pullwss://central:81/a/b"), ("/a/b".to_owned(), false, 81));
    let apache = "/centreon/gorgone/pullwss/websocket".to_owned();
    assert_eq!(path("x=pullwss-tls://central"), (apache, true, 443));
    assert_eq!(path("x=pullwss-tls://central/ws"), ("/ws".to_owned(), true, 443));
}

/// The steps of a run that are required, by id.
fn required(profile: &str, site: &Site, settings: &Settings) -> Vec<String> {
    let steps = plan(&Catalogue::profile(profile).unwrap(), site, settings).steps.into_iter();
    steps.filter(|step| step.required).map(|step| step.id).collect()
}

#[test]
fn what_this_machine_listens_on_counts_once_it_is_installed_and_set_up_so() {
    let own = ["central.zmq", "central.ssh", "poller.trap"].map(str::to_owned);
    let of = |site: &Site, phase| {
        let only = own.to_vec();
        required("i-vertix", site, &Settings { phase, only, ..settings() })
    };
    let mut site = site(Role::Poller, &[]);
    assert_eq!(of(&site, InstallPhase::Before), [""; 0]);
    assert_eq!(of(&site, InstallPhase::After), own[1..], "nothing says that the central connects");
    let at = |value| Sourced { value, origin: Origin::flag("--test") };
    site.modes.push(at(Mode::Zmq));
    assert_eq!(of(&site, InstallPhase::After), own);
    assert_eq!(of(&site, InstallPhase::Before), [""; 0]);
}

#[test]
fn a_group_that_is_switched_on_counts_unless_the_user_says_otherwise() {
    let site = site(Role::Poller, &[("ncb-device", "a.example"), ("central", "b.example")]);
    let only = vec!["poller.nc*".to_owned(), "poller.ncb".to_owned()];
    let groups = vec!["ncb".to_owned()];
    let mut settings = Settings { only, groups, ..settings() };
    let both = ["poller.ncb@b.example", "poller.ncb-device@a.example"];
    assert_eq!(required("i-vertix", &site, &settings), both);
    settings.tuned.optional = vec![Spanned::new(0..0, "poller.ncb-*".to_owned())];
    assert_eq!(required("i-vertix", &site, &settings), both[..1]);
}

/// A configuration with agents that are connected to need not listen for any.
#[test]
fn a_group_that_files_switch_on_counts_where_they_say_that_it_listens() {
    let mut site = site(Role::Poller, &[]);
    site.groups.push("cma".to_owned());
    let only = vec!["poller.cma".to_owned()];
    let settings = Settings { phase: InstallPhase::After, only, ..settings() };
    assert_eq!(required("centreon", &site, &settings), [""; 0]);
    let origin = Origin::flag("--test");
    site.listens.insert("agents".to_owned(), Sourced { value: 4317, origin });
    assert_eq!(required("centreon", &site, &settings), ["poller.cma"]);
}

#[test]
fn only_what_the_installation_brings_may_be_closed_before_it() {
    let waits = |profile: &str| -> Vec<String> {
        let flows = Catalogue::profile(profile).unwrap().flows;
        let waits = flows.into_iter().filter(|flow| flow.until.is_some());
        waits.map(|flow| flow.id.into_inner()).collect()
    };
    let i_vertix = [
        "central.zmq",
        "central.ssh",
        "poller.bbdo",
        "poller.pull",
        "poller.pullwss",
        "central.bbdo",
        "central.remote-zmq",
        "central.remote-ssh",
        "remote.bbdo",
        "remote.zmq",
        "remote.ssh",
        "poller.remote-bbdo",
        "central.gorgone-api",
        "remote.gorgone-api",
        "poller.trap",
        "poller.ncb",
        "central.nta-ssh",
        "central.nta-api",
        "poller.nta",
        "poller.netflow",
        "central.bi",
    ];
    assert_eq!(waits("i-vertix"), i_vertix);
    // Centreon's own servers and its extensions besides; nobody's time, names, mail, directory,
    // database, web, proxy, device, agent or cloud.
    let centreon = [
        "central.zmq",
        "central.ssh",
        "poller.bbdo",
        "poller.register",
        "central.remote-zmq",
        "remote.bbdo",
        "remote.register",
        "remote.zmq",
        "remote.ssh",
        "poller.remote-bbdo",
        "poller.remote-register",
        "poller.pull",
        "poller.pullwss",
        "poller.pullwss",
        "central.bbdo",
        "central.gorgone-api",
        "remote.gorgone-api",
        "poller.trap",
        "map.broker",
        "map.web",
        "central.mbi",
        "central.mbi-database",
        "central.ha-ssh",
        "central.ha-rrd",
        "central.ha-qdevice",
        "central.ha-pcs",
        "central.ha-corosync",
        "database.ha-mysql",
        "database.ha-ssh",
        "database.ha-pcs",
        "database.ha-corosync",
        "database.ha-qdevice",
        "poller.cma",
        "poller.vmware",
    ];
    assert_eq!(waits("centreon"), centreon);
    assert_eq!(waits("centreon-cloud"), ["poller.trap", "poller.cma"]);
}

#[test]
fn any_flow_may_be_told_to_wait() {
    let mut site = site(Role::Poller, &[("ntp", "10.0.0.3")]);
    site.custom.push("app=tcp://10.0.0.9:8080".parse().unwrap());
    let waits = |settings: &Settings| -> Vec<String> {
        let steps = plan(&Catalogue::profile("i-vertix").unwrap(), &site, settings).steps;
        steps.into_iter().filter(|step| step.may_wait(settings.phase)).map(|s| s.flow).collect()
    };
    let only = ["poller.ntp", "custom.app"].map(str::to_owned).to_vec();
    let mut settings = Settings { only, ..settings() };
    assert_eq!(waits(&settings), [""; 0]);
    settings.tuned.until_installed = vec![Spanned::new(0..0, "custom.*".to_owned())];
    assert_eq!(waits(&settings), ["custom.app"]);
    settings.phase = InstallPhase::After;
    assert_eq!(waits(&settings), [""; 0]);
}

/// As the tables have it: TCP 80, 443.
#[test]
fn the_internet_is_one_of_two_ports_until_a_url_or_a_proxy_pins_one() {
    let only = |flow: &str| Settings { only: vec![flow.to_owned()], ..settings() };
    assert_eq!(
        lines(&site(Role::Central, &[]), &only("central.http")),
        ["central.http@api.portal.i-vertix.cloud: api.portal.i-vertix.cloud https:443 (profile) \
             http:80 (profile)"]
    );
    // The portal is the central's: where a poller's updates come from, its files say.
    assert_eq!(
        lines(&site(Role::Poller, &[]), &only("poller.http")),
        ["poller.http: no target; give --http HOST"]
    );
    let probes = |place: &str| -> Vec<(String, bool)> {
        let site = site(Role::Poller, &[("http", place)]);
        let steps = plan(&Catalogue::profile("i-vertix").unwrap(), &site, &only("poller.http"));
        let Action::Ask(question) = &steps.steps[0].action else { panic!("it is asked") };
        let http = |asked: &Asked| match &asked.probe {
            Probe::Http(probe) => {
                (probe.url.to_string(), probe.accept == http::Accept::Below500 && probe.is_public)
            }
            other => panic!("{other:?}"),
        };
        question.ways.iter().map(http).collect()
    };
    let of = |all: &[(&str, bool)]| -> Vec<(String, bool)> {
        all.iter().map(|(url, is)| ((*url).to_owned(), *is)).collect()
    };
    let mirror = [("https://mirror.example/", false), ("http://mirror.example/", false)];
    assert_eq!(probes("mirror.example"), of(&mirror));
    assert_eq!(probes("http://mirror.example/x"), of(&[("http://mirror.example/x", false)]));
    // The profile's own, given once more: nobody chose it for its page.
    let portal = [("https://api.portal.i-vertix.cloud/", true)];
    assert_eq!(probes("https://api.portal.i-vertix.cloud"), of(&portal));
}

#[test]
fn every_service_can_be_asked_for_by_its_name() {
    let catalogue = Catalogue::profile("i-vertix").unwrap();
    for service in SERVICES {
        let mut site = Site::of(Role::Poller, Trust::only([]));
        let port = if service.transport.has_ports() { 4711 } else { 0 };
        let at = if port == 0 { String::new() } else { format!(":{port}") };
        let check = format!("x={}://host.example{at}", service.name);
        site.custom.push(check.parse().unwrap_or_else(|reason| panic!("{check}: {reason}")));
        let only = Settings { only: vec!["custom.x".to_owned()], ..settings() };
        let steps = plan(&catalogue, &site, &only).steps;
        let [Step { action: Action::Ask(question), .. }] = steps.as_slice() else {
            panic!("{check}: {steps:#?}")
        };
        let [asked] = question.ways.as_slice() else { panic!("{check}: {question:#?}") };
        let service_asked = asked.probe.service().name;
        assert_eq!((service_asked, asked.protocol, asked.port), (service.name, service.name, port));
    }
}

#[test]
fn a_poller_that_waits_for_its_broker_needs_no_central_to_connect_to() {
    let mut site = site(Role::Poller, &[]);
    let origin = Origin::flag("--test");
    site.modes.push(Sourced { value: Mode::BbdoReversed, origin });
    let only = Settings { only: vec!["poller.bbdo".to_owned()], ..settings() };
    assert_eq!(
        lines(&site, &only),
        ["poller.bbdo: not in use: the broker connects to the poller (reversed) (--test)"]
    );
}
