//! One input or output of a broker: does it connect, or listen, and where?
//!
//! Old types (`ipv4`, `ipv6`, `tcp`, `grpc`) connect when `host` is set and listen
//! when it is empty; new ones say it by name (`bbdo_client`, `bbdo_server`)
//! (centreon-collect, `broker/tcp/src/factory.cc`, `broker/grpc/src/factory.cc`,
//! `broker/tls/src/factory.cc`).

use crate::site::discover::Facts;
use crate::site::discover::address::{on_one, place};
use crate::site::discover::constructs::Constructs;
use crate::site::discover::facts::{Read, StreamFacts};
use crate::site::discover::tree::Node;
use crate::site::parse_port;

use super::MISSING;

/// What a stream's `type` can be (`broker/*/src/factory.cc`).
pub(in crate::site::discover) const CONSTRUCTS: Constructs = Constructs {
    program: "cbd",
    files: "centreon-broker/*.json: the type of an input or output",
    missing: "whom the broker connects to",
    understood: &[
        "bbdo_client",
        "bbdo_server",
        "grpc",
        "ip",
        "ipv4",
        "ipv6",
        "sql",
        "storage",
        "tcp",
        "unified_sql",
    ],
    noted: &[
        ("bam", "works on a database that it names itself"),
        ("bam_bi", "works on a database that it names itself"),
        ("graphite", "sends metrics to Graphite"),
        ("influxdb", "sends metrics to InfluxDB"),
        ("lua", "runs a stream connector that may connect to others"),
        ("victoria_metrics", "sends metrics to VictoriaMetrics"),
    ],
    aside: &["dumper", "file", "node_events", "rrd", "simu", "stats", "stats_exporter"],
};

/// Notes a stream that goes elsewhere than to a broker or a database.
pub(super) fn meet(node: &Node, facts: &mut Facts) {
    if let Some(kind) = node.read("type") {
        CONSTRUCTS.meet(&kind.value.to_ascii_lowercase(), kind.at, facts);
    }
}

/// The stream; none when it speaks no BBDO over a network.
pub(super) fn parse(node: &Node, is_output: bool, facts: &mut Facts) -> Option<StreamFacts> {
    let kind = StreamKind::of(node)?;
    let name = node.text("name").unwrap_or("a stream without a name").to_owned();
    let host = node.text("host");
    let listens = kind == StreamKind::Server || (kind != StreamKind::Client && host.is_none());
    if !listens && host.is_none() {
        facts.note(node.at("name"), format!("{name}: there is no host to connect to"), MISSING);
        return None;
    }
    let port = port(node, &name, facts)?;
    Some(StreamFacts {
        name,
        is_output,
        host: host.filter(|_| !listens).map(str::to_owned),
        listens_on: host.filter(|_| listens).and_then(on_one),
        port,
        grpc: kind.is_grpc(node),
        tls: kind.tls(node),
        tls_files: tls_files(node),
        tls_hostname: hostname(kind, node),
        compression: compression(kind, is_output, node),
        retention: is_on(node, "one_peer_retention_mode") || is_on(node, "retention"),
        at: node.at("name"),
    })
}

/// The database that an output writes to.
pub(super) fn database(node: &Node, facts: &mut Facts) {
    if !matches!(node.text("type"), Some("sql" | "storage" | "unified_sql")) {
        return;
    }
    let Some(host) = node.read("db_host") else { return };
    let port = node.text("db_port").and_then(|port| parse_port(port).ok());
    match place(&host.value, port) {
        Ok(place) => facts.database(place, host.at),
        Err(wrong) => facts.note(host.at, format!("db_host: {wrong}"), "the database"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StreamKind {
    /// `bbdo_client`
    Client,
    /// `bbdo_server`
    Server,
    /// `ipv4`, `ipv6`, `tcp`
    OldTcp,
    /// `grpc`
    OldGrpc,
}

impl StreamKind {
    fn of(node: &Node) -> Option<Self> {
        match node.text("type")?.to_ascii_lowercase().as_str() {
            "bbdo_client" => Some(Self::Client),
            "bbdo_server" => Some(Self::Server),
            "ipv4" | "ipv6" | "ip" | "tcp" => Some(Self::OldTcp),
            "grpc" => Some(Self::OldGrpc),
            _ => None,
        }
    }

    fn is_grpc(self, node: &Node) -> bool {
        let named = || node.text("transport_protocol");
        match self {
            Self::Client | Self::Server => {
                named().is_some_and(|it| it.eq_ignore_ascii_case("grpc"))
            }
            Self::OldTcp => false,
            Self::OldGrpc => true,
        }
    }

    /// Yes, no, or as the peer wants.
    fn tls(self, node: &Node) -> Option<bool> {
        match self {
            Self::OldTcp
                if node.text("tls").is_some_and(|tls| tls.eq_ignore_ascii_case("auto")) =>
            {
                None
            }
            Self::OldTcp => Some(is_on(node, "tls")),
            _ => Some(is_on(node, "encryption") || is_on(node, "encrypt")),
        }
    }
}

fn port(node: &Node, name: &str, facts: &mut Facts) -> Option<u16> {
    let port = match node.text("port") {
        Some(port) => parse_port(port),
        None => Err("there is no port".to_owned()),
    };
    port.map_err(|wrong| facts.note(node.at("port"), format!("{name}: {wrong}"), MISSING)).ok()
}

/// The certificate has a new name in the new types; here it keeps the old one.
fn tls_files(node: &Node) -> Vec<(String, Read<String>)> {
    let keys = [
        ("public_cert", "public_cert"),
        ("certificate", "public_cert"),
        ("private_key", "private_key"),
        ("ca_certificate", "ca_certificate"),
    ];
    keys.iter().filter_map(|(key, name)| Some(((*name).to_owned(), node.read(key)?))).collect()
}

/// gRPC has had another word for it first.
fn hostname(kind: StreamKind, node: &Node) -> Option<String> {
    let of_grpc = node.text("ca_name").filter(|_| kind.is_grpc(node));
    of_grpc.or(node.text("tls_hostname")).map(str::to_owned)
}

/// Yes, no, or as the peer wants; the inputs of the new types take what comes.
fn compression(kind: StreamKind, is_output: bool, node: &Node) -> Option<bool> {
    let is_auto = node.text("compression").is_some_and(|it| it.eq_ignore_ascii_case("auto"));
    let takes_all = matches!(kind, StreamKind::Client | StreamKind::Server) && !is_output;
    (!is_auto && !takes_all).then(|| is_on(node, "compression"))
}

/// As the broker reads a boolean that is written as a text.
fn is_on(node: &Node, key: &str) -> bool {
    node.text(key).is_some_and(|text| {
        ["true", "t", "yes", "y", "1"].iter().any(|yes| text.eq_ignore_ascii_case(yes))
    })
}
