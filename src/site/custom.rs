//! Flows of the user's own.

use std::str::FromStr;

use preflight_checks::{Session, UrlForm, quoted};

use super::{Origin, Place, decoded};
use crate::catalogue::{Until, service, service_names};

/// A flow of the user's own: `NAME=SCHEME://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Custom {
    /// The NAME: the flow becomes `custom.NAME`.
    pub(crate) name: String,
    /// The SCHEME: a service's name.
    pub(crate) scheme: String,
    /// Where.
    pub(crate) place: Place,
    /// Of a database that looks at them before it asks for a password: user and database.
    pub(crate) session: Session,
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
    /// When `url` is not `SCHEME://HOST[:PORT]` with a scheme that is known.
    pub(crate) fn new(name: &str, url: &str, origin: Origin) -> Result<Self, String> {
        // Not repeated: it may hold a password.
        let (scheme, rest) = url.split_once("://").ok_or("this is no URL: SCHEME://HOST[:PORT]")?;
        let service = service(scheme).ok_or_else(|| {
            format!(
                "unknown scheme {scheme}; known are {}",
                service_names().join(", "),
                scheme = quoted(scheme)
            )
        })?;
        let (place, session) = match service.url {
            UrlForm::Session => of_database(rest)?,
            UrlForm::Path => (Place::from_url(url)?, Session::default()),
            UrlForm::Host | UrlForm::HostAndPort => {
                (rest.trim_end_matches('/').parse()?, Session::default())
            }
        };
        if service.url == UrlForm::HostAndPort && place.port.is_none() {
            return Err(format!("{scheme}://{} needs a port", place.host));
        }
        Ok(Self {
            name: name.to_owned(),
            scheme: scheme.to_owned(),
            place,
            session,
            required: true,
            until: None,
            why: "Asked for with --check.".to_owned(),
            origin,
        })
    }

    /// # Errors
    ///
    /// When `name` cannot be part of a flow's id.
    pub(crate) fn check_name(name: &str) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!(
                "{name} is no name (letters, digits, - and _)",
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
