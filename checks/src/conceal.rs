//! Answers that repeat what they were asked with: our secret is taken out again.
//!
//! A peer can send back whatever it heard, as text, as bytes that are shown in hexadecimal, or in
//! the coding it travelled in. The one place for that is here, behind every probe: the verdict and
//! what was seen are searched for the probe's own secrets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::cause::{Cause, TalkCause};
use crate::discreet::MASK;
use crate::evidence::{Evidence, Seen, Value};
use crate::wire;

/// The secrets of one question, in each form they may come back in.
pub(crate) struct Secrets(Vec<String>);

/// A secret that is shorter stands in too many words by chance.
const SHORTEST: usize = 4;

impl Secrets {
    /// Each secret by itself, and each `user:password` as HTTP sends it.
    pub(crate) fn new(plain: impl IntoIterator<Item = String>, logins: &[String]) -> Self {
        let plain: Vec<String> = plain.into_iter().filter(|text| text.len() >= SHORTEST).collect();
        let coded = logins.iter().chain(&plain).map(|text| STANDARD.encode(text));
        let shown = plain.iter().map(|text| wire::printable(text));
        let mut forms: Vec<String> = plain.iter().cloned().chain(shown).chain(coded).collect();
        // A longer one first: it may begin with a shorter.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self(forms)
    }

    /// The same verdict and the same facts, without any of them.
    pub(crate) fn conceal(&self, verdict: &mut Result<(), Cause>, seen: &mut Seen) {
        if self.0.is_empty() {
            return;
        }
        if let Err(cause) = verdict {
            *cause = self.within(cause);
        }
        seen.headline = self.text(&seen.headline);
        seen.evidence = self.evidence(&seen.evidence);
        for concern in &mut seen.concerns {
            *concern = self.within(concern);
        }
        if let Some(cause) = &mut seen.other_transport {
            **cause = self.within(cause);
        }
    }

    fn evidence(&self, evidence: &Evidence) -> Evidence {
        let mut concealed = Evidence::default();
        for (name, value) in evidence.facts() {
            let value = match value {
                Value::Text(text) => Value::Text(self.text(text)),
                Value::List(texts) => {
                    Value::List(texts.iter().map(|text| self.text(text)).collect())
                }
                other => other.clone(),
            };
            concealed.set(name.to_owned(), value);
        }
        concealed
    }

    /// What serialises to its facts, made again from the facts without secrets.
    fn within<T: Clone + Serialize + DeserializeOwned>(&self, facts: &T) -> T {
        let Ok(mut json) = serde_json::to_value(facts) else { return facts.clone() };
        let before = json.clone();
        self.walk(&mut json);
        if json == before {
            return facts.clone();
        }
        serde_json::from_value(json).unwrap_or_else(|_| facts.clone())
    }

    fn walk(&self, json: &mut Json) {
        match json {
            Json::String(text) => *text = self.text(text),
            Json::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            Json::Object(map) => {
                let facts = map.iter_mut().filter(|(key, _)| *key != "code");
                facts.for_each(|(_, item)| self.walk(item));
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn text(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.0 {
            shown = without_beginning(&shown.replace(secret, MASK), secret);
        }
        match hexadecimal(&shown) {
            Some((before, bytes, after)) if self.is_in(&bytes) => {
                format!("{before}(not shown, as our own secret is in it){after}")
            }
            _ => shown,
        }
    }

    /// A secret, or how one begins where the bytes end.
    fn is_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().map(String::as_bytes).any(|secret| {
            let whole = bytes.windows(secret.len()).any(|window| window == secret);
            let begins = |length| secret.get(..length).is_some_and(|start| bytes.ends_with(start));
            whole || (SHORTEST..secret.len()).any(begins)
        })
    }
}

/// The failure of a peer that was sent `password`: what cannot be read may hold a part of it, so
/// `instead` is shown where `expected` should have come. Of a password of any length.
pub(crate) fn without_password(
    cause: Cause,
    password: Option<&SecretString>,
    expected: &'static str,
    instead: &[u8],
) -> Cause {
    let Some(password) = password else { return cause };
    let is_unread =
        matches!(cause, Cause::Talk(TalkCause::BadReply { .. } | TalkCause::Endless { .. }));
    if is_unread || cause.to_string().contains(password.expose_secret()) {
        return Cause::bad_reply(expected, instead);
    }
    cause
}

/// The beginning of a secret, where the text was cut off.
fn without_beginning(text: &str, secret: &str) -> String {
    let mut shown = text.to_owned();
    if !text.contains('…') {
        return shown;
    }
    for (length, _) in secret.char_indices().rev().filter(|(length, _)| *length >= SHORTEST) {
        let start = secret.get(..length).unwrap_or_default();
        for end in ["…", "\"…", "\\\"…"] {
            shown = shown.replace(&format!("{start}{end}"), &format!("{MASK}{end}"));
        }
    }
    shown
}

/// `16 bytes: 3a ab 00…` : what is before the bytes, the bytes, and what follows.
pub(crate) fn hexadecimal(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let begin = text.find(" bytes: ")? + " bytes: ".len();
    let rest = text.get(begin..)?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit() && c != ' ').unwrap_or(rest.len());
    let words = rest.get(..end)?.split(' ').filter(|word| !word.is_empty());
    let bytes: Option<Vec<u8>> =
        words.map(|word| u8::from_str_radix(word, 16).ok().filter(|_| word.len() == 2)).collect();
    let bytes = bytes.filter(|bytes| !bytes.is_empty())?;
    Some((text.get(..begin)?, bytes, rest.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concealed(cause: Cause) -> Cause {
        let secrets =
            Secrets::new(["hunter2-hunter2".to_owned()], &["me:hunter2-hunter2".to_owned()]);
        let (mut verdict, mut seen) = (Err(cause), Seen::default());
        secrets.conceal(&mut verdict, &mut seen);
        verdict.unwrap_err()
    }

    #[test]
    fn an_answer_that_repeats_our_secret_is_shown_without_it() {
        let echo = |bytes: &[u8]| concealed(Cause::bad_reply("HTTP", bytes)).to_string();
        for bytes in [
            b"x hunter2-hunter2 y".as_slice(),
            b"\x01\x02hunter2-hunter2",
            b"\x00 twenty-six bytes and then hunter2-hunter2",
            b"twenty-six bytes and then hunter2-hunter2",
            b"Basic bWU6aHVudGVyMi1odW50ZXIy",
        ] {
            let shown = echo(bytes);
            for part in ["hunter", "68 75 6e 74", "bWU6aHVudGVyMi"] {
                assert!(!shown.contains(part), "{shown}");
            }
        }
        assert!(echo(b"hello").contains("hello"));
    }

    #[test]
    fn facts_headline_and_concerns_lose_it_too() {
        let secrets = Secrets::new(["hunter2".to_owned()], &[]);
        let mut seen = Seen { headline: "220 hunter2".to_owned(), ..Seen::default() };
        seen.evidence.set("banner", "hunter2 ready");
        seen.evidence.set("names", ["a", "hunter2"].into_iter().collect::<Value>());
        seen.concerns.push(crate::Concern::HttpSendsElsewhere { location: "x/hunter2".to_owned() });
        secrets.conceal(&mut Ok(()), &mut seen);
        assert!(!format!("{seen:?}").contains("hunter2"), "{seen:?}");
        assert_eq!(seen.headline, "220 ***");
    }
}
