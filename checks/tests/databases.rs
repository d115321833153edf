//! The database probes against Debian's MariaDB and PostgreSQL.

#![allow(clippy::unwrap_used)]

mod daemon;

use std::path::Path;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use preflight_checks::{Cause, Concern, Finding, Probe, Trust, mysql, postgresql};

use daemon::{Authority, Home, NAME, Server, certificate_for, give, not_installed, run};

const MYSQL: u16 = 3306;
const POSTGRESQL: u16 = 5432;

/// A MariaDB whose users come from `host`, and from nowhere else.
fn mariadb(home: Home, host: &str, settings: &[String]) -> Server {
    let data = format!("--datadir={}", home.path("data"));
    // In the usual place each that starts removes the tables of the others.
    let own = format!("--tmpdir={}", home.folder_of("root", "tmp"));
    let small = [&own, "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M"];
    // It wants to be told to stay root.
    let user = geteuid().is_root().then_some("--user=root");
    let mut install = home.command("mariadb-install-db");
    run(install.args(["--no-defaults", "--skip-test-db", &data]).args(small).args(user));
    let users = home.write("users.sql", &format!("CREATE USER centreon@'{host}';\n"));
    let mut command = home.command("mariadbd");
    command
        .args(["--no-defaults", &data, "--skip-name-resolve"])
        .args(small)
        .args(user)
        .args(settings)
        .arg(format!("--bind-address={}", home.address))
        .arg(format!("--port={MYSQL}"))
        .arg(format!("--socket={}", home.path("socket")))
        .arg(format!("--pid-file={}", home.path("process")))
        .arg(format!("--init-file={users}"));
    home.start(command, "ready for connections")
}

async fn ask_mariadb(server: &Server) -> Finding {
    server.ask(Probe::Mysql(mysql::Probe::default()), MYSQL, &Trust::only([])).await
}

/// A PostgreSQL with TLS, and these rules in `pg_hba.conf`; its superuser is `open`.
fn postgresql(authority: &Authority, rules: &str) -> Server {
    let home = Home::new();
    authority.sign(&home, "server", &certificate_for(NAME));
    let key = home.path("server.key");
    give(&key, "postgres");
    let data = home.folder_of("postgres", "data");
    let mut install = home.command_as("postgres", &program("initdb"));
    run(install.args(["--no-sync", "--auth=trust", "--username=open", &data]));
    home.write("data/pg_hba.conf", rules);
    let mut command = home.command_as("postgres", &program("postgres"));
    command.args(["-D", &data]);
    for setting in [
        format!("listen_addresses={}", home.address),
        format!("port={POSTGRESQL}"),
        "unix_socket_directories=".to_owned(),
        "fsync=off".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", home.path("server.pem")),
        format!("ssl_key_file={key}"),
    ] {
        command.args(["-c", &setting]);
    }
    // Asked by SIGTERM, it would wait for its clients.
    home.start(command, "ready to accept connections").stopped_by(Signal::SIGINT)
}

/// A program of the one version of PostgreSQL that Debian has.
fn program(name: &str) -> String {
    let versions = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name)).next();
    found.map_or_else(|| not_installed(name), |path| path.to_str().unwrap().to_owned())
}

async fn ask_postgresql(server: &Server, user: Option<&str>, trust: &Trust) -> Finding {
    ask_for(server, user, user.map(|_| "postgres"), trust).await
}

async fn ask_for(
    server: &Server,
    user: Option<&str>,
    database: Option<&str>,
    trust: &Trust,
) -> Finding {
    let (user, database) = (user.map(str::to_owned), database.map(str::to_owned));
    let probe = postgresql::Probe { user, database };
    server.ask(Probe::Postgresql(probe), POSTGRESQL, trust).await
}

/// Takes `open` as it comes, and `centreon` with a password; nobody else from anywhere.
const RULES: &str = "host all open 127.0.0.0/8 trust
host all centreon 127.0.0.0/8 scram-sha-256
host all banned 127.0.0.0/8 reject
hostssl all careful 127.0.0.0/8 scram-sha-256
hostnossl all careless 127.0.0.0/8 scram-sha-256
";

fn fact(finding: &Finding, name: &str) -> String {
    finding.seen.evidence.fact(name).map(ToString::to_string).unwrap_or_default()
}

/// The version a program prints of itself.
fn version_of(program: &str) -> String {
    let home = Home::new();
    let printed = run(home.command(program).arg("--version"));
    let is_version = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    printed.split_whitespace().find(is_version).unwrap().to_owned()
}

#[tokio::test]
async fn mariadb_greets_with_its_version() {
    let server = mariadb(Home::new(), "127.%", &[]);
    let finding = ask_mariadb(&server).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(fact(&finding, "version"), version_of("mariadbd"));
    assert_eq!(fact(&finding, "product"), "MariaDB");
    assert_eq!(fact(&finding, "tls_offered"), "no");
    assert_eq!(finding.seen.concerns, []);
}

#[tokio::test]
async fn mariadb_with_a_certificate_offers_tls() {
    let home = Home::new();
    Authority::new().sign(&home, "server", &certificate_for(NAME));
    let settings = [
        format!("--ssl-cert={}", home.path("server.pem")),
        format!("--ssl-key={}", home.path("server.key")),
    ];
    let finding = ask_mariadb(&mariadb(home, "127.%", &settings)).await;
    assert_eq!(finding.verdict, Ok(()));
    assert_eq!(fact(&finding, "tls_offered"), "yes");
    assert_eq!(finding.seen.concerns, []);
}

#[tokio::test]
async fn mariadb_that_does_not_take_this_host_says_so() {
    let server = mariadb(Home::new(), "192.0.2.%", &[]);
    let text = "Host '127.0.0.1' is not allowed to connect to this MariaDB server".to_owned();
    let cause = Cause::DatabaseHostRefused { error_code: "1130".to_owned(), text };
    assert_eq!(ask_mariadb(&server).await.verdict, Err(cause));
}

#[tokio::test]
async fn mariadb_that_wants_tls_shows_it_to_its_users_only() {
    let home = Home::new();
    Authority::new().sign(&home, "server", &certificate_for(NAME));
    let settings = [
        format!("--ssl-cert={}", home.path("server.pem")),
        format!("--ssl-key={}", home.path("server.key")),
        "--require-secure-transport=ON".to_owned(),
    ];
    let server = mariadb(home, "127.%", &settings);
    let finding = ask_mariadb(&server).await;
    assert_eq!(finding.verdict, Ok(()));
    let version = version_of("mariadbd");
    let version = version.split('-').next().unwrap();
    let headline = format!("MariaDB {version}, TLS offered, log-in not tested");
    assert_eq!(finding.seen.headline, headline);
    assert_eq!(server.end().matches("Access denied for user 'preflight'").count(), 1);
}

#[tokio::test]
async fn postgresql_tells_whom_it_takes_and_its_version_to_those() {
    let authority = Authority::new();
    let server = postgresql(&authority, RULES);
    let trust = authority.trust();

    let open = ask_postgresql(&server, Some("open"), &trust).await;
    assert_eq!(open.verdict, Ok(()));
    let version = fact(&open, "version");
    let short = version_of(&program("postgres"));
    assert_eq!(version.split(' ').next(), Some(short.as_str()));
    assert_eq!(open.seen.headline, format!("PostgreSQL {short}, no password, TLS offered"));
    assert_eq!(fact(&open, "certificate_issuer"), "CN=Authority of the tests");
    assert_eq!(open.seen.concerns, []);

    for (user, headline) in [
        ("centreon", "asks for a password (SCRAM), TLS offered"),
        ("careful", "asks for a password (SCRAM), TLS offered"),
        ("careless", "asks for a password (SCRAM), without TLS only"),
    ] {
        let known = ask_postgresql(&server, Some(user), &trust).await;
        assert_eq!((known.verdict, known.seen.headline.as_str()), (Ok(()), headline), "{user}");
    }

    let unverified = ask_postgresql(&server, Some("centreon"), &Trust::only([])).await;
    assert_eq!(unverified.verdict, Ok(()));
    let concerns: Vec<_> = unverified.seen.concerns.iter().map(Concern::code).collect();
    assert_eq!(concerns, ["certificate-unverified"]);
}

#[tokio::test]
async fn postgresql_tells_whom_it_does_not_take_and_why() {
    let authority = Authority::new();
    let server = postgresql(&authority, RULES);
    let trust = authority.trust();
    for (user, words) in [
        ("stranger", "no pg_hba.conf entry for host \"127."),
        ("banned", "pg_hba.conf rejects connection for host \"127."),
    ] {
        let cause = ask_postgresql(&server, Some(user), &trust).await.verdict.unwrap_err();
        assert_eq!(cause.code(), "database-host-refused");
        assert!(cause.to_string().contains(words), "{cause}");
    }
    let missing = ask_for(&server, Some("open"), Some("nowhere"), &trust).await.verdict;
    let text = "database \"nowhere\" does not exist".to_owned();
    assert_eq!(missing, Err(Cause::DatabaseError { error_code: "3D000".to_owned(), text }));
    // Nobody was named: what the file says of `preflight` says nothing about anybody.
    let untold = ask_postgresql(&server, None, &trust).await.verdict.unwrap_err();
    assert_eq!(untold.code(), "database-user-untold");
    assert!(untold.is_inconclusive(), "{untold}");
}

#[tokio::test]
async fn postgresql_that_takes_everybody_from_here_passes_without_a_user() {
    let authority = Authority::new();
    for (method, headline) in [
        ("trust", "lets this host log in, TLS offered"),
        ("scram-sha-256", "asks for a password (SCRAM), TLS offered"),
    ] {
        let server = postgresql(&authority, &format!("host all all 127.0.0.0/8 {method}\n"));
        let finding = ask_postgresql(&server, None, &authority.trust()).await;
        assert_eq!((finding.verdict, finding.seen.headline.as_str()), (Ok(()), headline));
    }
}

/// Lines that visits leave, between its start and its end.
fn log_of_visits(server: Server) -> usize {
    let log = server.end();
    let visits = log.split("received fast shutdown request").next().unwrap();
    visits.lines().count() - 1
}

#[tokio::test]
async fn a_visit_leaves_no_line_in_postgresqls_log_and_a_refusal_one() {
    let authority = Authority::new();
    let trust = authority.trust();
    let server = postgresql(&authority, RULES);
    for user in ["centreon", "open"] {
        assert_eq!(ask_postgresql(&server, Some(user), &trust).await.verdict, Ok(()));
    }
    assert_eq!(log_of_visits(server), 0);
    let server = postgresql(&authority, "hostssl all all 127.0.0.0/8 reject\n");
    let refused = ask_postgresql(&server, None, &trust).await.verdict.unwrap_err();
    assert_eq!(refused.code(), "database-user-untold");
    // Inside TLS, and without, as libpq asks.
    assert_eq!(log_of_visits(server), 2);
}
