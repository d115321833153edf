//! Asides in the sentence of a cause: `rejected by 10.9.0.1 ⟨ICMP 3/13⟩`.
//!
//! They explain, and a line that names several causes has no room for them. Their marks are of our own
//! sentences alone: [`crate::printable`] escapes them in whatever a stranger says, so that nobody else's
//! words are taken for an aside.

use std::fmt::{self, Display, Write};

use crate::wire::{CLOSES, OPENS};

/// Writes the whole sentence, its asides in parentheses.
pub(super) fn whole(marked: &dyn Display, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    marked.to_string().chars().try_for_each(|letter| {
        out.write_char(match letter {
            OPENS => '(',
            CLOSES => ')',
            other => other,
        })
    })
}

/// The sentence without its asides, and without the blanks before them.
pub(super) fn brief(marked: &dyn Display) -> String {
    let mut brief = String::new();
    let mut depth = 0_usize;
    for letter in marked.to_string().chars() {
        match letter {
            OPENS => {
                brief.truncate(brief.trim_end().len());
                depth += 1;
            }
            CLOSES => depth = depth.saturating_sub(1),
            other if depth == 0 => brief.push(other),
            _ => {}
        }
    }
    brief
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{Cause, SmtpCause, TalkCause, samples};
    use crate::recognise::Spoken;

    #[test]
    fn an_aside_within_an_aside_goes_with_it() {
        for (marked, short) in [
            ("not found ⟨10.0.0.3: fails ⟨SERVFAIL⟩⟩", "not found"),
            ("one ⟨a ⟨b⟩ c⟩ and ⟨d⟩ two", "one and two"),
            ("nothing in any", "nothing in any"),
        ] {
            assert_eq!(brief(&marked), short);
        }
    }

    /// Parentheses of a peer, and marks that it sends, are its own words.
    #[test]
    fn what_a_peer_says_is_cut_nowhere() {
        let cause = Cause::Talk(TalkCause::WrongService {
            expected: "SMTP".into(),
            spoken: Spoken::Unknown,
            head: crate::printable("⟩ busy (never closed ⟨"),
        });
        assert_eq!(cause.brief(), "something unknown answers here, not SMTP");
        let text = crate::printable("blocked (see http://bl.example) ⟨");
        let cause = Cause::Smtp(SmtpCause::SmtpRefused { reply: 554, text: text.clone() });
        assert!(cause.brief().ends_with(&text), "{}", cause.brief());
    }

    #[test]
    fn every_sentence_closes_what_it_opens() {
        for cause in samples::causes() {
            let (mut depth, marked) = (0_i32, cause.marked().to_string());
            for letter in marked.chars() {
                depth += i32::from(letter == OPENS) - i32::from(letter == CLOSES);
                assert!(depth >= 0, "{marked}");
            }
            assert_eq!(depth, 0, "{marked}");
            assert!(!cause.brief().contains(" ,") && !cause.brief().ends_with(' '), "{marked}");
            assert!(!cause.to_string().contains([OPENS, CLOSES]), "{marked}");
        }
    }
}
