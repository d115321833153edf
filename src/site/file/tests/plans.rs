//! What a part of the file means for the plans of each machine.

use super::parsed;
use crate::catalogue::Catalogue;

/// The steps of a machine's plan: flow, host, ports, and what is not asked.
fn planned(text: &str, name: &str) -> Vec<String> {
    use crate::run::plan::{Action, InstallPhase, Settings};
    let file = parsed(text);
    let catalogue = Catalogue::profile("centreon").unwrap();
    file.check(&catalogue, &[]).unwrap_or_else(|broken| panic!("{}", broken.explained()));
    let machine = file.machine(name).unwrap();
    let layer = file.layer(machine, |_| false, None).unwrap();
    let trust = preflight_checks::Trust::only([]);
    let site = crate::site::Site::of_layers(machine.role(), trust, [layer]);
    let settings = Settings {
        only: ["zmq", "ssh", "bbdo", "pull", "remote*"].map(|tail| format!("*.{tail}")).to_vec(),
        trace: false,
        ..Settings::usual(InstallPhase::After)
    };
    let plan = crate::run::plan::plan(&catalogue, &site, &settings);
    let shown = plan.steps.iter().map(|step| match &step.action {
        Action::Ask(question) => {
            let ports: Vec<String> = question
                .ways
                .iter()
                .map(|way| format!("{} {}", way.port, way.port_origin))
                .collect();
            format!("{} {} {}", step.flow, question.target, ports.join(", "))
        }
        Action::Skip(reason) => format!("{} not: {reason}", step.flow),
        Action::Found(mistake) => mistake.to_string(),
    });
    shown.collect()
}

const PLATFORM: &str = r#"
[machine.central]
role = "central"
address = "10.0.0.5"
[machine.poller1]
role = "poller"
address = "10.2.0.7"
mode = "pull"
ports = { zmq = 5557, bbdo = 5670 }
[machine.poller2]
role = "poller"
address = "10.3.0.7"
mode = "zmq"
bbdo = "reversed"
ports = { zmq = 5558, bbdo = 5671 }
"#;

#[test]
fn both_ends_of_a_link_know_who_connects_and_where() {
    assert_eq!(
        planned(PLATFORM, "poller1"),
        [
            "central.zmq not: not in use: the poller connects by ZMQ (pull) (site.toml:8)",
            "central.ssh not: not in use: the poller connects by ZMQ (pull) (site.toml:8)",
            "poller.bbdo 10.0.0.5 5670 site.toml:9",
            "poller.pull 10.0.0.5 5557 site.toml:9",
        ]
    );
    assert_eq!(
        planned(PLATFORM, "poller2"),
        [
            "central.zmq this host 5558 site.toml:15",
            "central.ssh not: not in use: the central connects by ZMQ (site.toml:13)",
            "poller.bbdo not: not in use: the broker connects to the poller (reversed) (site.toml:14)",
            "central.bbdo this host 5671 site.toml:15",
        ]
    );
    assert_eq!(
        planned(PLATFORM, "central"),
        [
            "central.zmq not: not in use: the poller connects by ZMQ (pull) (site.toml:8)",
            "central.zmq 10.3.0.7 5558 site.toml:15",
            "central.ssh not: not in use: the poller connects by ZMQ (pull) (site.toml:8)",
            "central.ssh not: not in use: the central connects by ZMQ (site.toml:13)",
            "poller.bbdo this host 5670 site.toml:9",
            "central.remote-zmq not: no target; give --remote HOST",
            "remote.bbdo this host 5670 site.toml:9",
            "poller.pull this host 5557 site.toml:9",
            "central.bbdo 10.3.0.7 5671 site.toml:15",
        ]
    );
}

#[test]
fn a_remote_server_stands_between_its_pollers_and_the_central() {
    let text = PLATFORM.replace("mode = \"pull\"", "remote = \"remote1\"")
        + "[machine.remote1]\nrole = \"remote\"\naddress = \"10.1.0.5\"\n";
    let poller = planned(&text, "poller1");
    for line in [
        "poller.bbdo not: its remote server remote1 is in between (site.toml:8)",
        "poller.remote-bbdo 10.1.0.5 5670 site.toml:9",
    ] {
        assert!(poller.iter().any(|step| step == line), "{line}: {poller:#?}");
    }
    let central = planned(&text, "central");
    let skipped =
        "central.zmq not: not in use: its remote server connects, not the central (site.toml:8)";
    for line in [skipped, "central.remote-zmq 10.1.0.5 5556 profile"] {
        assert!(central.iter().any(|step| step == line), "{line}: {central:#?}");
    }
    let remote = planned(&text, "remote1");
    for line in [
        "remote.bbdo 10.0.0.5 5669 profile",
        "remote.zmq 10.2.0.7 5557 site.toml:9",
        "poller.remote-bbdo this host 5670 site.toml:9",
    ] {
        assert!(remote.iter().any(|step| step == line), "{line}: {remote:#?}");
    }
    assert!(!remote.iter().any(|step| step.contains("10.3.0.7")), "{remote:#?}");
}

#[test]
fn a_machines_own_servers_replace_those_of_the_platform() {
    let text = "[services]\nntp = [\"10.0.0.3\", \"10.0.0.3\"]\nsmtp = \"10.0.0.25\"\n\
                [machine.a]\nrole = \"poller\"\nservices = { smtp = [], dns = \"10.0.0.53\" }\n\
                devices = [\"10.1.1.1\", \"10.1.1.1\", { host = \"10.1.1.1\", port = 1161 }]";
    let file = parsed(text);
    let layer = file.layer(file.machine("a").unwrap(), |_| false, None).unwrap();
    let hosts = |party: &str| {
        let targets = layer.targets.get(&crate::catalogue::Party(party.to_owned()));
        let hosts = targets.into_iter().flatten().map(|target| target.place.host.as_str());
        hosts.collect::<Vec<_>>()
    };
    assert_eq!((hosts("ntp"), hosts("dns")), (vec!["10.0.0.3"], vec!["10.0.0.53"]));
    assert_eq!(hosts("device"), ["10.1.1.1", "10.1.1.1"]);
    assert_eq!(hosts("smtp"), [""; 0]);
    let without: Vec<&str> = layer.unneeded.keys().map(|party| party.0.as_str()).collect();
    assert_eq!(without, ["smtp"]);
}

#[test]
fn what_the_file_does_not_say_of_a_peer_its_own_files_may() {
    let file = parsed(PLATFORM);
    let mut layer = file.layer(file.machine("poller1").unwrap(), |_| false, None).unwrap();
    let mut own = crate::site::Knowledge::default();
    let at = crate::site::discover::At::file("/etc/x");
    let origin = crate::site::Origin::File(at);
    for host in ["10.0.0.5", "10.9.9.9"] {
        let mut target = crate::site::Target::new(host.parse().unwrap(), origin.clone());
        for (service, value) in [("bbdo", 1), ("ssh", 2)] {
            let port = crate::site::Sourced { value, origin: origin.clone() };
            target.ports.insert(service.to_owned(), port);
        }
        own.add("central", target);
    }
    layer.complete(&own);
    let targets = layer.targets.get(&crate::catalogue::Party("central".to_owned())).unwrap();
    let [central] = targets.as_slice() else { panic!("one central") };
    let ports = central.ports.iter().map(|(name, port)| format!("{name} {}", port.value));
    assert_eq!(ports.collect::<Vec<_>>(), ["bbdo 5670", "ssh 2", "zmq 5557"]);
}
