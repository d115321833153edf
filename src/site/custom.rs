//! Flows of the user's own.

use std::str::FromStr;

use super::{Origin, Place};
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
            format!("unknown scheme `{scheme}`; known are {}", service_names().join(", "))
        })?;
        let place = if (service.probe)().takes_path() {
            Place::from_url(url)?
        } else {
            rest.trim_end_matches('/').parse()?
        };
        if matches!(scheme, "tcp" | "tls") && place.port.is_none() {
            return Err(format!("{scheme}://{} needs a port", place.host));
        }
        Ok(Self {
            name: name.to_owned(),
            scheme: scheme.to_owned(),
            place,
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
            return Err(format!("`{name}` is no name (letters, digits, - and _)"));
        }
        Ok(())
    }
}

impl FromStr for Custom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is not of the form NAME=SCHEME://HOST[:PORT]");
        let (name, url) = text.split_once('=').ok_or_else(shape)?;
        if !url.contains("://") {
            return Err(shape());
        }
        Self::check_name(name)?;
        Self::new(name, url, Origin::Flag("--check"))
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
        assert!("erp=gopher://x".parse::<Custom>().unwrap_err().contains("unknown scheme"));
        assert!("erp=tcp://x".parse::<Custom>().unwrap_err().contains("needs a port"));
        assert!("tcp://x:1".parse::<Custom>().unwrap_err().contains("NAME=SCHEME"));
    }
}
