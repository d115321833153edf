//! Refusal: which of a mail server's noes is it?
//!
//! The codes do not tell: 5.7.1 stands for a block list, a relay that is denied and a sender that
//! is refused (RFC 3463 §3.8). The words do, and servers have used theirs for decades.

use crate::cause::{Cause, SmtpCause, TlsCause};

/// The cause that code and words name; `None` when they name none of these.
pub(super) fn named(reply: u16, text: &str) -> Option<Cause> {
    let lower = text.to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|words| lower.contains(words));
    let text = text.to_owned();
    if says(&GREYLISTED) {
        Some(Cause::Smtp(SmtpCause::SmtpGreylisted { reply, text }))
    } else if says(&BLOCK_LISTED) {
        Some(Cause::Smtp(SmtpCause::SmtpBlockListed { reply, text }))
    } else if reply >= 400 && says(&["client certificate"]) {
        // Postfix with smtpd_tls_req_ccert: TLS is agreed on first, and the refusal comes inside.
        Some(Cause::Tls(TlsCause::TlsClientCertificateWanted { alert: format!("{reply} {text}") }))
    } else if reply >= 400 && says(&TLS_FIRST) {
        Some(Cause::Smtp(SmtpCause::SmtpTlsWanted { reply, text }))
    } else if says(&["authentication required", "authentication is required"])
        || (reply == WANTS_LOGIN && !says(&["starttls", "tls"]))
    {
        Some(Cause::Smtp(SmtpCause::SmtpAuthenticationWanted { reply, text }))
    } else if says(&["relay"]) && says(&DENIED) {
        Some(Cause::Smtp(SmtpCause::SmtpRelayDenied { reply, text }))
    } else if says(&SENDER) {
        Some(Cause::Smtp(SmtpCause::SmtpSenderRefused { reply, text }))
    } else if says(&NAMELESS) {
        Some(Cause::Smtp(SmtpCause::SmtpNoReverseName { reply, text }))
    } else if says(&["client host rejected"]) && (reply >= 500 || says(&["access denied"])) {
        // Postfix waits with it until somebody names a recipient, and softens it with soft_bounce.
        Some(Cause::Smtp(SmtpCause::SmtpRefused { reply, text }))
    } else {
        None
    }
}

/// postgrey, Exim, rspamd, milter-greylist; postscreen after its tests behind the greeting.
const GREYLISTED: [&str; 5] =
    ["greylist", "graylist", "grey-list", "grey list", "4.3.2 service currently unavailable"];
/// Postfix's and Exim's words for a DNS list, and the lists that name themselves.
const BLOCK_LISTED: [&str; 13] = [
    "blocked using",
    "blacklist",
    "black list",
    "block list",
    "listed on",
    "barracudacentral",
    "poor reputation",
    "blocklist",
    "dnsbl",
    "listed at",
    "listed in",
    "spamhaus",
    "spamcop",
];
/// Postfix, Exim, Exchange and sendmail.
const DENIED: [&str; 6] =
    ["denied", "not permitted", "unable to relay", "not allowed", "prohibited", "do not relay"];
/// Postfix, Exim, Exchange.
const SENDER: [&str; 6] = [
    "sender address rejected",
    "sender verify",
    "sender rejected",
    "send as this sender",
    "domain of sender",
    "5.1.8",
];
/// Postfix, Exim, sendmail: the client's address has no name, or one that does not lead back.
const NAMELESS: [&str; 6] = [
    "cannot find your hostname",
    "cannot find your reverse hostname",
    "host lookup failed",
    "reverse dns",
    "no ptr",
    "ptr record",
];
/// RFC 3207 §4 and Postfix; Exim's configurations; Exchange, sendmail.
const TLS_FIRST: [&str; 8] = [
    "issue a starttls",
    "tls required",
    "tls is required",
    "encryption required",
    "must use tls",
    "requires tls",
    "use starttls",
    "starttls is required",
];
/// RFC 4954 §6: authentication required.
const WANTS_LOGIN: u16 = 530;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_of_the_servers_in_use_has_its_own_cause() {
        for (reply, text, code) in [
            // Postfix, with postgrey where it says so.
            (
                450,
                "4.2.0 <a@b.c>: Recipient address rejected: Greylisted, see http://x/",
                "smtp-greylisted",
            ),
            (
                554,
                "5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org",
                "smtp-block-listed",
            ),
            (454, "4.7.1 <h[192.0.2.7]>: Client host rejected: Access denied", "smtp-refused"),
            (
                421,
                "4.7.1 mail.example.org Error: No client certificate presented",
                "tls-client-certificate-wanted",
            ),
            (454, "4.7.1 <a@b.c>: Relay access denied", "smtp-relay-denied"),
            (554, "5.7.1 <a@b.c>: Relay access denied", "smtp-relay-denied"),
            (
                450,
                "4.1.8 <a@b.c>: Sender address rejected: Domain not found",
                "smtp-sender-refused",
            ),
            (
                553,
                "5.7.1 <a@b.c>: Sender address rejected: not owned by user x",
                "smtp-sender-refused",
            ),
            (530, "5.7.0 Authentication required", "smtp-authentication-wanted"),
            (
                450,
                "4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.7]",
                "smtp-no-reverse-name",
            ),
            (
                554,
                "5.7.1 <unknown[192.0.2.7]>: Client host rejected: Access denied",
                "smtp-refused",
            ),
            (450, "4.3.2 Service currently unavailable", "smtp-greylisted"),
            (530, "5.7.0 Must issue a STARTTLS command first", "smtp-tls-wanted"),
            // Exim.
            (451, "greylisted, try again later", "smtp-greylisted"),
            (550, "relay not permitted", "smtp-relay-denied"),
            (550, "Sender verify failed", "smtp-sender-refused"),
            (451, "Could not complete sender verify", "smtp-sender-refused"),
            (550, "TLS required", "smtp-tls-wanted"),
            (550, "authentication required", "smtp-authentication-wanted"),
            // Exchange.
            (
                550,
                "5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
                "smtp-relay-denied",
            ),
            (
                550,
                "5.7.60 SMTP; Client does not have permissions to send as this sender",
                "smtp-sender-refused",
            ),
        ] {
            let named = named(reply, text).map(|cause| cause.code());
            assert_eq!(named, Some(code), "{reply} {text}");
        }
    }

    #[test]
    fn what_is_none_of_these_is_not_guessed() {
        for (reply, text) in [
            (450, "4.3.2 <a@b.c>: Client host rejected: Try again later"),
            (550, "5.1.1 <a@b.c>: Recipient address rejected: User unknown"),
            (421, "4.3.2 too many connections"),
            (220, "relay.example.com ESMTP"),
        ] {
            assert_eq!(named(reply, text), None, "{reply} {text}");
        }
    }
}
