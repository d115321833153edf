//! The drawer of a step: all that was seen, whose turn it is, and where each value came from.

use serde_json::{Map, Value};

use super::markup::Markup;
use super::sheet::{Row, Sheet};
use crate::report::{AttemptReport, StepReport};

/// Appends what there is to know of the steps of `row`.
pub(super) fn drawer(sheet: &Sheet<'_>, row: &Row<'_>, to: &mut Markup) {
    let step = row.first;
    to.element("dl", &[], |list| {
        pair(list, "why", &step.why);
        verdict(sheet, step, list);
        origin(row, list);
    });
    if row.place.is_none() {
        attempts(&step.attempts, to);
        facts("Timings", &step.timings, |_| true, to);
        facts("Certificate", &step.evidence, is_certificate, to);
        facts("Evidence", &step.evidence, |name| !is_certificate(name), to);
    }
}

/// Why it failed, who acts, what will hurt, and what else fails with it.
pub(super) fn verdict(sheet: &Sheet<'_>, step: &StepReport, list: &mut Markup) {
    if let Some(cause) = &step.cause {
        pair(list, "seen", &cause.message);
        pair_of(list, "cause", |to| {
            to.leaf("code", &[], &cause.code).text(" (").text(&cause.layer).text(")");
        });
        remedy(step, list);
        explain(list, &cause.code);
    }
    for concern in &step.concerns {
        pair(list, "will hurt", &concern.message);
        explain(list, &concern.code);
    }
    if let Some(root) = &step.because_of {
        pair_of(list, "because of", |to| link(sheet, root, to));
    }
    fails_too(sheet, step, list);
}

/// Who acts, and what is asked of them.
pub(super) fn remedy(step: &StepReport, list: &mut Markup) {
    if let Some(cause) = &step.cause {
        let label = if cause.owner == "this-host" { "do" } else { "ask for" };
        pair(list, "who acts", &cause.remedy.who);
        pair_of(list, label, |to| {
            to.leaf("strong", &[], &cause.remedy.what);
        });
    }
}

/// The steps that fail because `step` does.
pub(super) fn fails_too(sheet: &Sheet<'_>, step: &StepReport, list: &mut Markup) {
    let followers = sheet.followers(step);
    if followers.is_empty() {
        return;
    }
    pair_of(list, "fails too", |to| {
        for (index, follower) in followers.iter().take(LISTED).enumerate() {
            to.text(if index == 0 { "" } else { ", " });
            link(sheet, &follower.id, to);
        }
        more(followers.len(), LISTED, to);
    });
}

fn explain(list: &mut Markup, code: &str) {
    pair_of(list, "more", |to| {
        to.leaf("code", &[], &format!("preflight explain {code}"));
    });
}

/// A step's id, and the way to its row.
fn link(sheet: &Sheet<'_>, id: &str, to: &mut Markup) {
    match sheet.anchor(id) {
        Some(anchor) => to.leaf("a", &[("href", &format!("#{anchor}"))], id),
        None => to.text(id),
    };
}

/// Where target and ports came from, and on what way it was asked.
fn origin(row: &Row<'_>, list: &mut Markup) {
    let step = row.first;
    pair(list, "way", &format!("from {} to {}", step.from.title(), step.to.title()));
    if let Some(target) = &step.target {
        if row.place.is_none() {
            pair_of(list, "target", |to| {
                to.leaf("code", &[], &target.shown).text(" from ").text(&target.origin);
            });
        }
        for way in &target.ways {
            let asked = format!("{} on {}/{}", way.protocol, way.port, way.transport);
            pair(list, "port", &format!("{asked}, from {}", way.origin));
        }
    }
    if let Some(gateway) = &step.through_vpn {
        pair(list, "through the VPN", gateway);
    }
    if let Some(group) = step.group.as_ref().filter(|_| row.place.is_none()) {
        pair(list, "stands for", group);
    }
    pair(list, "required", if step.required { "yes" } else { "no" });
}

fn attempts(attempts: &[AttemptReport], to: &mut Markup) {
    if attempts.is_empty() {
        return;
    }
    to.leaf("h3", &[], "Attempts").element("ul", &[("class", "plain")], |list| {
        for attempt in attempts.iter().take(LISTED) {
            list.element("li", &[], |item| attempted(attempt, item));
        }
    });
    more(attempts.len(), LISTED, to);
}

fn attempted(attempt: &AttemptReport, item: &mut Markup) {
    item.leaf("code", &[], &attempt.address)
        .text(&format!(" {}: {}", attempt.protocol, attempt.outcome));
    if let Some(code) = attempt.cause.as_ref().and_then(|cause| cause.get("code")?.as_str()) {
        item.text(" (").leaf("code", &[], code).text(")");
    }
    if let Some(source) = &attempt.source {
        item.text(", asked from ").leaf("code", &[], source);
    }
}

/// Named facts under a title; none of that kind, no title.
fn facts(title: &'static str, facts: &Map<String, Value>, of: fn(&str) -> bool, to: &mut Markup) {
    let facts: Vec<_> = facts.iter().filter(|(name, _)| of(name)).collect();
    if facts.is_empty() {
        return;
    }
    to.leaf("h3", &[], title).element("dl", &[("class", "facts")], |list| {
        for (name, value) in facts.iter().take(LISTED) {
            pair(list, name, &shown(value));
        }
    });
    more(facts.len(), LISTED, to);
}

fn is_certificate(name: &str) -> bool {
    ["certificate_", "tls_", "alpn"].iter().any(|of_tls| name.starts_with(of_tls))
}

/// A fact's value as a reader wants it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().take(LISTED).map(shown).collect();
            items.join(", ")
        }
        other => other.to_string(),
    }
}

/// The first `most` characters, and whether there were more.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A name and its value, unless there is none.
pub(super) fn pair(list: &mut Markup, name: &str, value: &str) {
    if !value.is_empty() {
        pair_of(list, name, |to| {
            to.text(value);
        });
    }
}

fn pair_of(list: &mut Markup, name: &str, value: impl FnOnce(&mut Markup)) {
    list.element("div", &[], |row| {
        row.leaf("dt", &[], name).element("dd", &[], value);
    });
}

/// Says that there are more than were shown, if there are.
pub(super) fn more(all: usize, shown: usize, to: &mut Markup) {
    if all > shown {
        to.text(&format!(" and {} more", all - shown));
    }
}

/// Items of one list.
const LISTED: usize = 40;
