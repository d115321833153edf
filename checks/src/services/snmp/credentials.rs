//! What the agent wants to hear before it lets anybody read.

use async_snmp::{Auth, UsmConfig};
use secrecy::{ExposeSecret, SecretString};

use crate::cause::{Cause, RouteCause};

/// What to ask the agent with.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Nothing: discovery alone decides whether the agent is there.
    #[default]
    None,
    /// A community of SNMP v1 or v2c.
    Community {
        /// Which of the two.
        version: CommunityVersion,
        /// The community, which is a password.
        community: SecretString,
    },
    /// A user of SNMP v3.
    User {
        /// The name it goes by.
        name: String,
        /// How it proves who it is.
        auth: Option<(AuthProtocol, SecretString)>,
        /// How it encrypts; only with `auth`.
        privacy: Option<(PrivProtocol, SecretString)>,
    },
}

impl Credentials {
    /// All secrets among them.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let all = match self {
            Self::None => Vec::new(),
            Self::Community { community, .. } => vec![community],
            Self::User { auth, privacy, .. } => {
                let auth = auth.as_ref().map(|(_, secret)| secret);
                auth.into_iter().chain(privacy.as_ref().map(|(_, secret)| secret)).collect()
            }
        };
        all.into_iter().map(|secret| secret.expose_secret().to_owned()).collect()
    }
}

/// The versions that know communities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::Display)]
pub enum CommunityVersion {
    /// SNMP v1: one variable that is missing fails the whole question.
    #[strum(serialize = "1")]
    V1,
    /// SNMP v2c.
    #[default]
    #[strum(serialize = "2c")]
    V2c,
}

/// How a message is signed; parses as `md5`, `sha`, `sha-256`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter, strum::EnumString)]
#[strum(ascii_case_insensitive)]
pub enum AuthProtocol {
    /// HMAC-MD5-96.
    #[strum(to_string = "md5")]
    Md5,
    /// HMAC-SHA-96, which is SHA-1.
    #[strum(to_string = "sha", serialize = "sha1", serialize = "sha-1")]
    Sha,
    /// HMAC-SHA-224.
    #[strum(to_string = "sha-224", serialize = "sha224")]
    Sha224,
    /// HMAC-SHA-256.
    #[strum(to_string = "sha-256", serialize = "sha256")]
    Sha256,
    /// HMAC-SHA-384.
    #[strum(to_string = "sha-384", serialize = "sha384")]
    Sha384,
    /// HMAC-SHA-512.
    #[strum(to_string = "sha-512", serialize = "sha512")]
    Sha512,
}

/// How a message is encrypted; parses as `des`, `aes`, `aes-256`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter, strum::EnumString)]
#[strum(ascii_case_insensitive)]
pub enum PrivProtocol {
    /// CBC-DES.
    #[strum(to_string = "des")]
    Des,
    /// CFB-AES-128.
    #[strum(to_string = "aes", serialize = "aes128", serialize = "aes-128")]
    Aes,
    /// CFB-AES-192, keys extended as net-snmp does.
    #[strum(to_string = "aes-192", serialize = "aes192")]
    Aes192,
    /// CFB-AES-192, keys extended as Cisco does.
    #[strum(to_string = "aes-192-c", serialize = "aes192c")]
    Aes192Cisco,
    /// CFB-AES-256, keys extended as net-snmp does.
    #[strum(to_string = "aes-256", serialize = "aes256")]
    Aes256,
    /// CFB-AES-256, keys extended as Cisco does.
    #[strum(to_string = "aes-256-c", serialize = "aes256c")]
    Aes256Cisco,
}

impl Credentials {
    /// As async-snmp takes them; `None` when there is nothing to ask with.
    pub(super) fn auth(&self) -> Result<Option<Auth>, Cause> {
        let auth = match self {
            Self::None => return Ok(None),
            Self::Community { version, community } => match version {
                CommunityVersion::V1 => Auth::v1(community.expose_secret()),
                CommunityVersion::V2c => Auth::v2c(community.expose_secret()),
            },
            Self::User { name, auth, privacy } => {
                user(name, auth.as_ref(), privacy.as_ref())?.into()
            }
        };
        Ok(Some(auth))
    }

    /// `1`, `2c` or `3`.
    pub(super) fn version(&self) -> &'static str {
        match self {
            Self::Community { version: CommunityVersion::V1, .. } => "1",
            Self::Community { version: CommunityVersion::V2c, .. } => "2c",
            Self::None | Self::User { .. } => "3",
        }
    }

    /// The security level by its name in RFC 3411; a community has the lowest.
    pub(super) fn level(&self) -> &'static str {
        match self {
            Self::User { privacy: Some(_), .. } => "authPriv",
            Self::User { auth: Some(_), .. } => "authNoPriv",
            _ => "noAuthNoPriv",
        }
    }
}

type ProtocolSecret<P> = (P, SecretString);

fn user(
    name: &str,
    auth: Option<&ProtocolSecret<AuthProtocol>>,
    privacy: Option<&ProtocolSecret<PrivProtocol>>,
) -> Result<UsmConfig, Cause> {
    let user = UsmConfig::new(name.to_owned());
    let made = match (auth, privacy) {
        (None, None) => return Ok(user),
        (None, Some(_)) => return Err(unusable("privacy needs authentication too")),
        (Some((protocol, password)), None) => {
            user.auth((*protocol).into(), password.expose_secret())
        }
        (Some((auth, auth_password)), Some((privacy, privacy_password))) => user.auth_priv(
            (*auth).into(),
            auth_password.expose_secret(),
            (*privacy).into(),
            privacy_password.expose_secret(),
        ),
    };
    made.map_err(|error| unusable(&error.to_string()))
}

/// The credentials were refused before a packet was sent.
pub(super) fn unusable(why: &str) -> Cause {
    Cause::Route(RouteCause::LocalError {
        action: "use the SNMP credentials".into(),
        error: crate::wire::printable(why),
    })
}

impl From<AuthProtocol> for async_snmp::AuthProtocol {
    fn from(protocol: AuthProtocol) -> Self {
        match protocol {
            AuthProtocol::Md5 => Self::Md5,
            AuthProtocol::Sha => Self::Sha1,
            AuthProtocol::Sha224 => Self::Sha224,
            AuthProtocol::Sha256 => Self::Sha256,
            AuthProtocol::Sha384 => Self::Sha384,
            AuthProtocol::Sha512 => Self::Sha512,
        }
    }
}

impl From<PrivProtocol> for async_snmp::PrivProtocol {
    fn from(protocol: PrivProtocol) -> Self {
        match protocol {
            PrivProtocol::Des => Self::Des,
            PrivProtocol::Aes => Self::Aes128,
            PrivProtocol::Aes192 => Self::Aes192Blumenthal,
            PrivProtocol::Aes192Cisco => Self::Aes192Reeder,
            PrivProtocol::Aes256Cisco => Self::Aes256Reeder,
            PrivProtocol::Aes256 => Self::Aes256Blumenthal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn every_protocol_parses_from_its_own_name() {
        for protocol in AuthProtocol::iter() {
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
        }
        for protocol in PrivProtocol::iter() {
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
        }
        assert_eq!("SHA256".parse(), Ok(AuthProtocol::Sha256));
        assert_eq!("AES".parse(), Ok(PrivProtocol::Aes));
        assert!("3des".parse::<PrivProtocol>().is_err());
    }

    #[test]
    fn secrets_do_not_print() {
        let secret = || SecretString::from("s3cret-word");
        let user = Credentials::User {
            name: "mon".to_owned(),
            auth: Some((AuthProtocol::Sha, secret())),
            privacy: Some((PrivProtocol::Aes, secret())),
        };
        let community =
            Credentials::Community { version: CommunityVersion::V2c, community: secret() };
        assert!(!format!("{user:?} {community:?}").contains("s3cret"));
    }

    #[test]
    fn credentials_that_cannot_work_are_refused_before_a_packet() {
        let short = Credentials::User {
            name: "mon".to_owned(),
            auth: Some((AuthProtocol::Sha, "short".into())),
            privacy: None,
        };
        let lonely = Credentials::User {
            name: "mon".to_owned(),
            auth: None,
            privacy: Some((PrivProtocol::Aes, "long enough".into())),
        };
        for (credentials, word) in [(short, "8 octets"), (lonely, "needs authentication")] {
            let cause = credentials.auth().unwrap_err();
            assert_eq!(cause.code(), "local-error");
            assert!(cause.to_string().contains(word), "{cause}");
        }
    }
}
