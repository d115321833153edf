//! What a reader sees: widths, columns, and characters that act on a terminal.

use unicode_width::UnicodeWidthStr;

/// No line is wider than `columns`.
#[track_caller]
pub(crate) fn fits(page: &str, columns: usize) {
    for line in page.lines() {
        assert!(line.width() <= columns, "{} columns: {line}\n{page}", line.width());
    }
}

/// Nothing in it acts on a terminal: no control character but the line feed, and
/// none of the invisible ones that reorder or hide.
#[track_caller]
pub(crate) fn is_inert(page: &str) {
    let acts = |c: &char| match c {
        '\n' => false,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        other => other.is_control(),
    };
    let found: Vec<char> = page.chars().filter(acts).collect();
    assert!(found.is_empty(), "{found:?} in\n{}", page.escape_debug());
}

/// Under each title of every table stands its cell: the two columns before a
/// title are blank in each line of the table.
#[track_caller]
pub(crate) fn is_aligned(page: &str) {
    let mut tables = 0;
    let mut lines = page.lines();
    let is_head =
        |line: &&str| ["FLOW ", "FROM "].iter().any(|it| line.trim_start().starts_with(it));
    while let Some(head) = lines.by_ref().find(is_head) {
        tables += 1;
        let titles: &[&str] = if head.contains("FROM ") {
            &[" TO ", "PROTOCOL", "PORT", "APPLICATION"]
        } else {
            &["TARGET", "RESULT"]
        };
        let start = |title: &&str| Some(head.find(title)? + usize::from(title.starts_with(' ')));
        let starts: Vec<usize> = titles.iter().filter_map(start).collect();
        assert_eq!(starts.len(), titles.len(), "{head}");
        let mut is_fact = false;
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            // With --verbose, facts stand below a row, from the sixth column on, and below them what they go on with.
            let starts_row = line.chars().nth(2).is_some_and(|mark| mark != ' ');
            let starts_fact =
                line.starts_with("      ") && line.chars().nth(6).is_some_and(|it| it != ' ');
            is_fact = !starts_row && (is_fact || starts_fact);
            if is_fact {
                continue;
            }
            for &start in &starts {
                assert!(is_blank_before(line, start), "column {start} of {line}\n{page}");
            }
        }
    }
    assert!(tables > 0, "no table in\n{page}");
}

/// Are the two columns before `start` spaces, or past the end of the line?
fn is_blank_before(line: &str, start: usize) -> bool {
    let mut column = 0;
    line.chars().all(|character| {
        let width = character.to_string().width();
        let is_gap = column < start && column + width > start - 2;
        column += width;
        !is_gap || character == ' '
    })
}

/// The text with everything replaced that differs between two runs or releases.
pub(crate) fn settled(page: &str) -> String {
    let mut is_head = false;
    let lines = page.lines().filter(|line| {
        let starts = line.starts_with("preflight ");
        let is_second = is_head && !starts && !line.is_empty();
        is_head = starts || is_second;
        // Of the head only the first line: machine and time stand in the others.
        !is_second
    });
    let settled = lines.map(|line| {
        let words: Vec<String> = line.split(' ').map(|word| digest(&port(word))).collect();
        times(&words.join(" ")).replace(env!("CARGO_PKG_VERSION"), "V.V.V")
    });
    settled.collect::<Vec<_>>().join("\n")
}

/// `127.0.0.1:40123/tcp`: the port of a word, in as many letters; the kernel's
/// own choice has five digits.
fn port(word: &str) -> String {
    let Some((head, tail)) = word.rsplit_once(':') else {
        return word.to_owned();
    };
    let digits = tail.chars().take_while(char::is_ascii_digit).count();
    let (_, rest) = tail.split_at(digits);
    if digits < 5 { word.to_owned() } else { format!("{head}:{}{rest}", "P".repeat(digits)) }
}

/// `(4f2a9c01)`: the digest of a flow table.
fn digest(word: &str) -> String {
    let digits = word.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let is_digest = |text: &str| text.len() == 8 && text.chars().all(|c| c.is_ascii_hexdigit());
    if digits.is_some_and(is_digest) { "(DIGEST)".to_owned() } else { word.to_owned() }
}

/// `-3 ms`, `0.07 s`: the number before a unit of time.
fn times(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let is_unit = |word: &&str| ["ms", "s"].contains(&word.trim_end_matches([',', ';']));
    let settled = words.iter().enumerate().map(|(index, word)| {
        let is_time = words.get(index + 1).is_some_and(is_unit);
        if is_time && word.parse::<f64>().is_ok() { "T" } else { *word }
    });
    settled.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "    FLOW  TARGET  RESULT\n  ✓ a.b   漢字:1  fine\n";

    #[test]
    fn a_table_in_order_passes() {
        fits(TABLE, 24);
        is_aligned(TABLE);
        is_inert(TABLE);
    }

    #[test]
    #[should_panic(expected = "24 columns")]
    fn a_line_too_wide_is_seen() {
        fits(TABLE, 23);
    }

    #[test]
    #[should_panic(expected = "column 18")]
    fn a_wide_character_that_was_counted_once_is_seen() {
        is_aligned(&TABLE.replace("漢字:1", "漢字字:1"));
    }

    #[test]
    #[should_panic(expected = "\\u{1b}")]
    fn a_colour_is_seen() {
        is_inert("\u{1b}[31m");
    }

    #[test]
    fn of_a_head_only_the_first_line_stays() {
        let page = "preflight 0.1 · x (0123abcd)\nvm · root\n12 s\n\nrow\n";
        assert_eq!(settled(page), "preflight 0.1 · x (DIGEST)\n\nrow");
    }

    #[test]
    fn two_runs_settle_on_the_same_text() {
        let line = "  127.0.0.1:40123/udp,tcp  stratum 1, offset -3.5 ms; up 7 s";
        assert_eq!(settled(line), "  127.0.0.1:PPPPP/udp,tcp  stratum 1, offset T ms; up T s");
    }
}
