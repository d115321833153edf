//! What makes two runs hard to compare.

use jiff::Timestamp;

use super::standing::is_unfinished;
use crate::report::Report;

/// One sentence for each thing a reader must know before the changes.
pub(super) fn notes(old: &Report, new: &Report) -> Vec<String> {
    let mut notes: Vec<String> =
        [machines(old, new), order(old, new)].into_iter().flatten().collect();
    notes.extend(differs("role", &old.role.to_string(), &new.role.to_string()));
    notes.extend(differs("profile", &old.profile, &new.profile));
    notes.extend((old.phase != new.phase).then(|| {
        format!(
            "the first run was {} the installation, the second {} it: a closed port fails only after it",
            old.phase, new.phase
        )
    }));
    notes.extend(versions(old, new));
    notes.extend(interrupted("first", old));
    notes.extend(interrupted("second", new));
    notes
}

fn machines(old: &Report, new: &Report) -> Option<String> {
    let (one, other) = (&old.host, &new.host);
    let shares = one.addresses.iter().any(|address| other.addresses.contains(address));
    (one.name != other.name && !shares).then(|| {
        format!("two machines: the first run is of {}, the second of {}", one.name, other.name)
    })
}

fn order(old: &Report, new: &Report) -> Option<String> {
    let (Ok(before), Ok(after)) =
        (old.started_at.parse::<Timestamp>(), new.started_at.parse::<Timestamp>())
    else {
        return Some("when the runs were made cannot be read".to_owned());
    };
    let apart = after.duration_since(before);
    if before == after && old.host == new.host {
        return Some("both files are of one and the same run".to_owned());
    }
    if apart.is_negative() {
        return Some(format!(
            "the first run is the newer one, by {}: is the order right?",
            span(apart.unsigned_abs())
        ));
    }
    (apart.as_hours() >= FAR_APART_HOURS)
        .then(|| format!("the runs are {} apart", span(apart.unsigned_abs())))
}

fn differs(what: &str, old: &str, new: &str) -> Option<String> {
    (old != new).then(|| format!("the {what} was {old}, and is {new}: other flows are asked"))
}

fn versions(old: &Report, new: &Report) -> Option<String> {
    let (one, other) = (&old.tool.version, &new.tool.version);
    (one != other)
        .then(|| format!("made by preflight {one} and {other}, which may ask differently"))
}

fn interrupted(which: &str, report: &Report) -> Option<String> {
    let unfinished = report.steps.iter().filter(|step| is_unfinished(step)).count();
    report.interrupted.then(|| {
        format!("the {which} run was interrupted: {unfinished} of its steps were not finished")
    })
}

/// "25 minutes", "3 days": one number, rounded down.
pub(crate) fn span(apart: std::time::Duration) -> String {
    let seconds = apart.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    // From two of a unit on: "36 hours" says more than "1 day".
    let unit = units.into_iter().find(|(length, _)| seconds >= 2 * length);
    let (length, name) = unit.unwrap_or((1, "second"));
    let count = seconds / length;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// After a week more may have changed than what somebody wants to see the effect of.
const FAR_APART_HOURS: i64 = 7 * 24;
