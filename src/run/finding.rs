//! What was found for a step, before anybody judges it.

use std::time::Duration;

use preflight_checks::{Cause, Finding, NameSource, Seen};

/// The fact that tells where a question came from, as the far side saw it.
pub(crate) const SEEN_THERE_AS: &str = "seen_there_as";
/// The fact that tells who has opened an inbound flow towards this machine.
pub(crate) const REACHED_FROM: &str = "reached_from";
/// The fact that tells from where a mark has come to a door whose flow comes from elsewhere.
pub(crate) const MARK_FROM: &str = "mark_from";

/// What was found for one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Why the name could not be resolved.
    pub(crate) unresolved: Option<Cause>,
    /// How long the resolver took, when it was asked.
    pub(crate) resolve: Option<Duration>,
    /// The name that was really resolved, when it is another one.
    pub(crate) canonical: Option<String>,
    /// Where its addresses came from; `None` for an address.
    pub(crate) named_by: Option<NameSource>,
    /// Each address on each way.
    pub(crate) attempts: Vec<Attempt>,
    /// How long all of it took.
    pub(crate) took: Duration,
}

/// One address on one way.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Index into the question's ways; one past the end is `also_try`.
    pub(crate) way: usize,
    /// What came of it.
    pub(crate) finding: Finding,
}

/// Who has signed the certificate that was shown.
pub(crate) fn issuer_in(seen: &Seen) -> Option<String> {
    seen.evidence.fact("certificate_issuer").map(ToString::to_string)
}

/// Says more of what works, behind what was said already.
pub(crate) fn add_to_headline(seen: &mut Seen, more: &str) {
    if !seen.headline.is_empty() {
        seen.headline.push_str("; ");
    }
    seen.headline.push_str(more);
}
