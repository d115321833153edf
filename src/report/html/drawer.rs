//! The drawer of a step: all that was seen, whose turn it is, and where each value came from.

use serde_json::{Map, Value};

use super::markup::Markup;
use super::sheet::{Sheet, SheetRow};
use crate::report::AttemptReport;
use crate::report::faults::Fault;
use crate::report::groups::in_order;
use crate::report::words::{about_concern, explanation};

/// Appends what there is to know of the steps of `row`.
pub(super) fn drawer(sheet: &Sheet<'_>, row: &SheetRow<'_>, to: &mut Markup) {
    let step = row.first;
    to.element("dl", &[], |list| {
        pair(list, "why", &step.why);
        verdict(sheet, row, list);
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
fn verdict(sheet: &Sheet<'_>, row: &SheetRow<'_>, list: &mut Markup) {
    let step = row.first;
    if let Some(cause) = &step.cause {
        pair_of(list, "cause", |to| {
            to.leaf("code", &[], cause.why.code())
                .text(" (")
                .text(&cause.why.layer_name())
                .text(")");
        });
    }
    if let Some(fault) = Fault::of(row.steps.iter().copied()) {
        explained(sheet, &fault, |_| true, list);
    }
    for concern in &step.concerns {
        pair(list, "will hurt", &concern.message);
        for (label, text) in about_concern(concern) {
            pair(list, label, &text);
        }
        let code = concern.code();
        pair_of(list, "more", |to| {
            to.leaf("code", &[], &format!("preflight explain {code}"));
        });
    }
}

/// What is said of a fault, as far as `wanted` names it.
pub(super) fn explained(
    sheet: &Sheet<'_>,
    fault: &Fault<'_>,
    wanted: fn(&str) -> bool,
    list: &mut Markup,
) {
    let said = explanation(fault, &sheet.followers).into_iter();
    for (label, text) in said.filter(|(label, _)| wanted(label)) {
        match label {
            "because of" => pair_of(list, label, |to| because_of(sheet, fault, to)),
            "fails too" => pair_of(list, label, |to| followers(sheet, fault, to)),
            "do" | "ask for" => pair_of(list, label, |to| {
                to.leaf("strong", &[], &text);
            }),
            "more" => pair_of(list, label, |to| {
                to.leaf("code", &[], &text);
            }),
            _ => pair(list, label, &text),
        }
    }
}

/// The steps whose failure explains those of the fault.
fn because_of(sheet: &Sheet<'_>, fault: &Fault<'_>, to: &mut Markup) {
    let roots = in_order(fault.steps(), |step| step.because_of.as_deref());
    let roots: Vec<&str> = roots.into_iter().filter_map(|(root, _)| root).collect();
    links(sheet, &roots, to);
}

/// The steps that fail because those of the fault do.
fn followers(sheet: &Sheet<'_>, fault: &Fault<'_>, to: &mut Markup) {
    let followers = fault.steps().flat_map(|root| sheet.followers.of_root(root));
    let ids: Vec<&str> = followers.map(|step| step.id.as_str()).collect();
    links(sheet, &ids, to);
}

fn links(sheet: &Sheet<'_>, ids: &[&str], to: &mut Markup) {
    for (index, id) in ids.iter().take(LISTED).enumerate() {
        to.text(if index == 0 { "" } else { ", " });
        // A step's id, and the way to its row.
        match sheet.anchor(id) {
            Some(anchor) => to.leaf("a", &[("href", &format!("#{anchor}"))], id),
            None => to.text(id),
        };
    }
    more(ids.len(), LISTED, to);
}

/// Where target and ports came from, and on what way it was asked.
fn origin(row: &SheetRow<'_>, list: &mut Markup) {
    let step = row.first;
    pair(list, "way", &format!("from {} to {}", step.from.title(), step.to.title()));
    if let Some(target) = &step.target {
        if row.place.is_none() {
            pair_of(list, "target", |to| {
                to.leaf("code", &[], &target.shown).text(" from ").text(&target.origin.to_string());
            });
        }
        for way in &target.ways {
            let asked = format!("{} on {}", way.protocol, way.entrance());
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
    item.leaf("code", &[], &attempt.place())
        .text(&format!(" {}: {}", attempt.protocol, attempt.outcome));
    if let Some(code) = attempt.code() {
        item.text(" (").leaf("code", &[], code).text(")");
    }
    if let Some(source) = &attempt.source {
        item.text(", asked from ").leaf("code", &[], &source.to_string());
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
