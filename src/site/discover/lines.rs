//! Small lexers that several sources share: words, ini sections, hosts.

use super::Text;
use crate::site::Place;

/// Entries of one ini file: more, and it is none.
const MOST_ENTRIES: usize = 65_536;
/// Characters of a host in a file; a name has at most 253.
const LONGEST_HOST: usize = 255;

/// The words of a line as a shell splits it, quotes and backslashes taken off;
/// a word that begins with `#` ends the line.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = word(rest);
        words.push(word);
        rest = after.trim_start();
    }
    words
}

fn word(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => break,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => word.extend(chars.next()),
            (_, c) => word.push(c),
        }
    }
    (word, chars.as_str())
}

/// A line of an ini file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IniLine<'a> {
    /// `main` of `[main]`.
    pub(super) section: &'a str,
    /// The key as it is written.
    pub(super) key: &'a str,
    /// Without the white space around it.
    pub(super) value: &'a str,
    /// Is it a further line of the value before?
    pub(super) continues: bool,
    /// Counted from 1.
    pub(super) line: usize,
}

/// How a value goes on in the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continued {
    /// The next line is indented, as dnf has it.
    ByIndent,
    /// The line ends in a backslash, as systemd has it.
    ByBackslash,
}

/// The entries of an ini file, one for each line of a value; other lines are skipped.
pub(super) fn ini(text: &Text, how: Continued) -> Vec<IniLine<'_>> {
    let mut entries = Vec::new();
    let (mut section, mut key, mut open) = ("", "", false);
    for (line, raw) in text.lines() {
        if entries.len() >= MOST_ENTRIES {
            break;
        }
        let content = raw.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        let indented = raw.starts_with([' ', '\t']);
        let continues = match how {
            Continued::ByIndent => indented && !key.is_empty(),
            Continued::ByBackslash => open,
        };
        let cut = content.strip_suffix('\\').filter(|_| how == Continued::ByBackslash);
        let content = cut.unwrap_or(content).trim_end();
        open = cut.is_some();
        if continues {
            entries.push(IniLine { section, key, value: content, continues: true, line });
        } else if let Some(name) = content.strip_prefix('[') {
            (section, key) = (name.split(']').next().unwrap_or_default().trim(), "");
        } else if let Some((name, value)) = content.split_once('=') {
            key = name.trim_end();
            let value = value.trim_start();
            // Nothing yet is not nothing, which would undo the values before.
            if !(open && value.is_empty()) {
                entries.push(IniLine { section, key, value, continues: false, line });
            }
        }
    }
    entries
}

/// A host as a configuration names it: no URL, and not of any length.
///
/// # Errors
///
/// What is wrong with it, as a clause.
pub(super) fn host(word: &str, port: Option<u16>) -> Result<Place, String> {
    if word.len() > LONGEST_HOST {
        return Err("this is longer than a host name can be".to_owned());
    }
    if word.contains("://") {
        return Err("this is a URL, not a host".to_owned());
    }
    let place: Place = word.parse()?;
    Ok(Place { port: port.or(place.port), ..place })
}

#[cfg(test)]
mod tests {
    use super::super::testing::text;
    use super::*;

    #[test]
    fn words_lose_their_quotes_and_end_at_a_comment() {
        let line = r#"export A="b c" d='e "f"' g\ h "i\"j" k#l # m"#;
        assert_eq!(words(line), ["export", "A=b c", r#"d=e "f""#, "g h", "i\"j", "k#l"]);
        assert_eq!(words("'open"), ["open"]);
        assert!(words("  # nothing").is_empty());
    }

    fn entries(content: &str, continued: Continued) -> Vec<(String, bool, usize)> {
        let text = text("/etc/x.conf", content);
        let entries = ini(&text, continued);
        let one =
            |e: &IniLine<'_>| (format!("{}.{}={}", e.section, e.key, e.value), e.continues, e.line);
        entries.iter().map(one).collect()
    }

    #[test]
    fn an_indented_line_continues_a_value() {
        let found = entries("[a]\n# x\nurl = 1\n\n  2=3\n; y\nb=\n", Continued::ByIndent);
        let want = [("a.url=1", false, 3), ("a.url=2=3", true, 5), ("a.b=", false, 7)];
        assert_eq!(found, want.map(|(entry, c, line)| (entry.to_owned(), c, line)));
    }

    #[test]
    fn a_backslash_continues_a_value() {
        let found = entries("[T]\nNTP=a \\\n# x\n  b\nNTP=\\\nc=d\ne=f", Continued::ByBackslash);
        let want = [
            ("T.NTP=a", false, 2),
            ("T.NTP=b", true, 4),
            ("T.NTP=c=d", true, 6),
            ("T.e=f", false, 7),
        ];
        assert_eq!(found, want.map(|(entry, c, line)| (entry.to_owned(), c, line)));
    }

    #[test]
    fn a_host_is_no_url_and_not_endless() {
        assert_eq!(host("10.0.0.3", Some(1123)).unwrap().port, Some(1123));
        assert_eq!(host("ntp.corp.example", None).unwrap().host, "ntp.corp.example");
        assert!(host("http://ntp.corp.example", None).unwrap_err().contains("URL"));
        assert!(host(&"a".repeat(300), None).unwrap_err().contains("longer"));
    }
}
