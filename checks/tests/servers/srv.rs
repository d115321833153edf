//! SRV and MX records against Debian's bind9.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use preflight_checks::{Cause, Concern, Deadline, NameCause, Offer, mail_servers, offers, reverse};

use crate::daemon::{Home, Server};

const ZONE: &str = "$TTL 60
@ SOA ns.corp.test. admin.corp.test. 1 60 60 60 60
@ NS ns
ns A 127.0.0.1
_ldap._tcp SRV 10 50 389 dc2
_ldap._tcp SRV 10 70 389 dc1
_ldap._tcp SRV 20 0 3389 far.elsewhere.test.
_ldap._tcp.none SRV 0 0 0 .
_ldap._tcp.empty TXT nothing
@ MX 20 mx2
@ MX 10 MX1
nomail MX 0 .
right A 192.0.2.1
stale A 192.0.2.99
";

const BACKWARDS: &str = "$TTL 60
@ SOA ns.corp.test. admin.corp.test. 1 60 60 60 60
@ NS ns.corp.test.
1 PTR right.corp.test.
2 PTR stale.corp.test.
3 PTR gone.corp.test.
";

/// Answers for `corp.test`: five directories, more than UDP carries in `many.corp.test`.
fn named() -> (Server, SocketAddr) {
    let home = Home::new();
    // It listens only on addresses an interface has, so not on its home's.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let many = (0..60).map(|n| format!("_ldap._tcp.many SRV {n} 0 389 controller-{n}.many\n"));
    let zone = [ZONE.to_owned()].into_iter().chain(many).collect::<Vec<_>>().concat();
    let settings = format!(
        "options {{ directory \"{}\"; listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }};
            pid-file none; session-keyfile none; recursion no; dnssec-validation no; }};
        controls {{ }};
        zone \"corp.test\" {{ type primary; file \"{}\"; }};
        zone \"2.0.192.in-addr.arpa\" {{ type primary; file \"{}\"; }};\n",
        home.folder_of("root", "data"),
        address.port(),
        address.ip(),
        home.write("corp.test", &zone),
        home.write("backwards", BACKWARDS),
    );
    let settings = home.write("named.conf", &settings);
    let mut command = home.command(&home.unconfined("named"));
    command.args(["-g", "-c", &settings]);
    (home.start(command, "all zones loaded"), address)
}

async fn ask(server: SocketAddr, domain: &str) -> Result<Vec<Offer>, Cause> {
    let wait = Deadline::after(Duration::from_secs(10));
    offers("_ldap._tcp", domain, &[server], wait).await
}

#[tokio::test]
async fn an_address_is_held_against_its_name_both_ways() {
    let (_running, server) = named();
    let ask = async |address: [u8; 4], needs_name| {
        let wait = Deadline::after(Duration::from_secs(10));
        reverse(address.into(), needs_name, &[server], wait).await
    };
    assert_eq!(ask([192, 0, 2, 1], true).await, None);
    let name = "stale.corp.test".to_owned();
    let elsewhere = |address: [u8; 4], name: &str, leads_to: &[&str]| {
        let leads_to = leads_to.iter().map(|it| (*it).to_owned()).collect();
        Some(Concern::ReverseNameElsewhere {
            address: address.into(),
            name: name.to_owned(),
            leads_to,
        })
    };
    assert_eq!(ask([192, 0, 2, 2], false).await, elsewhere([192, 0, 2, 2], &name, &["192.0.2.99"]));
    let gone = elsewhere([192, 0, 2, 3], "gone.corp.test", &[]);
    assert_eq!(ask([192, 0, 2, 3], false).await, gone);
    let missing = Concern::ReverseNameMissing { address: [192, 0, 2, 4].into() };
    assert_eq!(ask([192, 0, 2, 4], true).await, Some(missing));
    assert_eq!(ask([192, 0, 2, 4], false).await, None);
    // Of a zone that it does not serve it says nothing that would hurt.
    assert_eq!(ask([10, 0, 0, 1], true).await, None);
}

#[tokio::test]
async fn the_directories_of_a_domain_come_in_their_order() {
    let (_running, server) = named();
    let offer = |host: &str, port| Offer { host: host.to_owned(), port };
    assert_eq!(
        ask(server, "corp.test").await,
        Ok(vec![
            offer("dc1.corp.test", 389),
            offer("dc2.corp.test", 389),
            offer("far.elsewhere.test", 3389),
        ])
    );
    assert_eq!(ask(server, "corp.test.").await.unwrap().len(), 3, "a dot at the end");

    let many = ask(server, "many.corp.test").await.unwrap();
    assert_eq!(many.len(), 16, "more than a datagram holds, by TCP, to the bound");
    assert_eq!(many[15].host, "controller-15.many.corp.test");
}

#[tokio::test]
async fn a_domain_without_directories_says_how_it_has_none() {
    let (_running, server) = named();
    let name = "_ldap._tcp.gone.corp.test".to_owned();
    let cause = ask(server, "gone.corp.test").await.unwrap_err();
    assert_eq!(
        cause,
        Cause::Name(NameCause::NameNotFound { name, servers: Vec::new(), dns_alone: true })
    );

    for (domain, why) in [
        ("none.corp.test", "the domain says that it does not offer this service"),
        ("empty.corp.test", "it has no SRV record"),
    ] {
        let cause = ask(server, domain).await.unwrap_err();
        let said = format!("_ldap._tcp.{domain} could not be resolved: {why}");
        assert_eq!(cause.to_string(), said);
    }

    let refused = ask(server, "other.test").await.unwrap_err();
    assert_eq!(refused.code(), "resolver-failed", "{refused}");
}

#[tokio::test]
async fn the_mail_servers_of_a_domain_come_in_their_order() {
    let (_running, server) = named();
    let ask = async |domain: &str| {
        mail_servers(domain, &[server], Deadline::after(Duration::from_secs(10))).await
    };
    let servers = ["mx1.corp.test", "mx2.corp.test"].map(str::to_owned);
    assert_eq!(ask("corp.test").await, Ok(servers.to_vec()));
    assert_eq!(ask("ns.corp.test").await, Ok(vec!["ns.corp.test".to_owned()]), "itself");
    let none = ask("nomail.corp.test").await.unwrap_err().to_string();
    assert!(none.ends_with("the domain says that it takes no mail"), "{none}");
    let name = "gone.corp.test".to_owned();
    let gone = ask("gone.corp.test").await.unwrap_err();
    assert_eq!(
        gone,
        Cause::Name(NameCause::NameNotFound { name, servers: Vec::new(), dns_alone: true })
    );
}
