//! LDAP and LDAPS: does the directory answer, and does it take our bind?
//!
//! TCP 389 and 636 by default. The root DSE without a bind, StartTLS when it is
//! offered, then one bind, anonymous or with the credentials given: never a
//! second one, since refused binds lock accounts. Ends with an unbind.
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

use crate::cause::{Cause, Concern, Transport};
use crate::evidence::Seen;
use crate::net::tls::{Verify, secure};
use crate::net::{Ask, Stream};
use crate::{Respond, Service};
use client::RootDse;
use message::{
    Answer, BUSY, CONFIDENTIALITY_REQUIRED, OPERATIONS_ERROR, STRONGER_AUTH_REQUIRED, UNAVAILABLE,
};

/// Reads the root DSE and binds once.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// TLS from the first byte, or by StartTLS.
    pub tls: Tls,
    /// Whom to bind as; anonymous without.
    pub bind: Option<Bind>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// With StartTLS, if the server offers it.
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
    /// Its password.
    pub password: SecretString,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let mut stream = ask.connect().await?;
        if self.tls == Tls::FromStart {
            stream = secure(stream, ask, Verify::Strictly, &[]).await?;
        }
        // Boxed: two crates' conversations would make every probe's future large.
        let (heard, stream) = Box::pin(self.converse(stream, ask)).await?;
        leave(stream).await;
        self.judge(&heard, &mut ask.seen)
    }

    async fn converse(&self, mut stream: Stream, ask: &mut Ask) -> Result<(Heard, Stream), Cause> {
        let dse = client::root_dse(&mut stream).await?;
        let mut heard = Heard::new(dse, self.tls == Tls::FromStart);
        heard.dse.note(Timestamp::now(), &mut ask.seen.evidence);
        if heard.may_start_tls() {
            let mut answer = client::start_tls(&mut stream).await?;
            // slapd answers a question before it has put it away, and refuses
            // TLS while one is on: a new connection has none.
            if answer.code == OPERATIONS_ERROR {
                leave(stream).await;
                stream = ask.connect().await?;
                answer = client::start_tls(&mut stream).await?;
            }
            if answer.code == 0 {
                stream = secure(stream, ask, self.verify(), &[]).await?;
                heard.in_tls = true;
            }
            heard.starttls = Some(answer);
        }
        if heard.in_tls && !heard.dse.is_read() && self.tls == Tls::IfOffered {
            heard.dse = client::root_dse(&mut stream).await?;
            heard.dse.note(Timestamp::now(), &mut ask.seen.evidence);
        }
        if let Some((dn, password)) = self.credentials().filter(|_| heard.obstacle().is_ok()) {
            heard.bind = Some(client::bind(&mut stream, dn, password).await?);
        }
        Ok((heard, stream))
    }

    /// Decides from the answers alone.
    fn judge(&self, heard: &Heard, seen: &mut Seen) -> Result<(), Cause> {
        heard.obstacle()?;
        if !heard.in_tls {
            seen.concerns.push(Concern::LdapNoStarttls);
        }
        self.judge_bind(heard, seen)?;
        seen.headline = self.headline(heard);
        Ok(())
    }

    fn judge_bind(&self, heard: &Heard, seen: &mut Seen) -> Result<(), Cause> {
        if self.bind.is_some() {
            let Some(answer) = &heard.bind else {
                let reason = "the password given is empty".to_owned();
                return Err(Cause::LdapBindRefused { reason, sub_code: None });
            };
            seen.evidence.set("bind", answer.name());
            return if answer.code == 0 { Ok(()) } else { Err(answer.cause()) };
        }
        if let Some(answer) = &heard.bind {
            seen.evidence.set("anonymous_bind", answer.name());
        }
        if !heard.dse.is_read() {
            seen.concerns.push(Concern::LdapNotBound);
        }
        Ok(())
    }

    fn headline(&self, heard: &Heard) -> String {
        let first = match (&self.bind, heard.dse.is_read()) {
            (Some(_), _) => "bound".to_owned(),
            (None, true) => "root DSE".to_owned(),
            (None, false) => format!("answers ({})", heard.dse.answer.name()),
        };
        let tls = match self.tls {
            Tls::IfOffered if heard.in_tls => Some("StartTLS".to_owned()),
            _ => None,
        };
        let parts: Vec<String> =
            [Some(first), tls, heard.dse.context()].into_iter().flatten().collect();
        parts.join(", ")
    }

    /// A password never travels to a server we cannot trust; without one, the
    /// certificate of an optional StartTLS is a concern only.
    fn verify(&self) -> Verify {
        if self.bind.is_some() { Verify::Strictly } else { Verify::AndReport }
    }

    /// Name and password to bind with. An empty password is none: servers take
    /// it for an anonymous bind and say yes to any name (RFC 4513 §5.1.2).
    fn credentials(&self) -> Option<(&str, &str)> {
        let Some(bind) = &self.bind else { return Some(("", "")) };
        let password = bind.password.expose_secret();
        (!password.is_empty()).then_some((bind.dn.as_str(), password))
    }

    pub(crate) fn service(&self) -> &'static Service {
        match self.tls {
            Tls::IfOffered => &SERVICE,
            Tls::FromStart => &SERVICE_TLS,
        }
    }
}

/// What a client says last.
pub(crate) fn goodbye() -> Vec<u8> {
    message::unbind()
}

pub(crate) const SERVICE: Service = Service {
    name: "ldap",
    port: 389,
    transport: Transport::Tcp,
    tls: false,
    // Two connections, a handshake and five answers.
    budget: Duration::from_secs(38),
    question: None,
    repeats: 0,
    probe: || crate::Probe::Ldap(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond::plain(stream))),
};

pub(crate) const SERVICE_TLS: Service = Service {
    name: "ldaps",
    port: 636,
    tls: true,
    budget: Duration::from_secs(19),
    question: None,
    repeats: 0,
    probe: || crate::Probe::Ldap(Probe { tls: Tls::FromStart, bind: None }),
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
struct Heard {
    dse: RootDse,
    starttls: Option<Answer>,
    in_tls: bool,
    bind: Option<Answer>,
}

impl Heard {
    fn new(dse: RootDse, in_tls: bool) -> Self {
        Self { dse, starttls: None, in_tls, bind: None }
    }

    /// StartTLS is offered, or a root DSE we may not read yet could offer it.
    fn may_start_tls(&self) -> bool {
        let is_hidden = !self.dse.is_read() && !self.dse.answer.is_busy();
        !self.in_tls && (self.dse.offers_starttls() || is_hidden)
    }

    /// What keeps the directory from being used, whoever binds.
    fn obstacle(&self) -> Result<(), Cause> {
        let answer = &self.dse.answer;
        if answer.is_busy() || (answer.wants_protection() && !self.in_tls) {
            return Err(answer.cause());
        }
        match &self.starttls {
            Some(refused) if refused.code != 0 && self.dse.offers_starttls() => {
                let (result, text) = (refused.code, refused.text.clone());
                Err(Cause::LdapStarttlsRefused { result, text })
            }
            _ => Ok(()),
        }
    }
}

impl Answer {
    fn is_busy(&self) -> bool {
        matches!(self.code, BUSY | UNAVAILABLE)
    }

    fn wants_protection(&self) -> bool {
        matches!(self.code, STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED)
    }
}
