//! The page around a report: one file that asks for nothing and runs nothing but its own script.
//!
//! Reference: [CSP 3, section 6.7.3](https://www.w3.org/TR/CSP3/#match-element-to-source-list):
//! a hash lets exactly one text run.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::markup::Markup;

/// A whole document with our style and script, and `body` in it.
pub(crate) fn page(title: &str, body: &Markup) -> String {
    let mut page = Markup::default();
    page.literal("<!DOCTYPE html>\n");
    page.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |head| self::head(head, title));
        html.element("body", &[], |inside| {
            inside.append(body);
            inside.element("script", &[], |script| {
                script.literal(SCRIPT);
            });
        });
    });
    page.literal("\n");
    page.into_string()
}

fn head(head: &mut Markup, title: &str) {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    head.empty("meta", &[("charset", "utf-8")])
        .empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy)])
        .empty("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")])
        .empty("meta", &[("name", "color-scheme"), ("content", "light dark")])
        .empty("meta", &[("name", "referrer"), ("content", "no-referrer")])
        .leaf("title", &[], title)
        .element("style", &[], |style| {
            style.literal(STYLE);
        });
}

/// The source expression that allows `text`, and nothing but it.
fn hash(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest))
}

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_one_of_the_standard() {
        // FIPS 180-4, the digest of "abc".
        assert_eq!(hash("abc"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn style_and_script_stay_within_their_elements() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</") && !text.contains("<!--"));
        }
    }

    #[test]
    fn nothing_is_fetched() {
        let page = page("a <title>", &Markup::default());
        for source in ["http://", "https://", "url(", "@import", " src=", " href="] {
            assert!(!page.contains(source), "{source}");
        }
        assert!(page.contains("<title>a &lt;title&gt;</title>"), "{page}");
    }
}
