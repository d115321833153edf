//! The mail probe against Debian's postfix.

use nix::unistd::geteuid;
use preflight_checks::smtp::{self, TestMail};
use preflight_checks::{Concern, Finding, Probe, Trust};

use crate::daemon::{Authority, Home, NAME, Server, certificate_for, run};

const SMTP: u16 = 2525;
const SMTPS: u16 = 4465;

/// A relay that takes mail to `NAME`, and throws it away.
fn postfix(authority: &Authority) -> Server {
    assert!(geteuid().is_root(), "postfix starts as root only: tests/run asks sudo");
    let home = Home::new();
    authority.sign(&home, "server", &certificate_for(NAME));
    let (queue, data) = (home.folder_of("root", "queue"), home.folder_of("postfix", "data"));
    let folder = home.folder_of("root", "postfix");
    home.write(
        "postfix/main.cf",
        &format!(
            "compatibility_level = 3.6
myhostname = {NAME}
mydestination = {NAME}
alias_maps =
local_recipient_maps =
local_transport = discard:
mynetworks =
queue_directory = {queue}
data_directory = {data}
maillog_file = /dev/stdout
smtpd_tls_security_level = may
smtpd_tls_cert_file = {}
smtpd_tls_key_file = {}
smtpd_peername_lookup = no
",
            home.path("server.pem"),
            home.path("server.key"),
        ),
    );
    let (smtp, smtps) = (home.at(SMTP), home.at(SMTPS));
    home.write(
        "postfix/master.cf",
        &format!(
            "{smtp} inet n - n - - smtpd
{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
discard unix - - n - - discard
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"
        ),
    );
    // It makes the folders of the queue.
    run(home.command("postfix").args(["-c", &folder, "check"]));
    let programs = run(home.command("postconf").args(["-c", &folder, "-h", "daemon_directory"]));
    // Not by `postfix start-fg`: the shell in between would get the signal that is for it.
    let mut command = home.command(&format!("{}/master", programs.trim()));
    command.args(["-d", "-c", &folder]);
    home.start(command, "daemon started")
}

async fn ask(server: &Server, test_mail: Option<&str>, trust: &Trust) -> Finding {
    let test_mail =
        test_mail.map(|to| TestMail { to: to.to_owned(), from: "poller@example.test".to_owned() });
    let hello_name = Some("poller.example.test".to_owned());
    let probe = smtp::Probe { hello_name, test_mail, ..smtp::Probe::default() };
    server.ask(Probe::Smtp(probe), SMTP, trust).await
}

fn fact(finding: &Finding, name: &str) -> String {
    finding.seen.evidence.fact(name).map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn postfix_greets_and_goes_on_inside_tls() {
    let authority = Authority::new();
    let server = postfix(&authority);
    let trust = authority.trust();

    let finding = ask(&server, None, &trust).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, format!("{NAME}, STARTTLS (TLS 1.3)"));
    assert_eq!(fact(&finding, "banner"), format!("{NAME} ESMTP Postfix"));
    assert!(fact(&finding, "extensions").contains("SMTPUTF8"), "{:#?}", finding.seen);
    assert_eq!(finding.seen.concerns, []);

    let finding = ask(&server, None, &Trust::only([])).await;
    assert_eq!(finding.verdict, Ok(()));
    let concerns: Vec<_> = finding.seen.concerns.iter().map(Concern::code).collect();
    assert_eq!(concerns, ["certificate-unverified"]);

    let from_start = smtp::Probe { tls: smtp::SmtpTls::FromStart, ..smtp::Probe::default() };
    let finding = server.ask(Probe::Smtp(from_start.clone()), SMTPS, &trust).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, format!("{NAME}, TLS 1.3"));

    let plain = server.ask(Probe::Smtp(from_start), SMTP, &trust).await;
    assert_eq!(plain.verdict.unwrap_err().code(), "wrong-service");
}

#[tokio::test]
async fn postfix_sees_visits_that_end_as_they_should() {
    let authority = Authority::new();
    let mut server = postfix(&authority);
    assert_eq!(ask(&server, None, &authority.trust()).await.verdict, Ok(()));
    server.wait_for("disconnect from");
    let log = server.end();
    assert!(log.contains("ehlo=2 starttls=1 quit=1 commands=4"), "{log}");
    for complaint in ["warning", "lost connection", "improper", "timeout"] {
        assert!(!log.contains(complaint), "{log}");
    }
}

#[tokio::test]
async fn postfix_takes_a_test_mail_to_its_own_and_no_other() {
    let authority = Authority::new();
    let server = postfix(&authority);

    let taken = ask(&server, Some(&format!("admin@{NAME}")), &authority.trust()).await;
    assert_eq!(taken.verdict, Ok(()));
    assert!(fact(&taken, "test_mail").contains("queued as"), "{:#?}", taken.seen);

    let refused = ask(&server, Some("admin@example.org"), &authority.trust()).await;
    let cause = refused.verdict.unwrap_err();
    assert_eq!(cause.code(), "smtp-relay-denied");
    assert!(cause.to_string().contains("Relay access denied"), "{cause}");
}
