//! What a page has to have in it: a package repository's metadata, or anything.
//!
//! A filter in between answers `200` with a page of its own; for a program that
//! wants metadata that is as good as nothing.

use url::Url;

use super::exchange::HttpAnswer;
use crate::cause::{Cause, WebCause};
use crate::wire;

/// What a page that passes has in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Whatever the server sends.
    #[default]
    Any,
    /// The index of an RPM repository.
    Repomd,
    /// The index of a Debian repository, signed or not.
    Release,
    /// A list of an RPM repository's mirrors, plain or as a metalink.
    Mirrors,
}

impl Content {
    /// What is behind a URL, by the name of its file.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        match url.path_segments().and_then(|mut segments| segments.next_back()) {
            Some("repomd.xml") => Self::Repomd,
            Some("InRelease" | "Release") => Self::Release,
            _ => Self::Any,
        }
    }

    /// Decides from a page; `secure`: it came inside TLS that was verified.
    pub(super) fn judge(self, answer: &HttpAnswer, secure: bool) -> Result<(), Cause> {
        // A redirect is shown and not followed.
        if !(200..300).contains(&answer.status) || self.is_in(&answer.body) {
            return Ok(());
        }
        let expected = match self {
            Self::Any => return Ok(()),
            Self::Repomd => "a repository's index (repomd.xml)",
            Self::Release => "a repository's index (InRelease)",
            Self::Mirrors => "a list of mirrors",
        };
        let got = match title(&answer.body) {
            Some(title) => format!("a page with the title \"{title}\""),
            None => wire::head(&answer.body),
        };
        Err(Cause::Web(WebCause::NotMetadata { expected: expected.into(), got, secure }))
    }

    fn is_in(self, body: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Repomd => root(body) == Some("repomd"),
            Self::Release => is_release(body),
            Self::Mirrors => root(body) == Some("metalink") || is_list_of_urls(body),
        }
    }
}

/// The name of an XML document's root element, without its prefix.
fn root(body: &[u8]) -> Option<&str> {
    let mut rest = text(body);
    loop {
        rest = rest.trim_start();
        let (begin, end) =
            PROLOGUE.iter().find(|(begin, _)| rest.starts_with(begin)).copied().unwrap_or_default();
        if begin.is_empty() {
            break;
        }
        (_, rest) = rest.split_once(end)?;
    }
    let name = rest.strip_prefix('<')?;
    let end = name.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))?;
    let name = name.get(..end)?;
    Some(name.rsplit(':').next().unwrap_or(name))
}

/// Signed as a text, or a list of fields with one that every index has.
fn is_release(body: &[u8]) -> bool {
    let text = text(body);
    let is_field = |line: &str| RELEASE_FIELDS.iter().any(|field| line.starts_with(field));
    text.starts_with(SIGNED) || text.lines().next().is_some_and(is_field)
}

/// The first line a URL that is no comment, and no markup anywhere.
fn is_list_of_urls(body: &[u8]) -> bool {
    let text = text(body);
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    MIRROR_SCHEMES.iter().any(|scheme| first.starts_with(scheme)) && !text.contains('<')
}

/// The title of an HTML page, printable and short.
fn title(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    // ASCII letters change their case in place: positions stay the same.
    let lower = text.to_ascii_lowercase();
    let begin = lower.find("<title")?;
    let begin = begin + lower.get(begin..)?.find('>')? + 1;
    let end = begin + lower.get(begin..)?.find("</title")?;
    let title = text.get(begin..end)?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then(|| wire::clean(title.as_bytes(), TITLE))
}

/// The beginning that is text; a byte order mark is none of it.
fn text(body: &[u8]) -> &str {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => body
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or_default(),
    };
    text.trim_start_matches('\u{feff}')
}

/// What may stand before the root element, and how each ends.
const PROLOGUE: [(&str, &str); 3] = [("<?", "?>"), ("<!--", "-->"), ("<!DOCTYPE", ">")];
const SIGNED: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
/// With one of these an unsigned index begins.
const RELEASE_FIELDS: [&str; 13] = [
    "Origin:",
    "Label:",
    "Suite:",
    "Version:",
    "Codename:",
    "Archive:",
    "Component:",
    "Changelogs:",
    "Date:",
    "Architectures:",
    "Components:",
    "MD5Sum:",
    "SHA256:",
];
const MIRROR_SCHEMES: [&str; 4] = ["http://", "https://", "ftp://", "rsync://"];
const TITLE: usize = 80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::damaged;

    const REPOMD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- made -->\n\
        <repomd xmlns=\"http://linux.duke.edu/metadata/repo\"><revision>1</revision></repomd>";
    const BLOCKED: &str = "<!DOCTYPE html><html><head><TITLE>Access\n denied \u{1b}[1m</TITLE>";

    fn verdict(content: Content, status: u16, body: &str) -> Result<(), Cause> {
        let answer = HttpAnswer { status, body: body.into(), ..HttpAnswer::default() };
        content.judge(&answer, false)
    }

    #[test]
    fn the_name_of_the_file_tells_what_is_in_it() {
        let of = |url: &str| Content::of(&url.parse().unwrap());
        assert_eq!(of("https://r.example/el9/os/repodata/repomd.xml"), Content::Repomd);
        assert_eq!(of("http://r.example/debian/dists/bookworm/InRelease"), Content::Release);
        assert_eq!(of("http://r.example/flat/Release"), Content::Release);
        assert_eq!(of("https://r.example/"), Content::Any);
        assert_eq!(of("https://r.example/?repo=baseos"), Content::Any);
    }

    #[test]
    fn metadata_passes() {
        for (content, body) in [
            (Content::Repomd, REPOMD),
            (Content::Repomd, "\u{feff}<repomd/>"),
            (Content::Repomd, "<r:repomd xmlns:r=\"x\">"),
            (Content::Release, "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n"),
            (Content::Release, "Origin: Debian\nLabel: Debian\n"),
            (Content::Mirrors, "<?xml version=\"1.0\"?><metalink version=\"3.0\">"),
            (Content::Mirrors, "# mirrors\nhttps://a.example/el9\nhttp://b.exa"),
            (Content::Any, BLOCKED),
        ] {
            assert_eq!(verdict(content, 200, body), Ok(()), "{content:?} {body}");
        }
        // Where it leads is another matter.
        assert_eq!(verdict(Content::Repomd, 302, BLOCKED), Ok(()));
    }

    #[test]
    fn a_page_in_its_place_is_named_by_its_title() {
        for content in [Content::Repomd, Content::Release, Content::Mirrors] {
            let cause = verdict(content, 200, BLOCKED).unwrap_err();
            let Cause::Web(WebCause::NotMetadata { got, .. }) = &cause else { panic!("{cause}") };
            assert_eq!(got, "a page with the title \"Access denied \\x1b[1m\"");
            for other in ["", "blocked", "<html>", "<?xml", "<!-- repomd", "\u{1f}\u{8b}"] {
                let other = verdict(content, 200, other).unwrap_err();
                assert_eq!(other.code(), "not-metadata");
            }
        }
    }

    proptest! {
        #[test]
        fn no_page_breaks_the_readers(body in damaged(BLOCKED.as_bytes()), xml in damaged(REPOMD.as_bytes())) {
            for content in [Content::Repomd, Content::Release, Content::Mirrors] {
                for body in [&body, &xml] {
                    let answer = HttpAnswer { status: 200, body: body.clone(), ..HttpAnswer::default() };
                    let _any_verdict = content.judge(&answer, true);
                }
            }
        }
    }
}
