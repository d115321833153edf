//! SMTP replies: read whole, bounded, in bytes that need not be UTF-8.
//!
//! Reference: [RFC 5321 §4.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.2).

use crate::cause::instead_of;
use crate::cause::{Cause, Phase, TalkCause};
use crate::net::Stream;
use crate::recognise::Spoken;
use crate::wire;

/// One reply: its code and the text of each line, printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SmtpReply {
    pub(super) code: u16,
    pub(super) lines: Vec<String>,
}

impl SmtpReply {
    /// Reads lines up to and including the last one.
    ///
    /// # Errors
    ///
    /// When something else answers, the reply is malformed, endless, or not
    /// whole in time.
    pub(super) async fn read(stream: &mut Stream, phase: Phase) -> Result<Self, Cause> {
        let mut reply = Self { code: 0, lines: Vec::new() };
        let mut length = 0;
        loop {
            let line = match stream.line(phase, MAX_LINE).await {
                Ok(line) => line,
                Err(cause) => {
                    stream.draw_out(&cause).await;
                    return Err(named(cause, stream));
                }
            };
            length += line.len();
            if length > MAX_REPLY {
                let head = wire::head(stream.head());
                return Err(Cause::Talk(TalkCause::Endless { phase, limit: MAX_REPLY, head }));
            }
            if reply.push(&line).map_err(|cause| named(cause, stream))? {
                return Ok(reply);
            }
        }
    }

    /// Takes one line; `true`: it was the last.
    pub(super) fn push(&mut self, line: &[u8]) -> Result<bool, Cause> {
        let bad = || Cause::bad_reply("an SMTP reply", line);
        let bare = line.trim_ascii_end();
        let (digits, text) = bare.split_at_checked(3).ok_or_else(bad)?;
        let code = code(digits).ok_or_else(bad)?;
        if !self.lines.is_empty() && code != self.code {
            return Err(bad());
        }
        let (is_last, text) = match text.split_first() {
            None => (true, text),
            Some((b' ', text)) => (true, text),
            Some((b'-', text)) => (false, text),
            Some(_) => return Err(bad()),
        };
        self.code = code;
        self.lines.push(wire::clean(text, MAX_TEXT));
        Ok(is_last)
    }

    /// All lines as one sentence.
    pub(super) fn text(&self) -> String {
        wire::short(&self.lines.join(" "), MAX_TEXT)
    }

    /// The first line's text: of a greeting, the banner.
    pub(super) fn first(&self) -> &str {
        self.lines.first().map_or("", String::as_str)
    }

    /// What an EHLO reply offers: the keyword and parameters of each line but the first.
    pub(super) fn extensions(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().skip(1).map(|line| line.trim())
    }

    pub(super) fn offers(&self, keyword: &str) -> bool {
        let keywords = self.extensions().filter_map(|line| line.split([' ', '=']).next());
        keywords.into_iter().any(|known| known.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    pub(super) fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }
}

/// Three digits, the first of which is 2 to 5.
fn code(digits: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|code| is_number && (200..600).contains(code))
}

/// `cause`, or what answers here instead of a mail server.
///
/// An FTP server greets with 220 as well: only what follows tells.
fn named(cause: Cause, stream: &Stream) -> Cause {
    match cause {
        Cause::Talk(
            TalkCause::BadReply { .. }
            | TalkCause::Silent { .. }
            | TalkCause::Incomplete { .. }
            | TalkCause::HungUp { .. }
            | TalkCause::Endless { .. },
        ) => instead_of("SMTP", Spoken::Smtp, stream.head()).unwrap_or_else(|| match cause {
            // No line of a mail server begins so, however long its rest is waited for.
            Cause::Talk(TalkCause::Incomplete { .. })
                if stream.head().get(..3).is_some_and(|head| code(head).is_none()) =>
            {
                Cause::bad_reply("an SMTP reply", stream.head())
            }
            other => other,
        }),
        other => other,
    }
}

/// RFC 5321 §4.5.3.1.5 allows 512; servers send more.
const MAX_LINE: usize = 2 * 1024;
const MAX_REPLY: usize = 64 * 1024;
const MAX_TEXT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(lines: &[&[u8]]) -> Result<SmtpReply, Cause> {
        let mut reply = SmtpReply { code: 0, lines: Vec::new() };
        let (last, more) = lines.split_last().unwrap();
        for line in more {
            assert!(!reply.push(line)?);
        }
        assert!(reply.push(last)?);
        Ok(reply)
    }

    #[test]
    fn a_reply_ends_with_the_line_that_has_no_hyphen() {
        let ehlo =
            reply(&[b"250-mx.example.org\r\n", b"250-SIZE 10240000\r\n", b"250 starttls\r\n"]);
        let ehlo = ehlo.unwrap();
        assert_eq!(ehlo.code, 250);
        assert_eq!(ehlo.extensions().collect::<Vec<_>>(), ["SIZE 10240000", "starttls"]);
        assert!(ehlo.offers("STARTTLS") && ehlo.offers("SIZE") && !ehlo.offers("AUTH"));
        assert_eq!(reply(&[b"221\r\n"]).unwrap().lines, [""]);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_shown_and_do_no_harm() {
        let latin = reply(&[b"220 h\xe9l\xe9 \x1b[2J\r\n"]).unwrap();
        assert_eq!(latin.first(), "h\\xe9l\\xe9 \\x1b[2J");
    }

    #[test]
    fn lines_that_are_no_reply_are_told() {
        for line in
            [&b"\r\n"[..], b"22\r\n", b"2x0 a\r\n", b"+20 a\r\n", b"120 a\r\n", b"220_a\r\n"]
        {
            assert_eq!(reply(&[line]).unwrap_err().code(), "bad-reply", "{line:?}");
        }
        assert_eq!(reply(&[b"250-a\r\n", b"550 b\r\n"]).unwrap_err().code(), "bad-reply");
    }

    #[test]
    fn a_long_text_is_cut_for_the_reader() {
        let long = SmtpReply { code: 554, lines: vec!["no ".repeat(200)] };
        assert!(long.text().chars().count() <= MAX_TEXT + 1);
    }
}
