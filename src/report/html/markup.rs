//! Markup: how does a stranger's text stay text?
//!
//! Every tag and attribute name is a literal of ours, by its type; whatever else
//! gets into a page passes [`Markup::text`] or the value of an attribute, which
//! one escaper serves. An element is closed by the call that opened it.
//!
//! Reference: [HTML, section 13.1](https://html.spec.whatwg.org/multipage/syntax.html).

/// A piece of a page: elements and text, balanced and escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markup(String);

/// A name of ours and any value.
pub(crate) type Attribute<'a> = (&'static str, &'a str);

impl Markup {
    /// Appends `text`, as text; what is too long for a page is cut off.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        push_escaped(&mut self.0, text);
        self
    }

    /// Appends an element, and in it what `content` makes.
    pub(crate) fn element(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        content: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.open(name, attributes, ">");
        content(self);
        self.0.extend(["</", name, ">"]);
        self
    }

    /// Appends an element that holds `text` and nothing else.
    pub(crate) fn leaf(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        text: &str,
    ) -> &mut Self {
        self.element(name, attributes, |inside| {
            inside.text(text);
        })
    }

    /// Appends an element that never holds anything: `meta`, and the shapes of SVG.
    pub(crate) fn empty(&mut self, name: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.open(name, attributes, "/>");
        self
    }

    /// Appends what we wrote ourselves, unescaped: a literal, never a value.
    pub(crate) fn literal(&mut self, ours: &'static str) -> &mut Self {
        self.0.push_str(ours);
        self
    }

    /// Appends another piece.
    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// Its size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.len()
    }

    /// The finished text.
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>], end: &str) {
        self.0.extend(["<", name]);
        for (key, value) in attributes {
            self.0.extend([" ", key, "=\""]);
            push_escaped(&mut self.0, value);
            self.0.push('"');
        }
        self.0.push_str(end);
    }
}

/// The one escaper, for text and for attributes in double quotes alike.
///
/// Control and bidirectional characters are made visible once more: a report
/// may come from a file that somebody else wrote.
fn push_escaped(out: &mut String, text: &str) {
    let (text, is_cut) = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), true),
        None => (text, false),
    };
    for character in preflight_checks::printable(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Unassigned for good: a parser may complain.
            c if u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c) => {
                out.push('\u{fffd}');
            }
            other => out.push(other),
        }
    }
    if is_cut {
        out.push('…');
    }
}

/// Characters of one text; what a server says is shorter, unless it means harm.
const LONGEST: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_its_element_nor_a_value_its_attribute() {
        let hostile = "</p><script>alert(1)</script>\" onload='x' &amp;";
        let mut page = Markup::default();
        page.leaf("p", &[("title", hostile)], hostile);
        let inert = "&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot; \
                     onload=&#39;x&#39; &amp;amp;";
        assert_eq!(page.into_string(), format!("<p title=\"{inert}\">{inert}</p>"));
    }

    #[test]
    fn what_acts_on_a_reader_is_made_visible() {
        let mut page = Markup::default();
        page.text("a\u{1b}[31mb\u{202e}c\0d\u{2066}e\u{fffe}f\u{e0041}");
        assert_eq!(page.into_string(), "a\\x1b[31mb\\u{202e}c\\x00d\\u{2066}e\u{fffd}f\\u{e0041}");
    }

    #[test]
    fn a_text_without_end_has_one() {
        let mut page = Markup::default();
        page.text(&"ä".repeat(1_000_000));
        assert_eq!(page.into_string().chars().count(), LONGEST + 1);
    }
}
