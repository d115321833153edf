use std::net::SocketAddr;

use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::cause::{SmtpCause, TalkCause};
use crate::hostile::{damaged, ends};
use crate::net::{Deadline, Peer, Trust};

fn reply(code: u16, lines: &[&str]) -> SmtpReply {
    SmtpReply { code, lines: lines.iter().map(ToString::to_string).collect() }
}

/// A relay that greets at once and secures itself.
fn healthy() -> SmtpHeard {
    SmtpHeard {
        greeting: reply(220, &["mx.example.org ESMTP Postfix"]),
        greeted_after: Duration::from_millis(3),
        hello: Some(reply(250, &["mx.example.org", "PIPELINING", "8BITMIME"])),
        is_helo: false,
        starttls: Some(reply(220, &["2.0.0 Ready to start TLS"])),
    }
}

fn plain() -> SmtpHeard {
    SmtpHeard { starttls: None, ..healthy() }
}

const MASKED: &str = "****************************0*2******0***";

fn verdict(heard: &SmtpHeard) -> (Result<(), Cause>, Seen) {
    let mut seen = Seen::default();
    (Probe::default().judge(heard, &mut seen), seen)
}

// ---- judge ----

#[test]
fn a_healthy_relay_passes_with_its_name() {
    let mut seen = Seen::default();
    seen.evidence.set("tls_version", "TLS 1.3");
    assert_eq!(Probe::default().judge(&healthy(), &mut seen), Ok(()));
    assert_eq!(seen.headline, "mx.example.org, STARTTLS (TLS 1.3)");
    assert_eq!(seen.concerns, []);
}

#[test]
fn a_greeting_that_turns_us_away_is_told_apart() {
    let greeting =
        |code, text| SmtpHeard { greeting: reply(code, &[text]), hello: None, ..plain() };
    for (code, text, cause) in [
        (
            554,
            "5.7.1 blocked",
            Cause::Smtp(SmtpCause::SmtpRefused { reply: 554, text: "5.7.1 blocked".into() }),
        ),
        (550, "no", Cause::Smtp(SmtpCause::SmtpRefused { reply: 550, text: "no".into() })),
        (
            421,
            "4.3.2 busy",
            Cause::Smtp(SmtpCause::SmtpUnavailable { reply: 421, text: "4.3.2 busy".into() }),
        ),
        (
            450,
            "later",
            Cause::Smtp(SmtpCause::SmtpUnavailable { reply: 450, text: "later".into() }),
        ),
        (
            250,
            "hm",
            Cause::Talk(TalkCause::BadReply {
                expected: "an SMTP greeting".into(),
                got: "250 hm".into(),
            }),
        ),
    ] {
        assert_eq!(verdict(&greeting(code, text)).0, Err(cause));
    }
}

#[test]
fn a_refused_hello_has_four_causes() {
    let heard = |banner, code, text| SmtpHeard {
        greeting: reply(220, &[banner]),
        hello: Some(reply(code, &[text])),
        is_helo: true,
        ..plain()
    };
    let ftp = Cause::Talk(TalkCause::WrongService {
        expected: "SMTP".into(),
        spoken: Spoken::Ftp,
        head: "18 bytes: \"220 (vsFTPd 3.0.3)\"".to_owned(),
    });
    for (heard, cause) in [
        (
            heard("mx ESMTP", 554, "go"),
            Cause::Smtp(SmtpCause::SmtpHelloRefused { reply: 554, text: "go".into() }),
        ),
        (
            heard("mx ESMTP", 421, "go"),
            Cause::Smtp(SmtpCause::SmtpUnavailable { reply: 421, text: "go".into() }),
        ),
        (heard(MASKED, 500, "?"), Cause::Smtp(SmtpCause::SmtpInspected { banner: MASKED.into() })),
        (heard("(vsFTPd 3.0.3)", 530, "Please login with USER and PASS."), ftp),
    ] {
        assert_eq!(verdict(&heard).0, Err(cause));
    }
}

#[test]
fn a_masked_greeting_is_a_cause_when_ehlo_is_refused_and_a_concern_when_not() {
    let masked = SmtpHeard { greeting: reply(220, &[MASKED]), ..plain() };
    let (passed, seen) = verdict(&masked);
    let concern = Concern::SmtpMasked { line: MASKED.to_owned() };
    assert_eq!((passed, seen.concerns), (Ok(()), vec![concern, Concern::SmtpNoStarttls]));
    let only_helo = SmtpHeard { is_helo: true, ..masked };
    assert_eq!(
        verdict(&only_helo).0,
        Err(Cause::Smtp(SmtpCause::SmtpInspected { banner: MASKED.to_owned() }))
    );
}

#[test]
fn crossed_out_extensions_are_a_concern_too() {
    let hello = Some(reply(250, &["mx.example.org", "SIZE", "XXXXXXXA"]));
    let (passed, seen) = verdict(&SmtpHeard { hello, ..plain() });
    let concern = Concern::SmtpMasked { line: "XXXXXXXA".to_owned() };
    assert_eq!((passed, seen.concerns), (Ok(()), vec![concern, Concern::SmtpNoStarttls]));
}

#[test]
fn a_server_that_knows_helo_only_passes() {
    let heard =
        SmtpHeard { hello: Some(reply(250, &["mx.example.org"])), is_helo: true, ..plain() };
    let (passed, seen) = verdict(&heard);
    assert_eq!((passed, seen.concerns), (Ok(()), vec![Concern::SmtpNoStarttls]));
}

#[test]
fn starttls_that_is_offered_and_refused_is_a_failure() {
    let heard = SmtpHeard { starttls: Some(reply(454, &["4.7.0 TLS not available"])), ..healthy() };
    let text = "4.7.0 TLS not available".to_owned();
    assert_eq!(
        verdict(&heard).0,
        Err(Cause::Smtp(SmtpCause::SmtpStarttlsRefused { reply: 454, text }))
    );
}

#[test]
fn a_client_that_needs_tls_sends_nothing_without_it() {
    let judge = |tls, heard: &SmtpHeard| {
        let mut seen = Seen::default();
        let probe = Probe { tls, ..Probe::default() };
        (probe.judge(heard, &mut seen), seen.concerns)
    };
    assert_eq!(
        judge(SmtpTls::Required, &plain()).0,
        Err(Cause::Smtp(SmtpCause::SmtpStarttlsMissing {}))
    );
    assert_eq!(judge(SmtpTls::Required, &healthy()), (Ok(()), vec![]));
    // Whoever does not ask for it misses nothing.
    assert_eq!(judge(SmtpTls::Never, &plain()), (Ok(()), vec![]));
}

#[test]
fn a_greeting_held_back_is_a_concern() {
    let heard = SmtpHeard { greeted_after: Duration::from_millis(6_040), ..healthy() };
    let (passed, seen) = verdict(&heard);
    assert_eq!(
        (passed, seen.concerns),
        (Ok(()), vec![Concern::SmtpSlowGreeting { took: Millis(Duration::from_millis(6040)) }])
    );
}

#[test]
fn inside_tls_from_the_start_nobody_misses_starttls() {
    let probe = Probe { tls: SmtpTls::FromStart, ..Probe::default() };
    let mut seen = Seen::default();
    probe.judge(&plain(), &mut seen).unwrap();
    assert_eq!(seen.concerns, []);
}

#[test]
fn our_name_is_a_domain_or_our_address() {
    let mut ask = asking(([192, 0, 2, 1], 25).into());
    let named = |name: &str| Probe { hello_name: Some(name.to_owned()), ..Probe::default() };
    assert_eq!(named("poller.example.org").name(&ask), "poller.example.org");
    ask.source = Some([10, 2, 0, 7].into());
    assert_eq!(named("poller").name(&ask), "[10.2.0.7]");
    assert_eq!(named("a.b\r\nMAIL FROM:<x>").name(&ask), "[10.2.0.7]");
    ask.source = Some("2001:db8::7".parse().unwrap());
    assert_eq!(named("").name(&ask), "[IPv6:2001:db8::7]");
}

// ---- dialogues ----

fn asking(to: SocketAddr) -> Ask {
    Ask::new(Peer::from(to), Deadline::after(Duration::from_secs(30)), Trust::only([]))
}

/// A relay that answers each of our lines with the next of `replies`; returns
/// the verdict, what was seen, and our lines.
async fn visit(
    probe: &Probe,
    greeting: &[u8],
    replies: &[&[u8]],
) -> (Result<(), Cause>, Seen, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut ask = asking(listener.local_addr().unwrap());
    let relay = async {
        let (connection, _) = listener.accept().await.unwrap();
        serve(connection, greeting, replies).await
    };
    let (verdict, lines) = tokio::join!(probe.run(&mut ask), relay);
    (verdict, ask.seen, lines)
}

async fn serve(mut connection: TcpStream, greeting: &[u8], replies: &[&[u8]]) -> Vec<String> {
    let mut heard = Vec::new();
    connection.write_all(greeting).await.unwrap();
    let (from, mut to) = connection.split();
    let mut lines = BufReader::new(from).lines();
    let mut replies = replies.iter();
    let mut in_mail = false;
    while let Ok(Some(line)) = lines.next_line().await {
        let is_silent = in_mail && line != ".";
        in_mail = (in_mail && line != ".") || line == "DATA";
        heard.push(line);
        if !is_silent {
            let Some(reply) = replies.next() else { break };
            to.write_all(reply).await.unwrap();
        }
    }
    heard
}

fn named() -> Probe {
    Probe { hello_name: Some("poller.example.org".to_owned()), ..Probe::default() }
}

#[tokio::test]
async fn it_listens_to_the_last_line_of_the_greeting_and_says_goodbye() {
    let greeting = b"220-mx.example.org wait\r\n220 mx.example.org ESMTP\r\n";
    let replies: [&[u8]; 2] = [b"250-mx.example.org\r\n250 SIZE\r\n", b"221 bye\r\n"];
    let (verdict, seen, lines) = visit(&named(), greeting, &replies).await;
    assert_eq!(verdict, Ok(()));
    assert_eq!(lines, ["EHLO poller.example.org", "QUIT"]);
    let banner = "mx.example.org wait mx.example.org ESMTP";
    assert_eq!(seen.evidence.fact("banner"), Some(&banner.into()));
    assert_eq!(seen.evidence.fact("extensions"), Some(&Value::List(vec!["SIZE".to_owned()])));
    assert_eq!(seen.headline, "mx.example.org");
}

#[tokio::test]
async fn a_refusal_is_kept_with_its_words_and_left_politely() {
    let (verdict, seen, lines) =
        visit(&named(), b"554 5.7.1 10.2.0.7 listed\r\n", &[b"221 bye\r\n"]).await;
    let text = "5.7.1 10.2.0.7 listed".to_owned();
    assert_eq!(verdict, Err(Cause::Smtp(SmtpCause::SmtpRefused { reply: 554, text })));
    assert_eq!(lines, ["QUIT"]);
    assert!(seen.evidence.fact("banner").is_some());
}

#[tokio::test]
async fn helo_follows_an_ehlo_that_is_not_known() {
    let replies: [&[u8]; 3] = [b"502 what?\r\n", b"250 mx.example.org\r\n", b"221 bye\r\n"];
    let (verdict, seen, lines) = visit(&named(), b"220 mx.example.org\r\n", &replies).await;
    assert_eq!(verdict, Ok(()));
    assert_eq!(lines, ["EHLO poller.example.org", "HELO poller.example.org", "QUIT"]);
    assert_eq!(seen.evidence.fact("hello"), Some(&"HELO".into()));
}

#[tokio::test]
async fn an_endless_reply_ends_at_its_bound() {
    let greeting = b"220-again\r\n".repeat(20_000);
    let (verdict, ..) = visit(&named(), &greeting, &[]).await;
    let Cause::Talk(TalkCause::Endless { limit: 65_536, .. }) = verdict.unwrap_err() else {
        panic!("no bound")
    };
}

#[tokio::test(start_paused = true)]
async fn a_greeting_that_does_not_come_in_fifteen_seconds_may_yet_come() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let cause = named().run(&mut asking(to)).await.unwrap_err();
    let said = "accepts and does not greet within 15.0 s; mailers wait five minutes";
    assert_eq!(cause.to_string(), said);
    assert!(cause.is_inconclusive());
}

// ---- the test mail ----

fn with_mail() -> Probe {
    let mail = TestMail { to: "ops@example.org".to_owned(), from: "poller@example.org".to_owned() };
    Probe { test_mail: Some(mail), ..named() }
}

const HELLO: &[u8] = b"250-mx.example.org\r\n250 8BITMIME\r\n";

#[tokio::test]
async fn a_test_mail_is_sent_when_asked_for() {
    let replies: [&[u8]; 7] = [
        HELLO,
        HELLO,
        b"250 2.1.0 Ok\r\n",
        b"250 2.1.5 Ok\r\n",
        b"354 go\r\n",
        b"250 2.0.0 queued as \xe9A1\r\n",
        b"221 bye\r\n",
    ];
    let (verdict, seen, lines) = visit(&with_mail(), b"220 mx.example.org\r\n", &replies).await;
    assert_eq!(verdict, Ok(()));
    assert_eq!(seen.evidence.fact("test_mail"), Some(&"accepted: 2.0.0 queued as ?A1".into()));
    assert!(lines.contains(&"MAIL FROM:<poller@example.org>".to_owned()), "{lines:?}");
    assert!(lines.contains(&"RCPT TO:<ops@example.org>".to_owned()), "{lines:?}");
    assert!(lines.contains(&"Auto-Submitted: auto-generated".to_owned()), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "QUIT");
}

#[tokio::test]
async fn a_refused_test_mail_keeps_the_servers_words() {
    let refusal = b"554 5.7.1 <ops@example.org>: Relay access denied\r\n";
    let replies: [&[u8]; 5] = [HELLO, HELLO, b"250 Ok\r\n", refusal, b"221 bye\r\n"];
    let (verdict, _, lines) = visit(&with_mail(), b"220 mx.example.org\r\n", &replies).await;
    let text = "5.7.1 <ops@example.org>: Relay access denied".to_owned();
    assert_eq!(verdict, Err(Cause::Smtp(SmtpCause::SmtpRelayDenied { reply: 554, text })));
    assert_eq!(lines.last().unwrap(), "QUIT");
}

#[tokio::test]
async fn no_test_mail_follows_a_failed_dialogue() {
    let (verdict, _, lines) = visit(&with_mail(), b"421 4.3.2 busy\r\n", &[b"221 bye\r\n"]).await;
    assert_eq!(verdict.unwrap_err().code(), "smtp-unavailable");
    assert_eq!(lines, ["QUIT"]);
}

#[tokio::test]
async fn endless_replies_to_a_test_mail_end_at_their_bound() {
    let endless = b"x".repeat(200_000);
    let (verdict, ..) = visit(&with_mail(), b"220 mx.example.org\r\n", &[HELLO, &endless]).await;
    assert_eq!(verdict.unwrap_err().code(), "bad-reply");
}

#[tokio::test]
async fn an_address_that_is_none_is_our_own_mistake() {
    let mail = TestMail { to: "nobody".to_owned(), from: "poller@example.org".to_owned() };
    let probe = Probe { test_mail: Some(mail), ..named() };
    // Known before a packet is sent: nothing listens there.
    let verdict = probe.run(&mut asking(([127, 0, 0, 1], 9).into())).await;
    assert_eq!(verdict.unwrap_err().code(), "local-error");
}

proptest! {
    #[test]
    fn no_dialogue_breaks_reader_or_judge(
        words in damaged(b"220 mx.example.org ESMTP\r\n250-mx.example.org\r\n250-SIZE 1\r\n250 8BITMIME\r\n"),
    ) {
        let mut ask = asking(([192, 0, 2, 1], 25).into());
        let heard = ends(&words, async |stream| named().converse(stream, &mut ask).await);
        if let Ok((heard, _)) = heard {
            let (passed, seen) = verdict(&heard);
            prop_assert!(passed.is_err() || !seen.headline.is_empty());
        }
    }
}
