//! Causes of directories.

use std::borrow::Cow;

use super::about::{About, Layer, Owner, Plea};
use super::derives::{Deserialize, Error, IntoStaticStr, Serialize, VariantNames};
use super::remedy::{Advice, Passage, say, word};
use super::{Millis, list};

/// Causes of directories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Error, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum LdapCause {
    /// Name or password refused (result 49).
    #[error("the directory refuses the bind: {}", bind_refusal(sub_code.as_deref()))]
    LdapBindRefused {
        /// Active Directory's sub-code, when there is one; else the state of the account, if another
        /// directory told it: `account-locked`.
        sub_code: Option<String>,
        /// The directory's words.
        #[serde(default)]
        text: String,
    },
    /// The directory wants signing or TLS before it talks (results 8, 13).
    #[error("the directory wants TLS or signing first ⟨result {result}⟩")]
    LdapProtectionRequired {
        /// LDAP result code.
        result: u32,
        /// The server's words.
        text: String,
    },
    /// Any other result that ends the bind.
    #[error("the directory answers {result} ⟨{name}⟩ {text}")]
    LdapRefused {
        /// LDAP result code.
        result: u32,
        /// Its name in RFC 4511.
        name: Cow<'static, str>,
        /// The server's words.
        text: String,
    },
    /// The directory sends whoever binds to another one (result 10).
    #[error("the directory does not hold this bind DN and refers to {}", list(to))]
    LdapReferral {
        /// The servers it names, as URLs.
        to: Vec<String>,
    },
    /// The directory gives up at a limit of its own (results 3, 4, 11).
    #[error("the directory gives up at a limit of its own: {result} ⟨{name}⟩ {text}")]
    LdapLimit {
        /// LDAP result code.
        result: u32,
        /// Its name in RFC 4511.
        name: Cow<'static, str>,
        /// The server's words.
        text: String,
    },
    /// The directory answers questions, and not the bind.
    #[error("the directory answers, but not the bind request ⟨{waited}⟩")]
    LdapBindUnanswered {
        /// How long the answer was waited for.
        #[serde(rename = "waited_ms")]
        waited: Millis,
    },
    /// StartTLS is offered and does not work.
    #[error("StartTLS is offered but refused: result {result} {text}")]
    LdapStarttlsRefused {
        /// LDAP result code.
        result: u32,
        /// The server's words.
        text: String,
    },
}

/// Why an account is refused whose password may be right: Active Directory's sub-codes, and our
/// words for what other directories say.
const ACCOUNT: [&str; 11] =
    ["530", "531", "532", "533", "701", "773", "775", LOCKED, DISABLED, EXPIRED, TO_BE_CHANGED];

impl LdapCause {
    /// Layer, owner, and what may be asked for; a new cause gets its line here, as there is no wildcard.
    pub(super) fn about(&self) -> About {
        use Layer::{Authentication, Protocol, Service};
        use Owner::{FarSide, ThisHost};
        use Plea::Nothing;
        match self {
            // Locked, disabled, expired: the password may be right.
            Self::LdapBindRefused { sub_code: Some(code), .. }
                if ACCOUNT.contains(&code.as_str()) =>
            {
                About::new(Authentication, FarSide, Nothing)
            }
            // The protection, and the name of the directory, are the platform's own settings.
            Self::LdapBindRefused { .. } | Self::LdapProtectionRequired { .. } => {
                About::new(Authentication, ThisHost, Nothing)
            }
            Self::LdapReferral { .. } => About::new(Service, ThisHost, Nothing),
            Self::LdapLimit { .. } | Self::LdapBindUnanswered { .. } => {
                About::new(Service, FarSide, Nothing)
            }
            Self::LdapRefused { .. } | Self::LdapStarttlsRefused { .. } => {
                About::new(Protocol, FarSide, Nothing)
            }
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self, passage: &Passage<'_>) -> Advice {
        match self {
            Self::LdapBindRefused { sub_code: Some(code), .. }
                if self.about().owner == Owner::FarSide =>
            {
                say(of_account(code, &passage.from()))
            }
            Self::LdapBindRefused { .. } => say(
                "check bind DN and password; a directory may answer so for a locked account too; do not try often, attempts count towards a lock-out",
            ),
            Self::LdapProtectionRequired { .. } => say(
                "in Centreon's LDAP settings tick SSL (636) or TLS (389); here: --ldap ldaps://NAME",
            ),
            Self::LdapRefused { .. } => say("read its log at the time of the run; by hand: ")
                .there(format!("ldapsearch -x -H ldap://{} -s base -b ''", word(passage.target))),
            Self::LdapReferral { .. } => say(format!(
                "in Centreon's LDAP settings name that directory, or a bind DN that {} holds",
                passage.target
            )),
            Self::LdapLimit { .. } => {
                say("the limits for this bind DN there, and its log (slapd: limits, timelimit)")
            }
            Self::LdapBindUnanswered { .. } => say(
                "find what checks the password there (a directory behind it, Kerberos, RADIUS) and read its log at the time of this run",
            ),
            Self::LdapStarttlsRefused { .. } => say(
                "give the directory a certificate for StartTLS; until then --ldap-plain sends the password in plain text",
            ),
        }
    }
}

/// Why a bind is refused, as its sub-code says.
fn bind_refusal(sub_code: Option<&str>) -> &'static str {
    match sub_code.unwrap_or_default() {
        "525" => "no such user",
        // Also for a user that does not exist, unless the domain is told otherwise.
        "52e" => "wrong user name or password",
        "530" => "not allowed to log on at this hour",
        "531" => "not allowed to log on from this machine",
        "532" | EXPIRED => "the password has expired",
        "533" | DISABLED => "the account is disabled",
        "568" => "the account is in too many groups",
        "701" => "the account has expired",
        "773" | TO_BE_CHANGED => "the password must be changed first",
        "775" | LOCKED => "the account is locked out",
        EMPTY_PASSWORD => "the password given is empty",
        _ => "wrong name or password",
    }
}

pub(crate) const LOCKED: &str = "account-locked";
pub(crate) const DISABLED: &str = "account-disabled";
pub(crate) const EXPIRED: &str = "password-expired";
pub(crate) const TO_BE_CHANGED: &str = "change-after-reset";
/// Nobody was asked: RFC 4513 §5.1.2 has such a bind pass for whoever it names.
pub(crate) const EMPTY_PASSWORD: &str = "empty-password";

/// What the administrator of a directory does about an account.
fn of_account(sub_code: &str, from: &str) -> String {
    match sub_code {
        "775" => "unlock the account (Unlock-ADAccount), and find what still sends its old password".to_owned(),
        "533" => "enable the account (Enable-ADAccount)".to_owned(),
        "701" => "give the account a later end (Clear-ADAccountExpiration)".to_owned(),
        "532" | "773" => "set a new password that does not expire (Set-ADAccountPassword; Set-ADUser -PasswordNeverExpires), and put it into Centreon".to_owned(),
        LOCKED => "unlock the account (OpenLDAP: remove pwdAccountLockedTime; 389 DS: dsidm account unlock), and find what still sends its old password".to_owned(),
        DISABLED => "enable the account (389 DS, FreeIPA: dsidm account unlock, ipa user-enable)".to_owned(),
        EXPIRED | TO_BE_CHANGED => "set a new password that the policy lets live (OpenLDAP: ldappasswd, pwdReset, pwdMaxAge), and put it into Centreon".to_owned(),
        _ => format!("let the account log on from {from} at this hour (Set-ADUser -LogonWorkstations)"),
    }
}
