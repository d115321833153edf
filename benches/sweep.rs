//! How long does a poller with ten thousand devices take, and is each of them told truly?
//!
//! `cargo bench --bench sweep` makes two network namespaces of its own, answers for ten thousand agents in
//! the far one, and runs the release binary in the near one; beside it, in turns, a floor: one socket, one
//! GET an agent, one repetition, no checks. It needs root, iproute2 and nftables. It fails when a device is
//! lost, never because a figure is over its target. `docs/performance.md` has the figures.

// What it is asked for is a table on stdout.
#![allow(clippy::print_stdout)]

#[path = "sweep/agents.rs"]
mod agents;
#[path = "sweep/far.rs"]
mod far;
#[path = "sweep/floor.rs"]
mod floor;
#[path = "speed/measure.rs"]
mod measure;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use serde_json::Value;

use agents::{Agents, Answers};
use far::Far;
use measure::Run;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Devices of the largest pollers there are.
const DEVICES: usize = 10_000;
/// Devices of one /24.
const IN_A_NETWORK: usize = 250;
/// Runs of each case, unless the first argument behind `--bench` says otherwise.
const RUNS: usize = 3;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let asked = match arguments.peek().and_then(|first| first.to_str()) {
        Some(measure::BETWEEN) => measure::stand_between(arguments.skip(1)),
        Some(floor::FLOOR) => floor::ask_all(arguments.skip(1)),
        // `cargo test --all-targets` starts it too, without this. Cargo puts it last.
        _ if std::env::args().any(|argument| argument == "--bench") => {
            let words = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
            bench(&words.collect::<Vec<_>>())
        }
        _ => {
            println!("this measures: cargo bench --bench sweep");
            Ok(())
        }
    };
    match asked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("sweep: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One network, and what must come of it.
struct Case {
    name: &'static str,
    /// The first device.
    first: Ipv4Addr,
    answers: Answers,
    /// Rules of the far side, for `nft -f -`.
    rules: String,
    /// Devices that work; `None` where packets are lost by chance.
    works: Option<usize>,
    /// Longest time that is aimed at, in seconds.
    target: f64,
    /// Descriptors that the program may open; `None`: as many as the system gives.
    files: Option<u32>,
}

/// `words`: how many runs; the path of another program than this build's; and text that the names of cases hold, none: all.
fn bench(words: &[String]) -> Outcome<()> {
    let is_path = |word: &String| word.contains('/');
    let program = words.iter().find(|word| is_path(word)).map_or(PREFLIGHT, String::as_str);
    let words: Vec<&String> = words.iter().filter(|word| !is_path(word)).collect();
    let runs = words.iter().find_map(|word| word.parse().ok()).unwrap_or(RUNS);
    let is_asked = |name: &str| {
        let mut texts = words.iter().filter(|word| word.parse::<usize>().is_err()).peekable();
        texts.peek().is_none() || texts.any(|text| name.contains(text.as_str()))
    };
    let far = Far::build()?;
    let folder = tempfile::tempdir()?;
    println!("{DEVICES} devices, {runs} runs of each case; time in ms, memory in MiB");
    println!(
        "{:<18} {:>7} {:>7} {:>7} {:>6} {:>6} {:>7} {:>6}",
        "", "floor", "heard", "wall", "CPU", "peak", "works", "x"
    );
    for case in cases().iter().filter(|case| is_asked(case.name)) {
        let site = folder.path().join("site.toml");
        std::fs::write(&site, site_of(case.first))?;
        far.rules(&case.rules)?;
        let agents = Agents::answer(&far, case.answers)?;
        for _ in 0..runs {
            let floor = floor::run(&far, case.first, DEVICES)?;
            let command = ["--site", &site.to_string_lossy()].map(OsString::from);
            let limit = case.files.map(|files| format!("ulimit -n {files}; exec \"$@\""));
            let shell = limit.map(|limit| ["sh".into(), "-c".into(), limit.into(), "sh".into()]);
            let shell = shell.as_ref().map(<[OsString; 4]>::as_slice).unwrap_or_default();
            let command = [shell, &[program.into()], &command, &asking()].concat();
            let command = far.inside(&command);
            let run = measure::run(&command, &ENVIRONMENT)?;
            let told = Told::read(&run).map_err(|why| format!("{}: {why}", case.name))?;
            told.print(case, &floor, &run);
            if let Some(works) = case.works
                && told.works != works
            {
                return Err(format!("{}: {} work, not {works}", case.name, told.works).into());
            }
        }
        agents.end()?;
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    let first = Ipv4Addr::new(10, 98, 128, 1);
    let silent = |share: usize| {
        let silent = (0..DEVICES).filter(|number| number % 10 < share);
        let silent = silent.map(|number| device(first, number).to_string()).collect::<Vec<_>>();
        let silent = silent.join(", ");
        format!(
            "table ip sweep {{
                set silent {{ type ipv4_addr; elements = {{ {silent} }} }}
                chain input {{ type filter hook input priority 0; ip daddr @silent drop; }}
            }}"
        )
    };
    let loss = "table ip sweep {
        chain input { type filter hook input priority 0; numgen random mod 100 < 20 drop; }
    }";
    let case = |name, answers, rules, works, target| Case {
        name,
        first,
        answers,
        rules,
        works,
        target,
        files: None,
    };
    vec![
        case("all answer", Answers::Healthy, String::new(), Some(DEVICES), 0.4),
        case("10 % silent", Answers::Healthy, silent(1), Some(DEVICES / 10 * 9), 3.5),
        case("50 % silent", Answers::Healthy, silent(5), Some(DEVICES / 2), 4.0),
        case("garbage", Answers::Garbage, String::new(), Some(0), 4.0),
        case("a thousand answers", Answers::Again, String::new(), Some(DEVICES), 4.0),
        case("a stranger's flood", Answers::Flood, String::new(), Some(DEVICES), 4.0),
        Case {
            files: Some(64),
            ..case("64 descriptors", Answers::Healthy, String::new(), Some(DEVICES), 4.0)
        },
        case("20 % loss", Answers::Healthy, loss.to_owned(), None, 4.0),
        Case {
            // A route of the router's says that nobody may go there.
            first: Ipv4Addr::new(10, 99, 128, 1),
            ..case("rejecting router", Answers::Healthy, String::new(), Some(0), 4.0)
        },
    ]
}

/// The device of this number: 250 in each /24.
fn device(first: Ipv4Addr, number: usize) -> Ipv4Addr {
    let [a, b, c, d] = first.octets();
    let add = |to: u8, what: usize| to.wrapping_add(u8::try_from(what).unwrap_or(u8::MAX));
    Ipv4Addr::new(a, b, add(c, number / IN_A_NETWORK), add(d, number % IN_A_NETWORK))
}

/// A platform with one poller and all devices, read with the community of the far side.
fn site_of(first: Ipv4Addr) -> String {
    let devices: Vec<String> =
        (0..DEVICES).map(|number| format!("\"{}\"", device(first, number))).collect();
    format!(
        "[machine.central]\nrole = \"central\"\naddress = \"10.97.0.1\"\n\
         [machine.poller]\nrole = \"poller\"\naddress = \"10.97.0.2\"\ncentral = \"central\"\n\
         devices = [{}]\n\
         [credentials.snmp.default]\nversion = \"2c\"\n\
         community = {{ env = \"PREFLIGHT_SNMP_COMMUNITY\" }}\n",
        devices.join(", ")
    )
}

/// The rest of the command line: SNMP alone.
fn asking() -> Vec<OsString> {
    let words =
        "--as poller --no-discovery --phase after --all-devices --only poller.snmp --format json";
    words.split(' ').map(OsString::from).collect()
}

/// What a report says of the devices.
struct Told {
    works: usize,
    /// Of those that do not work: how many of each cause.
    causes: BTreeMap<String, usize>,
}

impl Told {
    fn read(run: &Run) -> Outcome<Self> {
        let report: Value = serde_json::from_slice(&run.stdout)
            .map_err(|error| format!("exit code {:?}, and no report: {error}", run.code))?;
        let steps =
            report.get("steps").and_then(Value::as_array).ok_or("a report without steps")?;
        let (mut works, mut causes) = (0, BTreeMap::new());
        let mut told = 0;
        for step in steps {
            let text = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default();
            if text("flow") != "poller.snmp" {
                continue;
            }
            told += 1;
            if matches!(text("outcome"), "pass" | "warn") {
                works += 1;
            } else {
                let code = step.pointer("/cause/code").and_then(Value::as_str);
                *causes.entry(code.unwrap_or("none").to_owned()).or_default() += 1;
            }
        }
        if told == DEVICES {
            Ok(Self { works, causes })
        } else {
            Err(format!("{told} rows").into())
        }
    }

    fn print(&self, case: &Case, floor: &floor::Floor, run: &Run) {
        let (floor_ms, wall) = (floor.took.as_secs_f64() * 1e3, run.wall.as_secs_f64() * 1e3);
        println!(
            "{:<18} {floor_ms:>7.0} {:>7} {wall:>7.0} {:>6.0} {:>6.1} {:>7} {:>6.1}  {}",
            case.name,
            floor.heard,
            run.cpu.as_secs_f64() * 1e3,
            f64::from(u32::try_from(run.peak_kib).unwrap_or(u32::MAX)) / 1024.0,
            self.works,
            wall / floor_ms,
            if wall <= case.target * 1e3 { "met" } else { "MISSED" },
        );
        for (code, count) in &self.causes {
            println!("    {count} {code}");
        }
    }
}

/// The binary that this very build made.
const PREFLIGHT: &str = env!("CARGO_BIN_EXE_preflight");
/// All that a run sees of the environment.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", far::PATH), ("PREFLIGHT_SNMP_COMMUNITY", agents::COMMUNITY)];
