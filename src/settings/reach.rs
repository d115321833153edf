//! Every row of every profile can be planned before anything is installed: the command line of each.

use std::ffi::OsString;

use crate::catalogue::{Catalogue, Flow, Mode, Role, party_kind, profile_names};
use crate::load::{Request, load};
use crate::run::plan::{Direction, plan};

/// The words behind `preflight plan` that have a row in the plan.
fn command(catalogue: &Catalogue, flow: &Flow) -> Vec<String> {
    let role = |party: &crate::catalogue::Party| {
        catalogue.roles.iter().copied().find(|role| party.is(*role))
    };
    // The machine that opens the connection, else the one that takes it.
    let (asker, is_outbound) = match role(&flow.from) {
        Some(role) => (role, true),
        None => (role(&flow.to).expect("one end is a machine"), false),
    };
    let mut words = vec!["--profile".to_owned(), catalogue.profile.clone()];
    words.extend(["--role".to_owned(), asker.to_string()]);
    if let Some(group) = flow.group.as_ref().filter(|group| **group != asker.to_string()) {
        words.extend(["--group".to_owned(), group.clone()]);
    }
    match flow.mode {
        Some(mode @ (Mode::Zmq | Mode::Ssh | Mode::Pull | Mode::Pullwss)) => {
            words.extend(["--mode".to_owned(), mode.to_string()]);
        }
        Some(Mode::BbdoReversed) => words.extend(["--bbdo".to_owned(), "reversed".to_owned()]),
        Some(Mode::ThroughRemote | Mode::Bbdo) | None => {}
    }
    let version = catalogue.platform_versions.iter().rev();
    let version = version.copied().find(|version| {
        let here = catalogue.clone().at(Some(*version)).flows;
        here.iter().any(|row| row.id == flow.id && row.versions() == flow.versions())
    });
    if let (Some(version), true) = (version, flow.versions().is_some()) {
        words.extend(["--platform-version".to_owned(), version.to_string()]);
    }
    let kind = flow.to.0.as_str();
    let flags = party_kind(kind).map_or(&[][..], |kind| kind.flags);
    match (is_outbound, kind, flags) {
        (false, _, _) => {}
        (true, "proxy", _) => {
            words.extend(["--proxy", "http://peer.example:8080"].map(String::from));
        }
        (true, _, [flag, ..]) => words.extend([flag.flag.to_owned(), "peer.example".to_owned()]),
        (true, _, []) => words.extend(["--target".to_owned(), format!("{kind}=peer.example")]),
    }
    words
}

fn planned(words: &[String]) -> Result<Vec<(String, Direction, bool)>, String> {
    let all = ["preflight", "plan", "--no-discovery"].map(str::to_owned);
    let all = all.into_iter().chain(words.iter().cloned()).map(OsString::from).collect();
    let cli = crate::cli::parse(all).map_err(|error| error.to_string())?;
    let Request::Plan(job) = load(cli.cli).map_err(|refused| refused.to_string())? else {
        return Err("no plan".to_owned());
    };
    let steps = plan(&job.catalogue, &job.site, &job.settings).steps;
    let asked =
        |action: &crate::run::plan::Action| matches!(action, crate::run::plan::Action::Ask(_));
    Ok(steps.into_iter().map(|step| (step.flow, step.direction, asked(&step.action))).collect())
}

#[test]
fn every_row_of_every_profile_is_planned_by_a_command_line() {
    for name in profile_names() {
        let catalogue = Catalogue::profile(name).unwrap();
        for flow in &catalogue.flows {
            let (id, words) = (flow.id.get_ref(), command(&catalogue, flow));
            let line = format!("preflight plan {}", words.join(" "));
            let steps = planned(&words).unwrap_or_else(|reason| panic!("{line}: {reason}"));
            let is_asked = |(flow, _, asked): &(String, Direction, bool)| flow == id && *asked;
            assert!(steps.iter().any(is_asked), "{id}: {line}\n{steps:?}");
        }
    }
}

#[test]
fn a_central_that_polls_and_a_mail_relay_with_a_login_are_a_flag_each() {
    let ids = |line: &str| -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        planned(&words).unwrap().into_iter().map(|(flow, ..)| flow).collect()
    };
    let has = |line: &str, id: &str| ids(line).iter().any(|known| known == id);
    let central = "--profile i-vertix --role central";
    assert!(!has(central, "poller.snmp"));
    assert!(has(&format!("{central} --group basic"), "poller.snmp"));
    let mail = format!("{central} --group mail-auth --smtp relay.example");
    assert!(has(&mail, "central.smtp-auth") && !has(&mail, "central.smtp"));
    assert!(!has("--profile i-vertix --role poller", "remote.zmq"), "no remote server is known");
}

#[test]
fn a_container_poller_fetches_by_websocket_at_its_path() {
    let words = "--profile centreon --role poller --group container --central c.example";
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let steps = planned(&words).unwrap();
    let of = |id: &str| steps.iter().find(|(flow, ..)| flow == id).map(|(_, _, asked)| *asked);
    assert_eq!(of("poller.pullwss"), Some(true));
    assert_eq!(of("central.zmq"), Some(false), "the central opens nothing to a container");
    assert_eq!((of("poller.registry"), of("poller.install-script")), (Some(true), Some(true)));
}

/// What is only in newer versions is in none of the older.
#[test]
fn a_version_chooses_its_rows() {
    let ids = |version: &str| -> Vec<String> {
        let line = "--profile centreon --role poller --group container --central c.example";
        let words = line.split(' ').chain(["--platform-version", version]);
        let words: Vec<String> = words.map(str::to_owned).collect();
        planned(&words).unwrap().into_iter().map(|(flow, ..)| flow).collect()
    };
    let has = |version: &str, id: &str| ids(version).iter().any(|known| known == id);
    assert!(has("26.10", "poller.registry") && !has("25.10", "poller.registry"));
    assert!(has("26.10", "poller.pullwss") && has("24.10.3", "poller.pullwss"));
    let refused = |version: &str| {
        let words = ["--role", "poller", "--platform-version", version].map(str::to_owned);
        planned(&words).unwrap_err()
    };
    assert!(refused("20").contains("`20` is not a version of the platform, as 24.10 is"));
    assert!(refused("20.04").contains("nothing older"));
}

#[test]
fn a_mode_that_is_none_is_refused_and_permissions_keep_their_old_name() {
    let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let refused = |line: &str| planned(&words(line)).unwrap_err();
    assert!(refused("--role poller --mode push").contains("known are zmq, ssh, pull, pullwss"));
    assert!(refused("--role poller --bbdo quic").contains("known are reversed, grpc, tls"));
    assert!(refused("--role poller --require poller.nothing").contains("no flow is called"));
    for line in ["--role poller --mode 640", "--role poller --mode=0640 --mode pull"] {
        assert!(planned(&words(line)).is_ok(), "{line}");
    }
}

#[test]
fn a_required_flow_fails_the_run_though_the_profile_has_it_as_optional() {
    let required = |line: &str| -> bool {
        let words = ["preflight", "plan", "--no-discovery"].into_iter().chain(line.split(' '));
        let cli = crate::cli::parse(words.map(OsString::from).collect()).unwrap();
        let Ok(Request::Plan(job)) = load(cli.cli) else { panic!("a plan") };
        let steps = plan(&job.catalogue, &job.site, &job.settings).steps;
        steps.iter().find(|step| step.flow == "central.ldap").unwrap().required
    };
    let line = format!("--profile centreon --role {} --ldap dc.example", Role::Central);
    assert!(!required(&line));
    assert!(required(&format!("{line} --require central.ldap")));
    assert!(!required(&format!("{line} --optional central.*")));
}
