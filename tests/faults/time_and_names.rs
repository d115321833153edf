//! Faults of time and name servers.

use crate::lab::Node::{Router, Server};
use crate::peer::{self, Peer};
use crate::row::{Place, Row, dns, ntp};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = times();
    rows.extend(distances());
    rows.extend(names());
    rows
}

fn times() -> Vec<Row> {
    let kiss = |word: &'static [u8; 4]| {
        peer::time(0, move |reply| {
            (reply[0], reply[1]) = (0xe4, 0);
            reply[12..16].copy_from_slice(word);
        })
    };
    let row = |fault: &str, peer| Row::new(fault, ntp()).peer(peer);
    vec![
        row("stratum 16", peer::time(0, |reply| reply[1] = 16)).fails(&["ntp-unsynchronised"]),
        row("leap indicator 3", peer::time(0, |reply| reply[0] |= 0xc0))
            .fails(&["ntp-unsynchronised"]),
        row("stratum 0, no kiss", peer::time(0, |reply| reply[1] = 0))
            .fails(&["ntp-unsynchronised"]),
        row("kiss-o'-death DENY", kiss(b"DENY")).fails(&["ntp-denied"]).says("DENY"),
        row("kiss-o'-death RSTR", kiss(b"RSTR")).fails(&["ntp-denied"]).says("RSTR"),
        row("kiss-o'-death RATE", kiss(b"RATE")).fails(&["ntp-rate-limited"]),
        row("server one hour ahead", peer::time(3600, |_| {}))
            .fails(&["clock-offset"])
            .says("behind"),
        row("server one hour behind", peer::time(-3600, |_| {}))
            .fails(&["clock-offset"])
            .says("ahead"),
        row("answers with garbage", Peer::udp(|_| Some(b"garbage".to_vec()))).fails(&["bad-reply"]),
        row("answers that nobody asked for", peer::time(0, |reply| reply[24] ^= 1))
            .fails(&["bad-reply"])
            .says("an answer to our question"),
        row(
            "sent before it was received",
            peer::time(0, |reply| {
                reply[32..40].copy_from_slice(&peer::ntp_now(5));
            }),
        )
        .fails(&["bad-reply"])
        .says("time stamps"),
        row("never sent, as it says", peer::time(0, |reply| reply[40..48].fill(0)))
            .fails(&["bad-reply"])
            .says("time stamps"),
        row(
            "a server that takes its time from this host",
            peer::time(0, |reply| {
                reply[1] = 3;
                reply[12..16].copy_from_slice(&[10, 2, 0, 7]);
            }),
        )
        .fails(&["ntp-loop"])
        .says("10.2.0.7"),
        row(
            "healthy, and set from another host",
            peer::time(0, |reply| {
                reply[1] = 3;
                reply[12..16].copy_from_slice(&[10, 2, 0, 8]);
            }),
        ),
        row("a weak source", peer::time(0, |reply| reply[4] = 5)).warns(&["ntp-weak-source"]),
    ]
}

/// How far a server may be from a good clock is the patience of the program that asks it.
fn distances() -> Vec<Row> {
    const FAILS: &[&str] = &["ntp-too-far"];
    const WARNS: &[&str] = &["ntp-weak-source"];
    let mut rows = Vec::new();
    for (client, file, text, most) in [
        ("ntp", "far-ntp/etc/ntp.conf", "server {server}\n", 1),
        ("chrony", "far-chrony/etc/chrony.conf", "server {server}\n", 3),
        ("timesyncd", "far-timesyncd/etc/systemd/timesyncd.conf", "[Time]\nNTP={server}\n", 5),
        ("none", "far-none/etc/hostname", "poller\n", 9),
    ] {
        for distance in [2_u8, 4, 6] {
            let peer = peer::time(0, move |reply| reply[9] = distance);
            let fault = format!("{distance} s from a good clock, for {client}");
            let root = format!("{{lab}}/far-{client}");
            let flow = ntp().with(&["--role", "poller", "--only", "poller.ntp", "--root", &root]);
            let row = Row::new(fault, flow.with(&["--ntp", "{server}:{port}"])).peer(peer);
            let row = row.file(file, text);
            rows.push(match () {
                () if client == "none" => row.warns(WARNS).says("ntpd (1.5 s)"),
                () if distance > most => row.fails(FAILS).says("root distance"),
                () => row,
            });
        }
    }
    rows
}

fn names() -> Vec<Row> {
    let row = |fault: &str, peer| Row::new(fault, dns()).peer(peer);
    let near = |fault: &str| Row::new(fault, dns()).at(Place::Near);
    vec![
        row("REFUSED", peer::names(5, true)).fails(&["dns-refused"]),
        row("SERVFAIL", peer::names(2, true)).fails(&["dns-servfail"]),
        row("NOTIMP", peer::names(4, true)).fails(&["dns-failed"]).says("NOTIMP"),
        row("not recursive", peer::names(0, false)).unknown(&["dns-no-name-asked"]),
        Row::new("not recursive, BIND", dns().on(5353)).unknown(&["dns-no-name-asked"]),
        Row::new("a name this role needs is not known", dns())
            .asks_for_central("nobody.example.test"),
        near("UDP only: TCP rejected by the target")
            .rule(Server, "input", "{host} tcp dport 53 reject with tcp reset")
            .warns(&["dns-udp-only"]),
        near("UDP only: TCP dropped by the router")
            .rule(Router, "forward", "{host} tcp dport 53 drop")
            .warns(&["dns-udp-only"]),
        near("TCP only: UDP dropped by the router")
            .rule(Router, "forward", "{host} udp dport 53 drop")
            .fails(&["dns-tcp-only"]),
        near("TCP only: UDP rejected by the router")
            .rule(Router, "forward", "{host} udp dport 53 reject with icmp admin-prohibited")
            .fails(&["dns-tcp-only"])
            .says("10.2.0.1"),
        row("one address for every name", peer::names_of_anybody([192, 0, 2, 99]))
            .warns(&["dns-made-up", "dns-udp-only"]),
        Row::new(
            "one address for every name, of a name this role needs",
            dns().with(&["--role", "poller", "--only", "poller.dns"]).with(&[
                "--dns",
                "{server}:{port}",
                "--central",
                "central.example.test",
            ]),
        )
        .peer(peer::names_of_anybody([192, 0, 2, 99]))
        .fails(&["dns-wildcard"])
        .says("192.0.2.99"),
        row("answers with garbage", Peer::udp(|_| Some(b"garbage".to_vec()))).fails(&["bad-reply"]),
    ]
}

impl Row {
    /// The poller's own question: its central by name.
    fn asks_for_central(mut self, central: &str) -> Self {
        self.flow = self.flow.with(&["--role", "poller", "--only", "poller.dns", "--dns"]);
        self.flow = self.flow.with(&["{server}", "--central", central]);
        self.fails(&["dns-name-not-found"]).says(central)
    }
}
