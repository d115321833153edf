//! Sessions that something on the way forgets, because nobody spoke on them for a while: `--hold`.

use std::io::{Read as _, Write as _};

use crate::lab::Node::Router;
use crate::peer::{self, Peer};
use crate::row::{Flow, Place, Row, bbdo, zmq, zmq_router};
use crate::servers;

pub(crate) fn rows() -> Vec<Row> {
    let flows = [
        (bbdo(), broker as fn() -> Peer),
        (zmq(), || router(b"router-external")),
        (zmq_router(), || router(b"")),
    ];
    let mut rows = Vec::new();
    for (flow, peer) in flows {
        let row = |fault: &str| held(fault, flow.clone(), peer());
        rows.push(row("silent for eight seconds, and nobody minds"));
        rows.push(
            forgetful(row("the router forgets who is silent for three seconds, and drops"), "drop")
                .says("after 4 s of silence what is said gets no answer, after 2 s it still lived"),
        );
        rows.push(
            forgetful(
                row("the router forgets who is silent for three seconds, and says so"),
                "reject with tcp reset",
            )
            .says("after 4 s of silence what is said is reset, after 2 s it still lived"),
        );
    }
    rows.push(
        held("the broker ends who is silent for three seconds", bbdo(), servers::broker())
            .warns(&["idle-ended"])
            .says("closed after 3 s"),
    );
    rows
}

fn held(fault: &str, flow: Flow, peer: Peer) -> Row {
    Row::new(fault, flow.with(&["--hold", "8s"])).at(Place::Alone).peer(peer).takes_time()
}

/// What follows a session that was forgotten begins without a SYN.
fn forgetful(row: Row, then: &str) -> Row {
    row.sysctl(Router, "net/netfilter/nf_conntrack_tcp_timeout_established", "3")
        .rule(Router, "forward", format!("{{tcp flow}} ct state new tcp flags & syn == 0 {then}"))
        .fails(&["idle-forgotten"])
}

/// A ROUTER of ZMTP 3 that stays.
fn router(identity: &'static [u8]) -> Peer {
    Peer::tcp(move |mut stream| {
        let mut greeting = [0; 64];
        greeting[..12].copy_from_slice(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01");
        greeting[12..16].copy_from_slice(b"NULL");
        let _gone = stream.write_all(&greeting);
        if stream.read_exact(&mut greeting).is_err() {
            return;
        }
        let length = u8::try_from(identity.len()).unwrap();
        let head = b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0".as_slice();
        let body = [head, &[length], identity].concat();
        let frame = [&[4, u8::try_from(body.len()).unwrap()][..], &body].concat();
        let _gone = stream.write_all(&frame);
        peer::drain(&mut stream);
    })
}

/// A broker that stays.
fn broker() -> Peer {
    Peer::tcp(|mut stream| {
        if stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
            let _gone = stream.write_all(servers::WELCOME);
            peer::drain(&mut stream);
        }
    })
}
