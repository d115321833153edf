//! Faults of mail servers and directories.

use std::time::Duration;

use crate::certificates::Certificates;
use crate::lab::Node::Router;
use crate::lab::servers::LDAP_USER;
use crate::peer;
use crate::row::{Flow, Place, Row, ldap, ldaps, smtp};

pub(crate) fn rows(certificates: &Certificates) -> Vec<Row> {
    let mut rows = mail(certificates);
    rows.extend(refused_by_postfix());
    rows.extend(refused_by_exim());
    rows.extend(as_postfix_sends());
    rows.extend(directory());
    rows.extend(secure_directory(certificates));
    rows
}

fn mail(_certificates: &Certificates) -> Vec<Row> {
    const GOOD: &[(&str, &str)] = &[("EHLO", PLAIN_EHLO), ("QUIT", "221 bye\r\n")];
    const PLAIN_EHLO: &str = "250-mail.example.test\r\n250 SIZE 1000000\r\n";
    const TLS_EHLO: &str = "250-mail.example.test\r\n250 STARTTLS\r\n";
    let row = |fault: &str, peer| Row::new(fault, smtp()).peer(peer);
    let greets = |fault: &str, greeting| row(fault, peer::mail(greeting, GOOD));
    let good = "220 mail.example.test ESMTP\r\n";
    vec![
        greets("421 too busy", "421 4.3.2 too many connections, try again later\r\n")
            .fails(&["smtp-unavailable"])
            .says("421"),
        greets("554 refused", "554 5.7.1 your address is blocked\r\n")
            .fails(&["smtp-refused"])
            .says("blocked"),
        greets("masked by asterisks", "220 ****************************\r\n")
            .warns(&["smtp-masked", "smtp-inspected"]),
        row(
            "masked by asterisks, EHLO not known",
            peer::mail("220 ****************\r\n", &[("XXXX", ""), ("HELO", "500 unknown\r\n")]),
        )
        .fails(&["smtp-inspected"]),
        row("slow greeting", peer::mail_after(Duration::from_secs(7), good, GOOD))
            .warns(&["smtp-slow-greeting"]),
        row("greeting later than any wait", peer::mail_after(Duration::from_secs(40), good, GOOD))
            .unknown(&["smtp-greeting-late"]),
        greets("no STARTTLS", good).warns(&["smtp-no-starttls"]),
        row(
            "STARTTLS offered and refused",
            peer::mail(
                good,
                &[("EHLO", TLS_EHLO), ("STARTTLS", "454 4.7.0 TLS not available\r\n")],
            ),
        )
        .fails(&["smtp-starttls-refused"])
        .says("454"),
        row(
            "STARTTLS accepted, then no TLS",
            peer::mail(
                good,
                &[("EHLO", TLS_EHLO), ("STARTTLS", "220 2.0.0 ready\r\n500 what?\r\n")],
            ),
        )
        .fails(&["wrong-service", "bad-reply", "smtp-starttls-refused"])
        .because("what comes in the place of TLS is a mail server's words"),
        row(
            "STARTTLS accepted, then silence",
            peer::mail(good, &[("EHLO", TLS_EHLO), ("STARTTLS", "220 2.0.0 ready\r\n")]),
        )
        .fails(&["silent-after"]),
        row(
            "EHLO and HELO refused",
            peer::mail(
                good,
                &[("EHLO", "550 5.7.1 no\r\n"), ("HELO", "550 5.7.1 bad host name\r\n")],
            ),
        )
        .fails(&["smtp-hello-refused"])
        .says("550"),
    ]
}

/// A Postfix that says no, each port in its own way; most of it only to a mail.
fn refused_by_postfix() -> Vec<Row> {
    let at = |fault: &str, port: u16| Row::new(format!("Postfix: {fault}"), smtp().on(port));
    let mailed = |fault: &str, port: u16| mailed(format!("Postfix: {fault}"), port);
    vec![
        at("no host like this", 2501).fails(&["smtp-refused"]).says("554"),
        at("its name in EHLO is refused", 2505).fails(&["smtp-hello-refused"]),
        at("greets late", 2508).warns(&["smtp-slow-greeting"]),
        at("no host like this, for now", 2512).fails(&["smtp-refused"]).says("454"),
        at("not now", 2511).fails(&["smtp-unavailable"]).says("450"),
        at("postscreen waits for who speaks first", 2520).warns(&["smtp-slow-greeting"]),
        mailed("greylisting", 2502).fails(&["smtp-greylisted"]).says("450"),
        mailed("no host like this, told late", 2503).fails(&["smtp-refused"]).says("554"),
        mailed("no sender like this", 2504).fails(&["smtp-sender-refused"]).says("554"),
        mailed("a block list", 2506).fails(&["smtp-block-listed"]).says("bl.example.test"),
        mailed("no relay", 2507).fails(&["smtp-relay-denied"]).says("454"),
        mailed("the sender's domain is unknown", 2509).fails(&["smtp-sender-refused"]).says("450"),
        mailed("no name of the address", 2510)
            .fails(&["smtp-no-reverse-name"])
            .says("cannot find your reverse hostname"),
    ]
}

/// An Exim that says no, each port in its own way.
fn refused_by_exim() -> Vec<Row> {
    let at = |fault: &str, port: u16| Row::new(format!("Exim: {fault}"), smtp().on(port));
    let mailed = |fault: &str, port: u16| mailed(format!("Exim: {fault}"), port);
    vec![
        at("refused at once", 2601).fails(&["smtp-refused"]).says("550"),
        at("not now", 2602).fails(&["smtp-unavailable"]).says("451"),
        at("refused and closed at once", 2604).fails(&["smtp-refused"]).says("no mail from you"),
        at("its name in EHLO is refused", 2605).fails(&["smtp-hello-refused"]),
        at("TLS without a key", 2606).fails(&["smtp-starttls-refused"]).says("454"),
        mailed("a block list", 2603).fails(&["smtp-block-listed"]).says("bl.example.test"),
        mailed("a log-in", 2607).fails(&["smtp-authentication-wanted"]),
        mailed("the sender cannot be verified now", 2608).fails(&["smtp-sender-refused"]),
        mailed("no sender like this", 2609).fails(&["smtp-sender-refused"]),
        mailed("greylisting", 2610).fails(&["smtp-greylisted"]),
        mailed("no relay", 2611).fails(&["smtp-relay-denied"]),
        mailed("not this recipient now", 2612).fails(&["smtp-unavailable"]).says("451"),
        mailed("TLS, which it does not offer", 2613).fails(&["smtp-tls-wanted"]),
        mailed("a mail of any size", 2614).fails(&["smtp-mail-refused"]).says("552"),
        takes_mail("healthy, Exim takes a mail").warns(&["smtp-no-starttls"]),
        takes_mail("our large packets are lost, and a mail is sent")
            .at(Place::Near)
            .rule(Router, "forward", "{tcp flow} ip length > 1000 drop")
            .fails(&["mtu-black-hole"])
            .says("from here"),
    ]
}

/// The Exim that relays nothing takes mail for its own domain.
fn takes_mail(fault: &str) -> Row {
    let mut row = mailed(fault.to_owned(), 2611);
    row.flow.args.retain(|arg| arg != "--smtp-test-mail" && arg != "nobody@elsewhere.test");
    row.flow = row.flow.with(&["--smtp-test-mail", "nobody@example.test"]);
    row
}

/// A mail that is asked for, to the server on that port.
fn mailed(fault: String, port: u16) -> Row {
    let server = format!("{{server}}:{port}");
    let asked = ["--role", "central", "--only", "central.smtp", "--smtp", &server];
    let mail = ["--smtp-test-mail", "nobody@elsewhere.test"];
    Row::new(fault, smtp().on(port).with(&asked).with(&mail))
}

/// What stands in a Postfix's way to its relay, by its own files: a copy of them.
fn as_postfix_sends() -> Vec<Row> {
    let row = |fault: &str, lines: &str| {
        let from = ["--root", "{lab}/tree", "--role", "central", "--only", "central.smtp"];
        Row::new(fault, smtp().with(&from))
            .at(Place::Alone)
            .resolver("nameserver 10.0.0.3\n")
            .file("tree/etc/resolv.conf", "nameserver 10.0.0.3\n")
            .file("tree/etc/nsswitch.conf", "hosts: files dns\n")
            .file("tree/etc/hosts", "10.0.0.3 by-hosts.example.test\n")
            .file("tree/etc/postfix/main.cf", lines)
    };
    let v4 = || peer::names_of_ipv4([10, 0, 0, 3], Some(0));
    let relay = || {
        let replies = &[("EHLO", "250 mail.example.test\r\n"), ("QUIT", "221 2.0.0 bye\r\n")];
        peer::mail("220 mail.example.test ESMTP\r\n", replies)
    };
    vec![
        row(
            "its relay offers no STARTTLS, which it wants",
            "relayhost = [relay.example.test]\nsmtp_tls_security_level = encrypt\n",
        )
        .beside(53, v4())
        .beside(25, relay())
        .fails(&["smtp-starttls-missing"]),
        row(
            "its relay has an IPv4 address, and it sends by IPv6",
            "relayhost = [relay.example.test]\ninet_protocols = ipv6\n",
        )
        .beside(53, v4())
        .beside(25, relay())
        .fails(&["other-family-only"])
        .says("10.0.0.3"),
        row(
            "its relay stands in /etc/hosts, and it asks DNS",
            "relayhost = [by-hosts.example.test]\n",
        )
        .beside(53, peer::names(3, true))
        .beside(25, relay())
        .fails(&["name-not-in-dns"])
        .says("10.0.0.3"),
        row(
            "the mail server of its relay's domain stands in /etc/hosts, and it asks DNS",
            "relayhost = example.test\n",
        )
        .beside(53, peer::names_of_mail_servers("by-hosts.example.test"))
        .beside(25, relay())
        .fails(&["name-not-in-dns"])
        .says("10.0.0.3"),
        // With /etc/hosts it finds the server, which lacks what it wants.
        row(
            "the mail server of its relay's domain stands in /etc/hosts, which it reads",
            "relayhost = example.test\nsmtp_host_lookup = dns, native\nsmtp_tls_security_level = encrypt\n",
        )
        .beside(53, peer::names_of_mail_servers("by-hosts.example.test"))
        .beside(25, relay())
        .fails(&["smtp-starttls-missing"]),
    ]
}

/// The bind as the site asks for it.
fn bind() -> Flow {
    ldap().with(&[
        "--ldap-bind-dn",
        LDAP_USER,
        "--ldap-password-file",
        "{lab}/ldap-password",
        "--ldap-plain",
    ])
}

fn directory() -> Vec<Row> {
    let mut rows: Vec<Row> = SUB_CODES
        .iter()
        .map(|(code, word)| {
            let text: &'static str = Box::leak(
                format!(
                    "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, \
                     data {code}, v4563"
                )
                .into_boxed_str(),
            );
            Row::new(format!("49, Active Directory {code}"), bind())
                .peer(peer::directory(49, text))
                .fails(&["ldap-bind-refused"])
                .says(*word)
        })
        .collect();
    let row = |fault: &str, code, text| Row::new(fault, bind()).peer(peer::directory(code, text));
    rows.extend([
        Row::new(
            "49, wrong password, slapd",
            ldap().with(&["--ldap-bind-dn", LDAP_USER, "--ldap-password-file", "{lab}/wrong"]),
        )
        .fails(&["ldap-bind-refused"]),
        row("49, without a sub-code", 49, "").fails(&["ldap-bind-refused"]),
        row(
            "8, signing required",
            8,
            "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on \
             integrity checking",
        )
        .fails(&["ldap-protection-required"])
        .says("8"),
        row("13, TLS required", 13, "TLS confidentiality required")
            .fails(&["ldap-protection-required"])
            .says("13"),
        Row::new("13, TLS required, slapd", bind().on(3890)).fails(&["ldap-protection-required"]),
        row("53, unwilling", 53, "unwilling to perform").fails(&["ldap-refused"]).says("53"),
        Row::new("53, no simple bind, slapd", bind().on(3891)).fails(&["ldap-refused"]).says("53"),
        row("51, busy", 51, "busy").fails(&["ldap-refused"]).says("busy"),
    ]);
    rows
}

/// Sub-codes of Active Directory, and a word of what each means.
const SUB_CODES: [(&str, &str); 10] = [
    ("525", "no such user"),
    ("52e", "wrong user name or password"),
    ("530", "at this hour"),
    ("531", "from this machine"),
    ("532", "password has expired"),
    ("533", "account is disabled"),
    ("568", "too many groups"),
    ("701", "account has expired"),
    ("773", "must be changed"),
    ("775", "locked out"),
];

fn secure_directory(certificates: &Certificates) -> Vec<Row> {
    let row = |fault: &str, config| {
        Row::new(fault, ldaps()).peer(peer::in_tls(config, |stream| peer::drain(stream)))
    };
    vec![
        row("LDAPS, expired", certificates.expired()).fails(&["certificate-expired"]),
        row("LDAPS, unknown authority", Certificates::unknown_issuer())
            .fails(&["certificate-unknown-issuer"])
            .says("Inspection of a proxy"),
        row("LDAPS, self-signed", Certificates::self_signed()).fails(&["certificate-self-signed"]),
        row("LDAPS, wrong name", certificates.wrong_name())
            .fails(&["certificate-wrong-name"])
            .says("another-host.example.test"),
        Row::new("LDAPS, no certificate: closes when TLS begins", ldaps())
            .peer(peer::hangs_up_on_garbage())
            .fails(&["tls-closed"]),
        Row::new("LDAPS asked of the plain port", ldaps().on(389))
            .fails(&["tls-closed", "wrong-service", "hung-up"])
            .because("slapd closes on what is no LDAP"),
        Row::new("LDAP asked of the TLS port", ldap().on(636))
            .fails(&["tls-unexpected", "hung-up"])
            .because("slapd closes on what is no TLS, some libraries without an alert"),
    ]
}
