//! What the text of a fact is: words of ours, somebody's name, or what a stranger said.
//!
//! A fact of one name is of one kind, with few exceptions by code. One that is not here is a stranger's
//! words: a later version wrote it, or a probe whose new fact nobody has thought about; a test names those.

/// What a text of a report is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextKind {
    /// Words, codes and times, the same at every site.
    Ours,
    /// A host, alone or with what belongs to it: a scheme, a port, a path.
    Host,
    /// The machine of the report.
    Machine,
    /// A name of the site that no host has: a user, a database, an output of the broker.
    Name,
    /// The path of a URL.
    Path,
    /// A flow of the table, or one of the user's own.
    Flow,
    /// The id of a step.
    Step,
    /// A sentence of ours, a file, a certificate's subject: addresses and names may stand in it.
    Sentence,
    /// What a stranger, or the user, wrote in words of their own.
    Words,
}

/// What the text of that fact is, in a cause or concern of that code or in evidence; none: not known here.
#[allow(clippy::too_many_lines)] // A table.
pub(super) fn told(code: &str, fact: &str) -> Option<TextKind> {
    // The same word for two things.
    match (code, fact) {
        ("certificate-wrong-name", "expected") => return Some(TextKind::Host),
        ("proxy-cannot-reach", "error") => return Some(TextKind::Words),
        // A result's name, and a program's.
        (code, "name") if code.starts_with("ldap-") || code == "ntp-weak-source" => {
            return Some(TextKind::Ours);
        }
        _ => {}
    }
    let told = match fact {
        "action"
        | "agent"
        | "agreed"
        | "algorithm"
        | "alpn"
        | "anonymous_bind"
        | "answer"
        | "answers"
        | "asked"
        | "auth_plugin"
        | "authentication"
        | "bbdo_version"
        | "bind"
        | "came"
        | "certificate_not_after"
        | "certificate_not_before"
        | "ciphers"
        | "client"
        | "client_certificate"
        | "code"
        | "compared_with"
        | "digest"
        | "encryption"
        | "ends"
        | "end"
        | "fault"
        | "has"
        | "error_code"
        | "expected"
        | "family"
        | "firewall"
        | "found"
        | "grpc_status"
        | "handshakes"
        | "host_key_algorithms"
        | "how"
        | "http_version"
        | "id"
        | "kex_algorithms"
        | "kind"
        | "kiss"
        | "layer"
        | "ldap_versions"
        | "level"
        | "list"
        | "macs"
        | "mark"
        | "mechanism"
        | "missing"
        | "mode"
        | "not_after"
        | "not_before"
        | "not_open"
        | "offered"
        | "other"
        | "one"
        | "ours"
        | "part"
        | "peer_type"
        | "phase"
        | "pid"
        | "program"
        | "purposes"
        | "range"
        | "rcode"
        | "role"
        | "sasl_mechanisms"
        | "schemes"
        | "security_level"
        | "services"
        | "seen"
        | "sign"
        | "snmp_version"
        | "socket_type"
        | "spoken"
        | "status"
        | "sub_code"
        | "theirs"
        | "tls"
        | "tls_offered"
        | "tls_version"
        | "transport"
        | "transports"
        | "vendor"
        | "way"
        | "works_since"
        | "zmtp_version" => TextKind::Ours,
        "addresses" | "broker_name" | "certificate_names" | "destination" | "entered" | "host"
        | "leads_to" | "location" | "machine" | "name" | "names" | "poller_name" | "presented"
        | "proxy" | "question" | "redirect" | "resolved_as" | "server_name" | "sys_name"
        | "target" | "time_server" | "to" | "url" | "vpn" => TextKind::Host,
        "database" | "engine_id" | "identity" | "output" | "stream" | "user" => TextKind::Name,
        "path" | "url_path" => TextKind::Path,
        "alert"
        | "alive"
        | "address"
        | "after"
        | "from"
        | "gateway"
        | "handed_to"
        | "here"
        | "neighbour"
        | "network"
        | "next"
        | "at"
        | "authority"
        | "base"
        | "because"
        | "by"
        | "certificate_issuer"
        | "certificate_subject"
        | "certificate_verdict"
        | "chain"
        | "chosen"
        | "error"
        | "extensions"
        | "failed"
        | "file"
        | "held_there_by"
        | "host_answers"
        | "interface"
        | "issuer"
        | "key"
        | "link"
        | "mark_from"
        | "naming_contexts"
        | "no_route_here_to"
        | "origin"
        | "other_at"
        | "own_firewall"
        | "peer"
        | "process"
        | "reached_from"
        | "reason"
        | "refid"
        | "resolved_by"
        | "root"
        | "root_dse"
        | "route"
        | "rule"
        | "says"
        | "selinux"
        | "seen_there_as"
        | "servers"
        | "subject"
        | "sys_object_id"
        | "table"
        | "tcp_error"
        | "there"
        | "tunnel"
        | "version"
        | "why"
        | "zone" => TextKind::Sentence,
        "banner" | "body" | "got" | "greeting" | "grpc_message" | "head" | "heard" | "hello"
        | "hello_reply" | "identification" | "line" | "message" | "nrpe_text" | "product"
        | "proxy_error" | "refusal" | "root_dse_text" | "server" | "server_time" | "software"
        | "starttls_answer" | "sys_contact" | "sys_descr" | "sys_location" | "test_mail"
        | "text" | "title" | "via" => TextKind::Words,
        _ => return None,
    };
    Some(told)
}
