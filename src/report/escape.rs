//! Text in a cell: how is it kept from being read as markup?

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_a_stranger_stays_text() {
        assert_eq!(markdown("a|b <b>*x*</b>"), "a\\|b &lt;b&gt;\\*x\\*&lt;/b&gt;");
        assert_eq!(markdown("![x](http://evil)\n# y"), "\\!\\[x\\](http://evil)\\\\n\\# y");
        assert_eq!(markdown("10.0.0.5:5669/tcp"), "10.0.0.5:5669/tcp");
    }
}
