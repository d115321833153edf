//! Every address and every text of a report, each with what it is.
//!
//! Each struct is taken apart whole: a field that is added to a report does not compile before it is said
//! here what it holds. What is made anew from the facts, sentences and advice, is left empty.

use std::net::IpAddr;
use std::sync::Arc;

use preflight_checks::{Cause, Coded, Concern, Remedy};
use serde_json::{Map, Value, json};

use super::told::{TextKind, told};
use crate::catalogue::Identity;
use crate::report::{
    AttemptReport, CauseReport, ClockReport, ConcernReport, NoteReport, Readable, Report,
    StepReport, TargetReport, UnreadCause, WayReport, Why,
};
use crate::run::plan::Direction;
use crate::site::local::Host;
use crate::site::mistake::Mistake;
use crate::site::{ASKED_FOR, Origin};

/// Whoever looks at all of a report, or changes it.
pub(super) trait Walker {
    /// An address.
    fn address(&mut self, address: &mut IpAddr);
    /// A text; `fact` is the name of the fact that it is, if it is one.
    fn text(&mut self, told: TextKind, fact: &str, text: &mut String);
    /// Is it the id of a flow that everybody has?
    fn is_known(&self, flow: &str) -> bool;
}

/// Shows all of it to `walker`.
pub(super) fn walk(report: &mut Report, walker: &mut dyn Walker) {
    let Report {
        schema_version: _,
        tool: _,
        host: Host { name, os: _, kernel: _, root: _, privileges: _, addresses },
        started_at: _,
        took_ms: _,
        root,
        role: _,
        profile,
        catalogue,
        clock,
        phase: _,
        strict: _,
        interrupted: _,
        redacted: _,
        notes,
        steps,
        summary,
    } = report;
    walker.text(TextKind::Machine, "", name);
    for address in addresses {
        walker.address(address);
    }
    sentences(root.iter_mut().chain([profile]), walker);
    if let Some(Identity { file, sha256: _, version, date, follows, platform, misfit }) = catalogue
    {
        let texts = [file, version, date, platform, misfit].into_iter().flatten();
        sentences(texts.chain(follows), walker);
    }
    if let Some(ClockReport { offset_ms: _, against }) = clock {
        walker.text(TextKind::Host, "", against);
    }
    for NoteReport { file, line: _, reason, missing } in notes {
        sentences([file, reason, missing], walker);
    }
    for step in steps {
        walk_step(step, walker);
    }
    summary.text.clear();
    summary.reasons.clear();
    summary.causes.clear();
}

fn sentences<'a>(texts: impl IntoIterator<Item = &'a mut String>, walker: &mut dyn Walker) {
    texts.into_iter().for_each(|text| walker.text(TextKind::Sentence, "", text));
}

fn walk_step(step: &mut StepReport, walker: &mut dyn Walker) {
    let StepReport {
        id,
        flow,
        place,
        from,
        to,
        direction,
        required: _,
        until: _,
        why,
        look_at,
        through_vpn,
        group,
        target,
        outcome: _,
        result,
        cause,
        unread,
        because_of,
        asked_for,
        concerns,
        evidence,
        attempts,
        timings,
    } = step;
    // What a flow of one's own is for is in one's own words.
    let is_own = *direction != Direction::Local && !walker.is_known(flow);
    let words = if is_own { TextKind::Words } else { TextKind::Sentence };
    for text in [why, look_at] {
        if !text.is_empty() && *text != ASKED_FOR {
            walker.text(words, "", text);
        }
    }
    walker.text(TextKind::Step, "", id);
    if let Some(root) = because_of {
        walker.text(TextKind::Step, "", root);
    }
    walker.text(TextKind::Flow, "", flow);
    through_vpn.iter_mut().chain(place).for_each(|host| walker.text(TextKind::Host, "", host));
    sentences([&mut from.0, &mut to.0].into_iter().chain(group).chain(unread), walker);
    if let Some(target) = target {
        walk_target(target, walker);
    }
    if let Some(CauseReport { why, owner: _, message, remedy }) = cause {
        walk_why(why, walker);
        match why {
            // A sentence of another version: nobody here knows what is in it.
            Why::Unread(_) => walker.text(TextKind::Words, "", message),
            Why::Cause(_) | Why::Mistake(_) => message.clear(),
        }
        *remedy = Remedy::in_words(String::new(), String::new());
    }
    for ConcernReport { code: _, message, owner: _, remedy } in concerns {
        walker.text(TextKind::Sentence, "", message);
        *remedy = None;
    }
    walker.text(TextKind::Sentence, "result", result);
    asked_for.clear();
    facts("", evidence, walker);
    facts("", timings, walker);
    for attempt in attempts {
        walk_attempt(attempt, walker);
    }
}

fn walk_target(target: &mut TargetReport, walker: &mut dyn Walker) {
    let TargetReport { host, peer, shown, origin, seen_as, source, ways, also_try } = target;
    [host].into_iter().chain(peer).for_each(|host| walker.text(TextKind::Host, "", host));
    sentences([shown], walker);
    walk_origin(origin, walker);
    seen_as.iter_mut().chain(source).for_each(|address| walker.address(address));
    for WayReport { protocol: _, transports: _, port: _, origin } in ways.iter_mut().chain(also_try)
    {
        walk_origin(origin, walker);
    }
}

fn walk_origin(origin: &mut Origin, walker: &mut dyn Walker) {
    match origin {
        Origin::Flag(words) | Origin::Other(words) => sentences([words.to_mut()], walker),
        Origin::SiteFile(at) | Origin::File(at) => {
            let mut file = at.file.to_string();
            sentences([&mut file], walker);
            at.file = Arc::from(file);
        }
        Origin::Profile => {}
    }
}

fn walk_attempt(attempt: &mut AttemptReport, walker: &mut dyn Walker) {
    let AttemptReport {
        address,
        protocol: _,
        way: _,
        source,
        outcome: _,
        cause,
        at_first,
        other_transport,
        concerns,
        headline,
        evidence,
        timings,
    } = attempt;
    match address {
        Readable::Known(known) => {
            let mut ip = known.ip();
            walker.address(&mut ip);
            known.set_ip(ip);
        }
        Readable::Unread(saved) => fact("", "", saved, walker),
    }
    match source {
        Some(Readable::Known(known)) => walker.address(known),
        Some(Readable::Unread(saved)) => fact("", "", saved, walker),
        None => {}
    }
    for cause in [cause, at_first, other_transport].into_iter().flatten() {
        walk_coded(cause, Cause::coded, walker);
    }
    for concern in concerns {
        walk_coded(concern, Concern::coded, walker);
    }
    walker.text(TextKind::Sentence, "headline", headline);
    facts("", evidence, walker);
    facts("", timings, walker);
}

fn walk_why(why: &mut Why, walker: &mut dyn Walker) {
    let mut coded = match why {
        Why::Cause(cause) => cause.coded(),
        Why::Mistake(mistake) => mistake.coded(),
        Why::Unread(UnreadCause { coded, layer: _, owner: _, device }) => {
            facts(&coded.code, &mut coded.facts, walker);
            sentences(device, walker);
            return;
        }
    };
    let layer = why.layer_name();
    facts(&coded.code, &mut coded.facts, walker);
    let read = match why {
        Why::Cause(_) => Cause::try_from(coded.clone()).map(Why::Cause),
        Why::Mistake(_) | Why::Unread(_) => Mistake::try_from(coded.clone()).map(Why::Mistake),
    };
    let unread = UnreadCause { coded, layer, owner: String::new(), device: None };
    *why = read.unwrap_or(Why::Unread(unread));
}

/// A cause or concern: its facts change, and it is read again from them.
fn walk_coded<T: TryFrom<Coded>>(
    readable: &mut Readable<T>,
    coded: impl Fn(&T) -> Coded,
    walker: &mut dyn Walker,
) {
    let mut coded = match readable {
        Readable::Known(known) => coded(known),
        Readable::Unread(saved) => return fact("", "cause", saved, walker),
    };
    facts(&coded.code, &mut coded.facts, walker);
    *readable =
        T::try_from(coded.clone()).map_or_else(|_| Readable::Unread(json!(coded)), Readable::Known);
}

/// The facts of a cause of that code, or evidence.
fn facts(code: &str, facts: &mut Map<String, Value>, walker: &mut dyn Walker) {
    for (mut name, mut value) in std::mem::take(facts) {
        fact(code, &name, &mut value, walker);
        if told(code, &name).is_none() {
            // A stranger may have had a part in the name: `poller_2_type`.
            sentences([&mut name], walker);
        }
        facts.insert(name, value);
    }
}

fn fact(code: &str, name: &str, value: &mut Value, walker: &mut dyn Walker) {
    match value {
        Value::String(text) => {
            let told = told(code, name).unwrap_or(TextKind::Words);
            // Whatever it is called: an address is one.
            let is_address = told != TextKind::Ours && text.parse::<IpAddr>().is_ok();
            walker.text(if is_address { TextKind::Sentence } else { told }, name, text);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fact(code, name, item, walker)),
        Value::Object(map) => match map.get("code").and_then(Value::as_str).map(str::to_owned) {
            // A cause within a cause.
            Some(inner) => {
                map.iter_mut().filter(|(name, _)| *name != "code").for_each(|(name, value)| {
                    match value {
                        Value::Object(within) => facts(&inner, within, walker),
                        other => fact(&inner, name, other, walker),
                    }
                });
            }
            None => facts(code, map, walker),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
