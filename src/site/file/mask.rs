//! The file's text as an error may show it: without anything that could be a secret.
//!
//! Nobody is to write a secret into the file; who does must not find it in a terminal,
//! a log or a ticket as well. What is struck out keeps its length, so that places stay.

use std::ops::Range;

use preflight_checks::hidden;
use toml::de::{DeTable, DeValue};

/// Keys with one of these words in them hold secrets.
const WORDS: [&str; 7] =
    ["community", "passphrase", "password", "passwd", "secret", "token", "apikey"];
/// Keys that hold secrets though no such word is in them.
const NAMES: [&str; 5] = ["auth", "priv", "pass", "pwd", "far_side_code"];
/// How a secret is referred to; what stands behind these is shown.
pub(super) const REFERENCES: [&str; 3] = ["env", "file", "config"];

/// Does a secret belong behind this key?
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    NAMES.contains(&key.as_str()) || WORDS.iter().any(|word| key.contains(word))
}

/// The text without secrets; `None` if it cannot be told where one might end.
pub(super) fn masked(text: &str, tree: Option<&DeTable<'_>>) -> Option<String> {
    let mut struck: Vec<Range<usize>> = Vec::new();
    match tree {
        Some(tree) => strike_table(text, tree, false, &mut struck),
        None if text.contains("\"\"\"") || text.contains("'''") => return None,
        None => {}
    }
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        struck.extend(of_line(line).map(|range| range.start + begin..range.end + begin));
        struck.extend(login(line).map(|range| range.start + begin..range.end + begin));
        struck.extend(of_urls(line).map(|range| range.start + begin..range.end + begin));
        begin += line.len();
    }
    Some(strike(text, struck))
}

/// Puts as many stars as bytes over each range.
fn strike(text: &str, mut struck: Vec<Range<usize>>) -> String {
    struck.sort_by_key(|range| range.start);
    let mut shown = String::with_capacity(text.len());
    let mut struck = struck.into_iter().peekable();
    for (at, c) in text.char_indices() {
        while struck.next_if(|range| range.end <= at).is_some() {}
        let is_struck = struck.peek().is_some_and(|range| range.contains(&at));
        if is_struck && !matches!(c, '\n' | '\r') {
            shown.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Every value behind a key of a secret, but for references to one.
fn strike_table(text: &str, table: &DeTable<'_>, is_inside: bool, struck: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // What is not a name of a variable may be the secret itself.
        let is_reference = REFERENCES.contains(&&**key.get_ref())
            && (key.get_ref() != "env" || value.get_ref().as_str().is_some_and(is_name));
        let holds = is_secret(key.get_ref()) || (is_inside && !is_reference);
        strike_value(text, value, holds, struck);
    }
}

fn strike_value(
    text: &str,
    value: &toml::Spanned<DeValue<'_>>,
    is_inside: bool,
    struck: &mut Vec<Range<usize>>,
) {
    let span = value.span();
    match value.get_ref() {
        DeValue::Table(table) => strike_table(text, table, is_inside, struck),
        DeValue::Array(values) => {
            values.iter().for_each(|value| strike_value(text, value, is_inside, struck));
        }
        _ if is_inside => struck.push(span),
        DeValue::String(_) => {
            let found = text.get(span.clone()).and_then(login);
            struck.extend(found.map(|range| range.start + span.start..range.end + span.start));
        }
        _ => {}
    }
}

/// What follows a secret's key in a line, also in a comment; a reference is left.
fn of_line(line: &str) -> Option<Range<usize>> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let comment = line.find('#').unwrap_or(line.len());
    let mut rest = 0;
    for word in line.split(|c| !is_word(c)) {
        let end = rest + word.len();
        let behind = line.get(end..)?.trim_start_matches(['"', '\'', ' ', '\t']);
        let after = behind.trim_start_matches(['=', ':', ' ', '\t', '"', '\'']);
        let is_key = end > comment || behind.starts_with(['=', ':']);
        if is_key && is_secret(word) && !word.ends_with("protocol") && !refers(after) {
            return Some(line.len() - after.len()..line.len());
        }
        rest = end + line.get(end..)?.chars().next().map_or(0, char::len_utf8);
    }
    None
}

/// `{ env = …`
fn refers(text: &str) -> bool {
    let inside = text.strip_prefix('{').map(str::trim_start);
    inside.is_some_and(|inside| REFERENCES.iter().any(|reference| inside.starts_with(reference)))
}

/// Parts of a line's URLs that look like secrets.
fn of_urls(line: &str) -> impl Iterator<Item = Range<usize>> {
    let is_edge = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    let mut begin = 0;
    line.split_inclusive(is_edge).flat_map(move |word| {
        let at = begin;
        begin += word.len();
        let url = word.trim_end_matches(is_edge);
        let ranges = if url.contains("://") { hidden(url) } else { Vec::new() };
        ranges.into_iter().map(move |range| range.start + at..range.end + at)
    })
}

/// User and password before an `@`.
fn login(text: &str) -> Option<Range<usize>> {
    let end = text.rfind('@')?;
    let before = text.get(..end)?;
    let begin = before.find("://").map(|at| at + 3);
    let begin = begin.or_else(|| before.find(['"', '\'']).map(|at| at + 1)).unwrap_or(0);
    Some(begin..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shows(text: &str, expected: &str) {
        let tree = DeTable::parse(text).unwrap();
        let shown = masked(text, Some(tree.get_ref())).unwrap();
        assert_eq!((shown.as_str(), shown.len()), (expected, text.len()));
        // Without the tree more may be struck out, never less.
        assert!(masked(text, None).is_none_or(|shown| !shown.contains("hunter2")), "{text}");
    }

    #[test]
    fn what_stands_behind_the_key_of_a_secret_is_struck_out() {
        shows("community = \"hunter2\"\n", "community = *********\n");
        shows("snmp_auth_password = 'hunter2'", "snmp_auth_password = *********");
        shows("auth = [\"hunter2\", 12]", "auth = ***************");
        shows("password = { plain = \"hunter2\" }", "password = *********************");
        let both = "password = { env = \"A\", plain = \"hunter2\" }";
        assert!(
            !masked(both, Some(DeTable::parse(both).unwrap().get_ref()))
                .unwrap()
                .contains("hunter2")
        );
        shows("password = \"\"\"\nhunter2\n\"\"\"", "password = ***\n*******\n***");
        shows("# old community: hunter2\nx = 1", "# old community: *******\nx = 1");
    }

    #[test]
    fn users_and_passwords_in_urls_are_struck_out() {
        shows("p = \"http://me:hunter2@x:1\"", "p = \"http://**********@x:1\"");
        shows("p = \"me:hunter2@x\"", "p = \"**********@x\"");
        shows("p = \"http://x/?token=hunter2\"", "p = \"http://x/?token=********");
    }

    #[test]
    fn references_and_names_of_protocols_are_shown() {
        for text in [
            "password = { env = \"NAME\" }",
            "community = { file = \"/etc/secret\" }",
            "auth_protocol = \"sha\"",
            "[credentials.ldap]",
        ] {
            shows(text, text);
        }
    }

    #[test]
    fn a_text_with_long_strings_that_does_not_parse_is_not_shown_at_all() {
        assert_eq!(masked("password = \"\"\"\nhunter2", None), None);
        assert_eq!(masked("password = hunter2", None).unwrap(), "password = *******");
    }
}
