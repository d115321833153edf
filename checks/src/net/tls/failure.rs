//! What an error of TLS says, wherever it comes up.

use std::io;

use rustls::{AlertDescription, Error, PeerIncompatible};

use crate::cause::{Cause, TlsCause};

/// The cause behind an error that TLS wrapped into an I/O error, if it did.
///
/// In TLS 1.3 a server's "no" to our missing certificate arrives only after the
/// handshake, at the first read.
pub(crate) fn cause_in(error: &io::Error) -> Option<Cause> {
    error_in(error).and_then(tls_failed)
}

/// The error of TLS inside an I/O error.
fn error_in(error: &io::Error) -> Option<&Error> {
    let mut source = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<Error>() {
            return Some(tls);
        }
        source = match inner.downcast_ref::<io::Error>() {
            Some(nested) => nested.get_ref().map(|deep| deep as &(dyn std::error::Error + 'static)),
            None => inner.source(),
        };
    }
    None
}

/// The alert that the peer sent.
pub(super) fn alert_in(error: &io::Error) -> Option<AlertDescription> {
    match error_in(error)? {
        Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// An alert as the standard calls it: `handshake_failure (40)`.
pub(super) fn told(alert: AlertDescription) -> String {
    let mut name = String::new();
    for letter in format!("{alert:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    match alert {
        AlertDescription::Unknown(number) => format!("alert {number}"),
        // The one whose name has three capitals in a row.
        AlertDescription::UnknownCA => "alert unknown_ca (48)".to_owned(),
        AlertDescription::UnknownPSKIdentity => "alert unknown_psk_identity (115)".to_owned(),
        AlertDescription::BadCertificateStatusResponse => {
            "alert bad_certificate_status_response (113)".to_owned()
        }
        known => format!("alert {name} ({})", u8::from(known)),
    }
}

fn tls_failed(error: &Error) -> Option<Cause> {
    Some(match error {
        Error::AlertReceived(alert) => match alert {
            AlertDescription::ProtocolVersion => {
                Cause::Tls(TlsCause::TlsVersion { peer: told(*alert) })
            }
            AlertDescription::CertificateRequired => {
                Cause::Tls(TlsCause::TlsClientCertificateWanted { alert: told(*alert) })
            }
            other => Cause::Tls(TlsCause::TlsRefused { alert: told(*other) }),
        },
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            Cause::Tls(TlsCause::TlsVersion { peer: "chose an older version".to_owned() })
        }
        Error::PeerIncompatible(_) => {
            Cause::Tls(TlsCause::TlsRefused { alert: "it chose what was not offered".to_owned() })
        }
        _ => return None,
    })
}
