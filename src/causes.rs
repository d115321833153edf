//! `preflight explain CODE`: the section of `docs/causes.md`, embedded.

const CAUSES: &str = include_str!("../docs/causes.md");

/// The text under the heading of `code`, heading included.
pub(crate) fn section(code: &str) -> Option<String> {
    let mut lines = CAUSES.lines().skip_while(|line| line.strip_prefix("### ") != Some(code));
    let heading = lines.next()?;
    let body = lines.take_while(|line| !line.starts_with("### ") && !line.starts_with("## "));
    let text: Vec<&str> = std::iter::once(heading).chain(body).collect();
    Some(text.join("\n").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let section = section("path-rejected").unwrap();
        assert!(section.starts_with("### path-rejected"));
        assert_eq!(section.matches("###").count(), 1);
        assert!(section.contains("Who acts"));
    }

    #[test]
    fn an_unknown_code_has_none() {
        assert_eq!(section("no-such-code"), None);
    }
}
