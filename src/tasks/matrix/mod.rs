//! `preflight merge`: who reaches whom, over all machines of a site?
//!
//! Reports are read one after the other; of each only what the matrix needs is kept.

mod causes;
mod clocks;
mod csv;
mod grid;
mod html;
mod markdown;
mod places;
mod quarrel;
mod seen;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::report::OutputFormat;
use crate::report::{Canvas, Ending, Report, SCHEMA_VERSION, json};
use crate::run::outcome::Outcome;
use causes::SharedCause;
use clocks::Clock;
use places::Places;
use quarrel::{Disagreement, OneSided};
use seen::{AskedFlow, MachineRun};

/// Who reaches whom.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Matrix {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub(crate) schema_version: u32,
    /// The machines that were asked.
    pub(crate) machines: Vec<MatrixMachine>,
    /// What a reader must know of the reports.
    pub(crate) notes: Vec<String>,
    /// Where two machines say what cannot both be.
    pub(crate) disagreements: Vec<Disagreement>,
    /// Where one direction works and the other is blocked.
    pub(crate) one_sided: Vec<OneSided>,
    /// Clocks that are not as the others'.
    pub(crate) clocks: Vec<Clock>,
    /// Each root cause once, that of the most steps first.
    pub(crate) causes: Vec<SharedCause>,
    /// Each pair between which a flow was asked.
    pub(crate) cells: Vec<Cell>,
    /// The gravest exit code of the runs: 1, 3, 2 or 0.
    pub(crate) exit_code: u8,
}

/// The JSON Schema of what `merge --format json` writes.
pub(crate) fn schema() -> String {
    json::schema(json::schemas().into_root_schema_for::<Matrix>(), "merge")
}

/// One machine that was asked.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct MatrixMachine {
    /// Its name, with an address when several have that name.
    pub(crate) name: String,
    /// What it is; several for a machine that is more than one thing.
    pub(crate) roles: Vec<String>,
    /// The addresses that the machine has.
    pub(crate) addresses: Vec<IpAddr>,
    /// When it was asked, RFC 3339.
    pub(crate) started_at: String,
    /// Time server minus this machine, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clock_ms: Option<f64>,
}

/// The flows from one machine to one place.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Cell {
    /// The machine's name.
    pub(crate) from: String,
    /// A machine's name, or the target as configured.
    pub(crate) to: String,
    /// A machine's role, or what the flows call it: `central`, `ntp`, `device`.
    pub(crate) kind: String,
    /// Is it one of the machines?
    pub(crate) machine: bool,
    /// The worst outcome of them.
    pub(crate) worst: Outcome,
    /// How many have which outcome.
    pub(crate) counts: BTreeMap<Outcome, usize>,
    /// Each flow and its outcome; the cause's code where there is one.
    pub(crate) flows: Vec<CellFlow>,
}

/// One flow of a cell.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct CellFlow {
    /// The flow's id.
    pub(crate) flow: String,
    /// How the step ended.
    pub(crate) outcome: Outcome,
    /// Why it fails or cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
}

/// Reads report after report, and keeps little of each.
#[derive(Debug, Default)]
pub(crate) struct MatrixSite {
    runs: Vec<MachineRun>,
    /// Runs by what makes them of one machine, so that a second one is noticed.
    known: HashMap<(String, Vec<IpAddr>, String), usize>,
    notes: Vec<String>,
}

impl MatrixSite {
    /// Takes what the matrix needs. Of two runs of one machine in one role the newer counts.
    pub(crate) fn add(&mut self, report: &Report) {
        let run = MachineRun::of(report);
        let key = (run.host.clone(), run.addresses.clone(), run.role.clone());
        let known = self.known.get(&key).copied();
        let Some(older) = known.and_then(|index| self.runs.get_mut(index)) else {
            self.known.insert(key, self.runs.len());
            self.runs.push(run);
            return;
        };
        let at = |run: &MachineRun| run.started_at.parse::<jiff::Timestamp>().ok();
        let (dropped, counts) = if at(&run) >= at(older) {
            let dropped = std::mem::replace(older, run);
            (dropped.started_at, older.started_at.clone())
        } else {
            (run.started_at, older.started_at.clone())
        };
        self.notes.push(format!(
            "{}: two runs are given; that of {counts} counts, that of {dropped} does not",
            older.host
        ));
    }

    /// The matrix of all that was added.
    pub(crate) fn matrix(self) -> Matrix {
        let Self { runs, mut notes, .. } = self;
        let (machines, of) = machines(&runs);
        let site = Linked::new(&runs, &machines, &of);
        notes.extend(runs_apart(&runs));
        notes.extend(interrupted(&runs));
        Matrix {
            schema_version: SCHEMA_VERSION,
            disagreements: quarrel::disagreements(&site),
            one_sided: quarrel::one_sided(&site),
            clocks: clocks::clocks(&machines),
            causes: causes::causes(&site),
            cells: cells(&site),
            exit_code: gravest(&runs),
            notes,
            machines,
        }
    }
}

/// Each machine once, and for each run whose it is.
fn machines(runs: &[MachineRun]) -> (Vec<MatrixMachine>, Vec<usize>) {
    let mut machines: Vec<MatrixMachine> = Vec::new();
    let mut known: HashMap<(&str, &[IpAddr]), usize> = HashMap::new();
    let mut called: HashMap<&str, usize> = HashMap::new();
    let mut of = Vec::new();
    for run in runs {
        let next = machines.len();
        let index = *known.entry((&run.host, &run.addresses)).or_insert(next);
        of.push(index);
        if let Some(machine) = machines.get_mut(index) {
            machine.roles.push(run.role.clone());
            machine.clock_ms = machine.clock_ms.or(run.clock_ms);
            continue;
        }
        *called.entry(&run.host).or_default() += 1;
        machines.push(MatrixMachine {
            name: run.host.clone(),
            roles: vec![run.role.clone()],
            addresses: run.addresses.clone(),
            started_at: run.started_at.clone(),
            clock_ms: run.clock_ms,
        });
    }
    for machine in &mut machines {
        if called.get(machine.name.as_str()).is_some_and(|count| *count > 1) {
            let address = machine.addresses.first().map(ToString::to_string);
            machine.name =
                format!("{} ({})", machine.name, address.as_deref().unwrap_or("no address"));
        }
    }
    (machines, of)
}

/// Runs whose flows know where they go.
struct Linked<'a> {
    machines: &'a [MatrixMachine],
    /// Each flow, the machine it is from, and the machine it goes to, if it is one of ours.
    flows: Vec<(usize, &'a AskedFlow, Option<usize>)>,
}

impl<'a> Linked<'a> {
    fn new(runs: &'a [MachineRun], machines: &'a [MatrixMachine], of: &[usize]) -> Self {
        let places = Places::of(of.iter().copied().zip(runs));
        let mut flows = Vec::new();
        for (from, run) in of.iter().copied().zip(runs) {
            for flow in &run.flows {
                let to = if flow.inbound { None } else { places.target(from, flow) };
                flows.push((from, flow, to));
            }
        }
        Self { machines, flows }
    }

    fn name(&self, machine: usize) -> &'a str {
        self.machines.get(machine).map_or("", |machine| &machine.name)
    }

    /// What a machine is first of all.
    fn role(&self, machine: Option<usize>) -> Option<&'a str> {
        self.machines.get(machine?)?.roles.first().map(String::as_str)
    }

    /// What a machine opens to others.
    fn outbound(&self) -> impl Iterator<Item = (usize, &'a AskedFlow, Option<usize>)> {
        self.flows.iter().copied().filter(|(_, flow, _)| !flow.inbound)
    }
}

/// Each pair once, by the order of the machines.
fn cells(site: &Linked<'_>) -> Vec<Cell> {
    let mut index: HashMap<(usize, Option<usize>, &str, &str), usize> = HashMap::new();
    let mut cells: Vec<Cell> = Vec::new();
    for (from, flow, to) in site.outbound() {
        let (kind, host) =
            if to.is_some() { ("", "") } else { (flow.to.as_str(), flow.host.as_str()) };
        let next = cells.len();
        let at = *index.entry((from, to, kind, host)).or_insert(next);
        if at == next {
            cells.push(Cell {
                from: site.name(from).to_owned(),
                to: to.map_or_else(|| flow.host.clone(), |to| site.name(to).to_owned()),
                kind: site.role(to).unwrap_or(&flow.to).to_owned(),
                machine: to.is_some(),
                worst: flow.outcome,
                counts: BTreeMap::new(),
                flows: Vec::new(),
            });
        }
        if let Some(cell) = cells.get_mut(at) {
            cell.add(flow);
        }
    }
    cells
}

impl Cell {
    fn add(&mut self, flow: &AskedFlow) {
        if flow.outcome.gravity() > self.worst.gravity() {
            self.worst = flow.outcome;
        }
        *self.counts.entry(flow.outcome).or_default() += 1;
        self.flows.push(CellFlow {
            flow: flow.id.clone(),
            outcome: flow.outcome,
            code: flow.trouble.as_ref().map(|trouble| trouble.code.clone()),
        });
    }
}

/// Runs far apart show two states of the site in one matrix.
fn runs_apart(runs: &[MachineRun]) -> Option<String> {
    let times = || runs.iter().filter_map(|run| run.started_at.parse::<jiff::Timestamp>().ok());
    let apart = times().max()?.duration_since(times().min()?).unsigned_abs();
    let hours = apart.as_secs() / 3_600;
    (hours >= 24).then(|| {
        format!("the oldest and the newest run are {} apart", crate::tasks::diff::span(apart))
    })
}

fn interrupted(runs: &[MachineRun]) -> Vec<String> {
    let interrupted = runs.iter().filter(|run| run.interrupted);
    interrupted
        .map(|run| {
            format!("{}: its run was interrupted; what was not finished is unknown", run.host)
        })
        .collect()
}

/// The exit code of the gravest of the runs.
fn gravest(runs: &[MachineRun]) -> u8 {
    runs.iter().map(|run| run.ending).max().map_or(0, Ending::exit_code)
}

/// How a matrix is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum MatrixFormat {
    /// For a reader.
    Table,
    /// For a program.
    Json,
    /// For a ticket.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// One page to hand over.
    Html,
}

impl OutputFormat for MatrixFormat {
    fn is_page(self) -> bool {
        matches!(self, Self::Table)
    }
}

impl MatrixFormat {
    /// Writes `matrix`.
    pub(crate) fn write(
        self,
        matrix: &Matrix,
        canvas: Canvas,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        match self {
            Self::Table => table::write(matrix, canvas, out),
            Self::Json => json::write(matrix, out),
            Self::Markdown => markdown::write(matrix, out),
            Self::Csv => csv::write(&matrix.cells, out),
            Self::Html => html::write(matrix, out),
        }
    }
}
