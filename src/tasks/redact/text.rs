//! Addresses and names inside a sentence, a command, a URL, a path, a certificate's subject.

use std::net::IpAddr;

use super::Redactor;
use super::address::network;

impl Redactor {
    /// The same text with a stand-in for every address and name in it.
    pub(super) fn text(&mut self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if !is_word(first) {
                redacted.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            }
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            let (stand_in, used) = self.word(word, after, &redacted);
            redacted.push_str(&stand_in);
            rest = after.get(used..).unwrap_or_default();
        }
        redacted
    }

    /// What stands for a word, and how many bytes after it went with it.
    fn word(&mut self, word: &str, after: &str, before: &str) -> (String, usize) {
        if let Some(value) = attribute_value(word, after) {
            let stand_in = self.value(word, value);
            return (format!("{word}={stand_in}"), 1 + value.len());
        }
        if let Some((length, used)) = prefix_length(after)
            && let Ok(address) = word.parse::<IpAddr>()
        {
            let net = network(self.stand_in(address), length);
            return (format!("{net}/{length}"), used);
        }
        if before.ends_with("://")
            && let Some(used) = path(after)
        {
            let stand_in = self.names.stand_in(&self.key, after.get(..used).unwrap_or_default());
            let host = self.pieces(word);
            let port = after.find('/').and_then(|slash| after.get(..slash)).unwrap_or_default();
            return (format!("{host}{port}/{stand_in}"), used);
        }
        let is_mailbox = after.starts_with('@') && after.chars().nth(1).is_some_and(is_word);
        let is_home = before.ends_with("/home/");
        if (is_mailbox || is_home) && !self.names.is_flow(word) {
            return (self.names.stand_in(&self.key, word), 0);
        }
        (self.pieces(word), 0)
    }

    /// A word that may be an address, a name, or one of them with a port or a zone.
    fn pieces(&mut self, word: &str) -> String {
        // A sentence's full stop or colon is not part of a name.
        let core = word.trim_end_matches(['.', ':']);
        let end = word.get(core.len()..).unwrap_or_default();
        if let Ok(address) = core.parse::<IpAddr>() {
            return format!("{}{end}", self.stand_in(address));
        }
        // `::` ends an address of its own.
        if let Ok(address) = word.parse::<IpAddr>() {
            return self.stand_in(address).to_string();
        }
        if is_hardware_address(core) {
            return format!("{}{end}", self.names.stand_in(&self.key, core));
        }
        let pieces: Vec<String> = core
            .split_inclusive([':', '%'])
            .map(|piece| {
                let name = piece.trim_end_matches([':', '%']);
                let mark = piece.get(name.len()..).unwrap_or_default();
                format!("{}{mark}", self.piece(name))
            })
            .collect();
        format!("{}{end}", pieces.concat())
    }

    fn piece(&mut self, piece: &str) -> String {
        if let Ok(address) = piece.parse::<IpAddr>() {
            return self.stand_in(address).to_string();
        }
        self.names.host(&self.key, piece).unwrap_or_else(|| piece.to_owned())
    }

    /// A value of a distinguished name: an organisation, a person, a host.
    fn value(&mut self, attribute: &str, value: &str) -> String {
        // The country tells less than the time zone.
        if attribute.eq_ignore_ascii_case("c") {
            return value.to_owned();
        }
        if value.parse::<IpAddr>().is_ok() {
            return self.pieces(value);
        }
        self.names.stand_in(&self.key, value)
    }
}

/// What words are made of: names, addresses with a port or a zone, wildcards.
fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '.' | '_' | ':' | '%' | '*' | '-')
}

/// `CN` of `CN=relay.example.com,O=Example`: the value behind it.
///
/// Reference: [RFC 4514 §3](https://www.rfc-editor.org/rfc/rfc4514#section-3).
fn attribute_value<'a>(word: &str, after: &'a str) -> Option<&'a str> {
    const ATTRIBUTES: [&str; 16] = [
        "cn",
        "o",
        "ou",
        "dc",
        "l",
        "st",
        "s",
        "c",
        "street",
        "uid",
        "e",
        "emailaddress",
        "sn",
        "serialnumber",
        "givenname",
        "title",
    ];
    let value = after.strip_prefix('=')?;
    if !ATTRIBUTES.iter().any(|attribute| word.eq_ignore_ascii_case(attribute)) {
        return None;
    }
    let end = value.find([',', '"', '+', ';', ')', '|', '/']).unwrap_or(value.len());
    value.get(..end).filter(|value| !value.trim().is_empty())
}

/// `/24` of `10.20.30.0/24`: the length, and the bytes it takes.
fn prefix_length(after: &str) -> Option<(u8, usize)> {
    let digits = after.strip_prefix('/')?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let length: u8 = digits.get(..end)?.parse().ok()?;
    (length <= 128).then_some((length, end + 1))
}

/// The path behind a URL's host, and what follows: how many bytes, if it says anything.
fn path(after: &str) -> Option<usize> {
    // An address in brackets ends in one.
    let inside = after.strip_prefix(']').map_or(after, |rest| rest);
    let skipped = after.len() - inside.len();
    let port = inside.find('/').filter(|slash| {
        inside
            .get(..*slash)
            .is_some_and(|port| port.chars().all(|c| c == ':' || c.is_ascii_digit()))
    })?;
    let path = inside.get(port..)?;
    let end = path.find([' ', '"', ',', ')', '\'', '`', ';']).unwrap_or(path.len());
    (end > 1).then_some(skipped + port + end)
}

/// `00:11:22:33:44:55`
fn is_hardware_address(word: &str) -> bool {
    let parts: Vec<&str> = word.split([':', '-']).collect();
    let is_byte = |part: &&str| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit());
    parts.len() == 6 && parts.iter().all(is_byte)
}
