//! Another word for each part of a name, so that hosts of one domain stay in one.

use std::collections::{BTreeMap, HashSet};

use super::key::RedactionKey;
use crate::catalogue::{Catalogue, PROFILES, party_kind};
use crate::site::Place;

/// Words that may stay, names that must not, and what each became.
#[derive(Debug)]
pub(super) struct Names {
    /// Flows of the embedded profiles, which look like names of hosts.
    flows: HashSet<String>,
    /// Public names of the embedded profiles, the same for every customer.
    public: HashSet<String>,
    /// Names of one label that are known to be a host's, in lower case.
    known: HashSet<String>,
    /// What each stand-in stands for.
    made: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn new() -> Self {
        let catalogues: Vec<Catalogue> =
            PROFILES.iter().filter_map(|(name, _)| Catalogue::profile(name)).collect();
        let flows = catalogues.iter().flat_map(|catalogue| &catalogue.flows);
        let internet = catalogues.iter().flat_map(Catalogue::all_hosts);
        let internet = internet.filter_map(|place| place.parse().ok());
        Self {
            flows: flows.map(|flow| flow.id.get_ref().clone()).collect(),
            public: internet.map(|place: Place| place.host).collect(),
            known: HashSet::new(),
            made: BTreeMap::new(),
        }
    }

    /// Is it the id of a flow that everybody has?
    pub(super) fn is_flow(&self, word: &str) -> bool {
        self.flows.contains(word)
    }

    /// Takes a text that is, or begins with, the name of a host.
    pub(super) fn learn(&mut self, text: &str) {
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        let name = text.split(['/', ':', ' ', ',', '%']).next().unwrap_or_default();
        let name = name.trim_matches(['[', ']', '*', '.']).to_lowercase();
        let first = name.split('.').next().unwrap_or_default();
        for name in [name.as_str(), first] {
            // `10.20.030.4` is not an address to Rust, and one to the system's resolver.
            let may_be_host =
                name.chars().any(char::is_alphabetic) || name.matches('.').count() == 3;
            // A name of one letter tells nothing, and as a word it stands in every sentence.
            let is_letter = name.chars().count() == 1;
            if may_be_host
                && !is_letter
                && name.parse::<std::net::IpAddr>().is_err()
                && !is_common(name)
            {
                self.known.insert(name.to_owned());
            }
        }
    }

    /// The stand-in of a word that is a host's name, if it is one.
    pub(super) fn host(&mut self, key: &RedactionKey, word: &str) -> Option<String> {
        let lower = word.to_lowercase();
        if self.flows.contains(word) || self.public.contains(&lower) {
            return None;
        }
        if self.known.contains(&lower) || is_domain(&lower) {
            return Some(self.stand_in(key, word));
        }
        self.within(key, word)
    }

    /// A file's name, or words joined by hyphens, with a known host in it.
    fn within(&mut self, key: &RedactionKey, word: &str) -> Option<String> {
        const MOST_PARTS: usize = 8;
        let starts: Vec<usize> = std::iter::once(0)
            .chain(word.match_indices(['-', '_', '.']).map(|(at, _)| at + 1))
            .collect();
        let ends: Vec<usize> =
            word.match_indices(['-', '_', '.']).map(|(at, _)| at).chain([word.len()]).collect();
        if starts.len() > MOST_PARTS || starts.len() < 2 {
            return None;
        }
        // The longest first: `poller-paris` before `paris`.
        let mut spans: Vec<(usize, usize)> =
            starts.iter().flat_map(|start| ends.iter().map(|end| (*start, *end))).collect();
        spans.sort_by_key(|(start, end)| std::cmp::Reverse(end.saturating_sub(*start)));
        let is_known = |&(start, end): &(usize, usize)| {
            let part = word.get(start..end).filter(|part| !part.is_empty());
            part.is_some_and(|part| self.known.contains(&part.to_lowercase()))
        };
        let (start, end) = spans.into_iter().find(is_known)?;
        let (before, after) = (word.get(..start)?, word.get(end..)?);
        let (part, before, after) = (word.get(start..end)?, before.to_owned(), after.to_owned());
        let stand_in = self.stand_in(key, part);
        let after = self.within(key, &after).unwrap_or(after);
        Some(format!("{before}{stand_in}{after}"))
    }

    /// Each label by itself: `relay` is the same in `relay.example.com`.
    pub(super) fn stand_in(&mut self, key: &RedactionKey, name: &str) -> String {
        let labels: Vec<String> = name.split('.').map(|label| label_stand_in(key, label)).collect();
        let stand_in = labels.join(".");
        self.note(&stand_in, name);
        stand_in
    }

    /// Remembers what a stand-in stands for.
    pub(super) fn note(&mut self, stand_in: &str, original: &str) {
        if stand_in != original && !self.made.contains_key(stand_in) {
            self.made.insert(stand_in.to_owned(), original.to_owned());
        }
    }

    /// What each stand-in stands for.
    pub(super) fn made(&self) -> &BTreeMap<String, String> {
        &self.made
    }
}

/// `n` and seven letters or digits; common words and a wildcard stay.
fn label_stand_in(key: &RedactionKey, label: &str) -> String {
    let lower = label.to_lowercase();
    if lower.is_empty() || lower == "*" || is_common(&lower) {
        return label.to_owned();
    }
    let hash = key.hash("name", &[lower.as_bytes()]);
    let letters = hash.iter().take(7).map(|byte| {
        let digit = ALPHABET.get(usize::from(byte % 32)).copied();
        char::from(digit.unwrap_or(b'x'))
    });
    std::iter::once('n').chain(letters).collect()
}

/// No letter that is taken for a digit.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Words that tell nothing of whose host it is, and stand in our own sentences too.
fn is_common(word: &str) -> bool {
    const COMMON: [&str; 22] = [
        "localhost",
        "this",
        "host",
        "custom",
        "preflight",
        "www",
        "mail",
        "relay",
        "server",
        "time",
        "dns",
        "ntp",
        "smtp",
        "ldap",
        "ldaps",
        "http",
        "https",
        "snmp",
        "trap",
        "zmq",
        "bbdo",
        "ssh",
    ];
    party_kind(word).is_some() || COMMON.contains(&word)
}

/// Does it look like a name of several labels? A version, a file's name and an OID do not.
fn is_domain(word: &str) -> bool {
    let labels: Vec<&str> = word.split('.').collect();
    let [.., domain, top] = labels.as_slice() else { return false };
    let is_label = |label: &&str| {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '*');
        !label.is_empty() && label.chars().all(is_part)
    };
    let is_top = top.chars().count() > 1
        && top.chars().next().is_some_and(char::is_alphabetic)
        && !domain.is_empty();
    let is_file = FILES.contains(top) && labels.len() == 2;
    is_top && !is_file && labels.iter().all(is_label)
}

/// What the names of files on these machines end in.
const FILES: [&str; 25] = [
    "json", "yaml", "yml", "conf", "cfg", "ini", "toml", "xml", "pem", "crt", "cer", "key", "md",
    "list", "repo", "repos", "log", "service", "sock", "sh", "pl", "pm", "php", "cnf", "d",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_versions_files_and_numbers() {
        for name in
            ["a.example.com", "relay.lan", "*.example.org", "7.0.2.10.in-addr.arpa", "zürich.ch"]
        {
            assert!(is_domain(name), "{name}");
        }
        for other in
            ["3.1.0", "openssh_9.2p1", "pg_hba.conf", "1.3.6.1.2.1", "a", "x.", ".com", "v1.2"]
        {
            assert!(!is_domain(other), "{other}");
        }
    }

    #[test]
    fn a_name_of_one_letter_does_not_take_the_words_of_sentences() {
        let (mut names, key) = (Names::new(), RedactionKey::from([7; 32]));
        names.learn("a:5432");
        names.learn("paris");
        assert_eq!(names.host(&key, "a"), None);
        assert!(names.host(&key, "paris").is_some());
    }
}
