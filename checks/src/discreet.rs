//! What of a URL, or of a value that somebody typed, may be shown.
//!
//! Vendors hand out repositories whose address holds the customer's token
//! (`https://yum.example.com/centreon-business/TOKEN/…`, `?token=…`), and people paste
//! `https://user:password@host/` where only a host belongs. The request needs all of it; a
//! table, a report and a site file show [`MASK`] in its place.

use std::ops::Range;

use url::{Position, Url};

/// Stands for what is not shown.
pub const MASK: &str = "***";

/// `url` without user and password, and with [`MASK`] for each part of its path and each value of
/// its query that looks like a secret.
#[must_use]
pub fn discreet(url: &Url) -> String {
    let (start, rest) = halves(url);
    format!("{start}{}", masked(&rest, secret_ranges(&rest, url.host_str().unwrap_or_default())))
}

/// The same of a path and a query alone.
#[must_use]
pub fn discreet_path(path: &str) -> String {
    masked(path, secret_ranges(path, ""))
}

/// What [`discreet`] hides of `url`, as it is written there; user and password are not in it.
#[must_use]
pub fn secrets_of(url: &Url) -> Vec<String> {
    let (_, rest) = halves(url);
    let ranges = secret_ranges(&rest, url.host_str().unwrap_or_default());
    ranges.into_iter().filter_map(|range| rest.get(range)).map(str::to_owned).collect()
}

/// A value that was typed, in backticks for a sentence, without what may be a secret in it.
///
/// It need not be a URL, nor whole: what looks like a login before the last `@` is hidden, and of
/// the rest what [`discreet`] hides.
#[must_use]
pub fn quoted(value: &str) -> String {
    format!("`{}`", discreet_value(value))
}

/// The same without the backticks, for a line that is nobody's sentence.
#[must_use]
pub fn discreet_value(value: &str) -> String {
    masked(value, hidden(value))
}

/// A sentence, each word of it as [`discreet_value`] shows it.
#[must_use]
pub fn discreet_text(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(discreet_value).collect()
}

/// The places of what is hidden in a value that was typed, as byte ranges in their order.
#[must_use]
pub fn hidden(value: &str) -> Vec<Range<usize>> {
    let quotes = value.len() - value.trim_start_matches(['`', '"', '\'', '(', '[']).len();
    let (begin, is_url) = if let Some(at) = value.find("://") {
        (at + 3, true)
    } else {
        // `NAME=VALUE`, where the name is one.
        let name = value.find('=').filter(|at| value.get(quotes..*at).is_some_and(is_name));
        (name.map_or(quotes, |at| at + 1), false)
    };
    let login = value.rfind('@').filter(|at| *at > begin).map(|at| begin..at);
    // A mail address has one without a password.
    let login = login.filter(|login| {
        let text = value.get(login.clone()).unwrap_or_default();
        is_url || text.contains(':') || looks_secret(text)
    });
    let after = login.as_ref().map_or(0, |login| login.end);
    let rest = value.get(after..).unwrap_or_default();
    let ranges = secret_ranges(rest, "");
    let ranges = ranges.into_iter().map(|range| range.start + after..range.end + after);
    login.into_iter().chain(ranges).collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Scheme, host and port; and what follows them.
fn halves(url: &Url) -> (String, String) {
    let host = &url[Position::BeforeHost..Position::BeforePath];
    (format!("{}://{host}", url.scheme()), url[Position::BeforePath..].to_owned())
}

fn masked(text: &str, ranges: impl IntoIterator<Item = Range<usize>>) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        shown.push_str(text.get(from..range.start).unwrap_or_default());
        shown.push_str(MASK);
        from = range.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

/// Where secrets stand in a path with its query, in their order.
fn secret_ranges(text: &str, host: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut begin, mut before) = (0, host.to_ascii_lowercase());
    for (end, separator) in separators(text) {
        let piece = text.get(begin..end).unwrap_or_default();
        let (key, value) = match piece.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), value),
            None => (before.clone(), piece),
        };
        let is_told = if piece.contains('=') {
            is_secret_key(&key)
        } else {
            leads_to_secret(&key, value) && !is_ordinary(value)
        };
        if !value.is_empty() && value != MASK && (is_told || looks_secret(value)) {
            ranges.push(end - value.len()..end);
        }
        if !piece.is_empty() || separator != '/' {
            before = piece.to_ascii_lowercase();
        }
        begin = end + separator.len_utf8();
    }
    ranges
}

/// Each separator and its place, and the end.
fn separators(text: &str) -> impl Iterator<Item = (usize, char)> {
    let is_one = |c: &char| matches!(c, '/' | ':' | '?' | '&' | ';' | '#' | ' ' | ',' | '\'' | '"');
    let found = text.char_indices().filter(move |(_, c)| is_one(c));
    found.chain([(text.len(), '/')])
}

/// Keys of a query whose value is a secret.
fn is_secret_key(key: &str) -> bool {
    const WORDS: [&str; 12] = [
        "token",
        "secret",
        "passw",
        "passphrase",
        "pwd",
        "apikey",
        "api_key",
        "api-key",
        "credential",
        "signature",
        "community",
        "session",
    ];
    const WHOLE: [&str; 9] =
        ["key", "pass", "auth", "sig", "jwt", "sas", "otp", "license", "accesskey"];
    let last = key.rsplit(['-', '_', '.']).next().unwrap_or_default();
    WHOLE.contains(&key) || WHOLE.contains(&last) || WORDS.iter().any(|word| key.contains(word))
}

/// Is `value` a token by custom, since it follows this part of a path, or this host?
fn leads_to_secret(part: &str, value: &str) -> bool {
    // Centreon's commercial repositories, packagecloud's private ones, and Cloudsmith's.
    const ALWAYS: [&str; 3] = ["centreon-business", "priv", "dl.cloudsmith.io"];
    const OFTEN: [&str; 9] =
        ["token", "tokens", "secret", "key", "apikey", "api-key", "auth", "password", "license"];
    let has_digit = || value.contains(|c: char| c.is_ascii_digit());
    ALWAYS.contains(&part) || (OFTEN.contains(&part) && has_digit())
}

/// A version, an architecture, a word of a repository: not a secret wherever it stands.
fn is_ordinary(text: &str) -> bool {
    let rest = without_words(text);
    rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '$')) && rest.len() < 8
}

/// In lower case, without the words that paths of repositories are made of.
fn without_words(text: &str) -> String {
    const WORDS: [&str; 48] = [
        "almalinux",
        "rockylinux",
        "oraclelinux",
        "centos",
        "redhat",
        "rhel",
        "rocky",
        "alma",
        "fedora",
        "suse",
        "sles",
        "opensuse",
        "debian",
        "ubuntu",
        "bookworm",
        "bullseye",
        "trixie",
        "jammy",
        "noble",
        "focal",
        "baseos",
        "appstream",
        "epel",
        "powertools",
        "extras",
        "crb",
        "centreon",
        "business",
        "standard",
        "plugin",
        "packs",
        "plugins",
        "stable",
        "testing",
        "unstable",
        "release",
        "updates",
        "update",
        "security",
        "repodata",
        "packages",
        "x86_64",
        "amd64",
        "aarch64",
        "noarch",
        "mirrorlist",
        "snapshot",
        "linux",
    ];
    let mut rest = text.to_ascii_lowercase();
    for word in WORDS {
        rest = rest.replace(word, "");
    }
    rest
}

/// Would nobody choose this as a name?
fn looks_secret(text: &str) -> bool {
    let is_of_one =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '+' | '%' | '~');
    // A file's name, a version, a host, an address.
    if !text.chars().all(is_of_one) || without_words(text).len() < 10 {
        return false;
    }
    let count = |is: fn(&char) -> bool| text.chars().filter(is).count();
    let digits = count(char::is_ascii_digit);
    let (upper, lower) = (count(char::is_ascii_uppercase), count(char::is_ascii_lowercase));
    let letters = upper + lower;
    let length = text.len();
    let kinds = text.as_bytes().windows(2).filter(|pair| kind(pair.first()) != kind(pair.last()));
    let turns = kinds.count();
    let is_hexadecimal = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let has_word =
        ["secret", "token", "passw"].iter().any(|word| text.to_ascii_lowercase().contains(word));
    let is_mixed = (digits > 0 && upper > 2 && lower == 0 && length >= 10)
        || (digits > 0 && upper > 0 && lower > 0 && length >= 12 && turns >= 4)
        || (digits > 1 && letters > 1 && length >= 12 && turns >= 5)
        || (length >= 20 && upper > 3 && lower > 3 && turns >= 8);
    (is_hexadecimal && length >= 16 && letters > 0 && digits > 0)
        || (is_hexadecimal && length >= 32)
        || (has_word && digits > 0)
        || (is_mixed && !is_made_of_words(text))
}

/// `OS-Windows-NSClient-05-Restapi-custom`: words and short numbers between marks, as people choose names.
fn is_made_of_words(text: &str) -> bool {
    let is_number = |piece: &str| piece.len() <= 4 && piece.chars().all(|c| c.is_ascii_digit());
    let is_word = |piece: &str| {
        let turns = piece.as_bytes().windows(2);
        let turns = turns.filter(|pair| kind(pair.first()) != kind(pair.last())).count();
        piece.chars().all(|c| c.is_ascii_alphabetic()) && turns <= 2
    };
    text.split(['-', '_']).all(|piece| is_number(piece) || is_word(piece))
}

/// Letters of either case, digits, or marks.
fn kind(byte: Option<&u8>) -> u8 {
    match byte {
        Some(b'a'..=b'z') => 0,
        Some(b'A'..=b'Z') => 1,
        Some(b'0'..=b'9') => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        discreet(&Url::parse(url).unwrap())
    }

    #[test]
    fn tokens_in_urls_are_hidden_and_the_rest_is_shown() {
        for (url, expected) in [
            (
                "https://yum.centreon.com/centreon-business/not-a-real-one/25.10/el9/stable/x86_64/",
                "https://yum.centreon.com/centreon-business/***/25.10/el9/stable/x86_64/",
            ),
            (
                "https://yum.centreon.com/centreon-business/25.10/el9/",
                "https://yum.centreon.com/centreon-business/25.10/el9/",
            ),
            ("https://u:pw@h.example/x", "https://h.example/x"),
            ("https://h.example/?token=short", "https://h.example/?token=***"),
            ("https://h.example/a?x=1&key=k&y=2", "https://h.example/a?x=1&key=***&y=2"),
            ("https://h.example/a?X-Api-Key=k", "https://h.example/a?X-Api-Key=***"),
            ("https://h.example/a;token=k/b", "https://h.example/a;token=***/b"),
            (
                "https://apt.example/0123456789abcdef0123/debian/dists/bookworm/InRelease",
                "https://apt.example/***/debian/dists/bookworm/InRelease",
            ),
            ("https://packagecloud.io/priv/abcdef/x/", "https://packagecloud.io/priv/***/x/"),
            ("https://dl.cloudsmith.io/abcdef/x/deb", "https://dl.cloudsmith.io/***/x/deb"),
            ("https://h.example/f81d4fae-7dec-11d0-a765-00a0c91e6bf6/x", "https://h.example/***/x"),
            ("https://h.example/s/Ab3dEf9hIjK2lM", "https://h.example/s/***"),
            ("https://h.example/#Ab3dEf9hIjK2lM", "https://h.example/#***"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn what_repositories_are_called_is_no_secret() {
        for url in [
            "https://packages.centreon.com/rpm-standard/25.10/el9/stable/x86_64/repodata/repomd.xml",
            "https://packages.centreon.com/apt-standard-25.10-stable/dists/bookworm/InRelease",
            "https://packages.centreon.com/apt-plugins-stable/dists/bookworm/InRelease",
            "https://mirrors.almalinux.org/mirrorlist/9/baseos",
            "https://mirrors.fedoraproject.org/metalink?repo=epel-9&arch=x86_64&infra=stock&content=centos",
            "https://rpm.nodesource.com/pub_20.x/nodistro/nodejs/x86_64/repodata/repomd.xml",
            "https://yum.mariadb.org/10.11/rhel9-amd64/repodata/repomd.xml",
            "http://ftp.debian.org/debian/dists/bookworm-proposed-updates/InRelease",
            "https://snapshot.debian.org/archive/debian/20240101T000000Z/dists/sid/InRelease",
            "https://cdn.redhat.com/content/dist/rhel9/9/x86_64/baseos/os/repodata/repomd.xml",
            "https://download.opensuse.org/distribution/leap/15.6/repo/oss/",
            "https://remi.example/enterprise/9/modular/x86_64/mirror?country=DE&keyword=1",
            "https://h.example/nagios-plugins/check_http",
            "https://h.example/OS-Windows-NSClient-05-Restapi-custom/Net-Cisco-Standard-SNMP-custom",
        ] {
            assert_eq!(shown(url), url);
        }
    }

    #[test]
    fn a_typed_value_loses_its_login_however_it_is_written() {
        for (value, expected) in [
            ("https://u:PW@h/", "`https://***@h/`"),
            ("https://u:P/W@h/", "`https://***@h/`"),
            ("https://u:P@W@h/", "`https://***@h/`"),
            ("u:PW@h", "`***@h`"),
            ("erp=u:PW@h", "`erp=***@h`"),
            ("erp=https://u:PW@h:99999/", "`erp=https://***@h:99999/`"),
            ("h/?token=PW", "`h/?token=***`"),
            ("token=PW", "`token=***`"),
            ("a@corp.example", "`a@corp.example`"),
            ("poller.bbdo", "`poller.bbdo`"),
            ("10.0.0.5:99999", "`10.0.0.5:99999`"),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }

    #[test]
    fn what_was_hidden_is_known_for_the_answers_that_repeat_it() {
        let url = Url::parse("https://h/0123456789abcdef0123/?key=k1&x=2").unwrap();
        assert_eq!(secrets_of(&url), ["0123456789abcdef0123", "k1"]);
        let hidden = Url::parse(&discreet(&url)).unwrap();
        assert_eq!((discreet(&hidden), secrets_of(&hidden)), (hidden.to_string(), vec![]));
    }
}
