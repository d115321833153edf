//! NSClient: does the agent answer the old protocol of `check_nt`, and take the password?
//!
//! TCP 12489 by default, in plain text. The client sends `PASSWORD&1`, which asks for the version and
//! nothing else; without a password the word is `None`, as `check_nt` has it. An agent with another
//! password says so, which proves it just as well. NSClient++ closes the connections of hosts that
//! `allowed hosts` does not have before a word is said; that is looked at with a connection that
//! stays silent.
//!
//! Reference: [NSClient++, NSClientServer](https://nsclient.org/docs/reference/windows/NSClientServer/),
//! `check_nt.c` of the Monitoring Plugins.

use std::io;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::cause::{AgentCause, Cause, Concern, Phase, TalkCause, Transport};
use crate::conceal::without_password;
use crate::evidence::Seen;
use crate::net::{Ask, FarStream, Stream};
use crate::recognise::Spoken;
use crate::services::{Hints, UrlForm};
use crate::{Respond, Service, wire};

/// Asks for the agent's version.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// The password; none: the agent is asked as by a client without one.
    pub password: Option<SecretString>,
}

impl Probe {
    pub(crate) async fn run(&self, ask: &mut Ask) -> Result<(), Cause> {
        let stream = ask.connect().await?;
        let cause = match self.converse(stream, &mut ask.seen).await {
            Err(
                cause @ Cause::Talk(
                    TalkCause::HungUp { received: 0, .. } | TalkCause::Reset { received: 0, .. },
                ),
            ) => cause,
            other => return other,
        };
        // Was it our words that it did not like, or did it not wait for them?
        let mut silent = ask.connect().await?;
        silent.allow(AT_ONCE);
        match silent.fill(Phase::Greeting).await {
            Err(Cause::Talk(TalkCause::HungUp { to, .. } | TalkCause::Reset { to, .. })) => {
                Err(Cause::Agent(AgentCause::AgentNotAllowed {
                    to,
                    agent: EXPECTED.into(),
                    list: "allowed hosts".into(),
                }))
            }
            _ => Err(cause),
        }
    }

    async fn converse(&self, mut stream: Stream, seen: &mut Seen) -> Result<(), Cause> {
        stream.allow(REPLY);
        stream.asks("its version");
        let password = self.password.as_ref().map_or(NO_PASSWORD, |own| own.expose_secret());
        let sent = stream.send(format!("{password}&1").as_bytes()).await;
        let heard = read(&mut stream).await;
        let heard = heard.map_err(|cause| sent.err().unwrap_or(cause));
        let instead = SERVICE.instead(stream.head());
        stream.close().await;
        let verdict = match instead {
            Some(cause) => Err(cause),
            None => heard.and_then(|text| self.judge(&text, seen)),
        };
        let instead = b"(not shown after a password was sent)";
        verdict.map_err(|cause| without_password(cause, self.password.as_ref(), A_VERSION, instead))
    }

    /// Decides from the agent's answer.
    fn judge(&self, answer: &[u8], seen: &mut Seen) -> Result<(), Cause> {
        let text = wire::clean(answer.trim_ascii(), TEXT);
        let is_agent = AGENTS.iter().any(|name| answer.starts_with(name.as_bytes()));
        if is_agent {
            seen.evidence.set("version", text.as_str());
            seen.headline = text;
            return Ok(());
        }
        let Some(refusal) = text.strip_prefix("ERROR") else {
            return Err(Cause::bad_reply(A_VERSION, answer));
        };
        let refusal = refusal.trim_start_matches([':', ' ']).to_owned();
        let is_about_password = refusal.to_ascii_lowercase().contains("password");
        match (&self.password, is_about_password) {
            (Some(_), true) => Err(Cause::Agent(AgentCause::NsclientNtLogin { text: refusal })),
            (None, true) => {
                seen.concerns.push(Concern::NsclientNtNotRead);
                "NSClient, asks for a password".clone_into(&mut seen.headline);
                Ok(())
            }
            (_, false) => Err(Cause::Agent(AgentCause::NsclientNtError { text: refusal })),
        }
    }
}

pub(crate) const SERVICE: Service = Service {
    name: "nsclient-nt",
    title: "NSClient",
    expected: EXPECTED,
    spoken: Spoken::Unknown,
    url: UrlForm::Host,
    hints: Hints::NONE,
    port: 12489,
    transport: Transport::Tcp,
    tls: false,
    budget: Duration::from_secs(15),
    question: None,
    repeats: 12,
    probe: || crate::Probe::NsclientNt(Probe::default()),
    respond: Respond::Stream(|stream| Box::pin(respond(stream))),
};

/// Answers the question for the version as an agent without a password does.
async fn respond(mut stream: FarStream) -> io::Result<()> {
    let asked = stream.exactly(NO_PASSWORD.len() + 2).await?;
    let answer: &[u8] =
        if asked == b"None&1" { EXAMPLE_VERSION } else { b"ERROR: Invalid password." };
    stream.send(answer).await?;
    stream.close().await
}

/// The answer, which ends with the connection, or with a moment in which nothing comes.
async fn read(stream: &mut Stream) -> Result<Vec<u8>, Cause> {
    stream.fill(Phase::Reply).await?;
    while stream.unread().len() < LONGEST {
        match stream.is_silent_for(MOMENT, Phase::Reply).await {
            Ok(true)
            | Err(Cause::Talk(
                TalkCause::HungUp { .. } | TalkCause::Reset { .. } | TalkCause::Incomplete { .. },
            )) => {
                return Ok(stream.drain());
            }
            Ok(false) => {}
            Err(cause) => return Err(cause),
        }
    }
    let head = wire::head(stream.head());
    Err(Cause::Talk(TalkCause::Endless { phase: Phase::Reply, limit: LONGEST, head }))
}

const EXPECTED: &str = "NSClient";
const A_VERSION: &str = "a version of NSClient";
/// How the agents that speak it begin their version.
const AGENTS: [&str; 4] = ["NSClient", "pNSClient", "NC_Net", "NC-Net"];
/// What `check_nt` sends in the place of a password.
const NO_PASSWORD: &str = "None";
const EXAMPLE_VERSION: &[u8] = b"NSClient++ 0.5.2.41 2018-04-26";
const REPLY: Duration = Duration::from_secs(5);
/// An answer is one segment.
const MOMENT: Duration = Duration::from_millis(250);
/// A version is much shorter.
const LONGEST: usize = 2 * 1024;
/// What is kept of it.
const TEXT: usize = 200;
/// An agent that does not take this host hangs up as soon as it has accepted.
const AT_ONCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{damaged, ends, last_words};
    use proptest::prelude::*;

    fn with_password() -> Probe {
        Probe { password: Some(SecretString::from("not-a-secret")) }
    }

    fn judged(probe: &Probe, answer: &str) -> (Result<(), Cause>, Seen) {
        let mut seen = Seen::default();
        (probe.judge(answer.as_bytes(), &mut seen), seen)
    }

    #[test]
    fn a_version_passes_and_is_the_headline() {
        for version in ["NSClient++ 0.5.2.41 2018-04-26", "pNSClient.exe 1.2", "NC_Net 5.0.1.2"] {
            let (verdict, seen) = judged(&Probe::default(), version);
            assert_eq!((verdict, seen.headline.as_str()), (Ok(()), version));
            assert_eq!(seen.concerns, []);
        }
    }

    #[test]
    fn an_agent_that_wants_a_password_warns_without_one_and_fails_with_a_wrong_one() {
        let refusal = "ERROR: Invalid password.";
        let (verdict, seen) = judged(&Probe::default(), refusal);
        assert_eq!((verdict, seen.concerns), (Ok(()), vec![Concern::NsclientNtNotRead]));
        let (verdict, _) = judged(&with_password(), refusal);
        assert_eq!(
            verdict,
            Err(Cause::Agent(AgentCause::NsclientNtLogin { text: "Invalid password.".to_owned() }))
        );
    }

    #[test]
    fn another_error_is_the_agents_own_and_other_words_are_nobodys() {
        let (verdict, _) = judged(&Probe::default(), "ERROR: Missing argument exception.");
        let text = "Missing argument exception.".to_owned();
        assert_eq!(verdict, Err(Cause::Agent(AgentCause::NsclientNtError { text })));
        let (verdict, _) = judged(&Probe::default(), "hello");
        assert_eq!(verdict.unwrap_err().code(), "bad-reply");
    }

    #[tokio::test]
    async fn a_peer_that_repeats_the_password_does_not_bring_it_into_the_report() {
        for words in ["not-a-secret&1", "ERROR: Invalid password: not-a-secret"] {
            let mut seen = Seen::default();
            let stream = last_words(words.as_bytes()).await;
            let cause = with_password().converse(stream, &mut seen).await.unwrap_err();
            assert_eq!(cause.code(), "bad-reply");
            assert!(!cause.to_string().contains("secret"), "{cause}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_reader_or_judge(words in damaged(EXAMPLE_VERSION)) {
            let mut seen = Seen::default();
            let probe = Probe::default();
            let passed = ends(&words, async |stream| probe.converse(stream, &mut seen).await);
            prop_assert!(passed.is_err() || !seen.headline.is_empty());
        }
    }
}
