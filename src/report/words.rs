//! What several formats say in the same words: who asked, how it ended, what a fact is.

use std::net::IpAddr;

use preflight_checks::{Cause, OwnCause, Plea, printable};
use serde_json::Value;

use super::faults::{Fault, Followers, Refusers, faults};
use super::groups::in_order;
use super::model::{Tally, Why, hop};
use super::{
    AttemptReport, CauseReport, ConcernReport, Ending, NoteReport, Report, StepReport, TargetReport,
};
use crate::run::outcome::Outcome;
use crate::run::plan::{Direction, InstallPhase};
use crate::run::wish::{Barrier, Wish};
use crate::text::first_of;

/// The version block: what was run, then where and when; each a list of short parts.
pub(super) fn head(report: &Report) -> [Vec<String>; 2] {
    let mut run = vec![
        format!("{} {}", report.tool.name, report.tool.version),
        report.role.to_string(),
        catalogue(report),
        format!("{} installation", report.phase),
    ];
    run.extend(report.catalogue.as_ref().and_then(|identity| identity.misfit.clone()));
    if let Some(root) = &report.root {
        run.push(format!("plan from {root}; checked from this machine"));
    }
    run.extend(report.redacted.then(|| "redacted".to_owned()));
    let host = &report.host;
    let mut machine = vec![host.name.clone(), format!("{}, kernel {}", host.os, host.kernel)];
    // What it cannot see is in the JSON; here it would take a line.
    machine.push(host.privileges_in_short().to_owned());
    let sources = first_of(&sources(report), 3);
    if !sources.is_empty() {
        machine.push(format!("from {sources}"));
    }
    machine.extend([moment(&report.started_at), clock(report)]);
    [run, machine].map(|parts| {
        parts.iter().filter(|part| !part.is_empty()).map(|part| printable(part)).collect()
    })
}

/// `profile i-vertix 2 (4f2a9c01)`: name and version, and the first digits of the table's SHA-256.
fn catalogue(report: &Report) -> String {
    const DIGITS: usize = 8;
    let name = format!("profile {}", report.profile);
    let Some(identity) = &report.catalogue else { return name };
    let digest: String = identity.sha256.chars().take(DIGITS).collect();
    let version = identity.version.as_ref().map(|version| format!(" {version}"));
    let platform = identity.platform.as_ref().map(|version| format!(" for {version}"));
    let file = identity.file.as_ref().map(|file| format!(", {file}"));
    let [version, platform, file] = [version, platform, file].map(Option::unwrap_or_default);
    format!("{name}{version}{platform} ({digest}{file})")
}

/// The addresses we really asked from, each once, at most three.
pub(super) fn sources(report: &Report) -> Vec<IpAddr> {
    let mut sources: Vec<IpAddr> = Vec::new();
    let attempts = report.steps.iter().flat_map(|step| &step.attempts);
    for source in attempts.filter_map(AttemptReport::from) {
        if !sources.contains(&source) && sources.len() < 3 {
            sources.push(source);
        }
    }
    sources
}

/// An RFC 3339 time for a reader: `2026-11-23 13:37:12 UTC`.
pub(crate) fn moment(started_at: &str) -> String {
    let seconds = started_at.split(['.', 'Z']).next().unwrap_or_default();
    format!("{} UTC", seconds.replacen('T', " ", 1))
}

/// `clock 3 ms behind 10.0.0.3`, when a time server told.
fn clock(report: &Report) -> String {
    let Some(clock) = &report.clock else { return String::new() };
    let (whole, against) = (clock.offset_ms.round().abs(), &clock.against);
    let side = if clock.offset_ms < 0.0 { "ahead of" } else { "behind" };
    if whole < 1.0 {
        format!("clock in step with {against}")
    } else {
        format!("clock {whole} ms {side} {against}")
    }
}

/// The last line: how the required flows are, what else there is, how long it took.
///
/// Its numbers add up: each step that was asked is in one of them.
pub(super) fn summary(report: &Report) -> Vec<String> {
    let ending = report.ending();
    let of = |required: bool| report.steps.iter().filter(move |step| step.required == required);
    let (required, optional) = (Tally::of(of(true)), Tally::of(of(false)));
    let mut parts = Vec::new();
    if report.interrupted {
        parts.push("interrupted: you stopped the run; what was finished is above".to_owned());
    }
    let verdict = verdict(required, ending, report.phase, &report.summary.reasons);
    parts.push(printable(&verdict));
    if !matches!(ending, Ending::Works | Ending::Warns) {
        let Tally { works, waiting, unknown, .. } = required;
        // What cannot be told is the verdict itself when nothing fails.
        let unknown = if ending == Ending::Unknown { 0 } else { unknown };
        parts.extend(counted(Tally { works, waiting, unknown, failed: 0 }, ""));
    }
    parts.extend(counted(optional, "optional "));
    let others = [
        (report.steps.iter().filter(|step| step.warns()).count(), "with a warning"),
        (report.summary.count(Outcome::Skip), "not checked"),
    ];
    parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    parts.push(format!("{:.2} s", report.took_ms / 1e3));
    parts
}

/// "7 work", "3 wait for the installation"; `kind` stands before the verb.
fn counted(tally: Tally, kind: &str) -> Vec<String> {
    let counts = [
        (tally.works, "works", "work"),
        (tally.waiting, "waits for the installation", "wait for the installation"),
        (tally.failed, "fails", "fail"),
        (tally.unknown, "cannot be told from here", "cannot be told from here"),
    ];
    let some = counts.iter().filter(|(number, ..)| *number > 0);
    some.map(|(number, one, many)| {
        format!("{number} {kind}{}", if *number == 1 { one } else { many })
    })
    .collect()
}

/// The required flows in one clause, and why.
pub(super) fn verdict(
    required: Tally,
    ending: Ending,
    phase: InstallPhase,
    reasons: &[String],
) -> String {
    let clause = clause(required, ending, phase, !reasons.is_empty());
    if reasons.is_empty() { clause } else { format!("{clause}: {}", why(reasons)) }
}

/// The required flows in one clause.
pub(super) fn clause(
    required: Tally,
    ending: Ending,
    phase: InstallPhase,
    has_reasons: bool,
) -> String {
    let of = required.asked();
    match required {
        Tally { failed: 1, .. } if of == 1 => "the required flow fails".to_owned(),
        Tally { failed: 1, .. } => format!("1 of {of} required flows fails"),
        Tally { failed: 2.., .. } => format!("{} of {of} required flows fail", required.failed),
        _ if has_reasons => "warnings fail this run".to_owned(),
        _ if of == 0 => "no required flow was checked".to_owned(),
        Tally { unknown: 1, .. } if of == 1 => {
            "the required flow cannot be told from here".to_owned()
        }
        Tally { unknown: 1.., .. } => {
            format!("{} of {of} required flows cannot be told from here", required.unknown)
        }
        _ if ending == Ending::NothingWorks => "no required flow was seen to work".to_owned(),
        Tally { waiting: 1.., .. } => {
            format!("ready to install: {}", counted(required, "").join(", "))
        }
        _ => {
            let all = match of {
                1 => "the one required flow works".to_owned(),
                of => format!("all {of} required flows work"),
            };
            if phase == InstallPhase::Before { format!("ready to install: {all}") } else { all }
        }
    }
}

/// The reasons as the last line has them: some of them, then how many more.
fn why(reasons: &[String]) -> String {
    first_of(reasons, REASONS)
}

/// Reasons of the last line.
pub(super) const REASONS: usize = 4;

/// A file that could not be read, and what that leaves open.
pub(super) fn note(note: &NoteReport) -> String {
    printable(&format!("{}: {}; it would have told {}", note.place(), note.reason, note.missing))
}

/// A fact as a person reads it.
pub(super) fn fact(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(fact).collect::<Vec<_>>().join(","),
        other => hop(other).map_or_else(|| other.to_string(), |hop| hop.to_string()),
    }
}

/// Who acts, in a word, and the device that is to be looked at: `network 10.9.0.1`.
pub(super) fn owner(step: &StepReport) -> String {
    let Some(cause) = &step.cause else { return String::new() };
    let owner = printable(cause.owner_name());
    match cause.device() {
        Some(device) => format!("{owner} {device}"),
        None => owner,
    }
}

/// The address that was asked from, by the attempt that is told first.
pub(super) fn source(step: &StepReport) -> String {
    let source = step.attempts.iter().find_map(AttemptReport::from);
    source.map(|source| source.to_string()).unwrap_or_default()
}

/// How long a step took, milliseconds.
pub(super) fn total_ms(step: &StepReport) -> Option<f64> {
    step.timings.get("total_ms")?.as_f64()
}

/// Each fault once.
pub(super) fn root_causes(report: &Report) -> Vec<Fault<'_>> {
    // Of what the reader stopped there is nothing to explain.
    let is_cut_off =
        |step: &StepReport| matches!(step.why(), Some(Cause::Own(OwnCause::Interrupted)));
    let is_root =
        |step: &&StepReport| step.cause.is_some() && !is_cut_off(step) && step.because_of.is_none();
    faults(report.steps.iter().filter(is_root))
}

/// What is said of a fault, label and text, in the words and the order of every format; what
/// there is nothing to say of is left out.
pub(super) fn explanation(
    fault: &Fault<'_>,
    followers: &Followers<'_>,
) -> Vec<(&'static str, String)> {
    let step = fault.first;
    let Some(cause) = &step.cause else { return Vec::new() };
    let because = step.because_of.clone().unwrap_or_default();
    let lines = vec![
        ("seen", seen(step)),
        ("name", resolved(step)),
        ("also", others(step)),
        ("because of", because),
        ("likewise", likewise(fault)),
        ("fails too", consequences(followers, fault)),
        ("who acts", who_acts(fault)),
        (cause.turn(), cause.remedy.text.clone()),
        ("ask too", asked_too(step)),
        ("more", more(cause)),
    ];
    lines.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// Where its page is; a code that this version does not know has none here.
fn more(cause: &CauseReport) -> String {
    match &cause.why {
        Why::Unread(unread) if !Cause::codes().any(|known| known == unread.coded.code) => {
            String::new()
        }
        known => format!("preflight explain {}", known.code()),
    }
}

/// A warning: what works and will hurt, and the steps of one flow of which that is true.
#[derive(Debug)]
pub(super) struct Warning<'a> {
    /// What will hurt, as the first of them has it.
    pub(super) concern: &'a ConcernReport,
    /// The steps that show it.
    pub(super) steps: Fault<'a>,
}

/// Each warning once that somebody has to act on.
pub(super) fn warnings<'a>(report: &'a Report) -> Vec<Warning<'a>> {
    let each = |step: &'a StepReport| step.concerns.iter().map(move |concern| (step, concern));
    let all = report.steps.iter().flat_map(each).filter(|(_, concern)| concern.due().is_some());
    let alike = in_order(all, |(step, concern)| (step.flow.as_str(), concern.code()));
    let warning = |found: Vec<(&'a StepReport, &'a ConcernReport)>| {
        let concern = found.first()?.1;
        Some(Warning { concern, steps: Fault::of(found.into_iter().map(|(step, _)| step))? })
    };
    alike.into_iter().filter_map(|(_, found)| warning(found)).collect()
}

/// What is said of a warning below its sentence, label and text.
pub(super) fn about_warning(warning: &Warning<'_>) -> Vec<(&'static str, String)> {
    let Warning { concern, steps } = warning;
    let mut lines = vec![("likewise", likewise(steps))];
    lines.extend(about_concern(concern));
    lines.push(("more", format!("preflight explain {}", concern.code())));
    lines.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// Whose turn it is, and to do what; nothing where nobody has to act.
pub(crate) fn about_concern(concern: &ConcernReport) -> Vec<(&'static str, String)> {
    let Some(remedy) = concern.due() else { return Vec::new() };
    vec![("who acts", remedy.who.clone()), (concern.turn(), remedy.text.clone())]
}

/// With a capital letter in front.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Whose turn it is; of many devices none by name.
fn who_acts(fault: &Fault<'_>) -> String {
    match (fault.said(), &fault.first.cause) {
        (Refusers::Each(devices), _) => format!("network team, {devices} devices"),
        (_, Some(cause)) => cause.remedy.who.clone(),
        (_, None) => String::new(),
    }
}

/// What else the step asks for, of whom, beside what its remedy says.
pub(crate) fn asked_too(step: &StepReport) -> String {
    let Some(cause) = &step.cause else { return String::new() };
    let own = step.why().filter(|why| matches!(why.plea(), Plea::Allow { .. }));
    let own = own.and(cause.owner).map(Barrier::of);
    let remedy_asks = |wish: &Wish| {
        // A remedy has all the rules of the place that its cause lies at.
        (Some(wish.at) == own && wish.rule.is_some()) || cause.remedy.text == wish.what
    };
    let target = step.target.as_ref().map_or("", |target| target.host.as_str());
    let too = step.asked_for.iter().filter(|wish| !remedy_asks(wish));
    let too: Vec<String> =
        too.map(|wish| format!("{}: {}", wish.at.who(target), wish.request())).collect();
    too.join("; ")
}

/// The name that was really asked for, when a search domain or an alias changed it, its addresses, and
/// who gave them: "resolved as central.corp.example: 10.0.0.5 (DNS)".
fn resolved(step: &StepReport) -> String {
    let fact = |name: &str| step.evidence.get(name).and_then(|fact| fact.as_str());
    let name = fact("resolved_as").map(|name| format!("resolved as {name}"));
    let mut addresses: Vec<String> = Vec::new();
    for attempt in &step.attempts {
        let Some(address) = attempt.address.known() else { continue };
        let address = address.ip().to_string();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let Some(source) = fact("resolved_by").filter(|_| !addresses.is_empty()) else {
        return name.unwrap_or_default();
    };
    let is = format!("{} ({source})", addresses.join(", "));
    name.map_or(is.clone(), |name| format!("{name}: {is}"))
}

/// The other addresses and ports that failed, when there are any: some, then how many more.
fn others(step: &StepReport) -> String {
    const SHOWN: usize = 8;
    let own = step.cause.as_ref().map(|cause| &cause.why);
    let is_told = |attempt: &AttemptReport| match own {
        Some(Why::Cause(own)) => attempt.cause() == Some(own),
        other => attempt.code() == other.map(Why::code),
    };
    let texts = step
        .attempts
        .iter()
        .filter(|attempt| !is_told(attempt))
        .filter_map(|attempt| Some(format!("{}: {}", attempt.place(), attempt.code()?)));
    first_of(&texts.collect::<Vec<String>>(), SHOWN)
}

/// The steps that fail because those of a fault do: some by id, then how many.
fn consequences(followers: &Followers<'_>, fault: &Fault<'_>) -> String {
    const SHOWN: usize = 20;
    let followers = fault.steps().flat_map(|root| followers.of_root(root));
    let ids: Vec<&str> = followers.map(|step| step.id.as_str()).collect();
    first_of(&ids, SHOWN)
}

/// Targets, or their subnets, of which the same is true, with the device of each where they have
/// several: some by name, then how many.
fn likewise(fault: &Fault<'_>) -> String {
    const SHOWN: usize = 8;
    let is_each = matches!(fault.said(), Refusers::Each(_));
    let name = |step: &StepReport| match (place(step)?, step.device().filter(|_| is_each)) {
        (place, Some(device)) => Some(format!("{place} (device {device})")),
        (place, None) => Some(place.to_owned()),
    };
    let names: Vec<String> = fault.alike.iter().filter_map(|step| name(step)).collect();
    let names = in_order(names.iter(), String::as_str);
    let names: Vec<&str> = names.into_iter().map(|(name, _)| name).collect();
    first_of(&names, SHOWN)
}

fn place(step: &StepReport) -> Option<&str> {
    let target = step.target.as_ref().map(|target| target.shown.as_str());
    step.group.as_deref().or(target)
}

/// What was seen: the target, where it came from, and the cause in one sentence.
fn seen(step: &StepReport) -> String {
    let asked = step.target.as_ref().map(|TargetReport { shown, origin, .. }| {
        match step.direction {
            // A place in a file is where it came from.
            Direction::Local => format!("{shown}: "),
            Direction::Outbound | Direction::Inbound => format!("{shown} ({origin}): "),
        }
    });
    let asked = asked.unwrap_or_default();
    let message = step.cause.as_ref().map_or("", |cause| cause.message.as_str());
    format!("{asked}{message}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::model::Summary;
    use crate::report::sample::{cause, failing, report, step};

    /// The last line of a run: `w` works, `o` waits, `f` fails, `?` cannot be told, `!` warns, and
    /// a capital (`W`, `O`, `F`, `U`) is optional.
    fn last_line(steps: &str, phase: InstallPhase, strict: bool) -> (String, u8) {
        let step = |kind: char| -> Value {
            let outcome = match kind.to_ascii_lowercase() {
                'w' => "pass",
                'o' | '!' => "warn",
                'f' => "fail",
                _ => "unknown",
            };
            let mut step = step("poller", "central", "10.0.0.5", "bbdo:5669/tcp", outcome);
            step["required"] = json!(!kind.is_uppercase());
            let concern = |code| json!([{ "code": code, "message": "as it says" }]);
            match kind.to_ascii_lowercase() {
                'o' => step["concerns"] = concern("path-open"),
                '!' => step["concerns"] = concern("packet-loss"),
                'f' | '?' | 'u' => {
                    let silent = cause("no-answer", None);
                    step = Value::clone(&failing(step, "10.2.0.7", silent));
                }
                _ => {}
            }
            step
        };
        let steps: Vec<Value> = steps.chars().map(step).collect();
        let mut report = report("poller-1", "poller", "10.2.0.7", &steps);
        (report.phase, report.strict, report.took_ms) = (phase, strict, 400.0);
        report.summary = Summary::of(&report.steps, phase, strict, false);
        assert_eq!(report.summary.ready, report.summary.exit_code == 0);
        (summary(&report).join(" · "), report.summary.exit_code)
    }

    #[test]
    fn the_last_line_before_installation_adds_up() {
        for (steps, line, code) in [
            ("wwwwwwwooo", "ready to install: 7 work, 3 wait for the installation · 0.40 s", 0),
            (
                "woO",
                "ready to install: 1 works, 1 waits for the installation · 1 optional waits for the installation · 0.40 s",
                0,
            ),
            ("ww", "ready to install: all 2 required flows work · 0.40 s", 0),
            (
                "wOOF",
                "ready to install: the one required flow works · 2 optional wait for the installation · 1 optional fails · 0.40 s",
                0,
            ),
            (
                "w!o",
                "ready to install: 2 work, 1 waits for the installation · 1 with a warning · 0.40 s",
                0,
            ),
            (
                "wwofW",
                "1 of 4 required flows fails: poller.bbdo (no answer within 4.0 s) · 2 work · 1 waits for the installation · 1 optional works · 0.40 s",
                1,
            ),
            (
                "wff?",
                "2 of 4 required flows fail: 2 x poller.bbdo (no answer within 4.0 s) · 1 works · 1 cannot be told from here · 0.40 s",
                1,
            ),
            (
                "wo?U",
                "1 of 3 required flows cannot be told from here · 1 works · 1 waits for the installation · 1 optional cannot be told from here · 0.40 s",
                3,
            ),
            ("oo", "no required flow was seen to work · 2 wait for the installation · 0.40 s", 3),
            ("W", "no required flow was checked · 1 optional works · 0.40 s", 3),
        ] {
            assert_eq!(
                last_line(steps, InstallPhase::Before, false),
                (line.to_owned(), code),
                "{steps}"
            );
        }
    }

    #[test]
    fn the_last_line_after_installation_adds_up() {
        for (steps, line, code) in [
            ("ww", "all 2 required flows work · 0.40 s", 0),
            (
                "wFW",
                "the one required flow works · 1 optional works · 1 optional fails · 0.40 s",
                0,
            ),
            (
                "wf",
                "1 of 2 required flows fails: poller.bbdo (no answer within 4.0 s) · 1 works · 0.40 s",
                1,
            ),
            ("F", "no required flow was checked · 1 optional fails · 0.40 s", 3),
        ] {
            assert_eq!(
                last_line(steps, InstallPhase::After, false),
                (line.to_owned(), code),
                "{steps}"
            );
        }
    }

    #[test]
    fn what_waits_is_no_warning_that_strict_could_mean() {
        let ready = "ready to install: 1 works, 1 waits for the installation · 0.40 s";
        assert_eq!(last_line("wo", InstallPhase::Before, true), (ready.to_owned(), 0));
        let warned = "warnings fail this run: poller.bbdo (packet loss, --strict) · 2 work · \
                      1 waits for the installation · 1 with a warning · 0.40 s";
        assert_eq!(last_line("w!o", InstallPhase::Before, true), (warned.to_owned(), 1));
    }
}
