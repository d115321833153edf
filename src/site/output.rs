//! A broker's output: what it is configured for, and the files its TLS is made with.

use std::path::Path;

use preflight_checks::bbdo::{Extension, Generation, Own, TlsCredentials};
use preflight_checks::{ClientIdentity, Trust, bbdo, quoted};
use secrecy::{ExposeSecret, SecretString};

use super::discover::Unread;

/// What is known of the broker output of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BrokerOutput {
    /// gRPC instead of plain TCP?
    pub(crate) grpc: bool,
    /// TLS.
    pub(crate) tls: Extension,
    /// Compression.
    pub(crate) compression: Extension,
    /// The file of the authority it trusts.
    pub(crate) ca: Option<String>,
    /// The file of its own certificate.
    pub(crate) certificate: Option<String>,
    /// The file of that certificate's key.
    pub(crate) key: Option<String>,
    /// The name the broker's certificate has to have.
    pub(crate) hostname: Option<String>,
}

/// The keys of `--bbdo-tls` and of `bbdo_tls` in a site file.
pub(crate) const KEYS: [&str; 7] =
    ["mode", "transport", "compression", "ca", "certificate", "key", "hostname"];

/// How this machine's broker speaks to the one above it.
#[derive(Clone, Debug)]
pub(crate) struct BrokerLink {
    /// The generation of BBDO.
    pub(crate) speaks: Generation,
    /// The settings of its output.
    pub(crate) output: BrokerOutput,
    /// The same with the contents of its files, in a run.
    pub(crate) opened: Option<bbdo::BrokerStream>,
}

impl BrokerLink {
    /// What the broker is asked with.
    pub(crate) fn probe(&self) -> bbdo::Probe {
        let output = self.opened.clone().unwrap_or_else(|| self.output.without_files());
        bbdo::Probe { speaks: self.speaks, output: Some(output) }
    }
}

impl BrokerOutput {
    /// One that has TLS, until it is told otherwise.
    pub(crate) fn with_tls() -> Self {
        Self { tls: Extension::Yes, compression: Extension::Auto, ..Self::default() }
    }

    /// # Errors
    ///
    /// A key there is not, or a value it does not take.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let setting = || {
            value.parse::<Extension>().map_err(|_| {
                format!(
                    "{key} is yes, no or auto, not {value}",
                    key = quoted(key),
                    value = quoted(value)
                )
            })
        };
        let text = || Some(value.to_owned());
        match key {
            "mode" => self.tls = setting()?,
            "compression" => self.compression = setting()?,
            "transport" => match value {
                "tcp" | "grpc" => self.grpc = value == "grpc",
                _ => {
                    return Err(format!(
                        "`transport` is tcp or grpc, not {value}",
                        value = quoted(value)
                    ));
                }
            },
            "ca" => self.ca = text(),
            "certificate" => self.certificate = text(),
            "key" => self.key = text(),
            "hostname" => self.hostname = text(),
            _ => {
                return Err(format!(
                    "there is no {key}; known are {}",
                    KEYS.join(", "),
                    key = quoted(key)
                ));
            }
        }
        Ok(())
    }

    /// The same, with the names of its files as they are seen from `folder`.
    pub(crate) fn below(self, folder: &Path) -> Self {
        let seen = |file: Option<String>| {
            file.map(|file| folder.join(file).to_string_lossy().into_owned())
        };
        let (ca, certificate, key) = (seen(self.ca), seen(self.certificate), seen(self.key));
        Self { ca, certificate, key, ..self }
    }

    fn without_files(&self) -> bbdo::BrokerStream {
        let credentials =
            TlsCredentials { hostname: self.hostname.clone(), ..TlsCredentials::default() };
        let Self { grpc, tls, compression, .. } = *self;
        bbdo::BrokerStream { grpc, tls, compression, credentials }
    }

    /// The same with what `read` finds in its files.
    pub(crate) fn open(
        &self,
        read: impl Fn(&str) -> Result<SecretString, Unread>,
    ) -> bbdo::BrokerStream {
        let mut output = self.without_files();
        let credentials = &mut output.credentials;
        // Without certificate and key cbd is anonymous over TCP, and opens none of its files.
        let is_anonymous = self.certificate.is_none() || self.key.is_none();
        if let Some(file) = &self.ca {
            credentials.authority = if is_anonymous && !self.grpc {
                Some(Trust::only([]))
            } else {
                content(file, &read, credentials).and_then(|pem| authority(file, &pem, credentials))
            };
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            credentials.own = Own::Unread;
            let both = (content(certificate, &read, credentials), content(key, &read, credentials));
            if let (Some(chain), Some(secret)) = both {
                let (chain, secret) = (chain.expose_secret(), secret.expose_secret());
                match ClientIdentity::from_pem(chain.as_bytes(), secret.as_bytes()) {
                    Ok(identity) => credentials.own = Own::Identity(identity),
                    Err(why) => credentials.unusable = Some((certificate.clone(), why)),
                }
            }
        }
        output
    }
}

/// What is in a file; what keeps the broker itself from it, or us, is noted.
fn content(
    file: &str,
    read: impl Fn(&str) -> Result<SecretString, Unread>,
    credentials: &mut TlsCredentials,
) -> Option<SecretString> {
    match read(file) {
        Ok(content) => return Some(content),
        Err(why @ (Unread::Missing | Unread::NotAFile)) => {
            credentials.unusable = Some((file.to_owned(), why.to_string()));
        }
        Err(why) => credentials.unread.push((file.to_owned(), why.to_string())),
    }
    None
}

fn authority(file: &str, pem: &SecretString, credentials: &mut TlsCredentials) -> Option<Trust> {
    match Trust::certificates(pem.expose_secret().as_bytes()) {
        Ok(all) if !all.is_empty() => return Some(Trust::only(all)),
        Ok(_) => {
            let why = "there is no certificate in it".to_owned();
            credentials.unusable = Some((file.to_owned(), why));
        }
        Err(why) => credentials.unusable = Some((file.to_owned(), why)),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let params = preflight_checks::params_for(&["broker"]).unwrap();
        let own = preflight_checks::KeyedCertificate::by_itself(&params).unwrap();
        (own.certificate.pem(), own.key.serialize_pem())
    }

    fn output(words: &[(&str, &str)]) -> BrokerOutput {
        let mut output = BrokerOutput::with_tls();
        for (key, value) in words {
            output.set(key, value).unwrap();
        }
        output
    }

    #[test]
    fn each_word_is_taken_and_a_wrong_one_named() {
        let all = [("mode", "auto"), ("transport", "grpc"), ("compression", "no"), ("ca", "/a")];
        let output = output(&all);
        assert_eq!((output.tls, output.compression), (Extension::Auto, Extension::No));
        assert!(output.grpc && output.ca.as_deref() == Some("/a"));
        let wrong = |key: &str, value: &str| BrokerOutput::with_tls().set(key, value).unwrap_err();
        assert_eq!(wrong("mode", "maybe"), "`mode` is yes, no or auto, not `maybe`");
        assert_eq!(wrong("transport", "udp"), "`transport` is tcp or grpc, not `udp`");
        assert!(wrong("cert", "/c").starts_with("there is no `cert`; known are mode, "));
    }

    #[test]
    fn a_pair_is_read_and_shown_nowhere() {
        let (certificate, key) = pair();
        let words = [("ca", "/c"), ("certificate", "/c"), ("key", "/k")];
        let opened = output(&words).open(|path| {
            Ok(SecretString::from(if path == "/k" { key.as_str() } else { certificate.as_str() }))
        });
        assert!(matches!(opened.credentials.own, Own::Identity(_)));
        assert!(opened.credentials.authority.is_some());
        assert!(!format!("{opened:?}").contains("PRIVATE"), "{opened:?}");
    }

    #[test]
    fn what_only_this_user_may_not_read_is_told_from_what_is_of_no_use() {
        let words = [("certificate", "/c"), ("key", "/k")];
        let (certificate, _) = pair();
        let with_key = |key: Result<&str, Unread>| {
            let opened = output(&words).open(|path| match path {
                "/k" => key.clone().map(SecretString::from),
                _ => Ok(SecretString::from(certificate.as_str())),
            });
            opened.credentials
        };
        let denied = with_key(Err(Unread::Denied));
        assert!(matches!(denied.own, Own::Unread) && denied.unusable.is_none());
        assert_eq!(denied.unread[0].0, "/k");
        let missing = with_key(Err(Unread::Missing)).unusable.unwrap();
        assert_eq!(missing, ("/k".to_owned(), "there is no such file".to_owned()));
        let (_, other) = pair();
        let why = with_key(Ok(&other)).unusable.unwrap().1;
        assert_eq!(why, "certificate and key do not belong together");
        let why = with_key(Ok("not a key")).unusable.unwrap().1;
        assert_eq!(why, "there is no private key in it");
    }

    #[test]
    fn an_output_without_its_key_is_anonymous_over_tcp() {
        let opened = output(&[("ca", "/a")]).open(|_| Err(Unread::Missing));
        assert!(matches!(opened.credentials.own, Own::Nothing));
        assert!(opened.credentials.authority.is_some() && opened.credentials.unusable.is_none());
        let grpc = output(&[("ca", "/a"), ("transport", "grpc")]).open(|_| Err(Unread::Missing));
        assert!(grpc.credentials.unusable.is_some());
    }
}
