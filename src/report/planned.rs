//! The plan on paper: what would be asked of whom, and who says so?
//!
//! A line a step. Where its values came from stands under it, over the width of
//! the page: paths are long, and broken ones cannot be copied.

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
use crate::text::{MIN_WIDTH, at_slashes, first_of, hanging, in_one, pad, side_by_side, wrap};

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
    let lines: Vec<PlannedLine> = in_order(crossing, row_of).iter().map(PlannedLine::of).collect();
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
    flow: String,
    target: String,
    what: String,
    /// Clauses, each on one line if it fits: `from /etc/chrony.conf:2`.
    said_by: Vec<String>,
}

/// Sampled devices of one subnet that are asked alike share a row.
fn row_of(step: &Step) -> (&str, String) {
    match &step.group {
        Some(group) => (&step.flow, format!("{group} {}", what(step))),
        None => (&step.id, String::new()),
    }
}

impl PlannedLine {
    fn of((_, steps): &((&str, String), Vec<&Step>)) -> Self {
        let first = steps.first();
        let mut line = Self {
            flow: first.map_or_else(String::new, |step| step.flow.clone()),
            target: first.map_or_else(String::new, |step| target(step)),
            what: first.map_or_else(String::new, |step| what(step)),
            said_by: Vec::new(),
        };
        if let (Some(group), 2..) = (first.and_then(|step| step.group.as_ref()), steps.len()) {
            let devices: Vec<String> = steps.iter().map(|step| target(step)).collect();
            line.target.clone_from(group);
            line.said_by = vec![format!("{} devices ({})", steps.len(), first_of(&devices, NAMED))];
        }
        line.said_by.extend(said_by(steps.get(..NAMED).unwrap_or(steps)));
        line
    }
}

/// Devices of one subnet that are named, each with its line.
const NAMED: usize = 4;

/// Whom it goes to, also when it is not asked.
fn target(step: &Step) -> String {
    let in_id = || step.id.strip_prefix(&step.flow)?.strip_prefix('@');
    match &step.action {
        Action::Ask(question) => question.target.clone(),
        Action::Skip(_) | Action::Found(_) => in_id().unwrap_or_default().to_owned(),
    }
}

/// What would be done about it.
fn what(step: &Step) -> String {
    let mut text = match &step.action {
        Action::Ask(question) if step.direction == Direction::Inbound => looking(question),
        Action::Ask(question) => asking(question),
        Action::Skip(reason) => not_asking(reason),
        Action::Found(_) => String::new(),
    };
    if let Some(gateway) = &step.through_vpn {
        text.extend([" [through the VPN ", gateway, "]"]);
    }
    if !step.required {
        text.push_str(" [optional]");
    }
    text
}

fn looking(question: &Question) -> String {
    let ports =
        question.ways.iter().map(|asked| format!("{}/{}", asked.port, asked.transports_in_short()));
    format!("look who listens here on {}", ports.collect::<Vec<_>>().join(" or "))
}

fn asking(question: &Question) -> String {
    let is_through_proxy = question.is_behind_proxy();
    let way = |asked: &Asked| {
        if is_through_proxy {
            format!("{} through {}:{}", asked.protocol, question.host, asked.port)
        } else {
            format!("{} {}/{}", asked.protocol, asked.port, asked.transports_in_short())
        }
    };
    let ways: Vec<String> = question.ways.iter().map(way).collect();
    let servers = match question.find {
        Find::Host => "",
        Find::Dns => " found by the DNS alone",
        Find::Mx => " of its mail servers (MX)",
        Find::MxDns => " of its mail servers (MX), found by the DNS alone",
        Find::Srv => " of its directory servers (SRV)",
    };
    let also = question.also_try.as_ref();
    let also = also.map_or_else(String::new, |asked| format!(", else once {}", asked.port));
    let own = question.source.iter().flat_map(|source| &source.value).map(IpAddr::to_string);
    let own: Vec<String> = own.collect();
    let own = if own.is_empty() { String::new() } else { format!(" from {}", own.join(", ")) };
    let family = question.family.map_or_else(String::new, |family| format!(" by {family} only"));
    format!("{}{servers}{family}{also}{own}", ways.join(" or "))
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
    let port = if steps.iter().any(|step| has_proxy(step)) { "proxy" } else { "port" };
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

fn has_proxy(step: &Step) -> bool {
    matches!(&step.action, Action::Ask(question) if question.is_behind_proxy())
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

/// Widths of the first two columns; what is left is the third's.
#[derive(Clone, Copy, Debug)]
struct Columns {
    width: usize,
    flow: usize,
    target: usize,
}

impl Columns {
    fn of(lines: &[PlannedLine], width: usize) -> Self {
        let widest = |cell: fn(&PlannedLine) -> &str, floor: usize, most: usize| {
            let widths = lines.iter().map(|line| cell(line).width());
            widths.filter(|width| *width <= most).max().unwrap_or(0).max(floor)
        };
        let flow = widest(|line| &line.flow, 4, width / 4);
        let room = width.saturating_sub(flow + width / 3 + 6);
        let target = widest(|line| &line.target, 6, room.min(FAR));
        Self { width, flow, target }
    }

    /// Where the target begins.
    fn second(self) -> usize {
        2 + self.flow + 2
    }

    fn what(self) -> usize {
        self.width.saturating_sub(self.second() + self.target + 2)
    }
}

/// Further to the right the eye loses the line: a few long URLs shall not move all plans there.
const FAR: usize = 60;

fn table(lines: &[PlannedLine], width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let columns = Columns::of(lines, width);
    let bold = Style::new().bold();
    let (flow, target) = (pad("FLOW", columns.flow), pad("TARGET", columns.target));
    writeln!(out, "  {bold}{flow}  {target}  PLAN{bold:#}")?;
    lines.iter().try_for_each(|line| row(line, columns, out))
}

/// A target too long for its column goes on in the next, and the plan behind it.
fn row(line: &PlannedLine, columns: Columns, out: &mut dyn io::Write) -> io::Result<()> {
    let widths = [columns.flow, columns.target];
    let room = columns.width.saturating_sub(columns.second());
    let flow = wrap(&line.flow, columns.flow);
    let what = wrap(&line.what, columns.what());
    let margin = |_| "  ".to_owned();
    if printable(&line.target).width() <= columns.target {
        let cells = [flow, wrap(&line.target, columns.target), what];
        side_by_side(&cells, &widths, margin, out)?;
    } else if printable(&line.target).width() + 2 + line.what.width() <= room {
        let both = format!("{}  {}", printable(&line.target), printable(&line.what));
        side_by_side(&[flow, vec![both], Vec::new()], &widths, margin, out)?;
    } else {
        let target = at_slashes(&line.target, room);
        side_by_side(&[flow, target, Vec::new()], &widths, margin, out)?;
        side_by_side(&[Vec::new(), Vec::new(), what], &widths, margin, out)?;
    }
    origin(&line.said_by, columns, out)
}

/// Under the target if each clause fits there, else from the margin: a path is
/// not broken if it fits a line of its own.
fn origin(clauses: &[String], columns: Columns, out: &mut dyn io::Write) -> io::Result<()> {
    const MARGIN: usize = 4;
    let words = || clauses.iter().flat_map(|clause| clause.split(' '));
    let longest = words().map(UnicodeWidthStr::width).max().unwrap_or(0) + 1;
    let room = columns.width.saturating_sub(columns.second());
    let indent = if longest <= room { columns.second() } else { MARGIN };
    let room = columns.width.saturating_sub(indent);
    let joined = clauses.join(", ");
    let lines = match joined.width() {
        width if width <= room => vec![joined],
        _ => clauses.to_vec(),
    };
    for line in lines.iter().filter(|line| !line.is_empty()).flat_map(|line| wrap(line, room)) {
        writeln!(out, "{}{line}", " ".repeat(indent))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
