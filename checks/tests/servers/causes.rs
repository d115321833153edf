//! `docs/causes.md` and the codes: each has a heading, each heading is one.

use std::collections::BTreeMap;

use preflight_checks::{Cause, ConcernCode};
use strum::IntoEnumIterator;

const PAGE: &str = include_str!("../../../docs/causes.md");

/// The remedies: what stands under each `###` heading, in order.
fn remedies() -> Vec<(&'static str, &'static str)> {
    of_layers(|_| true)
}

fn of_layers(wanted: fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    let layers = PAGE.split("\n## ").skip(1).filter(|layer| wanted(layer));
    let entries = layers.flat_map(|layer| layer.split("\n### ").skip(1));
    entries.map(|entry| entry.split_once('\n').unwrap_or((entry, ""))).collect()
}

fn codes() -> Vec<&'static str> {
    Cause::codes().chain(ConcernCode::iter().map(Into::into)).collect()
}

#[test]
fn every_code_has_exactly_one_heading_and_every_heading_is_a_code() {
    let mut headings = BTreeMap::<&str, usize>::new();
    // Mistakes in files are no question's causes; the program holds their section.
    for (heading, _) in of_layers(|layer| !layer.starts_with("Configuration\n")) {
        *headings.entry(heading).or_default() += 1;
    }
    let codes: BTreeMap<&str, usize> = codes().into_iter().map(|code| (code, 1)).collect();
    let missing: Vec<_> = codes.keys().filter(|code| !headings.contains_key(*code)).collect();
    let unknown: Vec<_> = headings.keys().filter(|code| !codes.contains_key(*code)).collect();
    let twice: Vec<_> = headings.iter().filter(|(_, count)| **count > 1).collect();
    assert!(
        headings == codes,
        "without a heading: {missing:?}; not a code: {unknown:?}; twice: {twice:?}"
    );
}

#[test]
fn no_cause_shares_its_code_with_a_concern() {
    let mut codes = codes();
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all);
}

#[test]
fn every_remedy_says_what_was_seen_who_acts_and_what_to_do() {
    for (code, text) in remedies() {
        let who = text.find("\n**Who acts:** ");
        let what = text.find("\n**What to do:**");
        let (Some(who), Some(what)) = (who, what) else { panic!("{code} lacks a part: {text}") };
        assert!(who < what, "{code}: who acts comes first");
        assert!(!text[..who].trim().is_empty(), "{code}: what was seen comes before");
        let todo = text[what..].trim_start_matches("\n**What to do:**").trim();
        assert!(!todo.is_empty(), "{code}: nothing to do is said as such");
    }
}
