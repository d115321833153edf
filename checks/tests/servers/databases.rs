//! The database probes against Debian's MariaDB, PostgreSQL and Redis.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use preflight_checks::{
    Cause, Concern, DatabaseCause, Deadline, Finding, Peer, Probe, SERVICES, Spoken, TalkCause,
    TlsCause, Trust, examine, identify, mysql, postgresql, redis,
};
use secrecy::SecretString;

use crate::daemon::{Authority, Home, NAME, Server, certificate_for, give, not_installed, run};

const MYSQL: u16 = 3306;
const POSTGRESQL: u16 = 5432;
const REDIS: u16 = 6379;

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
    postgresql_with(authority, rules, &[])
}

/// The same with more settings.
fn postgresql_with(authority: &Authority, rules: &str, settings: &[&str]) -> Server {
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
    for setting in settings {
        command.args(["-c", setting]);
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
    let cause =
        Cause::Database(DatabaseCause::DatabaseHostRefused { error_code: "1130".to_owned(), text });
    assert_eq!(ask_mariadb(&server).await.verdict, Err(cause));
}

#[tokio::test]
async fn mariadb_without_a_free_connection_says_so() {
    let server = mariadb(Home::new(), "127.%", &["--max-connections=10".to_owned()]);
    // Ten are the fewest it takes; one more is kept free for its administrator.
    let held: Vec<TcpStream> = (0..11).map(|_| hold(&server, MYSQL)).collect();
    let text = "Too many connections".to_owned();
    let cause =
        Cause::Database(DatabaseCause::DatabaseError { error_code: "1040".to_owned(), text });
    assert_eq!(ask_mariadb(&server).await.verdict, Err(cause));
    drop(held);
}

/// A connection that has heard the server's first word.
fn hold(server: &Server, port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(server.home.at(port)).unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    stream
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
    assert_eq!(
        missing,
        Err(Cause::Database(DatabaseCause::DatabaseError { error_code: "3D000".to_owned(), text }))
    );
    // Nobody was named: what the file says of `preflight` says nothing about anybody.
    let untold = ask_postgresql(&server, None, &trust).await.verdict.unwrap_err();
    assert_eq!(untold.code(), "database-user-untold");
    assert!(untold.is_inconclusive(), "{untold}");
}

#[tokio::test]
async fn postgresql_without_a_free_connection_says_so() {
    let authority = Authority::new();
    let full = ["max_connections=2", "superuser_reserved_connections=0", "max_wal_senders=0"];
    let server = postgresql_with(&authority, RULES, &full);
    let session = || {
        let mut stream = TcpStream::connect(server.home.at(POSTGRESQL)).unwrap();
        // Version 3.0, as `open`, who needs no password.
        let start = b"\0\0\0\x25\0\x03\0\0user\0open\0database\0postgres\0\0";
        stream.write_all(start).unwrap();
        let mut answer = [0; 1];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"R");
        stream
    };
    let held = [session(), session()];
    let cause = ask_postgresql(&server, Some("centreon"), &authority.trust()).await.verdict;
    let text = "sorry, too many clients already".to_owned();
    assert_eq!(
        cause,
        Err(Cause::Database(DatabaseCause::DatabaseError { error_code: "53300".to_owned(), text }))
    );
    drop(held);
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

#[tokio::test]
async fn postgresql_that_wants_more_than_a_password_lets_nobody_in_yet() {
    let authority = Authority::new();
    for rule in ["hostssl all all 127.0.0.0/8 cert", "host all all 127.0.0.0/8 ident"] {
        // From its data folder.
        let store = ["ssl_ca_file=../server.pem"];
        let server = postgresql_with(&authority, &format!("{rule}\n"), &store);
        let finding = ask_postgresql(&server, None, &authority.trust()).await;
        let cause = finding.verdict.unwrap_err();
        assert_eq!(cause.code(), "database-user-untold", "{rule}: {cause}");
    }
}

#[tokio::test]
async fn databases_are_named_to_whoever_asks_for_another_service() {
    let authority = Authority::new();
    let postgresql = postgresql(&authority, RULES);
    let redis = ready_redis(&[]);
    for (server, port, spoken) in
        [(&postgresql, POSTGRESQL, Spoken::Postgresql), (&redis, REDIS, Spoken::Redis)]
    {
        for asked in ["ldap", "https", "mssql", "http", "zmq"] {
            let service = SERVICES.iter().find(|service| service.name == asked).unwrap();
            let probe = (service.probe)();
            let finding = server.ask(probe, port, &authority.trust()).await;
            let failure = finding.verdict.unwrap_err();
            let peer = Peer { host: NAME.to_owned(), address: server.home.at(port), from: None };
            let deadline = Deadline::after(Duration::from_secs(9));
            let found = identify(service, &peer, &failure, deadline).await.unwrap_or(failure);
            let is_named = matches!(
                &found,
                Cause::Talk(TalkCause::WrongService { spoken: said, .. }) if *said == spoken
            );
            assert!(is_named, "{asked} at {spoken}: {found:?}");
        }
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

/// A Redis with these settings, once it has said `ready`.
fn redis(home: Home, settings: &[&str], ready: &str) -> Server {
    let folder = home.folder_of("root", "data");
    let mut command = home.command("redis-server");
    command.args(["--bind", &home.address.to_string(), "--dir", &folder, "--daemonize", "no"]);
    if !settings.contains(&"--tls-port") {
        command.args(["--port", &REDIS.to_string()]);
    }
    command.args(settings).args(["--save", "3600 1"]);
    home.start(command, ready)
}

fn ready_redis(settings: &[&str]) -> Server {
    redis(Home::new(), settings, "Ready to accept connections")
}

fn logged_in(user: Option<&str>, password: &str) -> redis::Probe {
    let (user, password) = (user.map(str::to_owned), Some(SecretString::from(password)));
    redis::Probe { user, password, tls: false }
}

async fn ask_redis(server: &Server, probe: redis::Probe, trust: &Trust) -> Finding {
    server.ask(Probe::Redis(probe), REDIS, trust).await
}

async fn ask_it(server: &Server) -> Finding {
    ask_redis(server, redis::Probe::default(), &Trust::only([])).await
}

fn redis_cli(server: &Server, words: &[&str]) -> String {
    let (host, port) = (server.home.address.to_string(), REDIS.to_string());
    run(server.home.command("redis-cli").args(["-h", &host, "-p", &port]).args(words))
}

#[tokio::test]
async fn redis_answers_with_version_mode_and_role_and_leaves_no_line_in_the_log() {
    let server = ready_redis(&[]);
    let finding = ask_it(&server).await;
    assert_eq!(finding.verdict, Ok(()));
    let said = redis_cli(&server, &["INFO", "server"]);
    let version = said.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap().trim();
    assert_eq!(finding.seen.headline, format!("redis, {version}, standalone, master"));
    assert_eq!(finding.seen.concerns, []);
    assert!(!server.end().contains("Client"), "a visit left a line");
}

#[tokio::test]
async fn redis_with_a_password_takes_the_right_one_and_refuses_others() {
    let users =
        "--requirepass right --user preflight on >also-right +ping --user mute on >mute -@all";
    let settings: Vec<&str> = users.split(' ').collect();
    // The access list wants each user as one argument of several words.
    let server = ready_redis(&settings);
    let none = ask_it(&server).await;
    assert_eq!((none.verdict, none.seen.concerns), (Ok(()), vec![Concern::RedisNotRead]));
    for (user, password, code) in [
        (None, "right", "pass"),
        (None, "wrong", "redis-login"),
        (Some("preflight"), "also-right", "pass"),
        (Some("preflight"), "right", "redis-login"),
        (Some("nobody"), "right", "redis-login"),
        (Some("mute"), "mute", "redis-not-permitted"),
    ] {
        let finding = ask_redis(&server, logged_in(user, password), &Trust::only([])).await;
        let seen = finding.verdict.map_or_else(|cause| cause.code(), |()| "pass");
        assert_eq!(seen, code, "{user:?}");
    }
    let without = ready_redis(&[]);
    let refused = ask_redis(&without, logged_in(None, "right"), &Trust::only([])).await;
    assert_eq!(refused.verdict.unwrap_err().code(), "redis-login");
}

#[tokio::test]
async fn redis_in_protected_mode_says_so_to_other_machines() {
    let server = ready_redis(&["--protected-mode", "yes"]);
    assert_eq!(ask_it(&server).await.verdict, Ok(()));
    let from = Some(std::net::Ipv4Addr::new(127, 0, 0, 9).into());
    let peer = Peer { host: NAME.to_owned(), address: server.home.at(REDIS), from };
    let deadline = Deadline::after(Duration::from_secs(9));
    let probe = Probe::Redis(redis::Probe::default());
    let finding = examine(&probe, peer, deadline, &Trust::only([])).await;
    assert_eq!(finding.verdict, Err(Cause::Database(DatabaseCause::RedisProtected)));
}

#[tokio::test]
async fn redis_without_a_place_for_us_says_so() {
    let server = ready_redis(&["--maxclients", "1"]);
    let held = std::net::TcpStream::connect(server.home.at(REDIS)).unwrap();
    assert_eq!(ask_it(&server).await.verdict, Err(Cause::Database(DatabaseCause::RedisFull)));
    drop(held);
}

#[tokio::test]
async fn redis_that_loads_its_data_says_so() {
    let home = Home::new();
    let filled = redis(home, &["--enable-debug-command", "yes"], "Ready to accept connections");
    redis_cli(&filled, &["DEBUG", "POPULATE", "2000", "key", "100"]);
    redis_cli(&filled, &["SAVE"]);
    let data = std::fs::read(filled.home.path("data/dump.rdb")).unwrap();
    drop(filled);
    let home = Home::new();
    home.folder_of("root", "data-before");
    let folder = home.path("data-before");
    std::fs::write(format!("{folder}/dump.rdb"), data).unwrap();
    let slowly = ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"];
    let settings = [&slowly[..], &["--dir", &folder]].concat();
    let server = redis(home, &settings, "RDB memory usage when created");
    assert_eq!(ask_it(&server).await.verdict, Err(Cause::Database(DatabaseCause::RedisLoading)));
}

#[tokio::test]
async fn a_replica_warns_and_one_without_its_master_fails_where_it_was_told_so() {
    let master = ["--replicaof", "127.0.0.1", "1"];
    let stale = ready_redis(&master);
    let finding = ask_it(&stale).await;
    assert_eq!((finding.verdict, finding.seen.concerns), (Ok(()), vec![Concern::RedisReplica]));
    let strict = ready_redis(&[&master[..], &["--replica-serve-stale-data", "no"]].concat());
    assert_eq!(ask_it(&strict).await.verdict, Err(Cause::Database(DatabaseCause::RedisMasterDown)));
}

#[tokio::test]
async fn redis_that_cannot_save_says_so() {
    let mut server = ready_redis(&[]);
    // Its file cannot take the place of a folder, whoever it runs as.
    std::fs::create_dir(server.home.path("data/dump.rdb")).unwrap();
    redis_cli(&server, &["SET", "key", "value"]);
    redis_cli(&server, &["BGSAVE"]);
    server.wait_for("Background saving error");
    assert_eq!(ask_it(&server).await.verdict.unwrap_err().code(), "redis-disk");
}

#[tokio::test]
async fn redis_with_tls_is_told_from_redis_without() {
    let (home, authority) = (Home::new(), Authority::new());
    authority.sign(&home, "server", &certificate_for(NAME));
    home.write("ca.pem", &authority.pem());
    let (pem, key, ca) = (home.path("server.pem"), home.path("server.key"), home.path("ca.pem"));
    let port = REDIS.to_string();
    let tls = ["--port", "0", "--tls-port", &port, "--tls-cert-file", &pem, "--tls-key-file", &key];
    let tls = [&tls[..], &["--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"]].concat();
    let server = redis(home, &tls, "Ready to accept connections");
    let in_tls = redis::Probe { tls: true, ..redis::Probe::default() };
    let finding = ask_redis(&server, in_tls.clone(), &authority.trust()).await;
    assert_eq!((finding.verdict, finding.seen.concerns), (Ok(()), vec![]));

    let plain = ask_it(&server).await;
    let peer = Peer { host: NAME.to_owned(), address: server.home.at(REDIS), from: None };
    let deadline = Deadline::after(Duration::from_secs(9));
    let service = Probe::Redis(redis::Probe::default()).service();
    let found = identify(service, &peer, &plain.verdict.unwrap_err(), deadline).await;
    assert_eq!(found, Some(Cause::Tls(TlsCause::TlsUnexpected { expected: "Redis".into() })));

    // No password leaves for a certificate that nobody trusts.
    let login = redis::Probe { tls: true, ..logged_in(None, "secret") };
    let kept = ask_redis(&server, login, &Trust::only([])).await;
    assert_eq!(kept.verdict.unwrap_err().code(), "certificate-unknown-issuer");

    let without = ask_redis(&ready_redis(&[]), in_tls, &Trust::only([])).await;
    let cause = without.verdict.unwrap_err();
    let is_named =
        matches!(cause, Cause::Talk(TalkCause::WrongService { spoken: Spoken::Redis, .. }));
    assert!(is_named || cause.code() == "silent", "{cause:?}");
}
