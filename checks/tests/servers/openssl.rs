//! Certificates, chains and cipher suites against real servers of OpenSSL's; its own client and curl are the judges.
//!
//! What they take passes, what they refuse fails; a case in which preflight decides otherwise says why.

use std::fs;
use std::process::{Command, Output};

use preflight_checks::{
    Cause, ChainLink, Concern, Deadline, Finding, Peer, Probe, TlsCause, Trust, examine, tls,
};

use crate::daemon::{Home, NAME, Server, find, run};

const PORT: u16 = 4433;

/// Makes keys and certificates with OpenSSL, each in `NAME.pem` and `NAME.key`.
struct Workshop(Home);

/// A certificate to be made.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    name: &'a str,
    /// As `openssl genpkey` takes it.
    key: &'a str,
    /// Signed by itself without one.
    by: Option<&'a str>,
    subject: &'a str,
    digest: &'a str,
    from: &'a str,
    until: &'a str,
    extensions: &'a str,
}

const LEAF: Wanted<'_> = Wanted {
    name: "",
    key: P256,
    by: Some("root"),
    subject: "/O=Tests/CN=server",
    digest: "default",
    from: "20200101000000Z",
    until: "20990101000000Z",
    extensions: "subjectAltName=DNS:server.example.test,IP:127.0.0.1",
};
const CA: Wanted<'_> = Wanted {
    subject: "/O=Tests/CN=authority",
    extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign",
    ..LEAF
};
const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
const P521: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-521";
const BRAINPOOL: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
const SHORT_RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024";
const RSA_PSS: &str = "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048";
const ED25519: &str = "-algorithm ED25519";
const ED448: &str = "-algorithm ED448";

impl Workshop {
    fn new() -> Self {
        let home = Home::new();
        home.write("index.txt", "");
        home.write(
            "ca.cnf",
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\n\
             policy=p\nunique_subject=no\ndefault_md=default\npreserve=yes\n\
             [p]\norganizationName=optional\ncommonName=optional\n[req]\ndistinguished_name=n\n[n]\n",
        );
        Self(home)
    }

    fn openssl(&self, args: &str) -> Command {
        let mut command = Command::new(find("openssl"));
        command.args(args.split(' ')).current_dir(self.0.path(""));
        command
    }

    fn make(&self, wanted: Wanted<'_>) {
        let Wanted { name, key, by, subject, digest, from, until, extensions } = wanted;
        run(&mut self.openssl(&format!("genpkey -out {name}.key {key}")));
        let mut request =
            self.openssl(&format!("req -new -config ca.cnf -key {name}.key -out {name}.csr"));
        run(request.args(["-subj", subject]));
        let usual = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
        let identifiers = if extensions.contains("KeyIdentifier") { "" } else { usual };
        self.0.write(&format!("{name}.ext"), &format!("{identifiers}{extensions}\n"));
        let signer = match by {
            Some(by) => format!("-cert {by}.pem -keyfile {by}.key"),
            None => format!("-selfsign -keyfile {name}.key"),
        };
        let dates = format!("-startdate {from} -enddate {until} -md {digest}");
        run(&mut self.openssl(&format!(
            "ca -config ca.cnf -batch -notext -in {name}.csr -out {name}.pem {signer} {dates} -extfile {name}.ext"
        )));
    }

    /// The certificate's text again, under another name, with its last byte changed.
    fn damage(&self, name: &str, damaged: &str) {
        run(&mut self.openssl(&format!("x509 -in {name}.pem -outform DER -out {damaged}.der")));
        let mut der = fs::read(self.0.path(&format!("{damaged}.der"))).unwrap();
        *der.last_mut().unwrap() ^= 1;
        fs::write(self.0.path(&format!("{damaged}.der")), der).unwrap();
        run(&mut self.openssl(&format!("x509 -inform DER -in {damaged}.der -out {damaged}.pem")));
        fs::copy(self.0.path(&format!("{name}.key")), self.0.path(&format!("{damaged}.key")))
            .unwrap();
    }

    fn together(&self, names: &[&str]) -> String {
        names
            .iter()
            .map(|name| fs::read_to_string(self.0.path(&format!("{name}.pem"))).unwrap())
            .collect()
    }

    /// A server with these options that shows `sent`, its own certificate first; none without any.
    fn serve(&self, sent: &[&str], options: &str) -> Server {
        let home = Home::new();
        let own = match sent {
            [] => "-nocert".to_owned(),
            [own, others @ ..] => {
                let chain = home.write("chain.pem", &self.together(others));
                let chain =
                    if others.is_empty() { String::new() } else { format!(" -cert_chain {chain}") };
                format!("-cert {0}.pem -key {0}.key{chain}", self.0.path(own))
            }
        };
        let mut command = home.command("openssl");
        let at = home.at(PORT);
        command.args(format!("s_server -accept {at} -www {own} {options}").split_whitespace());
        home.start(command, "ACCEPT")
    }
}

/// What OpenSSL's client and curl make of a server.
struct Judged {
    curl: bool,
    s_client: bool,
    words: String,
}

fn judge(server: &Server, store: &str, host: &str) -> Judged {
    let at = server.home.at(PORT);
    let mut s_client = Command::new(find("openssl"));
    let wanted =
        if host.parse::<std::net::IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
    s_client.args(["s_client", "-connect", &at.to_string(), "-servername", NAME, wanted, host]);
    s_client.args(["-partial_chain", "-CAfile", store, "-no-CApath", "-no-CAstore"]);
    s_client.args(["-verify_return_error"]).stdin(std::process::Stdio::null());
    let s_client = s_client.output().unwrap();
    let mut curl = Command::new(find("curl"));
    curl.args(["-sS", "--noproxy", "*", "--cacert", store, "-o", "/dev/null"]);
    curl.args(["--connect-to", &format!("::{at}"), &format!("https://{host}/")]);
    let curl = curl.output().unwrap();
    let said = |output: &Output| {
        let both = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8_lossy(&both).into_owned();
        let mut lines =
            text.lines().filter(|line| line.contains("error") || line.starts_with("curl"));
        lines.next().unwrap_or_default().to_owned()
    };
    let words = format!("{} | {}", said(&s_client), said(&curl));
    Judged { curl: curl.status.success(), s_client: s_client.status.success(), words }
}

async fn ask(server: &Server, trust: &Trust, host: &str) -> Finding {
    let probe = Probe::Tls(tls::Probe::default());
    let peer = Peer { host: host.to_owned(), ..Peer::from(server.home.at(PORT)) };
    let deadline = Deadline::after(std::time::Duration::from_secs(9));
    examine(&probe, peer, deadline, trust).await
}

fn code(finding: &Finding) -> String {
    if let Err(cause) = &finding.verdict {
        return cause.code().to_owned();
    }
    finding.seen.concerns.iter().map(Concern::code).collect::<Vec<_>>().join(" ")
}

/// All certificates of the cases below.
fn certificates() -> Workshop {
    let shop = Workshop::new();
    for make in [dates, strangers, keys, names, purposes, authorities, crossed, oddities] {
        make(&shop);
    }
    shop
}

fn named<'a>(name: &'a str, subject: &'a str, by: Option<&'a str>) -> Wanted<'a> {
    Wanted { name, by, subject, ..CA }
}

fn leaf<'a>(name: &'a str, by: &'a str) -> Wanted<'a> {
    Wanted { name, by: Some(by), ..LEAF }
}

fn with<'a>(name: &'a str, extensions: &'a str) -> Wanted<'a> {
    Wanted { name, extensions, ..LEAF }
}

/// Over since long.
const OLD: Wanted<'_> = Wanted { until: "20210101000000Z", ..LEAF };
/// Begins when nobody will remember.
const EARLY: Wanted<'_> = Wanted { from: "20980101000000Z", ..LEAF };

/// Good ones, and dates that are not.
fn dates(shop: &Workshop) {
    shop.make(Wanted { name: "root", by: None, ..CA });
    shop.make(leaf("good", "root"));
    shop.make(named("int", "/O=Tests/CN=intermediate", Some("root")));
    shop.make(leaf("below-int", "int"));
    shop.make(Wanted { name: "expired", ..OLD });
    shop.make(Wanted { name: "early", ..EARLY });
    shop.make(Wanted {
        from: OLD.from,
        until: OLD.until,
        ..named("old-int", "/O=Tests/CN=old intermediate", Some("root"))
    });
    shop.make(leaf("below-old-int", "old-int"));
    shop.make(Wanted {
        from: EARLY.from,
        ..named("early-int", "/O=Tests/CN=early intermediate", Some("root"))
    });
    shop.make(leaf("below-early-int", "early-int"));
    shop.make(Wanted {
        from: OLD.from,
        until: OLD.until,
        ..named("old-root", "/O=Tests/CN=old root", None)
    });
    shop.make(leaf("below-old-root", "old-root"));
}

/// By authorities nobody trusts, or that are not whom they seem.
fn strangers(shop: &Workshop) {
    shop.make(named("other-root", "/O=Somebody else/CN=other root", None));
    shop.make(leaf("by-other", "other-root"));
    shop.make(named("public-int", "/O=Public/CN=public intermediate", Some("other-root")));
    let places = "subjectAltName=DNS:server.example.test\nauthorityInfoAccess=caIssuers;URI:http://ca.example.test/i.crt";
    shop.make(Wanted { by: Some("public-int"), ..with("with-place", places) });
    let own = "subjectAltName=DNS:server.example.test\nauthorityInfoAccess=caIssuers;URI:ldap:///CN=ca,caIssuers;URI:http://ca.example.test/i.crt";
    shop.make(Wanted { by: Some("public-int"), ..with("with-ldap-place", own) });
    // The same name as the trusted root, and another key.
    shop.make(Wanted { name: "namesake", by: None, ..CA });
    shop.make(leaf("by-namesake", "namesake"));
    shop.damage("good", "damaged");

    shop.make(Wanted { name: "self-signed", by: None, ..LEAF });
    let authority = "subjectAltName=DNS:server.example.test\nbasicConstraints=critical,CA:TRUE";
    shop.make(Wanted { by: None, ..with("self-signed-ca", authority) });
}

/// Keys and signatures of all kinds.
fn keys(shop: &Workshop) {
    shop.make(Wanted { key: RSA, ..leaf("rsa", "root") });
    shop.make(Wanted { key: SHORT_RSA, ..leaf("short-key", "root") });
    shop.make(Wanted { key: SHORT_RSA, ..named("short-ca", "/O=Tests/CN=short authority", None) });
    shop.make(Wanted { digest: "sha256", ..leaf("by-short-ca", "short-ca") });
    shop.make(Wanted { digest: "sha1", ..leaf("sha1", "root") });
    shop.make(Wanted { key: RSA, ..named("rsa-root", "/O=Tests/CN=rsa root", None) });
    shop.make(Wanted {
        digest: "md5",
        ..named("md5-int", "/O=Tests/CN=md5 intermediate", Some("rsa-root"))
    });
    shop.make(leaf("below-md5", "md5-int"));
    shop.make(Wanted { digest: "sha1", ..named("sha1-root", "/O=Tests/CN=sha1 root", None) });
    shop.make(leaf("by-sha1-root", "sha1-root"));
    shop.make(Wanted { key: P384, ..leaf("p384", "root") });
    shop.make(Wanted { key: P521, ..leaf("p521", "root") });
    shop.make(Wanted {
        key: P521,
        digest: "sha256",
        ..named("p521-root", "/O=Tests/CN=p521 root", None)
    });
    shop.make(Wanted { digest: "sha256", key: P521, ..leaf("p521-sha256", "p521-root") });
    shop.make(Wanted { digest: "sha512", key: P521, ..leaf("p521-sha512", "p521-root") });
    shop.make(Wanted { key: ED25519, ..leaf("ed25519", "root") });
    shop.make(Wanted { key: ED448, ..named("ed448-root", "/O=Tests/CN=ed448 root", None) });
    shop.make(leaf("by-ed448", "ed448-root"));
    shop.make(Wanted {
        key: BRAINPOOL,
        ..named("brainpool-root", "/O=Tests/CN=brainpool root", None)
    });
    shop.make(leaf("by-brainpool", "brainpool-root"));
}

/// Names that fit and names that do not.
fn names(shop: &Workshop) {
    shop.make(with("wildcard", "subjectAltName=DNS:*.example.test"));
    shop.make(with("wide-wildcard", "subjectAltName=DNS:*.test"));
    shop.make(with("half-wildcard", "subjectAltName=DNS:serv*.example.test"));
    shop.make(with("other-name", "subjectAltName=DNS:other.example.test"));
    shop.make(Wanted {
        subject: "/CN=server.example.test",
        ..with("common-name", "basicConstraints=CA:FALSE")
    });
    shop.make(Wanted {
        subject: "/CN=*.example.test",
        ..with("common-wildcard", "basicConstraints=CA:FALSE")
    });
    shop.make(Wanted {
        subject: "/CN=server.example.test",
        ..with("common-and-other", "subjectAltName=DNS:other.example.test")
    });
    shop.make(Wanted {
        subject: "/CN=server.example.test",
        ..with("common-and-mail", "subjectAltName=email:a@example.test")
    });
}

/// What a certificate is for.
fn purposes(shop: &Workshop) {
    let leaf_with = |name: &'static str, more: &str| {
        let extensions = format!("subjectAltName=DNS:server.example.test\n{more}");
        shop.make(Wanted { name, extensions: &extensions, ..LEAF });
    };
    leaf_with("for-clients", "extendedKeyUsage=clientAuth");
    leaf_with("for-anything", "extendedKeyUsage=anyExtendedKeyUsage");
    leaf_with("for-both", "extendedKeyUsage=clientAuth,serverAuth");
    leaf_with("signs-only", "keyUsage=critical,keyCertSign");
    leaf_with("agrees-only", "keyUsage=critical,keyAgreement");
    leaf_with("no-repudiation", "keyUsage=nonRepudiation");
    leaf_with("strange", "1.2.3.4=critical,DER:0500");
    leaf_with("strange-not-critical", "1.2.3.4=DER:0500");
    leaf_with("policies", "certificatePolicies=critical,1.2.3.4");
}

/// Authorities that may not sign, or not for all.
fn authorities(shop: &Workshop) {
    let int = |name: &'static str, subject: &'static str, extensions: &'static str| {
        shop.make(Wanted { name, subject, extensions, ..CA });
    };
    int("no-ca", "/O=Tests/CN=no ca", "basicConstraints=CA:FALSE");
    int("no-constraints", "/O=Tests/CN=no constraints", "keyUsage=keyCertSign");
    int(
        "strange-int",
        "/O=Tests/CN=strange",
        "basicConstraints=CA:TRUE\n1.2.3.4=critical,DER:0500",
    );
    int(
        "client-int",
        "/O=Tests/CN=clients",
        "basicConstraints=CA:TRUE\nextendedKeyUsage=clientAuth",
    );
    int("short-path", "/O=Tests/CN=short path", "basicConstraints=critical,CA:TRUE,pathlen:0");
    shop.make(named("too-deep", "/O=Tests/CN=too deep", Some("short-path")));
    for (name, by) in [
        ("below-no-ca", "no-ca"),
        ("below-no-constraints", "no-constraints"),
        ("below-strange", "strange-int"),
        ("below-client-int", "client-int"),
        ("below-short-path", "short-path"),
        ("below-too-deep", "too-deep"),
    ] {
        shop.make(leaf(name, by));
    }
    int(
        "permits",
        "/O=Tests/CN=permits",
        "basicConstraints=CA:TRUE\nnameConstraints=critical,permitted;DNS:example.test,permitted;IP:127.0.0.0/255.0.0.0",
    );
    int(
        "permits-other",
        "/O=Tests/CN=permits other",
        "basicConstraints=CA:TRUE\nnameConstraints=critical,permitted;DNS:example.org",
    );
    int(
        "excludes",
        "/O=Tests/CN=excludes",
        "basicConstraints=CA:TRUE\nnameConstraints=critical,excluded;DNS:.example.test",
    );
    for (name, by) in [
        ("below-permits", "permits"),
        ("below-permits-other", "permits-other"),
        ("below-excludes", "excludes"),
    ] {
        shop.make(leaf(name, by));
    }
    shop.make(Wanted {
        by: Some("permits-other"),
        subject: "/CN=server.example.test",
        ..with("common-forbidden", "basicConstraints=CA:FALSE")
    });
}

/// A root with several certificates, and one as old as the first.
fn crossed(shop: &Workshop) {
    // A new root that an old one has signed too, with an end of its own.
    shop.make(named("new-root", "/O=Tests/CN=new root", None));
    shop.make(leaf("by-new-root", "new-root"));
    shop.make(named("third-root", "/O=A third/CN=third root", None));
    for (name, by, until) in [
        ("crossed", "other-root", LEAF.until),
        ("crossed-expired", "other-root", OLD.until),
        ("crossed-by-third", "third-root", LEAF.until),
    ] {
        run(&mut shop.openssl(&format!(
            "ca -config ca.cnf -batch -notext -in new-root.csr -out {name}.pem -cert {by}.pem -keyfile {by}.key \
             -startdate {} -enddate {until} -md default -extfile new-root.ext",
            LEAF.from
        )));
    }
    // The first roots have no extensions at all.
    run(&mut shop.openssl(&format!("genpkey -out v1-root.key {P256}")));
    let mut request = shop.openssl("req -new -config ca.cnf -key v1-root.key -out v1-root.csr");
    run(request.args(["-subj", "/O=Tests/CN=v1 root"]));
    run(&mut shop
        .openssl("x509 -req -days 3650 -in v1-root.csr -signkey v1-root.key -out v1-root.pem"));
    let own = "subjectAltName=DNS:server.example.test\nsubjectKeyIdentifier=hash";
    shop.make(Wanted { by: Some("v1-root"), ..with("by-v1", own) });
}

/// What is rare and legal, and what is common and is not.
fn oddities(shop: &Workshop) {
    let extended = |name: &'static str, extensions: &'static str| shop.make(with(name, extensions));
    extended("address-as-name", "subjectAltName=DNS:127.0.0.1");
    extended("all-labels", "subjectAltName=DNS:*");
    extended("two-asterisks", "subjectAltName=DNS:*.*.test");
    extended("inner-asterisk", "subjectAltName=DNS:server.*.test");
    extended("half-behind", "subjectAltName=DNS:*er.example.test");
    extended("deeper-wildcard", "subjectAltName=DNS:*.server.example.test");
    extended("puny", "subjectAltName=DNS:xn--bcher-kva.example.test");
    extended("dotted", "subjectAltName=DNS:server.example.test.");
    extended("must-staple", "subjectAltName=DNS:server.example.test\ntlsfeature=status_request");
    shop.make(Wanted {
        subject: "/CN=127.0.0.1",
        ..with("common-address", "basicConstraints=CA:FALSE")
    });
    shop.make(Wanted {
        subject: "/",
        ..with("no-subject", "subjectAltName=critical,DNS:server.example.test")
    });
    shop.make(Wanted { subject: "/", ..with("nameless", "basicConstraints=CA:FALSE") });
    shop.make(Wanted { until: "99991231235959Z", ..leaf("for-ever", "root") });
    shop.make(Wanted { key: ED25519, ..named("ed25519-root", "/O=Tests/CN=ed25519 root", None) });
    shop.make(leaf("by-ed25519", "ed25519-root"));
    for digest in ["sha224", "sha384", "sha512"] {
        shop.make(Wanted { digest, ..leaf(digest, "root") });
    }
    // RSA-PSS: as the key's own kind, and as a signature.
    shop.make(Wanted { key: RSA_PSS, ..leaf("pss-key", "root") });
    shop.make(Wanted { key: RSA_PSS, ..named("pss-root", "/O=Tests/CN=pss root", None) });
    shop.make(leaf("by-pss-root", "pss-root"));
    shop.make(leaf("pss-signed", "rsa-root"));
    run(&mut shop.openssl(&format!(
        "ca -config ca.cnf -batch -notext -in pss-signed.csr -out pss-signed.pem -cert rsa-root.pem -keyfile rsa-root.key \
         -startdate {} -enddate {} -md sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1 -extfile pss-signed.ext",
        LEAF.from, LEAF.until
    )));
    // The root of before, over since long, and the one of today: one name and one key.
    run(&mut shop.openssl(&format!(
        "ca -config ca.cnf -batch -notext -in new-root.csr -out new-root-old.pem -selfsign -keyfile new-root.key \
         -startdate {} -enddate {} -md default -extfile new-root.ext",
        OLD.from, OLD.until
    )));
    for (name, serial) in [("serial-0", "0"), ("serial-negative", "-5")] {
        shop.make(leaf(name, "root"));
        run(&mut shop.openssl(&format!(
            "x509 -req -days 3650 -in {name}.csr -out {name}.pem -CA root.pem -CAkey root.key -set_serial {serial} -extfile {name}.ext"
        )));
    }
    // Version 1: without a single extension.
    for (name, by) in [("v1-leaf", "root"), ("v1-int", "root")] {
        let subject =
            if name == "v1-int" { "/O=Tests/CN=v1 int" } else { "/CN=server.example.test" };
        shop.make(Wanted { subject, ..leaf(name, by) });
        run(&mut shop.openssl(&format!(
            "x509 -req -days 3650 -in {name}.csr -out {name}.pem -CA {by}.pem -CAkey {by}.key -CAcreateserial"
        )));
    }
    let identified = "subjectAltName=DNS:server.example.test\nsubjectKeyIdentifier=hash";
    shop.make(Wanted { by: Some("v1-int"), ..with("below-v1-int", identified) });
    let int = |name: &'static str, subject: &'static str, constraints: &'static str| {
        let extensions =
            format!("basicConstraints=CA:TRUE\nnameConstraints=critical,{constraints}");
        shop.make(Wanted { name, subject, extensions: &extensions, ..CA });
        let below = format!("below-{name}");
        shop.make(Wanted { name: &below, by: Some(name), ..LEAF });
    };
    int("dotted-permits", "/O=Tests/CN=dotted", "permitted;DNS:.example.test");
    int("excludes-address", "/O=Tests/CN=address", "excluded;IP:127.0.0.0/255.0.0.0");
    int("permits-mail", "/O=Tests/CN=mail", "permitted;email:example.org");
    int("excludes-other", "/O=Tests/CN=excludes other", "excluded;DNS:ver.example.test");
    // Far more authorities than anybody has.
    let mut by = "root".to_owned();
    for depth in 1..=12 {
        let (name, subject) = (format!("deep-{depth}"), format!("/O=Tests/CN=deep {depth}"));
        shop.make(Wanted { name: &name, subject: &subject, by: Some(&by), ..CA });
        by = name;
    }
    shop.make(Wanted { by: Some("deep-12"), ..leaf("deepest", "root") });
}

/// What is sent, what is trusted, the name asked for, what preflight says of it, and why that is not OpenSSL's verdict.
type Case =
    (&'static [&'static str], &'static [&'static str], &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    (&["good"], &["root"], NAME, "", ""),
    (&["rsa"], &["root"], NAME, "", ""),
    (&["below-int", "int"], &["root"], NAME, "", ""),
    (&["below-int", "int", "root"], &["root"], NAME, "", ""),
    (&["below-int", "root", "good", "int"], &["root"], NAME, "", ""),
    (&["expired"], &["root"], NAME, "certificate-expired", ""),
    (&["early"], &["root"], NAME, "certificate-not-yet-valid", ""),
    (&["below-old-int", "old-int"], &["root"], NAME, "certificate-expired", ""),
    (&["below-early-int", "early-int"], &["root"], NAME, "certificate-not-yet-valid", ""),
    (&["below-old-root"], &["old-root"], NAME, "certificate-expired", ""),
    (&["below-int"], &["root"], NAME, "certificate-incomplete-chain", ""),
    (&["below-int"], &["int"], NAME, "", ""),
    (&["good"], &["good"], NAME, "", ""),
    (&["with-place"], &["root"], NAME, "certificate-incomplete-chain", ""),
    (&["with-ldap-place"], &["root"], NAME, "certificate-unknown-issuer", ""),
    (&["by-other"], &["root"], NAME, "certificate-unknown-issuer", ""),
    (&["by-other", "other-root"], &["root"], NAME, "certificate-unknown-issuer", ""),
    (&["by-namesake"], &["root"], NAME, "certificate-invalid", ""),
    (&["damaged"], &["root"], NAME, "certificate-invalid", ""),
    (&["self-signed"], &["root"], NAME, "certificate-self-signed", ""),
    (&["self-signed"], &["self-signed"], NAME, "", ""),
    (&["self-signed-ca"], &["root"], NAME, "certificate-self-signed", ""),
    (&["self-signed-ca"], &["self-signed-ca"], NAME, "", ""),
    (&["short-key"], &["root"], NAME, "certificate-weak-key", ""),
    (&["by-short-ca"], &["short-ca"], NAME, "certificate-weak-key", ""),
    (&["sha1"], &["root"], NAME, "certificate-weak-signature", ""),
    (&["below-md5", "md5-int"], &["rsa-root"], NAME, "certificate-weak-signature", ""),
    (&["by-sha1-root"], &["sha1-root"], NAME, "", ""),
    (&["p384"], &["root"], NAME, "", ""),
    (&["p521"], &["root"], NAME, "", ""),
    (&["p521-sha256"], &["p521-root"], NAME, "", ""),
    (&["p521-sha512"], &["p521-root"], NAME, "", ""),
    (&["ed25519"], &["root"], NAME, "", ""),
    (
        &["by-ed448"],
        &["ed448-root"],
        NAME,
        "certificate-unchecked",
        "it is not checked, and said so",
    ),
    (
        &["by-brainpool"],
        &["brainpool-root"],
        NAME,
        "certificate-unchecked",
        "it is not checked, and said so",
    ),
    (&["wildcard"], &["root"], NAME, "", ""),
    (&["wide-wildcard"], &["root"], NAME, "certificate-wrong-name", ""),
    (
        &["half-wildcard"],
        &["root"],
        NAME,
        "certificate-wrong-name",
        "s_client takes it, curl and all browsers do not",
    ),
    (&["other-name"], &["root"], NAME, "certificate-wrong-name", ""),
    (&["common-name"], &["root"], NAME, "certificate-common-name-only", ""),
    (&["common-wildcard"], &["root"], NAME, "certificate-common-name-only", ""),
    (&["common-and-other"], &["root"], NAME, "certificate-wrong-name", ""),
    (&["common-and-mail"], &["root"], NAME, "certificate-common-name-only", ""),
    (&["good"], &["root"], "127.0.0.1", "", ""),
    (&["good"], &["root"], "127.0.0.2", "certificate-wrong-name", ""),
    (&["wildcard"], &["root"], "127.0.0.1", "certificate-wrong-name", ""),
    (&["for-clients"], &["root"], NAME, "certificate-wrong-purpose", ""),
    (&["for-anything"], &["root"], NAME, "certificate-wrong-purpose", ""),
    (&["for-both"], &["root"], NAME, "", ""),
    (&["signs-only"], &["root"], NAME, "certificate-wrong-purpose", ""),
    (&["agrees-only"], &["root"], NAME, "", ""),
    (&["no-repudiation"], &["root"], NAME, "certificate-wrong-purpose", ""),
    (&["strange"], &["root"], NAME, "certificate-invalid", ""),
    (&["strange-not-critical"], &["root"], NAME, "", ""),
    (&["policies"], &["root"], NAME, "", ""),
    (&["below-no-ca", "no-ca"], &["root"], NAME, "certificate-invalid", ""),
    (&["below-no-constraints", "no-constraints"], &["root"], NAME, "certificate-invalid", ""),
    (&["below-strange", "strange-int"], &["root"], NAME, "certificate-invalid", ""),
    (&["below-client-int", "client-int"], &["root"], NAME, "certificate-wrong-purpose", ""),
    (&["below-short-path", "short-path"], &["root"], NAME, "", ""),
    (&["below-too-deep", "too-deep", "short-path"], &["root"], NAME, "certificate-invalid", ""),
    (&["below-permits", "permits"], &["root"], NAME, "", ""),
    (&["below-permits-other", "permits-other"], &["root"], NAME, "certificate-name-forbidden", ""),
    (&["below-excludes", "excludes"], &["root"], NAME, "certificate-name-forbidden", ""),
    (&["common-forbidden", "permits-other"], &["root"], NAME, "certificate-name-forbidden", ""),
    (&["by-new-root"], &["new-root"], NAME, "", ""),
    (&["by-new-root", "crossed"], &["new-root"], NAME, "", ""),
    (&["by-new-root", "crossed"], &["other-root"], NAME, "", ""),
    (&["by-new-root", "crossed-expired"], &["new-root"], NAME, "", ""),
    (&["by-new-root", "crossed-expired"], &["other-root"], NAME, "certificate-expired", ""),
    (&["by-new-root", "crossed-expired", "crossed"], &["other-root"], NAME, "", ""),
    (&["by-new-root", "crossed", "crossed-by-third"], &["other-root"], NAME, "", ""),
    // It takes the first that fits, and does not come back for the other.
    (
        &["by-new-root", "crossed-by-third", "crossed"],
        &["other-root"],
        NAME,
        "certificate-unknown-issuer",
        "",
    ),
    (&["by-v1"], &["v1-root"], NAME, "", ""),
    (
        &["common-address"],
        &["root"],
        "127.0.0.1",
        "certificate-common-name-only",
        "curl takes an address in the common name, s_client does not",
    ),
    (&["address-as-name"], &["root"], "127.0.0.1", "certificate-wrong-name", ""),
    (&["all-labels"], &["root"], NAME, "certificate-wrong-name", ""),
    (&["two-asterisks"], &["root"], NAME, "certificate-wrong-name", ""),
    (&["inner-asterisk"], &["root"], NAME, "certificate-wrong-name", ""),
    (
        &["half-behind"],
        &["root"],
        NAME,
        "certificate-wrong-name",
        "s_client takes it, curl and all browsers do not",
    ),
    (&["deeper-wildcard"], &["root"], NAME, "certificate-wrong-name", ""),
    (&["wildcard"], &["root"], "a.b.example.test", "certificate-wrong-name", ""),
    (&["wildcard"], &["root"], "example.test", "certificate-wrong-name", ""),
    (&["wildcard"], &["root"], "SERVER.Example.test", "", ""),
    (&["wildcard"], &["root"], "xn--bcher-kva.example.test", "", ""),
    (&["puny"], &["root"], "xn--bcher-kva.example.test", "", ""),
    (&["dotted"], &["root"], NAME, "", "curl takes a dot at the end of a name, s_client does not"),
    (&["must-staple"], &["root"], NAME, "", ""),
    (&["no-subject"], &["root"], NAME, "", ""),
    (&["nameless"], &["root"], NAME, "certificate-wrong-name", ""),
    (&["for-ever"], &["root"], NAME, "", ""),
    (&["by-ed25519"], &["ed25519-root"], NAME, "", ""),
    (&["sha224"], &["root"], NAME, "certificate-unchecked", "it is not checked, and said so"),
    (&["sha384"], &["root"], NAME, "", ""),
    (&["sha512"], &["root"], NAME, "certificate-unchecked", "it is not checked, and said so"),
    // rustls offers no key of that kind; that OpenSSL's clients take it is told.
    (&["pss-key"], &["root"], NAME, "tls-not-spoken", ""),
    // Salted with as much as fits, where everybody takes as much as the digest has.
    (
        &["by-pss-root"],
        &["pss-root"],
        NAME,
        "certificate-unchecked",
        "it is not checked, and said so",
    ),
    (&["pss-signed"], &["rsa-root"], NAME, "", ""),
    (&["by-new-root"], &["new-root-old", "new-root"], NAME, "", ""),
    (&["by-new-root"], &["new-root", "new-root-old"], NAME, "", ""),
    (&["by-new-root", "new-root-old"], &["new-root"], NAME, "", ""),
    (&["by-new-root"], &["new-root-old"], NAME, "certificate-expired", ""),
    (&["serial-0"], &["root"], NAME, "", ""),
    (&["serial-negative"], &["root"], NAME, "", ""),
    (&["v1-leaf"], &["root"], NAME, "certificate-common-name-only", ""),
    (&["below-v1-int", "v1-int"], &["root"], NAME, "certificate-invalid", ""),
    (&["below-dotted-permits", "dotted-permits"], &["root"], NAME, "", ""),
    (
        &["below-excludes-address", "excludes-address"],
        &["root"],
        NAME,
        "certificate-name-forbidden",
        "",
    ),
    (&["below-permits-mail", "permits-mail"], &["root"], NAME, "", ""),
    (&["below-excludes-other", "excludes-other"], &["root"], NAME, "", ""),
    (&DEEP, &["root"], NAME, "", ""),
    (&["below-int", "int", "int"], &["root"], NAME, "", ""),
    (&["good", "good", "root", "root"], &["root"], NAME, "", ""),
    (&["int", "below-int"], &["root"], NAME, "certificate-wrong-purpose", ""),
    (&["self-signed"], &["self-signed"], "other.example.test", "certificate-wrong-name", ""),
];

const DEEP: [&str; 13] = [
    "deepest", "deep-12", "deep-11", "deep-10", "deep-9", "deep-8", "deep-7", "deep-6", "deep-5",
    "deep-4", "deep-3", "deep-2", "deep-1",
];

#[tokio::test]
async fn chains_are_judged_as_openssl_judges_them() {
    let shop = certificates();
    let mut wrong = Vec::new();
    for &(sent, trusted, host, expected, because) in CASES {
        // The server itself may have old keys: it is the client that judges.
        let server = shop.serve(sent, "-cipher ALL:@SECLEVEL=0");
        let pem = shop.together(trusted);
        let judged = judge(&server, &server.home.write("store.pem", &pem), host);
        let trust = Trust::only(Trust::certificates(pem.as_bytes()).unwrap());
        let finding = ask(&server, &trust, host).await;
        let found = code(&finding);
        let passes = finding.verdict.is_ok();
        let agrees = passes == judged.curl && passes == judged.s_client;
        if found != expected || agrees != because.is_empty() {
            wrong.push(format!(
                "{sent:?} for {host}: {found}, {:?} (expected {expected}); curl {}, s_client {}: {}",
                finding.verdict, judged.curl, judged.s_client, judged.words
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_certificate_at_fault_is_named() {
    let shop = certificates();
    for (sent, trusted, link, subject) in [
        (&["expired"][..], "root", ChainLink::Server, "O=Tests, CN=server"),
        (
            &["below-old-int", "old-int"],
            "root",
            ChainLink::Intermediate,
            "O=Tests, CN=old intermediate",
        ),
        (&["below-old-root"], "old-root", ChainLink::Root, "O=Tests, CN=old root"),
    ] {
        let server = shop.serve(sent, "");
        let trust = Trust::only(Trust::certificates(shop.together(&[trusted]).as_bytes()).unwrap());
        let verdict = ask(&server, &trust, NAME).await.verdict;
        let not_after = "2021-01-01T00:00:00Z".to_owned();
        let expired = Cause::Tls(TlsCause::CertificateExpired {
            not_after,
            subject: subject.to_owned(),
            link,
        });
        assert_eq!(verdict, Err(expired));
    }
}

#[tokio::test]
async fn servers_that_take_less_are_told_from_broken_ones() {
    let shop = Workshop::new();
    shop.make(Wanted { name: "root", by: None, ..CA });
    shop.make(Wanted { name: "rsa", key: RSA, ..LEAF });
    shop.make(Wanted { name: "ec", ..LEAF });
    shop.0.write("short-dh.pem", SHORT_DH);
    let short = format!("-dhparam {}", shop.0.path("short-dh.pem"));
    let short = format!("-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0 {short}");
    let name = format!(
        "-servername other.example.test -servername_fatal -cert2 {0}.pem -key2 {0}.key",
        shop.0.path("ec")
    );
    let root = shop.0.path("root.pem");
    let wants = format!("-CAfile {root} -Verify 1 -verify_return_error");
    let may_have = format!("-CAfile {root} -verify 1");
    let cases: &[(&[&str], &str, &str)] = &[
        (&["ec"], "-tls1_3", ""),
        (&["rsa"], "-tls1_2", ""),
        (&["ec"], "-groups P-521", ""),
        (&["ec"], "-tls1_2 -groups P-521", ""),
        (&["rsa"], "-tls1_2 -cipher AES128-SHA", "tls-not-spoken"),
        (&["rsa"], "-tls1_2 -cipher AES256-GCM-SHA384", "tls-not-spoken"),
        (&["rsa"], "-tls1_2 -cipher ECDHE-RSA-AES128-SHA", "tls-not-spoken"),
        (&["ec"], "-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA384", "tls-not-spoken"),
        (&["rsa"], "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256", "tls-not-spoken"),
        (&["ec"], "-tls1_3 -groups X448", "tls-not-spoken"),
        (&["ec"], "-tls1_2 -groups X448", "tls-not-spoken"),
        (&["rsa"], &short, "tls-nothing-in-common"),
        (&["rsa"], "-tls1_2 -cipher NULL-SHA256:@SECLEVEL=0", "tls-nothing-in-common"),
        (&["rsa"], "-tls1_2 -cipher AES128-CCM:@SECLEVEL=0", "tls-nothing-in-common"),
        (&[], "-tls1_2 -cipher ADH-AES128-SHA256:@SECLEVEL=0", "tls-nothing-in-common"),
        (&["rsa"], "-tls1_1 -cipher ALL:@SECLEVEL=0", "tls-version"),
        (&["rsa"], "-tls1 -cipher ALL:@SECLEVEL=0", "tls-version"),
        (&["ec"], &format!("-tls1_3 {wants}"), "tls-client-certificate-wanted"),
        (&["ec"], &format!("-tls1_2 {wants}"), "tls-client-certificate-wanted"),
        (&["ec"], &may_have, ""),
        (&["ec"], &name, "tls-name-unknown"),
    ];
    let mut wrong = Vec::new();
    for (sent, options, expected) in cases {
        let server = shop.serve(sent, options);
        let judged = judge(&server, &root, NAME);
        let trust = Trust::only(Trust::certificates(shop.together(&["root"]).as_bytes()).unwrap());
        let finding = ask(&server, &trust, NAME).await;
        if code(&finding) != *expected || finding.verdict.is_ok() != judged.curl {
            wrong.push(format!(
                "{options}: {:?} {:?} (expected {expected}), curl {}: {}",
                finding.verdict, finding.seen.concerns, judged.curl, judged.words
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_server_that_openssl_3_leaves_for_its_renegotiation_is_a_warning() {
    let shop = Workshop::new();
    shop.make(Wanted { name: "root", by: None, ..CA });
    shop.make(leaf("good", "root"));
    let trust = Trust::only(Trust::certificates(shop.together(&["root"]).as_bytes()).unwrap());
    for (priority, expected) in [
        ("NORMAL:-VERS-TLS1.3:%DISABLE_SAFE_RENEGOTIATION", "tls-old-renegotiation"),
        ("NORMAL:-VERS-TLS1.3", ""),
        ("NORMAL", ""),
    ] {
        let home = Home::new();
        let mut command = home.command("gnutls-serv");
        // It listens on all addresses: the port is one of this test's own.
        let port = free_port();
        command.args(["--http", "--port", &port.to_string(), "--priority", priority]);
        command.args(["--x509certfile", &shop.0.path("good.pem")]);
        command.args(["--x509keyfile", &shop.0.path("good.key")]);
        let server = home.start(command, "listening on IPv4").listening_on(port);
        let mut curl = Command::new(find("curl"));
        curl.args([
            "-sS",
            "--noproxy",
            "*",
            "--cacert",
            &shop.0.path("root.pem"),
            "-o",
            "/dev/null",
        ]);
        curl.args([
            "--connect-to",
            &format!("::{}", server.home.at(port)),
            &format!("https://{NAME}/"),
        ]);
        assert_eq!(curl.output().unwrap().status.success(), expected.is_empty(), "{priority}");
        let peer = Peer { host: NAME.to_owned(), ..Peer::from(server.home.at(port)) };
        let deadline = Deadline::after(std::time::Duration::from_secs(9));
        let probe = Probe::Tls(tls::Probe::default());
        assert_eq!(code(&examine(&probe, peer, deadline, &trust).await), expected, "{priority}");
    }
}

/// A port that nobody uses, for a server that cannot be given an address.
fn free_port() -> u16 {
    std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

/// 1,024 bits: makes none of them a secret.
const SHORT_DH: &str = "-----BEGIN DH PARAMETERS-----
MIGHAoGBANACYrKj48uMxH/G3O3ZohDfxNyrhSSc6+n+mTyD4G3aRUKba6qLU/ZJ
CvVlUG6h9V7FnNaeSFts+S76ViNv2m4dZhcYlVT3InPXF/I7f0Z1H7ZQnF7jcb/N
ojkuA28qGHfaP3sNaFfplkMP0sbqMAfTVSjrN92YonFQWXYUxrdnAgEC
-----END DH PARAMETERS-----
";
