//! Faults, each made in network namespaces, and what `preflight` says about them: the one true
//! cause, or that it cannot be told from here; never another fault, and never a pass.
//!
//! A row is a fault as one flow meets it; see `row.rs` for how to add one. The table goes to stdout
//! (`--nocapture`), with `UPDATE_DOCS=1` also to `docs/accuracy.md`; `FAULTS='text|other'` runs the
//! rows that have one of the texts in their name.

// A broken lab must stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)] // the table is for whoever runs this
#![allow(unreachable_pub)] // the lab is shared with other test binaries

#[path = "../lab/mod.rs"]
mod lab;
#[path = "../support/schema.rs"]
#[allow(dead_code)] // The rest is for the tests of the command line.
mod schema;

mod agents;
mod certificates;
mod conversation;
mod curl;
mod early;
mod healthy;
mod idle;
mod mail_and_directory;
mod network;
mod others;
mod own_host;
mod peer;
mod ping;
mod platform;
mod resolvers;
mod row;
mod servers;
mod services;
mod site;
mod slow;
mod speed;
mod strangers;
mod table;
mod time_and_names;
mod together;
mod vpn;
mod web;

use std::sync::{Mutex, PoisonError, mpsc};

use certificates::Certificates;
use row::{Place, Row};
use site::Site;
use table::Table;

/// Held by whoever measures how long something takes.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn every_fault_is_named_and_none_as_another() {
    let _measuring = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let certificates = Certificates::new();
    let rows = selected(all(&certificates));
    let (results, said) = run(&rows, &certificates);
    let table = Table::new(&rows, &results);
    table.print();
    table.write_docs();
    others::write_docs(&said);
    table.assert();
}

/// Rows that race or that chance decides, many times each: `RUNS`, 200 without it.
///
/// Takes minutes, so only `--ignored` runs it; `FAULTS` chooses other rows.
#[test]
#[ignore = "takes minutes"]
fn what_races_is_never_called_anything_else() {
    let _measuring = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let certificates = Certificates::new();
    let runs = std::env::var("RUNS").map_or(200, |runs| runs.parse().unwrap());
    let mut rows = all(&certificates);
    if std::env::var_os("FAULTS").is_some() {
        rows = selected(rows);
    } else {
        rows.retain(|row| RACES.iter().any(|text| row.fault.contains(text)));
    }
    rows.retain(|row| row.place != Place::Alone);
    let results = Site::new(&certificates).run_often(&rows, runs, 16);
    table::print_tally(&rows, &results);
    table::assert_tally(&rows, &results);
}

/// What the names of such rows have in them.
const RACES: [&str; 6] = [
    "is lost at random",
    "RST by the",
    "resets at once",
    "is dropped by the router",
    "hangs up",
    "is dead, by",
];

fn all(certificates: &Certificates) -> Vec<Row> {
    [
        network::rows(certificates),
        services::rows(certificates),
        conversation::rows(certificates),
        time_and_names::rows(),
        resolvers::rows(),
        slow::rows(),
        mail_and_directory::rows(certificates),
        web::rows(certificates),
        platform::rows(certificates),
        strangers::rows(),
        agents::rows(certificates),
        own_host::rows(),
        vpn::rows(),
        ping::rows(),
        early::rows(),
        healthy::rows(certificates),
        idle::rows(),
    ]
    .concat()
}

#[test]
fn a_run_in_which_all_is_silent_ends_in_time() {
    let _measuring = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    speed::assert_silent_run();
}

/// What came of each row, and what other tools said about some.
fn run(rows: &[Row], certificates: &Certificates) -> (Vec<site::Got>, Vec<others::Said>) {
    let is_alone = |row: &&Row| row.place == Place::Alone;
    let (alone, shared): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(is_alone);
    let shared: Vec<Row> = shared.into_iter().cloned().collect();
    let site = Site::new(certificates);
    let (swift_are_done, wait) = mpsc::channel::<()>();
    let (mut of_shared, mut of_alone, said) = std::thread::scope(|scope| {
        let alone = scope.spawn(move || {
            let _hung_up_when_done = wait.recv();
            site::side_by_side(alone.len(), 2, |index| site::run_alone(alone[index], certificates))
        });
        let (of_shared, said) = site.run(&shared, 24, || drop(swift_are_done));
        (of_shared.into_iter(), alone.join().unwrap().into_iter(), said)
    });
    let results = rows
        .iter()
        .map(|row| if is_alone(&row) { of_alone.next() } else { of_shared.next() }.unwrap())
        .collect();
    (results, said)
}

fn selected(rows: Vec<Row>) -> Vec<Row> {
    let wanted = std::env::var("FAULTS").unwrap_or_default();
    rows.into_iter()
        .filter(|row| {
            let name = format!("{} {}", row.fault, row.flow.name);
            wanted.split('|').any(|text| name.contains(text))
        })
        .collect()
}
