//! The keys of a site file: each once, with what an editor is told of it.
//!
//! The reader refuses every key that is not in these tables, and the JSON Schema is made from them.

use preflight_checks::snmp;
use serde_json::{Map, Value, json};
use strum::IntoEnumIterator;

use super::key::{
    KeyShape, SiteKey, a, add, described, form, key, needed, one_or_more, table, words,
};
use super::platform::PLATFORM;
use super::vocabulary::{BBDO, FINDS, MODES, MUSTS, ROLES, UNTIL, VERSIONS};
use crate::catalogue::{Catalogue, Party, is_service, profile_names};

/// Sections of the file.
pub(super) const SECTIONS: &[SiteKey] = &[
    key(
        "platform",
        KeyShape::Table(PLATFORM),
        "How a run is done; each key has a flag, and the flag wins.",
    ),
    key(
        "services",
        KeyShape::A("services"),
        "The servers every machine uses; those of a machine itself replace them, kind by kind.",
    ),
    key("machine", KeyShape::Named("machine"), "The machines, by name."),
    key("credentials", KeyShape::Table(CREDENTIALS), "Names, and where the secrets live."),
    key("check", KeyShape::List("check"), "Flows of your own."),
];

/// `[machine.NAME]`
pub(super) const MACHINE: &[SiteKey] = &[
    needed("role", KeyShape::Words(|| words(&ROLES)), "What it is."),
    key("address", KeyShape::A("address"), "Name or address by which the others reach it."),
    key(
        "nat",
        KeyShape::A("address"),
        "Its IP address as the network sees it, behind address translation.",
    ),
    key(
        "from",
        KeyShape::Other(departures),
        "The address of its own that it asks from; or one for each flow, by id or glob.",
    ),
    key("central", KeyShape::Text, "The name of its central; needed only when there are several."),
    key("remote", KeyShape::Text, "The name of the remote server it stands behind."),
    key(
        "mode",
        KeyShape::Words(|| words(&MODES)),
        "How its Gorgone and the central's find each other.",
    ),
    key(
        "bbdo",
        KeyShape::Words(|| words(&BBDO)),
        "forward: the poller connects to the broker; reversed: the broker to the poller.",
    ),
    key(
        "bbdo_tls",
        KeyShape::Table(BBDO_TLS),
        "What its broker's output speaks, and the files its TLS is made with.",
    ),
    key(
        "connects_to",
        KeyShape::A("place"),
        "With pull and pullwss: where its Gorgone connects to, HOST:PORT or wss://HOST:PORT/PATH.",
    ),
    key(
        "ports",
        KeyShape::Table(LINKS),
        "Ports between it and its central, at whichever end listens.",
    ),
    key("listens", KeyShape::Table(LISTENERS), "Other ports its own daemons listen on."),
    key("services", KeyShape::A("services"), "Its own servers."),
    key("devices", KeyShape::Some("device"), "Monitored devices, asked by SNMP."),
    key("nsclient", KeyShape::Some("host"), "Windows servers with NSClient++."),
    key(
        "skip",
        KeyShape::Other(reasons),
        "Flows not to check, by id or glob, each with its reason.",
    ),
];

/// `bbdo_tls` of a machine; `--bbdo-tls` has the same.
pub(super) const BBDO_TLS: &[SiteKey] = &[
    key("mode", KeyShape::Words(|| texts(&["yes", "auto", "no"])), "TLS: yes if none is given."),
    key("transport", KeyShape::Words(|| texts(&["tcp", "grpc"])), "tcp if none is given."),
    key("compression", KeyShape::Words(|| texts(&["yes", "auto", "no"])), "auto if none is given."),
    key("ca", KeyShape::Text, "The file of the authority it trusts."),
    key("certificate", KeyShape::Text, "The file of its own certificate."),
    key("key", KeyShape::Text, "The file of that certificate's key."),
    key("hostname", KeyShape::Text, "The name the broker's certificate has to have."),
];

/// Services whose port between two machines may be another.
pub(super) const LINKS: &[SiteKey] = &[
    key("zmq", KeyShape::A("port"), "Gorgone, by ZMQ."),
    key("ssh", KeyShape::A("port"), "Gorgone, by SSH."),
    key("bbdo", KeyShape::A("port"), "The broker."),
    key("pullwss", KeyShape::A("port"), "Gorgone, by WebSocket."),
];

/// Services a machine's own daemons may listen for on another port.
pub(super) const LISTENERS: &[SiteKey] = &[
    key("zmq", KeyShape::A("port"), "Gorgone, by ZMQ."),
    key("ssh", KeyShape::A("port"), "Gorgone, by SSH."),
    key("bbdo", KeyShape::A("port"), "The broker."),
    key("pullwss", KeyShape::A("port"), "Gorgone, by WebSocket."),
    key("pullwss-tls", KeyShape::A("port"), "Gorgone, by WebSocket with TLS."),
    key("trap", KeyShape::A("port"), "SNMP traps."),
];

/// A server that is a table.
pub(super) const SERVER: &[SiteKey] = &[
    key("host", KeyShape::A("place"), "Name or address."),
    key("port", KeyShape::A("port"), "Its port, when it is not the usual one."),
    key("url", KeyShape::A("place"), "Instead of host and port."),
    key(
        "secret",
        KeyShape::A("secret"),
        "Where the secret stands that *** in the URL stands for, or the whole URL.",
    ),
    key("protocol", KeyShape::Text, "The protocol it is asked in, whatever the flow says."),
    key(
        "find",
        KeyShape::Words(|| words(&FINDS)),
        "mx, srv: the host is a domain, and its mail servers or its directory servers are asked. dns: the addresses of the host come from the DNS alone. dns-domain: the same, and a name without a dot is looked for in this machine's domain first. dns-first: the DNS is asked before /etc/hosts. mx-dns: those of the mail servers do.",
    ),
    key(
        "proxy",
        KeyShape::Other(way),
        "The proxy to this server alone; false: straight, though there is one.",
    ),
    key("nts", KeyShape::Table(NTS), "How keys for the time are taken from it, with protocol nts."),
];

/// `nts` of a server.
pub(super) const NTS: &[SiteKey] = &[
    key(
        "port",
        KeyShape::A("port"),
        "The time server's UDP port, where the key server names none.",
    ),
    key("trusted", KeyShape::Texts, "The files of certificates that its client trusts."),
    key("only_trusted", KeyShape::Boolean, "true: those and not the system's too."),
];

/// A monitored host that is a table.
pub(super) const HOST: &[SiteKey] = &[
    needed("host", KeyShape::A("place"), "Name or address."),
    key("port", KeyShape::A("port"), "Its port, when it is not the usual one."),
];

/// A device that is a table.
pub(super) const DEVICE: &[SiteKey] = &[
    needed("host", KeyShape::A("place"), "Name or address."),
    key("port", KeyShape::A("port"), "Its port, when it is not 161."),
    key("snmp", KeyShape::Text, "The name of its credentials, in [credentials.snmp]."),
];

/// `[[check]]`
pub(super) const CHECK: &[SiteKey] = &[
    needed("name", KeyShape::Form("^[A-Za-z0-9_-]+$"), "Letters, digits, - and _."),
    needed("url", KeyShape::Form(r"^!?[a-z-]+://[^\s]+$"), "SCHEME://HOST[:PORT]"),
    key(
        "must",
        KeyShape::Words(|| words(&MUSTS)),
        "be closed: the port must accept no connection from these machines.",
    ),
    key("send", KeyShape::Text, "Sent to a port of tcp:// or tls://; no secret."),
    key("expect", KeyShape::Text, "What must stand in its answer."),
    key("from", KeyShape::Texts, "The machines that need it; without it every one does."),
    key("required", KeyShape::Boolean, "false: its failure fails no run."),
    key(
        "until",
        KeyShape::Words(|| words(&UNTIL)),
        "installed: before that a closed port waits, and fails no run.",
    ),
    key("why", KeyShape::Text, "What breaks without it, for the report."),
];

/// `[credentials]`
pub(super) const CREDENTIALS: &[SiteKey] = &[
    key(
        "snmp",
        KeyShape::Named("snmp"),
        "How devices are read, by a name that devices refer to; default is for those that name none.",
    ),
    key("ldap", KeyShape::Table(LDAP), "How to bind to the directory."),
    key("nsclient", KeyShape::Table(NSCLIENT), "How to log in to NSClient++."),
    key("proxy", KeyShape::Table(PROXY), "How to log in to the proxy."),
    key(
        "far_side_code",
        KeyShape::A("secret"),
        "Where the code is put that `preflight respond` shows on the other machine, for --far-side.",
    ),
];

/// `[credentials.ldap]`
pub(super) const LDAP: &[SiteKey] = &[
    needed("bind_dn", KeyShape::Text, "The distinguished name."),
    needed("password", KeyShape::A("secret"), "Where its password lives."),
    key(
        "plain",
        KeyShape::Boolean,
        "The password may travel in plain text, where the directory has no TLS.",
    ),
];

/// `[credentials.nsclient]`
pub(super) const NSCLIENT: &[SiteKey] = &[
    key("user", KeyShape::Text, "Without one the password goes alone."),
    needed("password", KeyShape::A("secret"), "Where the agents' password lives."),
    key(
        "insecure",
        KeyShape::Boolean,
        "The password is sent to agents whose certificate is not trusted, too.",
    ),
];

/// `[credentials.proxy]`
pub(super) const PROXY: &[SiteKey] = &[
    needed("user", KeyShape::Text, "The user."),
    key("password", KeyShape::A("secret"), "Where the user's password lives."),
];

/// `[credentials.snmp.NAME]`
pub(super) const SNMP: &[SiteKey] = &[
    key("version", KeyShape::Words(|| words(&VERSIONS)), "2c if none is given."),
    key("community", KeyShape::A("secret"), "With version 1 and 2c."),
    key("user", KeyShape::Text, "With version 3."),
    key(
        "auth_protocol",
        KeyShape::Words(each::<snmp::AuthProtocol>),
        "How the user is authenticated; sha if none is given.",
    ),
    key("auth", KeyShape::A("secret"), "The authentication password."),
    key(
        "priv_protocol",
        KeyShape::Words(each::<snmp::PrivProtocol>),
        "aes if none is given; aes-192-c and aes-256-c as Cisco does.",
    ),
    key("priv", KeyShape::A("secret"), "The privacy password; needs auth."),
];

/// Where a secret lives.
pub(super) const REFERENCE: &[SiteKey] = &[
    key("env", KeyShape::Form("^[A-Za-z_][A-Za-z0-9_]*$"), "A variable of the environment."),
    key(
        "file",
        KeyShape::Text,
        "A file with nothing else in it; a relative path begins in the folder of the site file.",
    ),
    key(
        "config",
        KeyShape::Form(
            "^/[^:]*:(.+:)?(_SNMPCOMMUNITY|authpassphrase|privpassphrase|proxy_password|url)$",
        ),
        "FILE:KEY or FILE:HOST:KEY: where the platform has it already.",
    ),
];

/// The keys of `[machine.NAME]`.
pub(crate) fn machine_keys() -> impl Iterator<Item = &'static str> {
    MACHINE.iter().map(|key| key.name)
}

/// The JSON Schema of a site file: what an editor knows of its keys.
pub(crate) fn schema() -> String {
    let mut whole = table(
        "The machines of a platform, the servers they use, and where their secrets live.",
        SECTIONS,
    );
    add(
        &mut whole,
        json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Site file of preflight" }),
    );
    add(&mut whole, json!({ "$defs": definitions() }));
    let text = serde_json::to_string_pretty(&whole).unwrap_or_default();
    format!("{text}\n")
}

/// What the tables refer to.
fn definitions() -> Value {
    let place = r"^[^@\s]+$";
    let or_table = |about: &str, whole: Value| json!({ "description": about, "anyOf": [{ "$ref": "#/$defs/place" }, whole] });
    let mut server = table("A server of which there is more to say.", SERVER);
    add(&mut server, json!({ "oneOf": [{ "required": ["host"] }, { "required": ["url"] }] }));
    let mut snmp = table("A community of version 1 or 2c, or a user of version 3.", SNMP);
    add(
        &mut snmp,
        json!({
            "dependentRequired": { "priv": ["auth"] },
            "if": { "required": ["version"], "properties": { "version": { "const": "3" } } },
            "then": { "required": ["user"], "properties": { "community": false } },
            "else": { "required": ["community"], "properties": { "user": false, "auth": false, "priv": false } },
        }),
    );
    let mut secret = table("Where a secret lives; a secret itself is refused.", REFERENCE);
    add(&mut secret, json!({ "minProperties": 1, "maxProperties": 1 }));
    json!({
        "port": { "description": "A port.", "type": "integer", "minimum": 1, "maximum": 65535 },
        "address": form("A name or an IP address, of a link with its interface.", "^[A-Za-z0-9._:-]+(%[A-Za-z0-9._@-]+)?$"),
        "place": form("HOST, HOST:PORT, [IPv6]:PORT or a URL.", place),
        "proxy": form("http://HOST:PORT; user and password stand in [credentials.proxy].", place),
        "server": or_table("A server: HOST, HOST:PORT, [IPv6]:PORT, a URL, or a table with more.", server),
        "host": or_table("A monitored host: HOST, HOST:PORT, [IPv6]:PORT, or a table.", table("A monitored host with its port.", HOST)),
        "device": or_table("A monitored device: HOST, HOST:PORT, [IPv6]:PORT, or a table.", table("A device with its port or its credentials.", DEVICE)),
        "services": services(),
        "machine": table("One machine; its peers come from the other machines.", MACHINE),
        "snmp": snmp,
        "secret": secret,
        "check": table("A flow of your own: custom.NAME.", CHECK),
    })
}

/// The kinds of servers that the built-in flow tables ask.
fn services() -> Value {
    let tables = profile_names().into_iter().filter_map(Catalogue::profile);
    let kinds =
        tables.flat_map(|table| table.flows).map(|flow| flow.to).filter(|to| is_service(&to.0));
    let mut kinds: Vec<Party> = kinds.collect();
    kinds.sort();
    kinds.dedup();
    let kind = |party: &Party| {
        let value = match party.0.as_str() {
            "proxy" => json!({
                "description": "The HTTP proxy on the way to the Internet; an empty list: none.",
                "anyOf": [a("proxy"), { "type": "array", "items": a("proxy"), "maxItems": 1 }],
            }),
            _ => described(&format!("{}.", party.title()), one_or_more(&a("server"))),
        };
        (party.0.clone(), value)
    };
    json!({
        "description": "Servers by kind; an empty list: there is none, and none is needed.",
        "type": "object",
        "additionalProperties": false,
        "properties": kinds.iter().map(kind).collect::<Map<String, Value>>(),
    })
}

/// One address for every flow, or a table with one for each.
fn departures() -> Value {
    let each =
        json!({ "type": "object", "minProperties": 1, "additionalProperties": a("address") });
    json!({ "oneOf": [a("address"), each] })
}

fn reasons() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string", "minLength": 1 } })
}

fn way() -> Value {
    json!({ "anyOf": [a("proxy"), { "const": false }] })
}

fn texts(known: &[&str]) -> Vec<String> {
    known.iter().map(|word| (*word).to_owned()).collect()
}

fn each<P: IntoEnumIterator + ToString>() -> Vec<String> {
    P::iter().map(|protocol| protocol.to_string()).collect()
}
