//! Flows of the user's own.

use std::str::FromStr;

use preflight_checks::{Dialogue, Session, Transport, UrlForm, quoted};

use super::{Origin, Place, decoded, plain_zone};
use crate::catalogue::{Until, service, service_names};

/// What a check is for of which nobody wrote that.
pub(crate) const ASKED_FOR: &str = "Asked for with --check.";

/// A flow of the user's own: `NAME=SCHEME://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Custom {
    /// The NAME: the flow becomes `custom.NAME`.
    pub(crate) name: String,
    /// The SCHEME: a service's name.
    pub(crate) scheme: String,
    /// Host and port, or URL.
    pub(crate) place: Place,
    /// Of a database that looks at them before it asks for a password: user and database.
    pub(crate) session: Session,
    /// What is said to the port, and what must come back.
    pub(crate) dialogue: Dialogue,
    /// Must it be closed to this machine?
    pub(crate) must_be_closed: bool,
    /// Does its failure fail the run?
    pub(crate) required: bool,
    /// Until then a closed port only waits.
    pub(crate) until: Option<Until>,
    /// What breaks without it.
    pub(crate) why: String,
    /// Who asks for it.
    pub(crate) origin: Origin,
}

impl Custom {
    /// # Errors
    ///
    /// When `url` is not `[!]SCHEME://HOST[:PORT][?send=…&expect=…]` with a scheme that is known.
    pub(crate) fn new(name: &str, url: &str, origin: Origin) -> Result<Self, String> {
        // Not repeated: it may hold a password.
        let (must_be_closed, url) = url.strip_prefix('!').map_or((false, url), |url| (true, url));
        let url = &*plain_zone(url);
        let (scheme, rest) =
            url.split_once("://").ok_or("this is not a URL: SCHEME://HOST[:PORT]")?;
        let service = service(scheme).ok_or_else(|| {
            format!(
                "unknown scheme {scheme}; known are {}",
                service_names().join(", "),
                scheme = quoted(scheme)
            )
        })?;
        let mut dialogue = Dialogue::default();
        let (place, session) = match service.url {
            UrlForm::Session => of_database(rest)?,
            UrlForm::Path => (Place::from_url(url)?, Session::default()),
            UrlForm::HostAndPort if rest.contains('?') => {
                let (place, said) = rest.split_once('?').unwrap_or((rest, ""));
                dialogue = spoken(said)?;
                (place.trim_end_matches('/').parse()?, Session::default())
            }
            UrlForm::Host | UrlForm::HostAndPort => {
                (rest.trim_end_matches('/').parse()?, Session::default())
            }
        };
        if service.url == UrlForm::HostAndPort && place.port.is_none() {
            return Err(format!("{scheme}://{} needs a port", place.host));
        }
        let custom = Self {
            name: name.to_owned(),
            scheme: scheme.to_owned(),
            place,
            session,
            dialogue,
            must_be_closed,
            required: true,
            until: None,
            why: ASKED_FOR.to_owned(),
            origin,
        };
        custom.check_what_is_asked()?;
        Ok(custom)
    }

    /// # Errors
    ///
    /// When the keys of a flow do not go together.
    pub(crate) fn check_what_is_asked(&self) -> Result<(), String> {
        let service = service(&self.scheme);
        let Dialogue { send, expect } = &self.dialogue;
        let has_ports = service.is_none_or(|service| service.transport.has_ports());
        if !has_ports && self.place.port.is_some() {
            return Err(format!("{}:// has no ports: give the host alone", self.scheme));
        }
        let has_words = service.is_some_and(|service| service.url == UrlForm::HostAndPort);
        if self.must_be_closed {
            match service.map(|service| service.transport) {
                None | Some(Transport::Tcp) => {}
                Some(Transport::Udp) => {
                    return Err(
                        "only a TCP port can be told closed: over UDP a silence says nothing"
                            .to_owned(),
                    );
                }
                Some(Transport::Icmp) => {
                    return Err("only a TCP port can be told closed".to_owned());
                }
            }
            if !self.dialogue.is_empty() {
                return Err("to a port that must be closed nothing is said".to_owned());
            }
        }
        if !self.dialogue.is_empty() && !has_words {
            let scheme = &self.scheme;
            return Err(format!(
                "send and expect are for tcp:// and tls://; {scheme}:// has words of its own"
            ));
        }
        if expect.is_empty() && !send.is_empty() {
            return Err(
                "send needs expect: an answer that nobody looks at proves nothing".to_owned()
            );
        }
        for (key, length, most) in
            [("send", send.len(), Dialogue::SENT), ("expect", expect.len(), Dialogue::EXPECTED)]
        {
            if length > most {
                return Err(format!("{key} has {length} bytes; at most {most} are possible"));
            }
        }
        Ok(())
    }

    /// # Errors
    ///
    /// When `name` cannot be part of a flow's id.
    pub(crate) fn check_name(name: &str) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!(
                "{name} is not a name (letters, digits, - and _)",
                name = quoted(name)
            ));
        }
        Ok(())
    }
}

/// `[USER@]HOST[:PORT][/DATABASE]`, as PostgreSQL's own clients write it.
fn of_database(rest: &str) -> Result<(Place, Session), String> {
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => {
            return Err("a URL here carries no password".to_owned());
        }
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let (place, database) = match rest.split_once('/') {
        Some((place, database)) => (place, Some(database)),
        None => (rest, None),
    };
    let name = |name: Option<&str>| {
        let name = name.filter(|name| !name.is_empty()).map(decoded);
        if name.as_ref().is_some_and(|name| name.contains(|c: char| c.is_control() || c == '?')) {
            return Err("user and database of a URL are names, without options behind them");
        }
        Ok(name)
    };
    Ok((place.parse()?, Session { user: name(user)?, database: name(database)? }))
}

/// `send=PING\r\n&expect=PONG`: what stands behind `?` in the URL of a port.
fn spoken(text: &str) -> Result<Dialogue, String> {
    let mut dialogue = Dialogue::default();
    for part in text.split('&') {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let slot = match key {
            "send" => &mut dialogue.send,
            "expect" => &mut dialogue.expect,
            _ => return Err("behind ? stand send=TEXT and expect=TEXT, with & between".to_owned()),
        };
        if !slot.is_empty() || value.is_empty() {
            return Err(format!("{key} stands there once, with a text"));
        }
        *slot = unescaped(value)?;
    }
    Ok(dialogue)
}

/// `\r`, `\n`, `\t`, `\0`, `\\`, `\xHH` and `%HH` become one byte each.
fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let hexadecimal = |digits: Option<&[u8]>| {
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, behind)) = rest.split_first() {
        let (value, taken) = match (first, behind.first()) {
            (b'%', _) => (hexadecimal(behind.get(..2)), 2),
            (b'\\', Some(b'x')) => (hexadecimal(behind.get(1..3)), 3),
            (b'\\', Some(b'r')) => (Some(b'\r'), 1),
            (b'\\', Some(b'n')) => (Some(b'\n'), 1),
            (b'\\', Some(b't')) => (Some(b'\t'), 1),
            (b'\\', Some(b'0')) => (Some(0), 1),
            (b'\\', Some(b'\\')) => (Some(b'\\'), 1),
            (b'\\', _) => (None, 0),
            (other, _) => (Some(other), 0),
        };
        bytes.push(value.ok_or(
            r"in a text \r, \n, \t, \0, \xHH and %HH are one byte; \\ and %25 stand for \ and %",
        )?);
        rest = behind.get(taken..).unwrap_or_default();
    }
    Ok(bytes)
}

impl FromStr for Custom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape =
            || format!("{text} is not of the form NAME=SCHEME://HOST[:PORT]", text = quoted(text));
        let (name, url) = text.split_once('=').ok_or_else(shape)?;
        if !url.contains("://") {
            return Err(shape());
        }
        Self::check_name(name)?;
        Self::new(name, url, Origin::flag("--check"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_flow_has_name_scheme_host_and_port() {
        let custom: Custom = "erp=postgresql://db.example:5433".parse().unwrap();
        assert_eq!(custom.name, "erp");
        assert_eq!(custom.scheme, "postgresql");
        assert_eq!((custom.place.host.as_str(), custom.place.port), ("db.example", Some(5433)));
        assert_eq!(custom.session, Session::default());
        assert!("erp=gopher://x".parse::<Custom>().unwrap_err().contains("unknown scheme"));
        assert!("erp=tcp://x".parse::<Custom>().unwrap_err().contains("needs a port"));
        assert!("tcp://x:1".parse::<Custom>().unwrap_err().contains("NAME=SCHEME"));
    }

    #[test]
    fn a_port_may_have_to_be_closed() {
        let custom: Custom = "x=!tcp://10.0.0.9:23".parse().unwrap();
        assert!(custom.must_be_closed);
        assert_eq!((custom.scheme.as_str(), custom.place.port), ("tcp", Some(23)));
        assert!(!"x=tcp://10.0.0.9:23".parse::<Custom>().unwrap().must_be_closed);
        for (wrong, words) in [
            ("!ntp://10.0.0.9", "over UDP"),
            ("!icmp://10.0.0.9", "only a TCP port"),
            ("!tcp://10.0.0.9:23?expect=x", "nothing is said"),
        ] {
            let refused = format!("x={wrong}").parse::<Custom>().unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn a_host_may_be_pinged_and_has_no_port_for_that() {
        let custom: Custom = "gw=icmp://10.0.0.1".parse().unwrap();
        assert_eq!((custom.scheme.as_str(), custom.place.port), ("icmp", None));
        assert_eq!("gw=icmp://[fd00::1]".parse::<Custom>().unwrap().place.host, "fd00::1");
        let refused = "gw=icmp://10.0.0.1:7".parse::<Custom>().unwrap_err();
        assert_eq!(refused, "icmp:// has no ports: give the host alone");
    }

    #[test]
    fn something_may_be_said_to_a_port() {
        let said = |text: &str| {
            let custom: Result<Custom, String> = format!("x=tcp://h.example:7{text}").parse();
            custom.map(|custom| (custom.dialogue.send, custom.dialogue.expect))
        };
        let both = (b"PING\r\n".to_vec(), b"+PONG".to_vec());
        assert_eq!(said(r"?send=PING\r\n&expect=+PONG"), Ok(both));
        assert_eq!(said(r"?expect=%26\x00\\"), Ok((Vec::new(), b"&\0\\".to_vec())));
        assert_eq!(said(""), Ok((Vec::new(), Vec::new())));
        for (wrong, words) in [
            ("?send=x", "needs expect"),
            ("?send=", "once, with a text"),
            ("?expect=a&expect=b", "once, with a text"),
            ("?ask=x", "behind ?"),
            (r"?expect=\q", "one byte"),
            ("?expect=%2", "one byte"),
            (r"?expect=\x+1", "one byte"),
        ] {
            let refused = said(wrong).unwrap_err();
            assert!(refused.contains(words), "{wrong}: {refused}");
        }
        assert!(said(&format!("?expect={}", "x".repeat(257))).unwrap_err().contains("at most 256"));
    }

    #[test]
    fn a_database_may_be_given_with_user_and_name_and_never_with_a_password() {
        let session = |text: &str| {
            let custom: Custom = format!("erp=postgresql://{text}").parse().unwrap();
            let Custom { place, session, .. } = custom;
            (place.host, place.port, session.user, session.database)
        };
        let some = |text: &str| Some(text.to_owned());
        let db = || "db.example".to_owned();
        assert_eq!(session("centreon@db.example/"), (db(), None, some("centreon"), None));
        let whole = session("me%40corp@db.example:5433/erp");
        assert_eq!(whole, (db(), Some(5433), some("me@corp"), some("erp")));
        assert_eq!(session("[2001:db8::1]/erp"), ("2001:db8::1".into(), None, None, some("erp")));
        for wrong in ["me:hunter2@db.example", "me@db.example/erp?sslmode=require", "m%00e@db"] {
            let refused = format!("erp=postgresql://{wrong}").parse::<Custom>().unwrap_err();
            assert!(!refused.contains("hunter2") && !refused.is_empty(), "{refused}");
        }
    }
}
