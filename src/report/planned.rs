//! The plan on paper: what would be asked of whom, and who says so?
//!
//! A line a step, in the columns of the vendors' own tables. With `--verbose` the flow's id and where
//! its values came from stand under it, over the width of the page: paths are long, and broken ones
//! cannot be copied.

use std::io;
use std::net::IpAddr;

use anstyle::Style;
use preflight_checks::{FOLLOW_UPS, FollowUp, printable};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::groups::in_order;
use super::{Canvas, NoteReport, own_files};
use crate::run::plan::{Action, Asked, Direction, Plan, Question, SkipReason, Step};
use crate::site::{Exempt, Find, Origin};
use crate::text::{
    MIN_WIDTH, SIDE_BY_SIDE, at_slashes, first_of, hanging, in_one, pad, side_by_side, wrap,
};

/// Writes a plan: what would be asked, and where each value came from.
pub(crate) fn write(plan: &Plan, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    one(plan, canvas, out)?;
    follow_ups(std::slice::from_ref(plan), canvas.width.max(MIN_WIDTH), out)
}

fn one(plan: &Plan, canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    let width = canvas.width.max(MIN_WIDTH);
    let misfit = plan.catalogue.misfit.as_deref().map(|text| format!("{NOTE} {text}"));
    for part in [Some(in_one(&head(plan))), edition(plan), misfit].into_iter().flatten() {
        for line in wrap(&part, width) {
            writeln!(out, "{line}")?;
        }
    }
    writeln!(out)?;
    let crossing = plan.steps.iter().filter(|step| mistake(step).is_none());
    let rows = in_order(crossing, row_of);
    let lines = rows.iter().filter_map(|(_, steps)| PlannedLine::of(plan, steps, canvas.verbose));
    let lines: Vec<PlannedLine> = lines.collect();
    table(&lines, width, out)?;
    own_files::mistakes(plan.steps.iter().filter_map(mistake), width, out)?;
    if !plan.notes.is_empty() {
        writeln!(out)?;
    }
    own_files::notes(plan.notes.iter().map(NoteReport::from), width, out)
}

/// Plans of several machines, with a line between two.
pub(crate) fn write_all(plans: &[Plan], canvas: Canvas, out: &mut dyn io::Write) -> io::Result<()> {
    for (index, plan) in plans.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        one(plan, canvas, out)?;
    }
    follow_ups(plans, canvas.width.max(MIN_WIDTH), out)
}

/// A plan for programs: its fields, and what may follow its questions.
#[derive(Serialize)]
pub(crate) struct PlanDocument<'p> {
    #[serde(flatten)]
    plan: &'p Plan,
    follow_ups: Vec<&'static FollowUp>,
}

impl<'p> PlanDocument<'p> {
    pub(crate) fn of(plan: &'p Plan) -> Self {
        Self { plan, follow_ups: may_follow(std::slice::from_ref(plan)) }
    }
}

/// What these questions may come to besides themselves.
fn may_follow(plans: &[Plan]) -> Vec<&'static FollowUp> {
    let steps = plans.iter().flat_map(|plan| &plan.steps);
    let questions = steps.filter(|step| step.direction == Direction::Outbound);
    let questions = questions.filter_map(|step| match &step.action {
        Action::Ask(question) => Some(question),
        Action::Skip(_) | Action::Found(_) => None,
    });
    let asked: Vec<&Asked> = questions.flat_map(|question| &question.ways).collect();
    let is_met = |row: &&FollowUp| asked.iter().any(|asked| row.may_follow(asked.probe.service()));
    FOLLOW_UPS.iter().filter(is_met).collect()
}

/// The same for whoever has to allow it.
fn follow_ups(plans: &[Plan], width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let rows = may_follow(plans);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    hanging(
        "  ",
        "What may follow a question, at most; not with --no-trace what has a *:",
        width,
        out,
    )?;
    for row in rows {
        let star = if row.is_look { " *" } else { "" };
        let packets = Some(row.packets).filter(|packets| !packets.is_empty());
        let connections = Some(row.connections).filter(|it| !it.is_empty());
        let packets = packets.map(|packets| format!("packets: {packets}"));
        let connections = connections.map(|it| format!("connections: {it}"));
        hanging("  ", &format!("after {}{star}", row.after), width, out)?;
        for cost in packets.into_iter().chain(connections) {
            for line in wrap(&cost, width.saturating_sub(4)) {
                writeln!(out, "    {line}")?;
            }
        }
    }
    Ok(())
}

fn head(plan: &Plan) -> Vec<String> {
    let from = plan.root.as_ref().map(|root| format!("plan from {}", printable(root)));
    vec![
        from.unwrap_or_else(|| "plan".to_owned()),
        plan.platform.as_deref().map(printable).unwrap_or_default(),
        plan.machine.as_deref().map(printable).unwrap_or_default(),
        plan.role.to_string(),
        format!("profile {}", printable(&plan.profile)),
        format!("{} installation", plan.phase),
        "nothing was sent".to_owned(),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect()
}

/// Before what a reader has to act on.
const NOTE: &str = "note:";

/// `flow table version 3 of 2026-11-29 for 24.10, after i-Vertix 24.10`
fn edition(plan: &Plan) -> Option<String> {
    let identity = &plan.catalogue;
    let edition = identity.edition()?;
    let platform = identity.platform.as_ref().map(|version| format!(" for {version}"));
    let whose = identity.follows.iter().filter_map(|title| title.split(", ").next());
    let whose = in_order(whose, |whose| (*whose).to_owned());
    let whose: Vec<String> = whose.into_iter().map(|(whose, _)| whose).collect();
    let whose: Vec<&str> =
        whose.iter().map(String::as_str).filter(|it| *it != "preflight").collect();
    let after = if whose.is_empty() {
        String::new()
    } else {
        format!(", after {}", first_of(&whose, NAMED))
    };
    Some(printable(&format!("flow table {edition}{}{after}", platform.unwrap_or_default())))
}

fn mistake(step: &Step) -> Option<&crate::site::mistake::Mistake> {
    match &step.action {
        Action::Found(mistake) => Some(mistake),
        Action::Ask(_) | Action::Skip(_) => None,
    }
}

/// One line of the table, and what stands under it.
#[derive(Debug)]
struct PlannedLine {
    from: String,
    /// What kind of peer it is, and which.
    to: (String, String),
    protocol: String,
    port: String,
    application: String,
    /// What a reader has to know of how it is asked, or why it is not.
    notes: Vec<String>,
    /// Clauses, each on one line if it fits: `from /etc/chrony.conf:2`.
    said_by: Vec<String>,
}

/// Sampled devices of one subnet that are asked alike share a row.
fn row_of(step: &Step) -> (&str, String) {
    match &step.group {
        Some(group) => (&step.flow, format!("{group} {} {:?}", step.ports(), notes(step))),
        None => (&step.id, String::new()),
    }
}

impl PlannedLine {
    fn of(plan: &Plan, steps: &[&Step], verbose: bool) -> Option<Self> {
        let first = steps.first()?;
        let here = plan.machine.clone().unwrap_or_else(|| plan.role.to_string());
        // Of the reader's own checks the protocol says what kind of peer it is.
        let kind = first.row.as_ref().map_or("", |_| first.to.title());
        let there = (kind.to_owned(), target(first));
        let (from, to) = match first.direction {
            Direction::Inbound => (first.from.title().to_owned(), (here, String::new())),
            Direction::Outbound | Direction::Local => (here, there),
        };
        let optional = if first.required { "" } else { " (optional)" };
        let mut line = Self {
            from,
            to,
            protocol: first.protocols(),
            port: first.ports(),
            application: format!("{}{optional}", first.application()),
            notes: notes(first),
            said_by: Vec::new(),
        };
        if let (Some(group), 2..) = (first.group.as_ref(), steps.len()) {
            let devices: Vec<String> = steps.iter().map(|step| target(step)).collect();
            line.to.1.clone_from(group);
            let devices = format!("{} devices ({})", steps.len(), first_of(&devices, NAMED));
            line.notes.insert(0, devices);
        }
        if verbose {
            line.said_by = said_by(steps.get(..NAMED).unwrap_or(steps));
            line.said_by.insert(0, first.flow.clone());
        }
        Some(line)
    }
}

/// Devices of one subnet that are named, each with its line.
const NAMED: usize = 4;

/// Whom it goes to, also when it is not asked.
fn target(step: &Step) -> String {
    match &step.action {
        Action::Ask(question) => question.target.clone(),
        Action::Skip(_) | Action::Found(_) => step.place.clone().unwrap_or_default(),
    }
}

/// What a reader has to know of how it is asked, or why it is not.
fn notes(step: &Step) -> Vec<String> {
    let mut notes = match &step.action {
        Action::Ask(_) if step.direction == Direction::Inbound => {
            vec!["look who listens here".to_owned()]
        }
        Action::Ask(question) => asking(question),
        Action::Skip(reason) => vec![not_asking(reason)],
        Action::Found(_) => Vec::new(),
    };
    notes.extend(step.through_vpn.as_ref().map(|gateway| format!("through the VPN {gateway}")));
    notes
}

fn asking(question: &Question) -> Vec<String> {
    let found = match question.find {
        Find::Host => None,
        Find::Dns | Find::DnsDomain => Some("found by the DNS alone"),
        Find::DnsFirst => Some("found by the DNS before /etc/hosts"),
        Find::Mx => Some("of its mail servers (MX)"),
        Find::MxDns => Some("of its mail servers (MX), found by the DNS alone"),
        Find::Srv => Some("of its directory servers (SRV)"),
    };
    let mut notes: Vec<String> = found.into_iter().map(str::to_owned).collect();
    if question.is_behind_proxy() {
        let ports = question.ways.iter().map(|way| format!("{}:{}", question.host, way.port));
        notes.extend(ports.map(|proxy| format!("through {proxy}")));
    }
    notes.extend(question.family.map(|family| format!("by {family} only")));
    notes.extend(question.also_try.as_ref().map(|asked| format!("else once {}", asked.port)));
    let own = question.source.iter().flat_map(|source| &source.value).map(IpAddr::to_string);
    let own: Vec<String> = own.collect();
    notes.extend((!own.is_empty()).then(|| format!("from {}", own.join(", "))));
    notes
}

fn not_asking(reason: &SkipReason) -> String {
    let why = match reason {
        SkipReason::Unneeded { why, .. } | SkipReason::Asked { why: Some(why) } => why.clone(),
        SkipReason::OtherMode { mode, .. } => mode.clause().to_owned(),
        SkipReason::NoTarget { .. }
        | SkipReason::NotThisMachine { .. }
        | SkipReason::OwnOfThatMachine
        | SkipReason::Asked { why: None } => reason.to_string(),
    };
    format!("not checked: {why}")
}

/// Who says so of the target and of the port, in as few words as will do.
fn said_by(steps: &[&Step]) -> Vec<String> {
    let targets = origins(steps.iter().filter_map(|step| target_origin(step)));
    let ports = origins(steps.iter().flat_map(|step| port_origins(step)));
    let is_known = ports.iter().all(|port| targets.contains(port));
    let is_behind_proxy =
        |step: &&Step| matches!(&step.action, Action::Ask(asked) if asked.is_behind_proxy());
    let port = if steps.iter().any(is_behind_proxy) { "proxy" } else { "port" };
    let exempt = steps.iter().find_map(|step| exempt(step));
    let mut said = match (targets.as_slice(), is_known) {
        ([], true) => Vec::new(),
        (_, true) => vec![format!("from {}", places(&targets))],
        ([], false) => vec![format!("{port} from {}", places(&ports))],
        (_, false) => vec![
            format!("target from {}", places(&targets)),
            format!("{port} from {}", places(&ports)),
        ],
    };
    said.extend(exempt.map(|it| format!("no proxy: {} in {}", printable(&it.word), it.origin)));
    said
}

fn target_origin(step: &Step) -> Option<&Origin> {
    match &step.action {
        Action::Ask(question) => Some(&question.origin),
        Action::Skip(
            SkipReason::Unneeded { origin, .. } | SkipReason::OtherMode { origin, .. },
        ) => Some(origin),
        Action::Skip(_) | Action::Found(_) => None,
    }
}

/// The word that takes this step past the proxy.
fn exempt(step: &Step) -> Option<&Exempt> {
    match &step.action {
        Action::Ask(question) => question.exempt.as_ref(),
        Action::Skip(_) | Action::Found(_) => None,
    }
}

fn port_origins(step: &Step) -> impl Iterator<Item = &Origin> {
    let ways = match &step.action {
        Action::Ask(question) => question.ways.as_slice(),
        Action::Skip(SkipReason::NotThisMachine { ways }) => ways,
        Action::Skip(_) | Action::Found(_) => &[],
    };
    ways.iter().map(|way| &way.port_origin)
}

/// Each once; the profile's own values need no words.
fn origins<'a>(all: impl Iterator<Item = &'a Origin>) -> Vec<&'a Origin> {
    let mut distinct: Vec<&Origin> = Vec::new();
    for origin in all.filter(|origin| **origin != Origin::Profile) {
        if !distinct.contains(&origin) {
            distinct.push(origin);
        }
    }
    distinct
}

/// `/etc/centreon-engine/hosts.cfg:1, 9`: a file once, with its lines.
fn places(origins: &[&Origin]) -> String {
    let file = |origin: &Origin| match origin {
        Origin::File(at) | Origin::SiteFile(at) => at.file.to_string(),
        other => other.to_string(),
    };
    let files = in_order(origins.iter().copied(), file);
    let with_lines = |(file, origins): &(String, Vec<&Origin>)| {
        let lines = origins.iter().filter_map(|origin| match origin {
            Origin::File(at) | Origin::SiteFile(at) => at.line,
            _ => None,
        });
        let lines: Vec<String> = lines.map(|line| line.to_string()).collect();
        if lines.is_empty() { file.clone() } else { format!("{file}:{}", lines.join(", ")) }
    };
    files.iter().map(with_lines).collect::<Vec<_>>().join(" and ")
}

/// The titles of the columns: those of the vendors' tables.
const TITLES: [&str; 5] = ["FROM", "TO", "PROTOCOL", "PORT", "APPLICATION"];
/// Before a row.
const MARGIN: usize = 2;
/// Before what stands under it.
const UNDER: usize = 6;
/// Columns between two cells, as [`side_by_side`] leaves them.
const GAP: usize = 2;

/// Columns of "Synchronization", and of the narrowest peer.
const LONGEST_WORD: usize = 15;
const TO: usize = 15;

/// Widths of all columns but the last, which takes what is left.
#[derive(Clone, Copy, Debug)]
struct Columns {
    width: usize,
    widths: [usize; 4],
}

impl Columns {
    fn of(lines: &[PlannedLine], width: usize) -> Self {
        let [from, to, protocol, port, _] = TITLES;
        // As wide as the widest cell that is no wider than its share; what is wider is broken.
        let column = |title: &str, most: usize, cell: &dyn Fn(&PlannedLine) -> usize| {
            let widths = lines.iter().map(|line| cell(line).min(most));
            widths.max().unwrap_or(0).max(title.width())
        };
        let of_target = |line: &PlannedLine| {
            let (kind, target) = (line.to.0.width(), printable(&line.to.1).width());
            match width / 3 {
                most if kind + 1 + target <= most => kind + 1 + target,
                most if target <= most => kind.max(target),
                _ => kind,
            }
        };
        let mut widths = [
            column(from, width / 6, &|line| line.from.width()),
            column(to, width / 3, &of_target),
            column(protocol, width / 7, &|line| line.protocol.width()),
            column(port, width / 8, &|line| line.port.width()),
        ];
        // What it is for has room for its longest word; whom it goes to gives way.
        let taken: usize = widths.iter().map(|width| width + GAP).sum();
        let lacks = (MARGIN + taken + LONGEST_WORD).saturating_sub(width);
        let [_, to, ..] = &mut widths;
        *to = to.saturating_sub(lacks).max(TO);
        Self { width, widths }
    }

    fn application(self) -> usize {
        let others: usize = self.widths.iter().map(|width| width + GAP).sum();
        self.width.saturating_sub(MARGIN + others).max(1)
    }
}

fn table(lines: &[PlannedLine], width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    if width < SIDE_BY_SIDE {
        return lines.iter().try_for_each(|line| stacked(line, width, out));
    }
    let columns = Columns::of(lines, width);
    let bold = Style::new().bold();
    let widths = columns.widths.iter().copied().chain([0]);
    let titles: Vec<String> = TITLES.iter().zip(widths).map(|(it, width)| pad(it, width)).collect();
    writeln!(out, "{}{bold}{}{bold:#}", pad("", MARGIN), titles.join(&pad("", GAP)))?;
    lines.iter().try_for_each(|line| row(line, columns, out))
}

/// A row for a narrow page: its cells one below the other.
fn stacked(line: &PlannedLine, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let (kind, target) = (&line.to.0, &line.to.1);
    hanging(&pad("", MARGIN), &format!("{} → {kind}", line.from), width, out)?;
    for part in at_slashes(target, width - UNDER).iter().filter(|part| !part.is_empty()) {
        writeln!(out, "{}{part}", pad("", UNDER))?;
    }
    let asked = format!("{} {}: {}", line.protocol, line.port, line.application);
    hanging(&pad("", UNDER), &asked, width, out)?;
    under(&line.notes, "; ", width, out)?;
    under(&line.said_by, ", ", width, out)
}

fn row(line: &PlannedLine, columns: Columns, out: &mut dyn io::Write) -> io::Result<()> {
    let [from, to, protocol, port] = columns.widths;
    let (kind, target) = (&line.to.0, &line.to.1);
    let both = format!("{kind} {target}");
    let fits = |text: &str| printable(text).width() <= to;
    // A URL is copied: one that is longer than its column has a line under the row.
    let (peer, below) = match () {
        () if fits(&both) => (wrap(both.trim(), to), None),
        () if fits(target) => ([wrap(kind, to), vec![printable(target)]].concat(), None),
        () => (wrap(kind, to), Some(target)),
    };
    let cells = [
        wrap(&line.from, from),
        peer,
        wrap(&line.protocol, protocol),
        wrap(&line.port, port),
        wrap(&line.application, columns.application()),
    ];
    side_by_side(&cells, &columns.widths, |_| pad("", MARGIN), out)?;
    for part in below.iter().flat_map(|url| at_slashes(url, columns.width - UNDER)) {
        writeln!(out, "{}{part}", pad("", UNDER))?;
    }
    under(&line.notes, "; ", columns.width, out)?;
    under(&line.said_by, ", ", columns.width, out)
}

/// Clauses under a row: on one line if they fit, else a line each. A path is not broken if it fits a
/// line of its own.
fn under(
    clauses: &[String],
    between: &str,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let words = || clauses.iter().flat_map(|clause| clause.split(' '));
    let longest = words().map(UnicodeWidthStr::width).max().unwrap_or(0) + 1;
    let indent = if longest <= width.saturating_sub(UNDER) { UNDER } else { MARGIN };
    let room = width.saturating_sub(indent);
    let joined = clauses.join(between);
    let lines = match joined.width() {
        width if width <= room => vec![joined],
        _ => clauses.to_vec(),
    };
    for line in lines.iter().filter(|line| !line.is_empty()).flat_map(|line| wrap(line, room)) {
        writeln!(out, "{}{line}", pad("", indent))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
