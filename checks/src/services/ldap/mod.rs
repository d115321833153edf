//! LDAP and LDAPS: does the directory answer, and does it take our bind?
//!
//! TCP 389 and 636 by default. The root DSE without a bind, then StartTLS, also
//! when the directory does not list it (Samba never does), then one bind,
//! anonymous or with the credentials given: never a second one, since refused
//! binds lock accounts. A password leaves only inside TLS that is trusted,
//! unless the user allows it in plain text. Ends with an unbind.
//!
//! Reference: [RFC 4511](https://www.rfc-editor.org/rfc/rfc4511),
//! [RFC 4512 §5.1](https://www.rfc-editor.org/rfc/rfc4512#section-5.1).

mod ber;
mod client;
mod guard;
mod message;
mod respond;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::cause::{Cause, Concern, EMPTY_PASSWORD, LdapCause, TalkCause, Transport};
use crate::evidence::Seen;
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, Stream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service};
use client::RootDse;
use message::{
    BUSY, CONFIDENTIALITY_REQUIRED, LdapResult, OPERATIONS_ERROR, Policy, STRONGER_AUTH_REQUIRED,
    UNAVAILABLE,
};

/// Reads the root DSE and binds once.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// TLS from the first byte, or by StartTLS.
    pub tls: LdapTls,
    /// Whom to bind as.
    pub login: LdapLogin,
}

/// Whom to bind as.
#[derive(Clone, Debug, Default)]
pub enum LdapLogin {
    /// Nobody in particular: the bind is anonymous.
    #[default]
    Anonymous,
    /// Somebody, with a password that is sent once.
    As(Bind),
    /// Nobody, though there is a password: another directory has refused it, and
    /// a second refusal could lock the account.
    Withheld,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LdapTls {
    /// With StartTLS, if the server takes it.
    #[default]
    IfOffered,
    /// With the first byte: LDAPS.
    FromStart,
}

/// Credentials of a simple bind.
#[derive(Clone, Debug)]
pub struct Bind {
    /// The distinguished name, or what Active Directory takes instead of one.
    pub dn: String,
    /// The secret of the log-in.
    pub password: SecretString,
    /// May the password travel in plain text, where the directory has no TLS?
    pub plain: bool,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let mut stream = ask.connect().await?;
        if self.tls == LdapTls::FromStart {
            stream = secure(stream, ask, Verify::Strictly, &[]).await?;
        }
        // Boxed: two crates' conversations would make every probe's future large.
        let (heard, stream) = Box::pin(self.converse(stream, ask)).await?;
        leave(stream).await;
        self.judge(&heard, &mut ask.seen)
    }

    async fn converse(
        &self,
        mut stream: Stream,
        ask: &mut Ask,
    ) -> Result<(LdapHeard, Stream), Cause> {
        let dse = client::root_dse(&mut stream).await?;
        let mut heard = LdapHeard::new(dse, self.tls == LdapTls::FromStart);
        heard.dse.note(Timestamp::now(), &mut ask.seen.evidence);
        if !heard.in_tls && !heard.dse.answer.is_busy() {
            stream = self.start_tls(stream, &mut heard, ask).await?;
        }
        if heard.in_tls && !heard.dse.is_read() && self.tls == LdapTls::IfOffered {
            heard.dse = client::root_dse(&mut stream).await?;
            heard.dse.note(Timestamp::now(), &mut ask.seen.evidence);
        }
        if let Some((dn, password)) = self.credentials(&heard).filter(|_| self.may_bind(&heard)) {
            let bound = client::bind(&mut stream, dn, password).await;
            heard.bind = Some(bound.map_err(|cause| match cause {
                // Everything before was answered.
                Cause::Talk(TalkCause::Silent { waited, .. }) => {
                    Cause::Ldap(LdapCause::LdapBindUnanswered { waited })
                }
                other => other,
            })?);
        }
        Ok((heard, stream))
    }

    /// Tries StartTLS; the connection to go on with comes back.
    async fn start_tls(
        &self,
        mut stream: Stream,
        heard: &mut LdapHeard,
        ask: &mut Ask,
    ) -> Result<Stream, Cause> {
        let mut tried = client::start_tls(&mut stream).await;
        // slapd answers a question before it has put it away, and refuses
        // TLS while one is on: a new connection has none.
        if tried.as_ref().is_ok_and(|answer| answer.code == OPERATIONS_ERROR) {
            leave(stream).await;
            stream = ask.connect().await?;
            tried = client::start_tls(&mut stream).await;
        }
        let answer = match tried {
            Ok(answer) => answer,
            // It never said that it could: it goes on without, over a new connection.
            Err(cause) if !heard.dse.offers_starttls() => {
                ask.seen.evidence.set("starttls_answer", cause.to_string());
                leave(stream).await;
                return ask.connect().await;
            }
            Err(cause) => return Err(cause),
        };
        ask.seen.evidence.set("starttls_answer", answer.name());
        if answer.code == 0 {
            stream = secure(stream, ask, self.verify(), &[]).await?;
            heard.in_tls = true;
        }
        heard.starttls = Some(answer);
        Ok(stream)
    }

    fn may_bind(&self, heard: &LdapHeard) -> bool {
        heard.obstacle().is_ok() && self.refused_tls(heard).is_none()
    }

    /// A directory that offers TLS for the password and then refuses it.
    fn refused_tls(&self, heard: &LdapHeard) -> Option<Cause> {
        let refused = heard.starttls.as_ref().filter(|answer| answer.code != 0)?;
        let LdapLogin::As(Bind { plain: false, .. }) = &self.login else { return None };
        heard.dse.offers_starttls().then(|| {
            Cause::Ldap(LdapCause::LdapStarttlsRefused {
                result: refused.code,
                text: refused.text.clone(),
            })
        })
    }

    /// Decides from the answers alone.
    fn judge(&self, heard: &LdapHeard, seen: &mut Seen) -> Result<(), Cause> {
        heard.obstacle()?;
        if let Some(cause) = self.refused_tls(heard) {
            return Err(cause);
        }
        self.judge_bind(heard, seen)?;
        seen.headline = self.headline(heard);
        Ok(())
    }

    fn judge_bind(&self, heard: &LdapHeard, seen: &mut Seen) -> Result<(), Cause> {
        match (&self.login, &heard.bind) {
            (LdapLogin::As(bind), None) if bind.password.expose_secret().is_empty() => {
                let sub_code = Some(EMPTY_PASSWORD.to_owned());
                let text = String::new();
                return Err(Cause::Ldap(LdapCause::LdapBindRefused { sub_code, text }));
            }
            (LdapLogin::As(_), None) => {
                seen.concerns.push(Concern::LdapPasswordKept);
                return Ok(());
            }
            (LdapLogin::As(_), Some(answer)) => {
                seen.evidence.set("bind", answer.name());
                // After a reset the bind is taken, and nothing but a new password.
                if answer.code != 0 || answer.state().is_some() {
                    return Err(answer.cause());
                }
                let Policy { expires, grace, .. } = answer.policy;
                if expires.is_some() || grace.is_some() {
                    let days = expires.map(|seconds| seconds / SECONDS_OF_A_DAY);
                    seen.concerns.push(Concern::LdapPasswordExpires { days, grace });
                }
            }
            (LdapLogin::Anonymous | LdapLogin::Withheld, answer) => {
                if let Some(answer) = answer {
                    seen.evidence.set("anonymous_bind", answer.name());
                }
                if matches!(self.login, LdapLogin::Withheld) {
                    seen.concerns.push(Concern::LdapBindWithheld);
                } else if !heard.dse.is_read() {
                    seen.concerns.push(Concern::LdapNotBound);
                }
            }
        }
        if !heard.in_tls {
            seen.concerns.push(Concern::LdapNoStarttls);
        }
        Ok(())
    }

    fn headline(&self, heard: &LdapHeard) -> String {
        let is_bound = matches!(self.login, LdapLogin::As(_)) && heard.bind.is_some();
        let first = match (is_bound, heard.dse.is_read()) {
            (true, _) => "bound".to_owned(),
            (false, true) => "root DSE".to_owned(),
            (false, false) => format!("answers ({})", heard.dse.answer.name()),
        };
        let tls = match self.tls {
            LdapTls::IfOffered if heard.in_tls => Some("StartTLS".to_owned()),
            _ => None,
        };
        let parts: Vec<String> =
            [Some(first), tls, heard.dse.context()].into_iter().flatten().collect();
        parts.join(", ")
    }

    /// A password never travels to a server we cannot trust; without one, the
    /// certificate of an optional StartTLS is a concern only.
    fn verify(&self) -> Verify {
        if matches!(self.login, LdapLogin::As(_)) { Verify::Strictly } else { Verify::AndReport }
    }

    /// Name and password to bind with, if they may be sent the way it is now. An empty
    /// password is none: servers take it for an anonymous bind and say yes to any name
    /// (RFC 4513 §5.1.2).
    fn credentials(&self, heard: &LdapHeard) -> Option<(&str, &str)> {
        let LdapLogin::As(bind) = &self.login else { return Some(("", "")) };
        let password = bind.password.expose_secret();
        let may_travel = heard.in_tls || bind.plain;
        (may_travel && !password.is_empty()).then_some((bind.dn.as_str(), password))
    }

    pub(crate) fn service(&self) -> &'static Service {
        match self.tls {
            LdapTls::IfOffered => &SERVICE,
            LdapTls::FromStart => &SERVICE_TLS,
        }
    }
}

const SECONDS_OF_A_DAY: i64 = 86_400;

/// What a client says last.
pub(crate) fn goodbye() -> Vec<u8> {
    message::unbind()
}

pub(crate) const SERVICE: Service = Service {
    name: "ldap",
    title: "LDAP",
    expected: "LDAP",
    spoken: Spoken::Ldap,
    url: UrlForm::Host,
    hints: Hints {
        starttls: Some("ldap"),
        serves_others: Some("the -h of slapd (SLAPD_SERVICES)"),
        ..Hints::NONE
    },
    port: 389,
    transport: Transport::Tcp,
    tls: false,
    // Two connections, a handshake and five answers.
    budget: Duration::from_secs(38),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Ldap(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond::plain(stream))),
};

pub(crate) const SERVICE_TLS: Service = Service {
    name: "ldaps",
    title: "LDAPS",
    expected: "TLS",
    spoken: Spoken::Tls,
    hints: Hints {
        serves_others: Some("the -h of slapd (SLAPD_SERVICES), where ldaps:/// has to stand"),
        ..Hints::NONE
    },
    port: 636,
    tls: true,
    budget: Duration::from_secs(19),
    probe: || crate::Probe::Ldap(Probe { tls: LdapTls::FromStart, login: LdapLogin::Anonymous }),
    respond: Respond::Stream(|stream| Box::pin(respond::in_tls(stream))),
    ..SERVICE
};

/// Says goodbye; the connection ends either way, whatever comes of it.
async fn leave(mut stream: Stream) {
    let _goodbye = stream.send(&message::unbind()).await;
    stream.close().await;
}

/// What the server answered, question by question.
#[derive(Clone, Debug)]
struct LdapHeard {
    dse: RootDse,
    starttls: Option<LdapResult>,
    in_tls: bool,
    bind: Option<LdapResult>,
}

impl LdapHeard {
    fn new(dse: RootDse, in_tls: bool) -> Self {
        Self { dse, starttls: None, in_tls, bind: None }
    }

    /// What keeps the directory from being used, whoever binds.
    fn obstacle(&self) -> Result<(), Cause> {
        let answer = &self.dse.answer;
        if answer.is_busy() || (answer.wants_protection() && !self.in_tls) {
            return Err(answer.cause());
        }
        Ok(())
    }
}

impl LdapResult {
    fn is_busy(&self) -> bool {
        matches!(self.code, BUSY | UNAVAILABLE)
    }

    fn wants_protection(&self) -> bool {
        matches!(self.code, STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED)
    }
}
