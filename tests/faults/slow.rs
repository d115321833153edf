//! What takes its time: answers, names, the way itself. It works, and there is a word to say about it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::lab::Node::Router;
use crate::lab::SERVER;
use crate::peer::{self, Peer};
use crate::row::{Place, Row, bbdo, dns, http, ntp, smtp, snmp, ssh, zmq};
use crate::servers;

pub(crate) fn rows() -> Vec<Row> {
    [answers(), ways(), names()].concat()
}

/// Services that take 2.5 s for each question, one after the other.
fn answers() -> Vec<Row> {
    let row = |flow, peer| {
        Row::new("takes 2.5 s a question", flow).peer(peer).warns(&["slow-answer"]).says("takes 2.")
    };
    let takes = Duration::from_millis(2_500);
    vec![
        row(snmp(), agent_after(takes)),
        row(
            ntp(),
            peer::time(0, move |reply| {
                thread::sleep(takes);
                // The moment it sends is read last, as a server does.
                reply[40..48].copy_from_slice(&peer::ntp_now(0));
            }),
        ),
        row(dns(), forwarder_after(takes)),
        Row::new("takes 3.5 s a question", snmp())
            .peer(agent_after(Duration::from_millis(3_500)))
            .warns(&["slow-answer"])
            .says("takes 3."),
        // Neither ping nor any other port of it answers.
        Row::new("takes 4.4 s a question, and nothing else of the host answers", snmp())
            .at(Place::Near)
            .peer(agent_after(Duration::from_millis(4_400)))
            .rule(Router, "forward", "{host} meta l4proto { tcp, icmp } drop")
            .rule(Router, "forward", "{host} udp dport 33434 drop")
            .fails(&["too-slow"])
            .says("takes 4."),
    ]
}

/// Half a second for a packet there and back.
fn ways() -> Vec<Row> {
    let row = |flow| Row::new("a round trip of 500 ms", flow).at(Place::Near).delayed();
    let web = Peer::tcp(|mut stream| peer::serve_web(&mut stream, &|_| peer::OK.to_owned()));
    vec![
        row(ssh()).warns(&["slow-round-trip"]).says("a round trip takes 5"),
        row(bbdo()).peer(servers::broker()).warns(&["slow-round-trip"]).says("takes 5"),
        row(smtp()).warns(&["slow-round-trip"]).says("takes 5"),
        row(http()).peer(web).warns(&["slow-round-trip"]).says("takes 5"),
        row(zmq()).warns(&["slow-round-trip"]).says("takes 5"),
        row(ntp()).warns(&["slow-answer"]).says("takes 5"),
        row(snmp()).warns(&["slow-answer"]).says("takes 5"),
        row(dns()).warns(&["slow-answer"]).says("takes 5"),
    ]
}

/// Name servers that do not answer, before one that does.
fn names() -> Vec<Row> {
    let row = |fault: &str, resolver: &str| {
        let web = Peer::tcp(|mut stream| peer::serve_web(&mut stream, &|_| peer::OK.to_owned()));
        Row::new(fault, http().to("www.example.test"))
            .at(Place::Alone)
            .peer(web)
            .resolver(resolver)
            .beside(53, peer::names_of_ipv4([10, 0, 0, 3], Some(0)))
            .rule(Router, "forward", "ip daddr { 10.0.0.77, 10.0.0.78 } drop")
            .warns(&["name-slow"])
            .says("10.0.0.77: no answer")
    };
    let two = "nameserver 10.0.0.77\nnameserver 10.0.0.3\n";
    vec![
        row("the first of two name servers is dead", two).says("takes 5."),
        row(
            "the first of two name servers is dead, a second's wait",
            &format!("{two}options timeout:1\n"),
        )
        .says("takes"),
        row(
            "two of three name servers are dead",
            "nameserver 10.0.0.77\nnameserver 10.0.0.78\nnameserver 10.0.0.3\n",
        ),
    ]
}

/// The site's own agent, behind something that takes so long for each datagram.
pub(crate) fn agent_after(takes: Duration) -> Peer {
    Peer::udp(move |question| {
        thread::sleep(takes);
        asked((SERVER, 161).into(), question)
    })
}

/// The site's own name server, behind a forwarder that takes so long for each question.
fn forwarder_after(takes: Duration) -> Peer {
    let to = SocketAddr::from((SERVER, 53));
    let answer = move |question: &[u8]| {
        thread::sleep(takes);
        asked(to, question)
    };
    let talk = move |mut client: TcpStream| {
        let mut question = [0; 512];
        while let Ok(length @ 1..) = client.read(&mut question) {
            thread::sleep(takes);
            let Ok(mut server) = TcpStream::connect(to) else { return };
            server.write_all(&question[..length]).unwrap();
            let mut answer = [0; 4096];
            let Ok(length) = server.read(&mut answer) else { return };
            if client.write_all(&answer[..length]).is_err() {
                return;
            }
        }
    };
    Peer::both(talk, answer)
}

fn asked(to: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    socket.send_to(question, to).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).ok()?;
    answer.truncate(length);
    Some(answer)
}
