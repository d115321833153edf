//! `preflight merge`: who reaches whom, over all machines of a site?
//!
//! Reports are read one after the other; of each only what the matrix needs is kept.

mod causes;
mod clocks;
mod csv;
mod grid;
mod html;
mod map;
mod markdown;
mod places;
mod quarrel;
mod seen;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::report::OutputFormat;
use crate::report::{Canvas, Ending, Report, SCHEMA_VERSION, json};
use crate::run::outcome::Outcome;
use crate::run::plan::Direction;
use causes::SharedCause;
use clocks::Clock;
use places::Places;
use quarrel::{Disagreement, OneSided};
use seen::{AskedFlow, MachineRun};
use verdict::SiteSummary;

/// Who reaches whom.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Matrix {
    /// Version of this shape.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub(crate) schema_version: u32,
    /// Does the site work, and who has to act?
    pub(crate) summary: SiteSummary,
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
    /// What works today and will hurt, where somebody has to act on it.
    pub(crate) warnings: Vec<SharedCause>,
    /// Each pair between which a flow was asked.
    pub(crate) cells: Vec<Cell>,
    /// The gravest exit code of the runs: 1, 3, 2 or 0.
    pub(crate) exit_code: u8,
}

/// The JSON Schema of what `merge --format json` writes.
pub(crate) fn schema() -> String {
    json::schema(json::schemas().into_root_schema_for::<Matrix>(), "merge")
}

impl Matrix {
    /// Contradictions that no cause tells: what is asked works, and the other end says it cannot.
    fn unexplained(&self) -> impl Iterator<Item = &Disagreement> {
        self.disagreements.iter().filter(|one| !one.is_in_a_cause)
    }
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
    /// The page of each of its runs, by role, where they are written beside the site's.
    #[serde(skip)]
    pages: Vec<(String, String)>,
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
    /// What is asked in either end's words, for the map: the service and its worst outcome.
    #[serde(skip)]
    services: BTreeMap<String, Outcome>,
    /// Where some of it is stopped: "at 10.9.0.1".
    #[serde(skip)]
    places: Vec<String>,
    /// Does what stops it lie on the way?
    #[serde(skip)]
    is_on_the_way: bool,
    /// Does a device say no to it?
    #[serde(skip)]
    is_blocked: bool,
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
        self.take(MachineRun::of(report));
    }

    /// The same for a run whose own page will stand beside the site's; gives the name of its file,
    /// unless a newer run of the machine was added before.
    pub(crate) fn add_with_page(&mut self, report: &Report) -> Option<String> {
        let mut run = MachineRun::of(report);
        let key = (run.host.clone(), run.addresses.clone(), run.role.clone());
        let known = self.known.get(&key).and_then(|index| self.runs.get(*index));
        let page = known.and_then(|older| older.page.clone());
        let page = page.unwrap_or_else(|| self.page_name(&run));
        run.page = Some(page.clone());
        self.take(run).then_some(page)
    }

    /// `poller1.html`, or the like, if another machine has that.
    fn page_name(&self, run: &MachineRun) -> String {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let plain = |letter: char| if is_plain(letter) { letter } else { '_' };
        let name: String = run.host.chars().take(LONGEST_NAME).map(plain).collect();
        let name = name.trim_start_matches('.');
        let name = if name.is_empty() { "machine" } else { name };
        let is_free = |page: &String| {
            page != SITE_PAGE && !self.runs.iter().any(|run| run.page.as_ref() == Some(page))
        };
        let first = format!("{name}.html");
        let others = (2..).map(|number| format!("{name}-{number}.html"));
        std::iter::once(first).chain(others).find(is_free).unwrap_or_default()
    }

    /// Does it count?
    fn take(&mut self, run: MachineRun) -> bool {
        let key = (run.host.clone(), run.addresses.clone(), run.role.clone());
        let known = self.known.get(&key).copied();
        let Some(older) = known.and_then(|index| self.runs.get_mut(index)) else {
            self.known.insert(key, self.runs.len());
            self.runs.push(run);
            return true;
        };
        let at = |run: &MachineRun| run.started_at.parse::<jiff::Timestamp>().ok();
        let is_newer = at(&run) >= at(older);
        let (dropped, counts) = if is_newer {
            let dropped = std::mem::replace(older, run);
            (dropped.started_at, older.started_at.clone())
        } else {
            (run.started_at, older.started_at.clone())
        };
        self.notes.push(format!(
            "{}: two runs are given; that of {counts} counts, that of {dropped} does not",
            older.host
        ));
        is_newer
    }

    /// The matrix of all that was added.
    pub(crate) fn matrix(self) -> Matrix {
        let Self { runs, mut notes, .. } = self;
        let (machines, of) = machines(&runs);
        let site = Linked::new(&runs, &machines, &of);
        notes.extend(runs_apart(&runs));
        notes.extend(interrupted(&runs));
        let causes = causes::causes(&site);
        Matrix {
            schema_version: SCHEMA_VERSION,
            disagreements: quarrel::disagreements(&site),
            one_sided: quarrel::one_sided(&site),
            clocks: clocks::clocks(&machines),
            summary: verdict::summary(&runs, &causes),
            causes,
            warnings: causes::warnings(&site),
            cells: cells(&site),
            exit_code: runs.iter().map(|run| run.ending).max().map_or(0, Ending::exit_code),
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
            machine.pages.extend(run.page.clone().map(|page| (run.role.clone(), page)));
            continue;
        }
        *called.entry(&run.host).or_default() += 1;
        machines.push(MatrixMachine {
            name: run.host.clone(),
            roles: vec![run.role.clone()],
            addresses: run.addresses.clone(),
            started_at: run.started_at.clone(),
            clock_ms: run.clock_ms,
            pages: run.page.iter().map(|page| (run.role.clone(), page.clone())).collect(),
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
    /// Each flow that a machine was reached by: who opened it, and the machine.
    reached: Vec<(usize, &'a AskedFlow, usize)>,
}

impl<'a> Linked<'a> {
    fn new(runs: &'a [MachineRun], machines: &'a [MatrixMachine], of: &[usize]) -> Self {
        let places = Places::of(of.iter().copied().zip(runs));
        let (mut flows, mut reached) = (Vec::new(), Vec::new());
        for (from, run) in of.iter().copied().zip(runs) {
            for flow in &run.flows {
                let is_outbound = flow.direction == Direction::Outbound;
                let to = if is_outbound { places.target(from, flow) } else { None };
                flows.push((from, flow, to));
                let sender = flow.reached_from.and_then(|sender| places.at(sender));
                reached.extend(sender.map(|sender| (sender, flow, from)));
            }
        }
        Self { machines, flows, reached }
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
        let is_outbound = |flow: &AskedFlow| flow.direction == Direction::Outbound;
        self.flows.iter().copied().filter(move |(_, flow, _)| is_outbound(flow))
    }

    /// What is known between two ends: what a machine opened, and what only the machine that was
    /// reached tells.
    fn known(&self) -> Vec<(usize, &'a AskedFlow, Option<usize>)> {
        let mut known: Vec<_> = self.outbound().collect();
        let told: HashSet<(usize, &str, Option<usize>)> =
            known.iter().map(|(from, flow, to)| (*from, flow.id.as_str(), *to)).collect();
        let untold = self
            .reached
            .iter()
            .filter(|(from, flow, to)| !told.contains(&(*from, flow.id.as_str(), Some(*to))));
        known.extend(untold.map(|(from, flow, to)| (*from, *flow, Some(*to))));
        known
    }

    /// What each machine says of its own listeners, by machine and flow.
    fn listeners(&self) -> HashMap<(usize, &'a str), &'a AskedFlow> {
        let inbound = self.flows.iter().filter(|(_, flow, _)| flow.direction == Direction::Inbound);
        inbound.map(|(machine, flow, _)| ((*machine, flow.id.as_str()), *flow)).collect()
    }
}

/// Each pair once, by the order of the machines.
fn cells(site: &Linked<'_>) -> Vec<Cell> {
    let mut index: HashMap<(usize, Option<usize>, &str, &str), usize> = HashMap::new();
    let mut cells: Vec<Cell> = Vec::new();
    for (from, flow, to) in site.known() {
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
                services: BTreeMap::new(),
                places: Vec::new(),
                is_on_the_way: false,
                is_blocked: false,
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
        let worst = self.services.entry(flow.service.clone()).or_insert(flow.outcome);
        if flow.outcome.gravity() > worst.gravity() {
            *worst = flow.outcome;
        }
        let Some(trouble) = &flow.trouble else { return };
        self.is_on_the_way |= trouble.is_on_the_way();
        self.is_blocked |= trouble.is_blocked();
        self.places.extend(trouble.place().filter(|place| !self.places.contains(place)));
    }
}

/// The site's own page in a folder of pages.
pub(crate) const SITE_PAGE: &str = "index.html";

/// Letters of a machine's name in the name of a file.
const LONGEST_NAME: usize = 100;

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
