//! SMTP: does the mail relay greet us and take our EHLO?
//!
//! Listens first: TCP 25 by default, 465 inside TLS. The whole greeting, EHLO,
//! STARTTLS when it is offered, QUIT; no MAIL, unless a test mail is asked for.
//!
//! Reference: [RFC 5321 §3.1, §4.3](https://www.rfc-editor.org/rfc/rfc5321#section-3.1),
//! [RFC 3207](https://www.rfc-editor.org/rfc/rfc3207).

mod refusal;
mod reply;
mod test_mail;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::cause::{Cause, Concern, Millis, Phase, SmtpCause, TalkCause, TlsCause, Transport};
use crate::evidence::{Seen, Value};
use crate::net::tls::{Verify, is_spoken, secure};
use crate::net::{Ask, FarStream, Stream};
use crate::recognise::{Spoken, recognise};
use crate::services::{Hints, ReverseOf, UrlForm};
use crate::wire;
use crate::{Respond, Service};
use reply::SmtpReply;
pub use test_mail::TestMail;

/// Introduces itself to a mail relay and leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// TLS from the first byte, or by STARTTLS.
    pub tls: SmtpTls,
    /// The name we introduce ourselves with; this host's own without.
    pub hello_name: Option<String>,
    /// A mail to send, only if asked for.
    pub test_mail: Option<TestMail>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmtpTls {
    /// With STARTTLS, if the server offers it.
    #[default]
    IfOffered,
    /// With STARTTLS; a server that does not offer it is none for this client.
    Required,
    /// The conversation stays in clear text.
    Never,
    /// With the first byte: port 465.
    FromStart,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let mail = self.test_mail.as_ref().map(TestMail::message).transpose()?;
        let mut stream = ask.connect().await?;
        if self.tls == SmtpTls::FromStart {
            stream = secure(stream, ask, VERIFY, &[]).await?;
        }
        let (heard, stream) = self.converse(stream, ask).await?;
        let verdict = self.judge(&heard, &mut ask.seen);
        match mail {
            Some(mail) if verdict.is_ok() => {
                let name = self.name(ask);
                Box::pin(test_mail::send(&mail, stream, &name, ask)).await
            }
            _ => {
                quit(stream).await;
                verdict
            }
        }
    }

    async fn converse(
        &self,
        mut stream: Stream,
        ask: &mut Ask,
    ) -> Result<(SmtpHeard, Stream), Cause> {
        let name = self.name(ask);
        stream.allow(GREETING);
        let wait = ask.deadline.within(GREETING);
        self.look_for_tls(&mut stream, ask).await?;
        let greeting = SmtpReply::read(&mut stream, Phase::Greeting).await.map_err(late)?;
        stream.came("its greeting");
        let mut heard = SmtpHeard::new(greeting, wait.waited().0);
        heard.note_greeting(&mut ask.seen);
        if heard.greeting.code == READY {
            heard.hello(&mut stream, &name).await?;
            heard.note_hello(&mut ask.seen);
        }
        let asks_for_tls = matches!(self.tls, SmtpTls::IfOffered | SmtpTls::Required);
        if asks_for_tls && heard.offers_starttls() {
            stream.asks("STARTTLS");
            let ready = command(&mut stream, "STARTTLS").await?;
            stream.came("its answer to STARTTLS");
            let is_ready = ready.code == READY;
            heard.starttls = Some(ready);
            if is_ready {
                stream = secure(stream, ask, VERIFY, &[]).await?;
                heard.hello(&mut stream, &name).await?;
                heard.note_hello(&mut ask.seen);
            }
        }
        Ok((heard, stream))
    }

    /// After a moment without a greeting: does the port speak TLS from the first byte?
    async fn look_for_tls(&self, stream: &mut Stream, ask: &Ask) -> Result<(), Cause> {
        if self.tls == SmtpTls::FromStart {
            return Ok(());
        }
        let is_silent = stream.is_silent_for(MOMENT, Phase::Greeting).await?;
        if is_silent && is_spoken(ask, HELLO).await {
            return Err(Cause::Tls(TlsCause::TlsUnexpected { expected: SERVICE.expected.into() }));
        }
        Ok(())
    }

    /// Decides from the replies alone.
    fn judge(&self, heard: &SmtpHeard, seen: &mut Seen) -> Result<(), Cause> {
        if heard.greeting.code != READY {
            return Err(heard.turned_away());
        }
        let Some(hello) = heard.hello.as_ref().filter(|hello| hello.code == OK) else {
            return Err(heard.hello_refused());
        };
        // A refused EHLO behind a masked greeting: the device, not the server.
        if heard.is_masked() && heard.is_helo {
            return Err(Cause::Smtp(SmtpCause::SmtpInspected {
                banner: heard.greeting.first().to_owned(),
            }));
        }
        if let Some(refused) = heard.starttls.as_ref().filter(|reply| reply.code != READY) {
            let (reply, text) = (refused.code, refused.text());
            return Err(Cause::Smtp(SmtpCause::SmtpStarttlsRefused { reply, text }));
        }
        if self.tls == SmtpTls::Required && heard.starttls.is_none() {
            return Err(Cause::Smtp(SmtpCause::SmtpStarttlsMissing {}));
        }
        seen.concerns.extend(self.concerns(heard));
        seen.headline = headline(heard, hello, seen);
        Ok(())
    }

    fn concerns(&self, heard: &SmtpHeard) -> impl Iterator<Item = Concern> {
        let took = Millis(heard.greeted_after);
        let is_plain = self.tls == SmtpTls::IfOffered && heard.starttls.is_none();
        let slow = heard.greeted_after > SLOW;
        let masked = heard.masked_line().map(|line| Concern::SmtpMasked { line });
        [
            slow.then_some(Concern::SmtpSlowGreeting { took }),
            masked,
            is_plain.then_some(Concern::SmtpNoStarttls),
        ]
        .into_iter()
        .flatten()
    }

    /// The name we introduce ourselves with.
    fn name(&self, ask: &Ask) -> String {
        let own = || nix::unistd::gethostname().ok()?.into_string().ok();
        let name = self.hello_name.clone().or_else(own);
        name.filter(|name| is_domain(name)).unwrap_or_else(|| literal(ask.source))
    }

    pub(crate) fn service(&self) -> &'static Service {
        match self.tls {
            SmtpTls::IfOffered | SmtpTls::Required | SmtpTls::Never => &SERVICE,
            SmtpTls::FromStart => &SERVICE_TLS,
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "smtp",
    title: "SMTP",
    expected: "SMTP",
    spoken: Spoken::Smtp,
    url: UrlForm::Host,
    hints: Hints {
        starttls: Some("smtp"),
        reverse: Some(ReverseOf::Client),
        serves_others: Some("inet_interfaces of Postfix, or dc_local_interfaces of Debian's Exim"),
        ..Hints::NONE
    },
    port: 25,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(45),
    question: None,
    repeats: 12,
    probe: || crate::Probe::Smtp(Probe::default()),
    respond: Respond::Stream(|stream| {
        let offers_tls = stream.has_tls();
        Box::pin(respond(stream, offers_tls))
    }),
};

pub(crate) const SERVICE_TLS: Service = Service {
    name: "smtps",
    title: "SMTPS",
    expected: "TLS",
    spoken: Spoken::Tls,
    hints: Hints { reverse: Some(ReverseOf::Client), ..Hints::NONE },
    port: 465,
    tls: true,
    budget: Duration::from_secs(35),
    probe: || crate::Probe::Smtp(Probe { tls: SmtpTls::FromStart, ..Probe::default() }),
    respond: Respond::Stream(|stream| Box::pin(respond(stream, false))),
    ..SERVICE
};

/// Greets, offers STARTTLS when it can, and takes no mail.
async fn respond(mut stream: FarStream, mut offers_tls: bool) -> io::Result<()> {
    stream.send(b"220 stand-in.example.org ESMTP preflight\r\n").await?;
    loop {
        let line = stream.line(512).await?.to_ascii_uppercase();
        let reply: &[u8] = match line.trim_ascii() {
            [b'E', b'H', b'L', b'O', ..] if offers_tls => {
                b"250-stand-in.example.org\r\n250-STARTTLS\r\n250 8BITMIME\r\n"
            }
            [b'E', b'H', b'L', b'O', ..] => b"250-stand-in.example.org\r\n250 8BITMIME\r\n",
            [b'H', b'E', b'L', b'O', ..] => b"250 stand-in.example.org\r\n",
            b"STARTTLS" if offers_tls => b"220 2.0.0 go ahead\r\n",
            b"QUIT" => {
                stream.send(b"221 2.0.0 bye\r\n").await?;
                return stream.close().await;
            }
            [b'M', b'A', b'I', b'L', ..] => b"550 5.7.1 this stand-in takes no mail\r\n",
            _ => b"502 5.5.1 not implemented\r\n",
        };
        stream.send(reply).await?;
        if reply.starts_with(b"220") {
            stream = stream.secure().await?;
            offers_tls = false;
        }
    }
}

/// What the server replied, step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SmtpHeard {
    greeting: SmtpReply,
    greeted_after: Duration,
    /// The latest reply to EHLO, or to the HELO after a refused EHLO.
    hello: Option<SmtpReply>,
    is_helo: bool,
    starttls: Option<SmtpReply>,
}

impl SmtpHeard {
    fn new(greeting: SmtpReply, greeted_after: Duration) -> Self {
        Self { greeting, greeted_after, hello: None, is_helo: false, starttls: None }
    }

    /// EHLO; when the server does not know that word, HELO.
    async fn hello(&mut self, stream: &mut Stream, name: &str) -> Result<(), Cause> {
        stream.asks("EHLO");
        let mut hello = command(stream, &format!("EHLO {name}")).await?;
        if matches!(hello.code, UNKNOWN_COMMAND | NOT_IMPLEMENTED) {
            self.is_helo = true;
            stream.asks("HELO");
            hello = command(stream, &format!("HELO {name}")).await?;
        }
        stream.came("its answer to EHLO");
        self.hello = Some(hello);
        Ok(())
    }

    fn note_greeting(&self, seen: &mut Seen) {
        seen.evidence.set("banner", self.greeting.text());
        seen.evidence.set("greeting_ms", Millis(self.greeted_after));
    }

    fn note_hello(&self, seen: &mut Seen) {
        let Some(hello) = &self.hello else { return };
        seen.evidence.set("hello", if self.is_helo { "HELO" } else { "EHLO" });
        seen.evidence.set("hello_reply", format!("{} {}", hello.code, hello.first()));
        if hello.code == OK {
            let extensions = hello.extensions().take(MAX_EXTENSIONS);
            seen.evidence.set("extensions", extensions.collect::<Value>());
        }
        // Inside TLS it is offered no more: the first answer counts.
        if self.starttls.is_none() {
            seen.evidence.set("starttls", self.offers_starttls());
        }
    }

    fn offers_starttls(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.code == OK && hello.offers("STARTTLS"))
    }

    /// The greeting was no 220.
    fn turned_away(&self) -> Cause {
        let (reply, text) = (self.greeting.code, self.greeting.text());
        if let Some(named) = self.is_ftp().or_else(|| refusal::named(reply, &text)) {
            return named;
        }
        match &self.greeting {
            greeting if greeting.is_permanent() => {
                Cause::Smtp(SmtpCause::SmtpRefused { reply, text })
            }
            greeting if greeting.is_transient() => {
                Cause::Smtp(SmtpCause::SmtpUnavailable { reply, text })
            }
            _ => Cause::Talk(TalkCause::BadReply {
                expected: "an SMTP greeting".into(),
                got: format!("{reply} {text}"),
            }),
        }
    }

    fn hello_refused(&self) -> Cause {
        let reply = self.hello.as_ref().map_or(0, |hello| hello.code);
        let text = self.hello.as_ref().map(SmtpReply::text).unwrap_or_default();
        let banner = self.greeting.first().to_owned();
        if let Some(ftp) = self.is_ftp() {
            ftp
        } else if let Some(named) = refusal::named(reply, &text) {
            named
        } else if self.hello.as_ref().is_some_and(SmtpReply::is_transient) {
            Cause::Smtp(SmtpCause::SmtpUnavailable { reply, text })
        } else if self.is_masked() {
            Cause::Smtp(SmtpCause::SmtpInspected { banner })
        } else {
            Cause::Smtp(SmtpCause::SmtpHelloRefused { reply, text })
        }
    }

    /// FTP's servers greet and refuse with the same codes, and name themselves.
    fn is_ftp(&self) -> Option<Cause> {
        let greeted = format!("{} {}", self.greeting.code, self.greeting.first());
        let head = wire::head(greeted.as_bytes());
        let (expected, spoken) = ("SMTP".into(), Spoken::Ftp);
        (recognise(greeted.as_bytes()) == Spoken::Ftp)
            .then_some(Cause::Talk(TalkCause::WrongService { expected, spoken, head }))
    }

    /// Does the greeting consist of asterisks, as Cisco's inspection leaves it?
    ///
    /// It lets through the digits and spaces of the banner here and there.
    fn is_masked(&self) -> bool {
        let banner = self.greeting.first();
        let stars = banner.bytes().filter(|&byte| byte == b'*').count();
        stars >= 4 && 2 * stars > banner.len()
    }

    /// The masked greeting, or an extension spelt `XXXXXXXA`.
    fn masked_line(&self) -> Option<String> {
        if self.is_masked() {
            return Some(self.greeting.first().to_owned());
        }
        let is_masked = |line: &&str| line.strip_suffix('A').is_some_and(is_crossed_out);
        let mut extensions = self.hello.iter().flat_map(SmtpReply::extensions);
        extensions.find(is_masked).map(str::to_owned)
    }
}

fn is_crossed_out(text: &str) -> bool {
    text.len() >= 4 && text.bytes().all(|byte| byte == b'X')
}

/// `relay.example.org, STARTTLS (TLS 1.3)`.
fn headline(heard: &SmtpHeard, hello: &SmtpReply, seen: &Seen) -> String {
    let lines = [hello.first(), heard.greeting.first()];
    let mut first_words = lines.iter().filter_map(|line| line.split_whitespace().next());
    let server = first_words.find(|word| is_domain(word)).unwrap_or("greets and answers");
    let server = wire::clean(server.as_bytes(), 26);
    let version = seen.evidence.fact("tls_version").map(ToString::to_string).unwrap_or_default();
    match (&heard.starttls, version.is_empty()) {
        (Some(_), false) => format!("{server}, STARTTLS ({version})"),
        (Some(_), true) => format!("{server}, STARTTLS"),
        (None, false) => format!("{server}, {version}"),
        (None, true) => server,
    }
}

/// A server that greets slowly on purpose is not a silent one: whether this is one, only a
/// longer wait would tell.
fn late(cause: Cause) -> Cause {
    match cause {
        Cause::Talk(TalkCause::Silent { to, phase: Phase::Greeting, waited }) => {
            Cause::Smtp(SmtpCause::SmtpGreetingLate { to, waited })
        }
        other => other,
    }
}

/// Sends one command and reads the reply.
async fn command(stream: &mut Stream, line: &str) -> Result<SmtpReply, Cause> {
    stream.allow(REPLY);
    stream.send(format!("{line}\r\n").as_bytes()).await?;
    SmtpReply::read(stream, Phase::Reply).await
}

/// Leaves as a client should; what comes of it no longer matters.
async fn quit(mut stream: Stream) {
    stream.allow(GOODBYE);
    if stream.send(b"QUIT\r\n").await.is_ok() {
        let _bye = SmtpReply::read(&mut stream, Phase::Reply).await;
    }
    stream.close().await;
}

/// A name with a dot, in the letters a domain may have.
fn is_domain(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    name.contains('.') && name.len() <= 255 && name.bytes().all(is_allowed)
}

/// Our address where a name is wanted (RFC 5321 §4.1.3).
fn literal(own: Option<IpAddr>) -> String {
    match own {
        Some(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Some(IpAddr::V4(address)) => format!("[{address}]"),
        None => "[127.0.0.1]".to_owned(),
    }
}

/// postscreen takes 6 s, sendmail's `greet_pause` and Exchange's tarpit 5 s.
const GREETING: Duration = Duration::from_secs(15);
/// Most servers have greeted by now, and a server of TLS answers its client at once.
const MOMENT: Duration = Duration::from_millis(1_200);
const HELLO: Duration = Duration::from_millis(600);
const REPLY: Duration = Duration::from_secs(5);
const GOODBYE: Duration = Duration::from_secs(1);
/// A greeting later than this is held back, not far away.
const SLOW: Duration = Duration::from_secs(4);
/// Mail servers encrypt to whoever answers: relays live with self-signed certificates.
const VERIFY: Verify = Verify::AndReport;
const MAX_EXTENSIONS: usize = 64;
const READY: u16 = 220;
const OK: u16 = 250;
const UNKNOWN_COMMAND: u16 = 500;
const NOT_IMPLEMENTED: u16 = 502;
