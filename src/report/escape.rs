//! Text in a cell or a paragraph: how is it kept from being read as markup, or as a formula?

use preflight_checks::printable;

/// As Markdown shows it: no emphasis, cell, link, HTML, mention or formula begins in it.
///
/// Reference: [GitHub Flavored Markdown](https://github.github.com/gfm/).
pub(crate) fn markdown(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in printable(value).chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' | '!' => {
                escaped.extend(['\\', character]);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // An entity is read before addresses of mail and mentions are looked for; behind a comment none begins.
            '@' => escaped.push_str("@<!-- -->"),
            other => escaped.push(other),
        }
    }
    // A bare address would become a link.
    escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// One cell of CSV, quoted where it must be; no spreadsheet runs it as a formula.
///
/// Reference: [RFC 4180 §2](https://www.rfc-editor.org/rfc/rfc4180#section-2).
pub(crate) fn csv(value: &str) -> String {
    let cell = inert(value);
    // Some spreadsheets take a semicolon for the comma.
    if cell.contains([',', ';', '"', '\r', '\n']) || cell.trim() != cell {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

/// Without characters that act, and no formula.
fn inert(cell: &str) -> String {
    /// What begins a formula in a spreadsheet, in half and in full width.
    const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let cell = printable(cell);
    // A number is one in a spreadsheet too, and a program reads it as one.
    let is_number = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
    if cell.parse::<f64>().is_ok() && cell.chars().all(is_number) {
        return cell;
    }
    if cell.trim_start().starts_with(FORMULA) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_said_is_text() {
        for (said, written) in [
            ("a|b", "a\\|b"),
            ("`x` *y* _z_ ~w~", "\\`x\\` \\*y\\* \\_z\\_ \\~w\\~"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("&lt;", "&amp;lt;"),
            ("[click](https://evil)", "\\[click\\](https&#58;//evil)"),
            ("www.evil.example", "www&#46;evil.example"),
            ("@all, see #1", "@<!-- -->all, see \\#1"),
            ("me@mail.example", "me@<!-- -->mail.example"),
            ("\\|", "\\\\\\|"),
            ("a\n# b", "a\\\\n\\# b"),
        ] {
            assert_eq!(markdown(said), written, "{said}");
        }
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+1+1", "'+1+1"),
            ("-1-cmd", "'-1-cmd"),
            ("-inf", "'-inf"),
            ("-1", "-1"),
            ("+1.5e-3", "+1.5e-3"),
            ("@SUM(1)", "'@SUM(1)"),
            (" =1", "' =1"),
            ("\t=1", "\\t=1"),
            ("＝1", "'＝1"),
            ("a-b", "a-b"),
        ] {
            assert_eq!(csv(cell), written, "{cell}");
        }
    }

    #[test]
    fn a_comma_or_a_quote_needs_quotes() {
        for (cell, written) in
            [("a,b", "\"a,b\""), ("a;b", "\"a;b\""), ("a\"b", "\"a\"\"b\""), ("a b", "a b")]
        {
            assert_eq!(csv(cell), written);
        }
    }

    /// Every text of three characters that could end a cell or a line.
    #[test]
    fn what_is_written_is_read_back() {
        let characters = [',', ';', '"', '\r', '\n', '=', '\'', ' ', 'a'];
        for one in characters {
            for two in characters {
                for three in characters {
                    let text: String = [one, two, three].into_iter().collect();
                    let read = cells_of(&format!("{},next", csv(&text)));
                    assert_eq!(read, [inert(&text), "next".to_owned()], "{text:?}");
                }
            }
        }
    }

    /// One record, as RFC 4180 reads it.
    fn cells_of(record: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut is_quoted = false;
        let mut rest = record.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '"' if is_quoted && rest.peek() == Some(&'"') => {
                    rest.next();
                    cells.last_mut().unwrap().push('"');
                }
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => cells.push(String::new()),
                other => cells.last_mut().unwrap().push(other),
            }
        }
        cells
    }
}
