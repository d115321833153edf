//! Credentials: names from flags, secrets from files or the environment.

use std::path::{Path, PathBuf};

use preflight_checks::{discreet_value, http, ldap, nsclient, quoted, smtp, snmp};
use secrecy::{ExposeSecret as _, SecretString};

use super::site_file::CodePlace;
use super::{SettingsError, bad, is_stdin, pair, read_as};
use crate::cli::{CredentialArgs, PairingArgs, RunArgs, TargetArgs, TuningArgs};
use crate::far_side::PairingCode;
use crate::site::output::BrokerOutput;
use crate::site::{Origin, Sourced, parse_proxy};

/// A secret from its file, else from the environment.
fn secret(
    flag: &str,
    file: Option<&PathBuf>,
    variable: &str,
) -> Result<Option<SecretString>, SettingsError> {
    let text = match file {
        Some(file) => Some(read_as(flag, file, &named(file))?),
        None => std::env::var(variable).ok(),
    };
    let text = text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned());
    if text.as_deref() == Some("") {
        let reason = match file {
            Some(file) if is_stdin(file) => {
                "nothing is left on standard input, which holds one secret".to_owned()
            }
            Some(file) => format!("{}: the secret is empty", named(file)),
            None => format!("the secret in {variable} is empty"),
        };
        return Err(bad(flag, reason));
    }
    Ok(text.map(SecretString::from))
}

/// A file of a secret, for an error: what has no folder may be the secret itself, typed in its place.
pub(super) fn named(file: &Path) -> String {
    let text = file.display().to_string();
    if text.contains('/') {
        discreet_value(&text)
    } else {
        "the file (its name is not repeated, as it may be the secret)".to_owned()
    }
}

pub(super) fn snmp_credentials(args: &CredentialArgs) -> Result<snmp::Credentials, SettingsError> {
    let community = secret(
        "--snmp-community-file",
        args.snmp_community_file.as_ref(),
        "PREFLIGHT_SNMP_COMMUNITY",
    )?;
    let version = args.snmp_version.as_deref();
    match (version, community, &args.snmp_user) {
        (Some("3") | None, _, Some(user)) => snmp_user(args, user),
        (Some("3"), _, None) => Err(bad("--snmp-version 3", "needs --snmp-user")),
        (Some("1"), Some(community), _) => {
            Ok(snmp::Credentials::Community { version: snmp::CommunityVersion::V1, community })
        }
        (Some("2c") | None, Some(community), _) => {
            Ok(snmp::Credentials::Community { version: snmp::CommunityVersion::V2c, community })
        }
        (Some("1" | "2c"), None, _) => Err(bad(
            "--snmp-version",
            "needs a community: --snmp-community-file or PREFLIGHT_SNMP_COMMUNITY",
        )),
        (None, None, None) => Ok(snmp::Credentials::None),
        (Some(other), _, _) => Err(bad(
            "--snmp-version",
            format!("unknown version {other}; known are 1, 2c, 3", other = quoted(other)),
        )),
    }
}

fn snmp_user(args: &CredentialArgs, name: &str) -> Result<snmp::Credentials, SettingsError> {
    let auth = secret("--snmp-auth-file", args.snmp_auth_file.as_ref(), "PREFLIGHT_SNMP_AUTH")?;
    let privacy = secret("--snmp-priv-file", args.snmp_priv_file.as_ref(), "PREFLIGHT_SNMP_PRIV")?;
    if privacy.is_some() && auth.is_none() {
        return Err(bad("--snmp-priv-file", "privacy needs authentication too (--snmp-auth-file)"));
    }
    let auth_protocol = args.snmp_auth_protocol.parse().map_err(|_| {
        unknown_of::<snmp::AuthProtocol>("--snmp-auth-protocol", &args.snmp_auth_protocol)
    })?;
    let priv_protocol = args.snmp_priv_protocol.parse().map_err(|_| {
        unknown_of::<snmp::PrivProtocol>("--snmp-priv-protocol", &args.snmp_priv_protocol)
    })?;
    Ok(snmp::Credentials::User {
        name: name.to_owned(),
        auth: auth.map(|secret| (auth_protocol, secret)),
        privacy: privacy.map(|secret| (priv_protocol, secret)),
    })
}

/// A value that is none of the names there are.
fn unknown_of<T: strum::IntoEnumIterator + ToString>(flag: &str, value: &str) -> SettingsError {
    let known: Vec<String> = T::iter().map(|known| known.to_string()).collect();
    bad(
        flag,
        format!("unknown protocol {value}; known are {}", known.join(", "), value = quoted(value)),
    )
}

pub(super) fn ldap_bind(args: &CredentialArgs) -> Result<Option<ldap::Bind>, SettingsError> {
    let password = secret(
        "--ldap-password-file",
        args.ldap_password_file.as_ref(),
        "PREFLIGHT_LDAP_PASSWORD",
    )?;
    match (&args.ldap_bind_dn, password) {
        (Some(dn), Some(password)) => {
            Ok(Some(ldap::Bind { dn: dn.clone(), password, plain: args.ldap_plain }))
        }
        (Some(_), None) => Err(bad(
            "--ldap-bind-dn",
            "needs a password: --ldap-password-file or PREFLIGHT_LDAP_PASSWORD",
        )),
        (None, _) => Ok(None),
    }
}

/// What the command line says of this machine's broker output.
pub(super) fn broker_output(args: &RunArgs) -> Result<Option<BrokerOutput>, SettingsError> {
    const FLAG: &str = "--bbdo";
    let has = |word: &str| args.bbdo.iter().any(|known| known == word);
    let known = ["reversed", "grpc", "tls"];
    if let Some(other) = args.bbdo.iter().find(|word| !known.contains(&word.as_str())) {
        return Err(bad(
            FLAG,
            format!("unknown word {}; known are {}", quoted(other), known.join(", ")),
        ));
    }
    let bbdo_tls = &args.credentials.bbdo_tls;
    if bbdo_tls.is_empty() && !has("grpc") && !has("tls") {
        return Ok(None);
    }
    let mut output = BrokerOutput::with_tls();
    let mut set = |flag: &str, key: &str, value: &str| {
        output.set(key, value).map_err(|reason| bad(flag, reason))
    };
    if has("grpc") {
        set(FLAG, "transport", "grpc")?;
    }
    if bbdo_tls.is_empty() && !has("tls") {
        set(FLAG, "mode", "no")?;
    }
    for text in bbdo_tls {
        let (key, value) = pair("--bbdo-tls", text)?;
        set("--bbdo-tls", &key, &value)?;
    }
    // A file's name is what it is from where the program was started.
    Ok(Some(output.below(&std::env::current_dir().unwrap_or_default())))
}

pub(super) fn nsclient_login(args: &CredentialArgs) -> Result<nsclient::Probe, SettingsError> {
    let password = secret(
        "--nsclient-password-file",
        args.nsclient_password_file.as_ref(),
        "PREFLIGHT_NSCLIENT_PASSWORD",
    )?;
    let (user, insecure) = (args.nsclient_user.clone(), args.nsclient_insecure);
    Ok(nsclient::Probe { user, password, insecure })
}

/// The token of every receiver of monitoring agents.
pub(super) fn otlp_token(args: &CredentialArgs) -> Result<Option<SecretString>, SettingsError> {
    secret("--otlp-token-file", args.otlp_token_file.as_ref(), "PREFLIGHT_OTLP_TOKEN")
}

/// The password of every agent that is asked in NSClient's old protocol.
pub(super) fn nsclient_nt_password(
    args: &CredentialArgs,
) -> Result<Option<SecretString>, SettingsError> {
    let file = args.nsclient_nt_password_file.as_ref();
    secret("--nsclient-nt-password-file", file, "PREFLIGHT_NSCLIENT_NT_PASSWORD")
}

/// The password of every Redis that `--check` names.
pub(super) fn redis_password(args: &CredentialArgs) -> Result<Option<SecretString>, SettingsError> {
    let file = args.redis_password_file.as_ref();
    secret("--redis-password-file", file, "PREFLIGHT_REDIS_PASSWORD")
}

pub(super) fn proxy(
    targets: &TargetArgs,
    args: &CredentialArgs,
) -> Result<Option<Sourced<http::Proxy>>, SettingsError> {
    let Some(text) = &targets.proxy else {
        return Ok(None);
    };
    let url = parse_proxy(text).map_err(|reason| bad("--proxy", reason))?;
    let password = secret(
        "--proxy-password-file",
        args.proxy_password_file.as_ref(),
        "PREFLIGHT_PROXY_PASSWORD",
    )?;
    let value = http::Proxy { url, user: args.proxy_user.clone(), password };
    Ok(Some(Sourced { value, origin: Origin::flag("--proxy") }))
}

/// The code that the other machine shows; `None`: it is still to be asked for.
///
/// # Errors
///
/// A text that is no code; a file that cannot be read.
pub(crate) fn far_side_code(
    args: &PairingArgs,
    place: Option<&CodePlace>,
) -> Result<Option<PairingCode>, SettingsError> {
    if args.far_side.is_none() {
        return Ok(None);
    }
    let flag = "--far-side-code-file";
    let given = secret(flag, args.far_side_code_file.as_ref(), "PREFLIGHT_FAR_SIDE_CODE")?;
    let text = match (given, place) {
        (None, Some(place)) => place.read()?,
        (given, _) => given,
    };
    let code = text.map(|text| PairingCode::read(text.expose_secret()));
    code.transpose().map_err(|reason| bad("--far-side", reason.to_string()))
}

/// The community of an agent that is stood in for.
///
/// # Errors
///
/// A file that cannot be read, or is empty.
pub(crate) fn community(file: Option<&PathBuf>) -> Result<Option<SecretString>, SettingsError> {
    secret("--snmp-community-file", file, "PREFLIGHT_SNMP_COMMUNITY")
}

/// Can an inform be sent in the name of these?
///
/// # Errors
///
/// Nobody is given, or version 1, which has no informs.
pub(super) fn may_inform(credentials: &snmp::Credentials) -> Result<(), SettingsError> {
    let flag = "--send-test-trap";
    match credentials {
        snmp::Credentials::None => Err(bad(
            flag,
            "needs a community or a user: --snmp-community-file, PREFLIGHT_SNMP_COMMUNITY or --snmp-user",
        )),
        snmp::Credentials::Community { version: snmp::CommunityVersion::V1, .. } => Err(bad(
            flag,
            "SNMP 1 has no informs, and a trap of it is acknowledged by nobody: 2c or 3",
        )),
        snmp::Credentials::Community { .. } | snmp::Credentials::User { .. } => Ok(()),
    }
}

pub(super) fn test_mail(args: &TuningArgs) -> Result<Option<smtp::TestMail>, SettingsError> {
    let Some(to) = &args.smtp_test_mail else {
        return Ok(None);
    };
    let from = args.smtp_from.clone().unwrap_or_else(|| to.clone());
    for (flag, address) in [("--smtp-test-mail", to), ("--smtp-from", &from)] {
        let parts =
            address.split_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty());
        if parts.is_none() {
            return Err(bad(
                flag,
                format!("{address} is not a mail address", address = quoted(address)),
            ));
        }
    }
    Ok(Some(smtp::TestMail { to: to.clone(), from }))
}
