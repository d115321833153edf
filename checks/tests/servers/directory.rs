//! The directory probe against Debian's slapd.

use preflight_checks::ldap::{self, Bind, LdapLogin, LdapTls};
use preflight_checks::{Cause, Concern, Finding, Layer, LdapCause, Owner, Probe, Trust};

use crate::daemon::{Authority, Home, NAME, Server, certificate_for, run};

const LDAP: u16 = 1389;
const LDAPS: u16 = 1636;
const USER: &str = "cn=monitoring,dc=example,dc=test";
const PASSWORD: &str = "not-a-secret";

/// The directory of `dc=example,dc=test`; with TLS when there is somebody to sign for it.
fn slapd(authority: Option<&Authority>) -> Server {
    slapd_with(authority, "", "")
}

/// The same with settings of the whole, and behind those of its database.
fn slapd_with(authority: Option<&Authority>, whole: &str, behind: &str) -> Server {
    let home = Home::new();
    let mut tls = String::new();
    if let Some(authority) = authority {
        authority.sign(&home, "server", &certificate_for(NAME));
        let ca = home.write("authority.pem", &authority.pem());
        let (certificate, key) = (home.path("server.pem"), home.path("server.key"));
        tls = format!(
            "TLSCACertificateFile {ca}\nTLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n"
        );
    }
    let settings = format!(
        "include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload back_ldap
{tls}{whole}
database mdb
suffix dc=example,dc=test
rootdn {USER}
rootpw {PASSWORD}
directory {}
{behind}
",
        home.folder_of("root", "data"),
    );
    let root = "dn: dc=example,dc=test\nobjectClass: dcObject\nobjectClass: organization\n\
                dc: example\no: example\n";
    let entries = format!("{root}{}", if behind.contains("ppolicy") { ACCOUNTS } else { "" });
    let (settings, entries) = (home.write("slapd.conf", &settings), home.write("ldif", &entries));
    let suffix = ["-b", "dc=example,dc=test"];
    run(home.command("slapadd").args(["-f", &settings, "-l", &entries]).args(suffix));
    let mut listen = vec![format!("ldap://{}", home.at(LDAP))];
    listen.extend(authority.map(|_| format!("ldaps://{}", home.at(LDAPS))));
    let mut command = home.command("slapd");
    command.args(["-d", "stats,conns", "-h", &listen.join(" "), "-f", &settings]);
    // "Starting" comes before it listens; this is the first round behind it.
    home.start(command, "active_threads=")
}

/// Asks, and binds when there is a password.
async fn ask(server: &Server, tls: LdapTls, password: Option<&str>, trust: &Trust) -> Finding {
    let login = password.map_or(LdapLogin::Anonymous, |it| LdapLogin::As(as_user(it)));
    let port = if tls == LdapTls::FromStart { LDAPS } else { LDAP };
    server.ask(Probe::Ldap(ldap::Probe { tls, login }), port, trust).await
}

fn as_user(password: &str) -> Bind {
    Bind { dn: USER.to_owned(), password: password.into(), plain: false }
}

fn fact(finding: &Finding, name: &str) -> String {
    finding.seen.evidence.fact(name).map(ToString::to_string).unwrap_or_default()
}

fn concerns(finding: &Finding) -> Vec<&'static str> {
    finding.seen.concerns.iter().map(Concern::code).collect()
}

#[tokio::test]
async fn the_root_dse_is_read_inside_and_outside_tls() {
    let authority = Authority::new();
    let server = slapd(Some(&authority));
    let trust = authority.trust();

    let finding = ask(&server, LdapTls::IfOffered, None, &trust).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, "root DSE, StartTLS, dc=example,dc=test");
    assert_eq!(fact(&finding, "software"), "OpenLDAP");
    assert_eq!(fact(&finding, "naming_contexts"), "dc=example,dc=test");
    assert_eq!(fact(&finding, "certificate_issuer"), "CN=Authority of the tests");
    assert_eq!(finding.seen.concerns, []);

    let finding = ask(&server, LdapTls::FromStart, None, &trust).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, "root DSE, dc=example,dc=test");
    assert_eq!(fact(&finding, "tls_version"), "TLS 1.3");

    let finding = ask(&server, LdapTls::IfOffered, None, &Trust::only([])).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(concerns(&finding), ["certificate-unverified"]);
}

#[tokio::test]
async fn a_directory_without_tls_is_a_concern() {
    let finding = ask(&slapd(None), LdapTls::IfOffered, None, &Trust::only([])).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(finding.seen.headline, "root DSE, dc=example,dc=test");
    assert_eq!(concerns(&finding), ["ldap-no-starttls"]);
}

/// As Samba does: TLS is there, and the root DSE does not say so.
const UNLISTED: &str = "access to dn.base=\"\" attrs=supportedExtension by * none\n\
                        access to * by * read\n";

#[tokio::test]
async fn starttls_that_is_not_listed_is_used_all_the_same() {
    let authority = Authority::new();
    let mut server = slapd_with(Some(&authority), UNLISTED, "");
    for (password, headline) in [
        (None, "root DSE, StartTLS, dc=example,dc=test"),
        (Some(PASSWORD), "bound, StartTLS, dc=example,dc=test"),
    ] {
        let finding = ask(&server, LdapTls::IfOffered, password, &authority.trust()).await;
        assert_eq!((finding.verdict.clone(), finding.seen.headline.as_str()), (Ok(()), headline));
        assert_eq!(fact(&finding, "starttls"), "no");
        assert_eq!(finding.seen.concerns, []);
        server.wait_for("UNBIND");
    }
    let log = server.end();
    let (tls, bind) = (log.rfind("TLS established").unwrap(), log.rfind(" BIND dn=").unwrap());
    assert!(tls < bind, "{log}");
}

#[tokio::test]
async fn without_tls_a_password_stays_here_unless_it_is_allowed_to_leave() {
    let mut server = slapd(None);
    let kept = ask(&server, LdapTls::IfOffered, Some(PASSWORD), &Trust::only([])).await;
    assert_eq!(kept.verdict, Ok(()));
    assert_eq!(kept.seen.headline, "root DSE, dc=example,dc=test");
    assert_eq!(concerns(&kept), ["ldap-password-kept"]);
    server.wait_for("UNBIND");
    let login = LdapLogin::As(Bind { plain: true, ..as_user(PASSWORD) });
    let probe = Probe::Ldap(ldap::Probe { tls: LdapTls::IfOffered, login });
    let bound = server.ask(probe, LDAP, &Trust::only([])).await;
    assert_eq!(bound.verdict, Ok(()));
    assert_eq!(concerns(&bound), ["ldap-no-starttls"]);
    server.wait_for("UNBIND");
    let log = server.end();
    assert_eq!(log.matches(" BIND dn=\"cn=monitoring").count(), 2, "one bind, logged twice: {log}");
}

#[tokio::test]
async fn a_bind_that_the_directory_hands_to_a_mute_one_is_told_apart() {
    let authority = Authority::new();
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let far = format!(
        "database ldap\nsuffix dc=far,dc=test\nuri ldap://{}\n",
        mute.local_addr().unwrap()
    );
    let server = slapd_with(Some(&authority), "", &far);
    let bind = Bind { dn: "cn=probe,dc=far,dc=test".to_owned(), ..as_user(PASSWORD) };
    let probe = Probe::Ldap(ldap::Probe { tls: LdapTls::IfOffered, login: LdapLogin::As(bind) });
    let cause = server.ask(probe, LDAP, &authority.trust()).await.verdict.unwrap_err();
    assert_eq!(cause.code(), "ldap-bind-unanswered", "{cause}");
}

/// Accounts of all states, and the policies they are under; the passwords are all [`PASSWORD`].
const ACCOUNTS: &str = "
dn: cn=policy,dc=example,dc=test
objectClass: applicationProcess
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMustChange: TRUE

dn: cn=short,dc=example,dc=test
objectClass: applicationProcess
objectClass: pwdPolicy
cn: short
pwdAttribute: userPassword
pwdMaxAge: 86400

dn: cn=graceful,dc=example,dc=test
objectClass: applicationProcess
objectClass: pwdPolicy
cn: graceful
pwdAttribute: userPassword
pwdMaxAge: 86400
pwdGraceAuthNLimit: 3

dn: cn=warning,dc=example,dc=test
objectClass: applicationProcess
objectClass: pwdPolicy
cn: warning
pwdAttribute: userPassword
pwdMaxAge: 2000000000
pwdExpireWarning: 1999999999

dn: cn=healthy,dc=example,dc=test
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: healthy
userPassword: not-a-secret

dn: cn=locked,dc=example,dc=test
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: locked
userPassword: not-a-secret
pwdAccountLockedTime: 000001010000Z

dn: cn=reset,dc=example,dc=test
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: reset
userPassword: not-a-secret
pwdReset: TRUE

dn: cn=expired,dc=example,dc=test
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: expired
userPassword: not-a-secret
pwdPolicySubentry: cn=short,dc=example,dc=test
pwdChangedTime: 20200101000000Z

dn: cn=in-grace,dc=example,dc=test
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: in-grace
userPassword: not-a-secret
pwdPolicySubentry: cn=graceful,dc=example,dc=test
pwdChangedTime: 20200101000000Z

dn: cn=warned,dc=example,dc=test
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: warned
userPassword: not-a-secret
pwdPolicySubentry: cn=warning,dc=example,dc=test
pwdChangedTime: 20200101000000Z
";

#[tokio::test]
async fn the_password_policys_word_tells_an_account_from_a_wrong_password() {
    let authority = Authority::new();
    let policy =
        "overlay ppolicy\nppolicy_default cn=policy,dc=example,dc=test\nppolicy_use_lockout\n";
    let server = slapd_with(Some(&authority), "moduleload ppolicy\n", policy);
    for (name, state, words) in [
        ("locked", "account-locked", "the account is locked out"),
        ("expired", "password-expired", "the password has expired"),
        ("reset", "change-after-reset", "the password must be changed first"),
    ] {
        let cause = as_account(&server, &authority, name).await.verdict.unwrap_err();
        assert_eq!(refusal(&cause), (Some(state), words.to_owned()), "{name}");
        assert_eq!(cause.owner(), Owner::FarSide, "{name}");
    }
    for (name, expected) in [
        ("healthy", &[][..]),
        ("in-grace", &["ldap-password-expires"]),
        ("warned", &["ldap-password-expires"]),
    ] {
        let finding = as_account(&server, &authority, name).await;
        assert_eq!(
            (finding.verdict.clone(), concerns(&finding)),
            (Ok(()), expected.to_vec()),
            "{name}"
        );
    }
}

/// slapd as it comes says nothing of a lock-out: then nothing is claimed either.
#[tokio::test]
async fn a_policy_that_keeps_quiet_is_not_guessed() {
    let authority = Authority::new();
    let policy = "overlay ppolicy\nppolicy_default cn=policy,dc=example,dc=test\n";
    let server = slapd_with(Some(&authority), "moduleload ppolicy\n", policy);
    let cause = as_account(&server, &authority, "locked").await.verdict.unwrap_err();
    assert_eq!(refusal(&cause), (None, "wrong name or password".to_owned()));
}

/// The sub-code of a refused bind, and why it is refused.
#[track_caller]
fn refusal(cause: &Cause) -> (Option<&str>, String) {
    let Cause::Ldap(LdapCause::LdapBindRefused { sub_code, .. }) = cause else {
        panic!("{cause:?}")
    };
    let why = cause.to_string();
    let why = why.strip_prefix("the directory refuses the bind: ").unwrap();
    (sub_code.as_deref(), why.to_owned())
}

async fn as_account(server: &Server, authority: &Authority, name: &str) -> Finding {
    let bind = Bind { dn: format!("cn={name},dc=example,dc=test"), ..as_user(PASSWORD) };
    let probe = Probe::Ldap(ldap::Probe { tls: LdapTls::IfOffered, login: LdapLogin::As(bind) });
    server.ask(probe, LDAP, &authority.trust()).await
}

#[tokio::test]
async fn a_bind_is_told_from_a_wrong_password() {
    let authority = Authority::new();
    let mut server = slapd(Some(&authority));
    for tls in [LdapTls::IfOffered, LdapTls::FromStart] {
        let bound = ask(&server, tls, Some(PASSWORD), &authority.trust()).await;
        assert_eq!(bound.verdict, Ok(()));
        assert_eq!(fact(&bound, "bind"), "0 success");

        server.wait_for("UNBIND");

        let refused = ask(&server, tls, Some("not-the-password"), &authority.trust()).await;
        let cause = refused.verdict.unwrap_err();
        assert_eq!(refusal(&cause), (None, "wrong name or password".to_owned()));
        server.wait_for("UNBIND");
    }
    let log = server.end();
    assert_eq!(log.matches("err=49").count(), 2, "one bind each, never a second try: {log}");
}

#[tokio::test]
async fn no_password_leaves_for_a_directory_that_nobody_trusts() {
    let authority = Authority::new();
    let mut server = slapd(Some(&authority));
    for tls in [LdapTls::IfOffered, LdapTls::FromStart] {
        let finding = ask(&server, tls, Some(PASSWORD), &Trust::only([])).await;
        assert_eq!(finding.verdict.unwrap_err().layer(), Layer::Tls);
        server.wait_for("closed");
    }
    let log = server.end();
    assert!(!log.contains(" BIND "), "{log}");
}
