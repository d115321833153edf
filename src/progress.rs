//! Live progress on stderr: a row a step, for a person who waits; silent when nobody watches.
//!
//! The rows go away at the end, and the table on stdout takes their place.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::plan::{Action, Plan};
use crate::report::StepReport;
use crate::report::table::{style, symbol};
use crate::verdict::Outcome;

/// A line with the counts, and under it the steps that run or are done.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    coloured: bool,
    rows: Mutex<Vec<Row>>,
}

/// One step that is asked.
#[derive(Debug)]
struct Row {
    /// Index into the plan.
    step: usize,
    name: String,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Not begun yet: too many others are asked.
    Queued,
    Runs,
    /// The number is the place in the order in which steps finished.
    Done(usize, Outcome, String),
}

/// How often the clock moves.
const TICK: Duration = Duration::from_millis(120);
/// Rows that are shown at most, however high the terminal is.
const MOST: usize = 20;

impl Progress {
    /// Progress of `plan`; draws nothing when stderr is no terminal that can move its
    /// cursor, or when `told` says that the run is told otherwise.
    pub(crate) fn new(plan: &Plan, told: bool) -> Self {
        let asked = plan.steps.iter().enumerate();
        let asked = asked.filter(|(_, step)| matches!(step.action, Action::Ask(_)));
        let row = |(index, step): (usize, &crate::plan::Step)| Row {
            step: index,
            name: preflight_checks::printable(&step.id),
            state: State::Queued,
        };
        let rows: Vec<Row> = asked.map(row).collect();
        let target = if told || is_dumb() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let total = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {elapsed}{msg}") {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        let choice = anstream::AutoStream::choice(&io::stderr());
        let coloured = choice != anstream::ColorChoice::Never;
        Self { bar, coloured, rows: Mutex::new(rows) }
    }

    /// Shows that the step at `index` of the plan is being asked.
    pub(crate) fn started(&self, index: usize) {
        self.change(index, |_| State::Runs);
    }

    /// Shows what came of the step at `index` of the plan.
    pub(crate) fn finished(&self, index: usize, step: &StepReport) {
        self.bar.inc(1);
        self.change(index, |done| State::Done(done, step.outcome, step.result.clone()));
    }

    /// Takes the rows away: the table follows.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn change(&self, index: usize, state: impl FnOnce(usize) -> State) {
        if self.bar.is_hidden() {
            return;
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let done = rows.iter().filter(|row| matches!(row.state, State::Done(..))).count();
        if let Some(row) = rows.iter_mut().find(|row| row.step == index) {
            row.state = state(done);
        }
        let (columns, height) = size();
        // A line for the counts, and one for the cursor.
        let lines = lines(&rows, columns, height.saturating_sub(2).min(MOST), self.coloured);
        self.bar.set_message([vec![String::new()], lines].concat().join("\n"));
    }
}

/// A terminal that cannot move its cursor, or does not say what it is.
fn is_dumb() -> bool {
    std::env::var("TERM").map_or(true, |term| term.is_empty() || term == "dumb")
}

/// Columns and lines of the terminal behind stderr.
fn size() -> (usize, usize) {
    const UNKNOWN: (usize, usize) = (80, 24);
    terminal_size::terminal_size_of(io::stderr())
        .map_or(UNKNOWN, |(columns, lines)| (columns.0.into(), lines.0.into()))
}

/// At most `most` lines of less than `columns`: what runs, then what finished last, in the
/// plan's order, and how many are left out.
fn lines(rows: &[Row], columns: usize, most: usize, coloured: bool) -> Vec<String> {
    let mut shown: Vec<&Row> = rows.iter().filter(|row| row.state != State::Queued).collect();
    let fits = shown.len() == rows.len() && rows.len() <= most;
    let room = if fits { most } else { most.saturating_sub(1) };
    shown.sort_by_key(|row| match row.state {
        State::Done(place, ..) => (1, usize::MAX - place),
        _ => (0, row.step),
    });
    shown.truncate(room);
    shown.sort_by_key(|row| row.step);
    let widest = shown.iter().map(|row| row.name.width()).max().unwrap_or(0).min(columns / 2);
    let mut lines: Vec<String> =
        shown.iter().map(|row| row.line(widest, columns, coloured)).collect();
    let left = rows.len() - shown.len();
    if left > 0 && most > 0 {
        lines.push(format!("    and {left} more"));
    }
    lines
}

impl Row {
    fn line(&self, widest: usize, columns: usize, coloured: bool) -> String {
        let (mark, text) = match &self.state {
            State::Done(_, outcome, result) => {
                let (mark, style) = (symbol(*outcome), style(*outcome));
                let mark =
                    if coloured { format!("{style}{mark}{style:#}") } else { mark.to_owned() };
                (mark, result.as_str())
            }
            _ => ("·".to_owned(), "waiting"),
        };
        let name = cut(&self.name, widest);
        let gap = " ".repeat(widest.saturating_sub(name.width()));
        // Two before the mark, one behind it, two before the text; the last column stays free.
        let text = cut(text, columns.saturating_sub(widest + 7));
        format!("  {mark} {name}{gap}  {text}").trim_end().to_owned()
    }
}

/// The text in at most `columns`; a dot-dot-dot stands for what is missing.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let mut short: String = text
        .chars()
        .take_while(|c| {
            let width = c.width().unwrap_or(0);
            let fits = width <= room;
            room = if fits { room - width } else { 0 };
            fits
        })
        .collect();
    if columns > 0 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: usize, state: State) -> Row {
        Row { step, name: format!("poller.snmp@10.0.0.{step}"), state }
    }

    fn done(place: usize) -> State {
        State::Done(place, Outcome::Pass, "net-snmp, up 9 d".to_owned())
    }

    #[test]
    fn a_few_steps_are_all_shown_with_their_mark() {
        let failed = State::Done(0, Outcome::Fail, "nothing listens".to_owned());
        let rows = [row(0, State::Runs), row(7, failed), row(8, done(1))];
        assert_eq!(
            lines(&rows, 80, 20, false),
            [
                "  · poller.snmp@10.0.0.0  waiting",
                "  ✗ poller.snmp@10.0.0.7  nothing listens",
                "  ✓ poller.snmp@10.0.0.8  net-snmp, up 9 d",
            ]
        );
    }

    #[test]
    fn of_many_steps_those_that_run_and_the_last_that_finished_are_shown() {
        let state = |step| match step {
            199 => State::Queued,
            50 | 150 => State::Runs,
            step => done(step),
        };
        let rows: Vec<Row> = (0..200).map(|step| row(step, state(step))).collect();
        let lines = lines(&rows, 80, 5, false);
        assert_eq!(lines.len(), 5);
        let steps: Vec<bool> = [50, 150, 197, 198]
            .iter()
            .zip(&lines)
            .map(|(n, l)| l.contains(&format!(".{n} ")))
            .collect();
        assert_eq!(steps, [true; 4], "{lines:#?}");
        assert_eq!(lines[4], "    and 196 more");
    }

    #[test]
    fn no_line_reaches_the_last_column() {
        let long = State::Done(0, Outcome::Warn, "漢字".repeat(99));
        let mut rows = [row(0, long), row(1, State::Runs)];
        rows[1].name = "a-very-long-name".repeat(9);
        for columns in 0..100 {
            for line in lines(&rows, columns, 20, false) {
                assert!(line.width() < columns.max(16), "{columns}: {line}");
            }
        }
        assert_eq!(lines(&rows, 80, 0, false), [""; 0]);
    }

    #[test]
    fn marks_are_coloured_only_when_asked() {
        let rows = [row(0, done(0))];
        assert!(lines(&rows, 80, 9, true)[0].contains("\u{1b}["));
        assert!(!lines(&rows, 80, 9, false)[0].contains('\u{1b}'));
    }
}
