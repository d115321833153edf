//! What strangers and users wrote in their own words: with `--redact` only its code and length stay.
//!
//! A banner, an error, a page's title, a reason given with `--skip` can name a machine, a person or a
//! customer in words that nothing tells from others. So none of them stays, unless it is asked for
//! (`--redact-keep-text`).

/// A text shorter than this is a word that many sentences have.
const SHORTEST: usize = 4;

/// `554 5.7.1, 87 characters`, or `12 bytes` of what was no text.
pub(super) fn in_short(text: &str) -> String {
    // "16 bytes: 3a ab …": the bytes can spell a name.
    if let Some((length, _)) = text.split_once(" bytes: ")
        && length.bytes().all(|byte| byte.is_ascii_digit())
    {
        return format!("{length} bytes");
    }
    let is_code = |word: &&str| {
        word.len() <= 8
            && word.starts_with(|c: char| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    let code: Vec<&str> = text.split([' ', '-']).take_while(is_code).take(2).collect();
    let length = format!("{} characters", text.chars().count());
    if code.is_empty() { length } else { format!("{}, {length}", code.join(" ")) }
}

/// Texts that were shortened, the longest first.
#[derive(Debug, Default)]
pub(super) struct Free(Vec<String>);

impl Free {
    /// Remembers a text, for the sentences that repeat it.
    pub(super) fn learn(&mut self, text: &str) {
        if text.chars().count() >= SHORTEST && !self.0.iter().any(|known| known == text) {
            self.0.push(text.to_owned());
            self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
        }
    }

    /// `sentence` without any of them, whole or cut off.
    pub(super) fn without(&self, sentence: &str) -> String {
        let mut sentence = sentence.to_owned();
        for text in &self.0 {
            if sentence.contains(text.as_str()) {
                sentence = sentence.replace(text.as_str(), &in_short(text));
            }
            for (length, _) in text.char_indices().rev().filter(|(length, _)| *length >= SHORTEST) {
                let start = text.get(..length).unwrap_or_default();
                let cut = format!("{start}…");
                if sentence.contains(&cut) {
                    sentence = sentence.replace(&cut, &in_short(text));
                }
            }
        }
        sentence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_a_length_are_left_of_a_text() {
        for (text, short) in [
            ("554 5.7.1 <paris>: relay denied", "554 5.7.1, 31 characters"),
            ("220-relay ready", "220, 15 characters"),
            ("relay-paris ESMTP", "17 characters"),
            ("21 bytes: 00 01 66 6f 6f", "21 bytes"),
            ("5 bytes: \"paris\"", "5 bytes"),
            ("", "0 characters"),
        ] {
            assert_eq!(in_short(text), short);
        }
    }

    #[test]
    fn a_sentence_that_repeats_a_text_loses_it() {
        let mut free = Free::default();
        free.learn("relay-paris ESMTP Postfix (Acme)");
        let cut = free.without("220 relay-paris ESMTP…, TLS 1.3");
        assert_eq!(cut, "220 32 characters, TLS 1.3");
        assert_eq!(
            free.without("it says \"relay-paris ESMTP Postfix (Acme)\""),
            "it says \"32 characters\""
        );
    }
}
