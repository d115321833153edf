//! Live progress on stderr, for a person who waits; silent when nobody watches.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::plan::{Action, Plan};
use crate::runner::Event;

/// One line: how many are done, and what is still being waited for.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    names: Vec<String>,
    waiting: Mutex<Vec<usize>>,
}

/// How often the clock in the line moves.
const TICK: Duration = Duration::from_millis(120);

impl Progress {
    /// Progress of `plan`; draws nothing when stderr is no terminal.
    pub(crate) fn new(plan: &Plan) -> Self {
        let asked = plan.steps.iter().filter(|step| matches!(step.action, Action::Ask(_))).count();
        let total = u64::try_from(asked).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {pos}/{len} {elapsed} {wide_msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        let names = plan.steps.iter().map(|step| step.id.clone()).collect();
        Self { bar, names, waiting: Mutex::default() }
    }

    /// Shows what happened.
    pub(crate) fn on(&self, event: Event<'_>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Started(index) => waiting.push(index),
            Event::Finished(index, _) => {
                waiting.retain(|&step| step != index);
                self.bar.inc(1);
            }
        }
        let names: Vec<&str> =
            waiting.iter().filter_map(|&step| self.names.get(step)).map(String::as_str).collect();
        self.bar.set_message(format!("waiting for {}", names.join(", ")));
    }

    /// Takes the line away: the table follows.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
