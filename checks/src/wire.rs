//! A stranger's bytes as text: bounded, and never printed raw; and the numbers among them.

use std::fmt::Write as _;

/// Begins an aside of a cause's sentence; nobody else's words have one.
pub(crate) const OPENS: char = '⟨';
/// Ends it.
pub(crate) const CLOSES: char = '⟩';

/// How a message begins, for an error: length and at most 32 bytes.
///
/// Text stays readable; anything else is hexadecimal.
pub(crate) fn head(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    let dots = if bytes.len() > SHOWN { "…" } else { "" };
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\r' | b'\n' | 0x20..=0x7e);
    match bytes.len() {
        0 => "nothing".to_owned(),
        length if shown.iter().all(is_text) => {
            format!("{length} bytes: \"{}\"{dots}", clean(shown, 4 * SHOWN))
        }
        length => {
            let hex: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{length} bytes: {}{dots}", hex.join(" "))
        }
    }
}

/// A stranger's bytes as one printable line of at most about `max` bytes.
///
/// Nothing is hidden: control characters, bidirectional overrides and bytes
/// that are not UTF-8 become visible escapes, a backslash is doubled.
#[must_use]
pub fn clean(bytes: &[u8], max: usize) -> String {
    let mut line = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => line.push_str("\\\\"),
                other => push_escaped(&mut line, other),
            }
            if line.len() > max {
                line.push('…');
                return line;
            }
        }
        for byte in chunk.invalid() {
            let _infallible = write!(line, "\\x{byte:02x}");
        }
        if line.len() > max {
            line.push('…');
            return line;
        }
    }
    line
}

/// `text` with everything escaped that could act on a terminal, a log or a page.
///
/// Applying it twice changes nothing more.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(&mut line, c));
    line
}

fn push_escaped(line: &mut String, character: char) {
    match character {
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        c if c.is_ascii_control() || ('\u{80}'..='\u{9f}').contains(&c) => {
            let _infallible = write!(line, "\\x{:02x}", u32::from(c));
        }
        // What a cause's own sentence is marked with.
        OPENS | CLOSES
        // Invisible or reordering: soft hyphen, Arabic and Mongolian marks, zero
        // widths, bidirectional controls, byte order mark, annotations, tags.
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => {
            let _infallible = write!(line, "\\u{{{:x}}}", u32::from(character));
        }
        other => line.push(other),
    }
}

/// The first `most` characters of a text that is printable already.
pub(crate) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A length as it is announced on the wire, the highest of at most eight bytes first.
///
/// As large as the peer likes: check it before use.
pub(crate) fn length(bytes: &[u8]) -> usize {
    let length = bytes.iter().fold(0, |sum: u64, &byte| (sum << 8) | u64::from(byte));
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// CRC-16/X-25, as in every BBDO header.
pub(crate) fn crc16_x25(bytes: &[u8]) -> u16 {
    !bytes.iter().fold(0xffff, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x8408 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn cleaning_shows_what_a_terminal_would_obey() {
        assert_eq!(clean(b"220 \x1b[2Jmx\xe9\r\n", 99), "220 \\x1b[2Jmx\\xe9\\r\\n");
        assert_eq!(clean("a\u{202e}b".as_bytes(), 99), "a\\u{202e}b");
    }

    #[test]
    fn cleaning_is_bounded() {
        assert_eq!(clean(&[b'a'; 500], 10), "aaaaaaaaaaa…");
        assert!(clean(&vec![0xff; 1_000_000], 10).len() < 20);
    }

    #[test]
    fn printable_twice_is_printable_once() {
        let once = printable("x\u{1b}\\y\u{200b}");
        assert_eq!(printable(&once), once);
    }

    #[test]
    fn short_counts_characters_and_shows_that_there_were_more() {
        assert_eq!(short("wörter", 6), "wörter");
        assert_eq!(short("wörter", 2), "wö…");
        assert_eq!(short("", 0), "");
    }

    #[test]
    fn a_length_is_big_endian_of_any_width() {
        assert_eq!(length(&[]), 0);
        assert_eq!(length(&[1, 2]), 258);
        assert_eq!(length(&[0xff; 8]), usize::MAX);
    }

    #[test]
    fn crc_has_the_published_check_value() {
        assert_eq!(crc16_x25(b"123456789"), 0x906e);
    }

    #[test]
    fn a_head_is_text_when_it_is_text() {
        assert_eq!(head(b"SSH-2.0-x\r\n"), "11 bytes: \"SSH-2.0-x\\r\\n\"");
        assert_eq!(head(&[0xff, 0]), "2 bytes: ff 00");
        assert_eq!(head(b""), "nothing");
    }

    proptest! {
        #[test]
        fn nothing_a_peer_says_reaches_a_terminal(bytes in vec(any::<u8>(), 0..300), max in 0..200_usize) {
            for line in [clean(&bytes, max), head(&bytes)] {
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
                prop_assert_eq!(&printable(&line), &line);
            }
            // What begins within the bound is written whole: at most three bytes, escaped.
            prop_assert!(clean(&bytes, max).len() <= max + 3 * "\\xff".len() + "…".len());
        }

        #[test]
        fn text_is_printable_after_one_pass(text in ".*") {
            let once = printable(&text);
            prop_assert!(!once.chars().any(char::is_control));
            prop_assert_eq!(&printable(&once), &once);
        }
    }
}
