//! What a run is: the plan, the questions asked of it, and how the answers are judged.

pub(crate) mod finding;
pub(crate) mod hold;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod runner;
pub(crate) mod verdict;
pub(crate) mod watch;
pub(crate) mod wish;
