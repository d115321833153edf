//! Live progress on stderr: a row a step, for a person who waits; silent when nobody watches.
//!
//! The rows go away at the end, and the table on stdout takes their place.

mod screen;

use std::io::{self, IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use preflight_checks::Stage;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use self::screen::Screen;
use super::letters::in_locale;
use crate::report::StepReport;
use crate::run::outcome::Outcome;
use crate::run::plan::{Action, Plan};
use crate::text::{style, symbol};

/// A line with the counts, and under it the steps that run or are done.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    coloured: bool,
    rows: Mutex<ProgressRows>,
}

/// The steps that are asked, in the plan's order.
#[derive(Debug, Default)]
struct ProgressRows {
    asked: Vec<ProgressRow>,
    /// Places of those that are done, in the order in which they finished.
    done: Vec<usize>,
    /// A line under them.
    note: String,
}

/// One step that is asked.
#[derive(Debug)]
struct ProgressRow {
    /// Index into the plan.
    step: usize,
    name: String,
    state: RowState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum RowState {
    /// Not begun yet: too many others are asked.
    Queued,
    Runs,
    /// It runs, and this is being done.
    Reached(&'static str, Option<Duration>),
    Done(Outcome, String),
}

/// How often the clock moves.
const TICK: Duration = Duration::from_millis(120);
/// How often the rows are drawn at most, times a second.
const MOST_DRAWN: u8 = 20;
/// Rows that are shown at most, however high the terminal is.
const MOST: usize = 20;

impl Progress {
    /// Progress of `plan`; draws nothing when stderr is no terminal that can move its
    /// cursor, or when `told` says that the run is told otherwise.
    pub(crate) fn new(plan: &Plan, told: bool) -> Self {
        let asked = plan.steps.iter().enumerate();
        let asked = asked.filter(|(_, step)| matches!(step.action, Action::Ask(_)));
        let row = |(index, step): (usize, &crate::run::plan::Step)| ProgressRow {
            step: index,
            name: preflight_checks::printable(&step.id),
            state: RowState::Queued,
        };
        let rows: Vec<ProgressRow> = asked.map(row).collect();
        let target = if told || is_dumb() || !io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::term_like_with_hz(Box::<Screen>::default(), MOST_DRAWN)
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
        Self {
            bar,
            coloured,
            rows: Mutex::new(ProgressRows { asked: rows, ..ProgressRows::default() }),
        }
    }

    /// Does anybody see it?
    pub(crate) fn is_shown(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Shows that the step at `index` of the plan is being asked.
    pub(crate) fn started(&self, index: usize) {
        self.change(index, RowState::Runs);
    }

    /// Shows what is being done about the step at `index` of the plan.
    pub(crate) fn reached(&self, index: usize, stage: Stage) {
        let (doing, at_most) = match stage {
            Stage::Asking(at_most) => ("waiting for an answer", Some(at_most)),
            Stage::LookingAtPath => {
                ("no answer yet; looking for the hop where the silence begins", None)
            }
            Stage::LookingInto => ("failed; looking for the reason", None),
        };
        // By the clock in the first line.
        let until = at_most.map(|at_most| self.bar.elapsed() + at_most);
        self.change(index, RowState::Reached(doing, until));
    }

    /// Shows what came of the step at `index` of the plan.
    pub(crate) fn finished(&self, index: usize, step: &StepReport) {
        self.bar.inc(1);
        self.change(index, RowState::Done(step.outcome, step.result.clone()));
    }

    /// Shows what a later question of the step at `index` came to; `told`: as a line, where no
    /// terminal shows rows.
    pub(crate) fn changed(&self, index: usize, step: &StepReport, told: bool) {
        if self.bar.is_hidden() {
            if told {
                let name = preflight_checks::printable(&step.id);
                let line = format!("{} {name}: {}", symbol(step.outcome), step.result);
                let _closed_pipe = writeln!(io::stderr(), "{}", in_locale(&line));
            }
            return;
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.renew(index, RowState::Done(step.outcome, step.result.clone()));
        self.draw(&rows);
    }

    /// Shows a line under the rows.
    pub(crate) fn note(&self, line: String) {
        if self.bar.is_hidden() {
            return;
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.note = line;
        self.draw(&rows);
    }

    /// Takes the rows away: the table follows.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn change(&self, index: usize, state: RowState) {
        if self.bar.is_hidden() {
            return;
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.change(index, state);
        self.draw(&rows);
    }

    fn draw(&self, rows: &ProgressRows) {
        let (columns, height) = screen::size();
        let note = (!rows.note.is_empty()).then(|| cut(&rows.note, columns.saturating_sub(1)));
        // A line for the counts, and one for the cursor.
        let room = height.saturating_sub(2 + note.iter().count());
        let lines = rows.lines(columns, room.min(MOST), self.coloured);
        let all: Vec<String> = std::iter::once(String::new()).chain(lines).chain(note).collect();
        self.bar.set_message(in_locale(&all.join("\n")).into_owned());
    }
}

/// A terminal that cannot move its cursor, or does not say what it is.
fn is_dumb() -> bool {
    std::env::var("TERM").map_or(true, |term| term.is_empty() || term == "dumb")
}

impl ProgressRows {
    fn change(&mut self, step: usize, state: RowState) {
        let Some(at) = self.asked.iter().position(|row| row.step == step) else { return };
        // That a quick step began may be heard after it has finished.
        let is_done = |row: &ProgressRow| matches!(row.state, RowState::Done(..));
        if self.asked.get(at).is_some_and(is_done) {
            return;
        }
        if matches!(state, RowState::Done(..)) {
            self.done.push(at);
        }
        if let Some(row) = self.asked.get_mut(at) {
            row.state = state;
        }
    }

    /// The step is done anew.
    fn renew(&mut self, step: usize, state: RowState) {
        let Some(at) = self.asked.iter().position(|row| row.step == step) else { return };
        self.done.retain(|&done| done != at);
        self.done.push(at);
        if let Some(row) = self.asked.get_mut(at) {
            row.state = state;
        }
    }

    /// At most `most` lines of less than `columns`: what runs, then what finished last, in the
    /// plan's order, and how many are left out.
    fn lines(&self, columns: usize, most: usize, coloured: bool) -> Vec<String> {
        let rows = &self.asked;
        let is_begun = rows.iter().all(|row| row.state != RowState::Queued);
        let fits = is_begun && rows.len() <= most;
        let room = if fits { most } else { most.saturating_sub(1) };
        let is_running =
            |row: &&ProgressRow| matches!(row.state, RowState::Runs | RowState::Reached(..));
        let runs = rows.iter().filter(is_running);
        let done = self.done.iter().rev().filter_map(|&at| rows.get(at));
        let mut shown: Vec<&ProgressRow> = runs.chain(done).take(room).collect();
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
}

impl ProgressRow {
    fn line(&self, widest: usize, columns: usize, coloured: bool) -> String {
        let (mark, text) = match &self.state {
            RowState::Done(outcome, result) => {
                let (mark, style) = (symbol(*outcome), style(*outcome));
                let mark =
                    if coloured { format!("{style}{mark}{style:#}") } else { mark.to_owned() };
                (mark, result.clone())
            }
            RowState::Reached(doing, Some(until)) => {
                let until = until.as_secs_f64().ceil();
                ("·".to_owned(), format!("{doing}, until {until} s at the longest"))
            }
            RowState::Reached(doing, None) => ("·".to_owned(), (*doing).to_owned()),
            RowState::Queued | RowState::Runs => ("·".to_owned(), "waiting".to_owned()),
        };
        let name = cut(&self.name, widest);
        let gap = " ".repeat(widest.saturating_sub(name.width()));
        // Two before the mark, one behind it, two before the text; the last column stays free.
        let text = cut(&text, columns.saturating_sub(widest + 7));
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

    fn rows(states: impl IntoIterator<Item = (usize, RowState)>) -> ProgressRows {
        let mut rows = ProgressRows::default();
        for (step, state) in states {
            let name = format!("poller.snmp@10.0.0.{step}");
            rows.asked.push(ProgressRow { step, name, state: RowState::Queued });
            rows.change(step, state);
        }
        rows
    }

    fn done() -> RowState {
        RowState::Done(Outcome::Pass, "net-snmp, up 9 d".to_owned())
    }

    #[test]
    fn a_few_steps_are_all_shown_with_their_mark() {
        let failed = RowState::Done(Outcome::Fail, "nothing listens".to_owned());
        assert_eq!(
            rows([(0, RowState::Runs), (7, failed), (8, done())]).lines(80, 20, false),
            [
                "  · poller.snmp@10.0.0.0  waiting",
                "  ✗ poller.snmp@10.0.0.7  nothing listens",
                "  ✓ poller.snmp@10.0.0.8  net-snmp, up 9 d",
            ]
        );
    }

    #[test]
    fn a_step_that_runs_says_what_is_done_and_until_when() {
        let asking = RowState::Reached("waiting for an answer", Some(Duration::from_millis(4_200)));
        let looking = RowState::Reached("failed; looking for the reason", None);
        let mut rows = rows([(0, asking), (1, looking), (2, done())]);
        // What was on its way when the step was done comes too late.
        rows.change(2, RowState::Reached("failed; looking for the reason", None));
        assert_eq!(
            rows.lines(80, 20, false),
            [
                "  · poller.snmp@10.0.0.0  waiting for an answer, until 5 s at the longest",
                "  · poller.snmp@10.0.0.1  failed; looking for the reason",
                "  ✓ poller.snmp@10.0.0.2  net-snmp, up 9 d",
            ]
        );
    }

    #[test]
    fn a_step_that_is_heard_to_begin_after_its_end_stays_done() {
        let mut rows = rows([(0, done()), (1, RowState::Runs)]);
        rows.change(0, RowState::Runs);
        assert_eq!(
            rows.lines(80, 20, false),
            ["  ✓ poller.snmp@10.0.0.0  net-snmp, up 9 d", "  · poller.snmp@10.0.0.1  waiting",]
        );
    }

    #[test]
    fn a_step_that_is_asked_again_shows_what_came_of_it() {
        let failed = RowState::Done(Outcome::Fail, "no answer".to_owned());
        let mut rows = rows([(0, failed), (1, done())]);
        rows.renew(0, RowState::Done(Outcome::Pass, "12:00:01 UTC: BBDO 3".to_owned()));
        assert_eq!(
            rows.lines(80, 20, false),
            [
                "  ✓ poller.snmp@10.0.0.0  12:00:01 UTC: BBDO 3",
                "  ✓ poller.snmp@10.0.0.1  net-snmp, up 9 d",
            ]
        );
        assert_eq!(rows.done, [1, 0]);
    }

    #[test]
    fn of_many_steps_those_that_run_and_the_last_that_finished_are_shown() {
        let state = |step| match step {
            199 => RowState::Queued,
            50 | 150 => RowState::Runs,
            _ => done(),
        };
        let lines = rows((0..200).map(|step| (step, state(step)))).lines(80, 5, false);
        assert_eq!(
            lines,
            [
                "  · poller.snmp@10.0.0.50   waiting",
                "  · poller.snmp@10.0.0.150  waiting",
                "  ✓ poller.snmp@10.0.0.197  net-snmp, up 9 d",
                "  ✓ poller.snmp@10.0.0.198  net-snmp, up 9 d",
                "    and 196 more",
            ]
        );
    }

    #[test]
    fn no_line_reaches_the_last_column() {
        let long = RowState::Done(Outcome::Warn, "漢字".repeat(99));
        let mut rows = rows([(0, long), (1, RowState::Runs)]);
        rows.asked[1].name = "a-very-long-name".repeat(9);
        for columns in 16..100 {
            for line in rows.lines(columns, 20, false) {
                assert!(line.width() < columns, "{columns}: {line}");
            }
        }
        assert_eq!(rows.lines(80, 0, false), [""; 0]);
    }

    #[test]
    fn marks_are_coloured_only_when_asked() {
        let rows = rows([(0, done())]);
        assert!(rows.lines(80, 9, true)[0].contains("\u{1b}["));
        assert!(!rows.lines(80, 9, false)[0].contains('\u{1b}'));
    }
}
