//! Text in a cell: how is it kept from being read as markup, or as a formula?

/// `text` as Markdown shows it, in a table too: nothing in it is markup, a link or HTML.
///
/// References: [CommonMark, backslash escapes](https://spec.commonmark.org/0.31.2/#backslash-escapes),
/// [GFM, tables](https://github.github.com/gfm/#tables-extension-).
pub(crate) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in preflight_checks::printable(text).chars() {
        match letter {
            // Entities, since some renderers let HTML through behind a backslash.
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                escaped.extend(['\\', letter]);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// `text` as one field of a CSV line; no spreadsheet takes it for a formula.
///
/// Reference: [RFC 4180 §2](https://www.rfc-editor.org/rfc/rfc4180#section-2).
pub(crate) fn csv(text: &str) -> String {
    let text = preflight_checks::printable(text);
    let is_formula = text.starts_with(['=', '+', '-', '@']);
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_a_stranger_stays_text() {
        assert_eq!(markdown("a|b <b>*x*</b>"), "a\\|b &lt;b&gt;\\*x\\*&lt;/b&gt;");
        assert_eq!(markdown("![x](http://evil)\n# y"), "\\!\\[x\\](http://evil)\\\\n\\# y");
        assert_eq!(markdown("10.0.0.5:5669/tcp"), "10.0.0.5:5669/tcp");
    }

    #[test]
    fn a_field_holds_commas_and_quotes_and_no_formula() {
        assert_eq!(csv("plain"), "plain");
        assert_eq!(csv("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(csv("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(csv("two\nlines"), "two\\nlines");
    }
}
