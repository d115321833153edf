//! The terminal and the process: what is written where, progress, signals.

pub(crate) mod interrupt;
pub(crate) mod letters;
pub(crate) mod limits;
pub(crate) mod output;
pub(crate) mod privileges;
pub(crate) mod progress;
pub(crate) mod prompt;
