//! The letters that the terminal can show: ASCII alone where the locale is not UTF-8.

use std::borrow::Cow;
use std::env;
use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

/// A writer that puts ASCII for what `in_ascii` knows.
#[derive(Debug)]
pub(crate) struct InLetters<W> {
    out: W,
    is_ascii: bool,
}

impl<W: Write> InLetters<W> {
    /// Writes as the locale of this process wants it.
    pub(crate) fn of_locale(out: W) -> Self {
        Self { out, is_ascii: is_ascii_locale(|name| env::var(name).ok()) }
    }
}

impl<W: Write> Write for InLetters<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    /// Pages are written a `str` at a time, so that no character comes in two pieces.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.is_ascii {
            return self.out.write_all(bytes);
        }
        self.out.write_all(in_ascii(&String::from_utf8_lossy(bytes)).as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// `text` in the letters of this process's locale.
pub(crate) fn in_locale(text: &str) -> Cow<'_, str> {
    if is_ascii_locale(|name| env::var(name).ok()) { in_ascii(text) } else { text.into() }
}

/// Does the locale name another charset than UTF-8? The first of the three variables that says anything counts
/// (POSIX, Base Definitions, 8.2).
///
/// No locale at all is what services and containers have, whose output is read elsewhere: that is UTF-8.
fn is_ascii_locale(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    })
}

/// Every character as one of ASCII as wide as it is, so that columns stay columns.
fn in_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let letters = text.chars().map(|letter| match letter {
        '\0'..='\x7f' => String::from(letter),
        '✓' => "+".to_owned(),
        '✗' => "x".to_owned(),
        '·' => "-".to_owned(),
        '→' => ">".to_owned(),
        '…' => "~".to_owned(),
        other => "?".repeat(other.width().unwrap_or(0)),
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_says_anything_names_the_charset() {
        let is_ascii = |set: &[(&str, &str)]| {
            is_ascii_locale(|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(is_ascii(&[("LANG", "C")]));
        assert!(is_ascii(&[("LC_ALL", "POSIX"), ("LANG", "fr_FR.UTF-8")]));
        assert!(is_ascii(&[("LC_CTYPE", "de_DE.ISO-8859-1")]));
        assert!(!is_ascii(&[("LC_ALL", ""), ("LANG", "fr_FR.utf8")]));
        assert!(!is_ascii(&[("LANG", "C.UTF-8")]));
        assert!(!is_ascii(&[]), "a service's output is read elsewhere");
    }

    #[test]
    fn a_character_stays_as_wide_as_it_was() {
        assert_eq!(in_ascii("✓ a → b · c…"), "+ a > b - c~");
        assert_eq!(in_ascii("Zürich 漢"), "Z?rich ??");
    }
}
