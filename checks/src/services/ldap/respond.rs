//! The far side's half: a root DSE, StartTLS, the anonymous bind.

use std::io;

use super::ber::{BerHeader, Elements, Tag, Writer};
use super::message::{
    BIND, BOUND, DONE, ENTRY, EXTENDED, EXTENDED_DONE, INVALID_CREDENTIALS, LdapMessage,
    LdapResult, SEARCH, STARTTLS, UNBIND,
};
use crate::net::FarStream;

/// Serves a connection on the plain port.
pub(super) async fn plain(stream: FarStream) -> io::Result<()> {
    let offers_tls = stream.has_tls();
    serve(stream, offers_tls).await
}

/// Serves a connection that is inside TLS already.
pub(super) async fn in_tls(stream: FarStream) -> io::Result<()> {
    serve(stream, false).await
}

async fn serve(mut stream: FarStream, mut offers_tls: bool) -> io::Result<()> {
    loop {
        let request = request(&mut stream).await?;
        let message = LdapMessage::decode(&request).map_err(io::Error::other)?;
        if message.tag == UNBIND {
            return stream.close().await;
        }
        let reply = reply(&message, offers_tls);
        stream.send(&reply).await?;
        if offers_tls && message.tag == EXTENDED {
            stream = stream.secure().await?;
            offers_tls = false;
        }
    }
}

/// What a healthy directory answers.
fn reply(message: &LdapMessage<'_>, offers_tls: bool) -> Vec<u8> {
    let id = message.id;
    match message.tag {
        SEARCH => [root_dse(id, offers_tls), result(id, DONE, 0, "")].concat(),
        BIND if is_anonymous(message.operation.clone()) => result(id, BOUND, 0, ""),
        BIND => result(id, BOUND, INVALID_CREDENTIALS, "this stand-in knows no users"),
        EXTENDED if offers_tls => result(id, EXTENDED_DONE, 0, ""),
        _ => result(id, EXTENDED_DONE, 2, "not offered"),
    }
}

fn is_anonymous(mut bind: Elements<'_>) -> bool {
    let _version = bind.integer();
    bind.octets().is_ok_and(<[u8]>::is_empty)
}

fn root_dse(id: i64, offers_tls: bool) -> Vec<u8> {
    let extensions: &[&str] = if offers_tls { &[STARTTLS] } else { &[] };
    let attributes: [(&str, &[&str]); 5] = [
        ("objectClass", &["top"]),
        ("namingContexts", &["dc=example,dc=org"]),
        ("supportedLDAPVersion", &["3"]),
        ("supportedExtension", extensions),
        ("vendorName", &["preflight"]),
    ];
    entry(id, &attributes)
}

/// A search result entry with an empty name.
pub(super) fn entry(id: i64, attributes: &[(&str, &[&str])]) -> Vec<u8> {
    envelope(id, ENTRY, |entry| {
        entry.octets(b"").nested(Tag::SEQUENCE, |list| {
            for (name, values) in attributes {
                list.nested(Tag::SEQUENCE, |attribute| {
                    attribute.octets(name.as_bytes()).nested(Tag::SET, |set| {
                        for value in *values {
                            set.octets(value.as_bytes());
                        }
                    });
                });
            }
        });
    })
}

/// An answer that is nothing but a result.
pub(super) fn result(id: i64, tag: Tag, code: u32, text: &str) -> Vec<u8> {
    envelope(id, tag, |result| {
        let LdapResult { code, text, .. } = LdapResult::new(code, text);
        result.number(Tag::ENUMERATED, i64::from(code)).octets(b"").octets(text.as_bytes());
    })
}

fn envelope(id: i64, tag: Tag, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    Writer::message(Tag::SEQUENCE, |message| {
        message.integer(id).nested(tag, fill);
    })
}

/// One whole request.
pub(super) async fn request(stream: &mut FarStream) -> io::Result<Vec<u8>> {
    let mut bytes = stream.exactly(2).await?;
    loop {
        match BerHeader::decode(&bytes) {
            Ok(Some(header)) if header.content <= MAX_REQUEST => {
                bytes.extend(stream.exactly(header.length + header.content - bytes.len()).await?);
                return Ok(bytes);
            }
            Ok(None) => bytes.extend(stream.exactly(1).await?),
            _ => return Err(io::Error::other("no LDAP request")),
        }
    }
}

const MAX_REQUEST: usize = 16 * 1024;
