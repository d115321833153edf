//! LDAP messages: their shape, checked before anything else looks at them.
//!
//! ldap3 panics on what it does not expect; what passes here, it reads.
//! Reference: [RFC 4511 §4](https://www.rfc-editor.org/rfc/rfc4511#section-4).

use super::ber::{Elements, Tag, Writer};
use crate::cause::{Cause, DISABLED, EXPIRED, LOCKED, LdapCause, TO_BE_CHANGED};
use crate::wire;

pub(super) const BIND: Tag = Tag::application(0);
pub(super) const BOUND: Tag = Tag::application(1);
pub(super) const SEARCH: Tag = Tag::application(3);
pub(super) const ENTRY: Tag = Tag::application(4);
pub(super) const DONE: Tag = Tag::application(5);
pub(super) const REFERENCE: Tag = Tag::application(19);
pub(super) const EXTENDED: Tag = Tag::application(23);
pub(super) const EXTENDED_DONE: Tag = Tag::application(24);
/// `[APPLICATION 2]` without content.
pub(super) const UNBIND: Tag = Tag(0x42);

/// One `LDAPMessage` whose envelope is in order; its operation is unread.
pub(super) struct LdapMessage<'a> {
    pub(super) id: i64,
    pub(super) tag: Tag,
    pub(super) operation: Elements<'a>,
}

impl<'a> LdapMessage<'a> {
    /// Reads the envelope: an id, an operation, and at most controls behind it.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Cause> {
        let mut whole = Elements::new(bytes, EXPECTED);
        let mut message = whole.expect(Tag::SEQUENCE)?;
        whole.end()?;
        shallow(message.clone(), MAX_DEPTH, bytes)?;
        let id = message.integer()?;
        let (tag, operation) = message.next()?;
        if !(0..=MAX_ID).contains(&id) || tag.0 & CLASS != APPLICATION {
            return Err(message.malformed());
        }
        match message.optional(Tag::context_constructed(0))? {
            Some(list) => controls(list)?,
            // Active Directory writes the name of a Notice of Disconnection here.
            None => {
                message.optional(Tag::context(10))?;
            }
        }
        message.end()?;
        Ok(Self { id, tag, operation })
    }
}

/// What our question may be answered with: its id, and the kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LdapQuestion {
    id: i64,
    tag: Tag,
}

impl LdapQuestion {
    /// The question that `request` asks.
    pub(super) fn of(request: &[u8]) -> Result<Self, Cause> {
        LdapMessage::decode(request).map(|message| Self { id: message.id, tag: message.tag })
    }

    /// No answer follows an unbind.
    pub(super) fn is_answered(self) -> bool {
        self.tag != UNBIND
    }

    /// Checks one message of the peer; `true`: it is the last of the answer.
    ///
    /// # Errors
    ///
    /// When it is no answer to this question, or not of the shape it must have;
    /// the cause in a Notice of Disconnection.
    pub(super) fn accepts(self, reply: &[u8]) -> Result<bool, Cause> {
        let message = LdapMessage::decode(reply)?;
        if message.id == UNSOLICITED && message.tag == EXTENDED_DONE {
            return Err(LdapResult::decode(message.operation)?.cause());
        }
        let is_last = match (self.tag, message.tag) {
            (BIND, BOUND) | (SEARCH, DONE) | (EXTENDED, EXTENDED_DONE) => true,
            (SEARCH, ENTRY | REFERENCE) => false,
            _ => return Err(Cause::bad_reply("an LDAP answer to our question", reply)),
        };
        if message.id != self.id {
            return Err(Cause::bad_reply("an LDAP answer with our message id", reply));
        }
        match message.tag {
            ENTRY => entry(message.operation)?,
            REFERENCE => drop(texts(message.operation)?),
            _ => drop(LdapResult::decode(message.operation)?),
        }
        Ok(is_last)
    }
}

/// The result every operation ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LdapResult {
    pub(super) code: u32,
    /// The server's words, printable.
    pub(super) text: String,
    /// The servers it refers to, printable.
    pub(super) referrals: Vec<String>,
    /// What it says of the account and its password, asked beside a bind.
    pub(super) policy: Policy,
}

/// The answer to a question about the password policy (draft-behera-ldap-password-policy §6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    /// Why the bind fails, or nothing but a new password is taken.
    pub(super) error: Option<i64>,
    /// Seconds until the password expires.
    pub(super) expires: Option<i64>,
    /// Binds left after its end.
    pub(super) grace: Option<i64>,
}

impl Policy {
    /// Reads the control's value; what is none says nothing.
    pub(super) fn decode(value: &[u8]) -> Self {
        Self::read(value).unwrap_or_default()
    }

    fn read(value: &[u8]) -> Result<Self, Cause> {
        let mut policy = Self::default();
        let mut whole = Elements::new(value, "a password policy's answer");
        let mut parts = whole.expect(Tag::SEQUENCE)?;
        if let Some(mut warning) = parts.optional(Tag::context_constructed(0))? {
            if warning.clone().next()?.0 == Tag::context(0) {
                policy.expires = Some(warning.number(Tag::context(0))?);
            } else {
                policy.grace = Some(warning.number(Tag::context(1))?);
            }
        }
        if !parts.is_empty() {
            policy.error = Some(parts.number(Tag::context(1))?);
        }
        Ok(policy)
    }

    /// The state of the account, as a sub-code of ours.
    fn state(self) -> Option<&'static str> {
        match self.error? {
            0 => Some(EXPIRED),
            1 => Some(LOCKED),
            2 => Some(TO_BE_CHANGED),
            _ => None,
        }
    }
}

/// The state of the account in the words of 389 Directory Server, eDirectory and their like.
fn state_in_words(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["retry limit", "locked", "lockout"]) {
        Some(LOCKED)
    } else if says(&["inactivated", "disabled", "account expired"]) {
        Some(DISABLED)
    } else if says(&["password expired", "password has expired"]) {
        Some(EXPIRED)
    } else {
        None
    }
}

impl LdapResult {
    pub(super) fn new(code: u32, text: &str) -> Self {
        let text = wire::clean(text.trim_end_matches('\0').as_bytes(), MAX_TEXT);
        Self { code, text, referrals: Vec::new(), policy: Policy::default() }
    }

    /// The same, with the servers it refers to: the first few of them.
    pub(super) fn referring_to<'a>(self, servers: impl Iterator<Item = &'a str>) -> Self {
        let shown = servers.take(MAX_REFERRALS).map(|url| wire::clean(url.as_bytes(), MAX_TEXT));
        Self { referrals: shown.collect(), ..self }
    }

    /// Reads the components of an `LDAPResult` and what may follow them.
    pub(super) fn decode(mut result: Elements<'_>) -> Result<Self, Cause> {
        let code = result.number(Tag::ENUMERATED)?;
        let code = u32::try_from(code).map_err(|_| result.malformed())?;
        let _matched = text(&mut result)?;
        let words = text(&mut result)?;
        let referrals = match result.optional(Tag::context_constructed(3))? {
            Some(referrals) => texts(referrals)?,
            None => Vec::new(),
        };
        result.optional(Tag::context(7))?;
        if let Some(name) = result.optional(Tag::context(10))? {
            utf8(&name)?;
        }
        result.optional(Tag::context(11))?;
        result.end()?;
        Ok(Self::new(code, words).referring_to(referrals.into_iter()))
    }

    /// `49 invalidCredentials`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.code, result_name(self.code))
    }

    /// What is wrong with the account, if that is why.
    pub(super) fn state(&self) -> Option<&'static str> {
        const SAY_SO: [u32; 3] = [CONSTRAINT_VIOLATION, INVALID_CREDENTIALS, UNWILLING];
        let words = || state_in_words(&self.text).filter(|_| SAY_SO.contains(&self.code));
        self.policy.state().or_else(words)
    }

    /// Why an operation with this result failed.
    pub(super) fn cause(&self) -> Cause {
        let (result, text) = (self.code, self.text.clone());
        if let Some(state) = self.state() {
            let sub_code = Some(state.to_owned());
            return Cause::Ldap(LdapCause::LdapBindRefused { sub_code, text });
        }
        match result {
            STRONGER_AUTH_REQUIRED | CONFIDENTIALITY_REQUIRED => {
                Cause::Ldap(LdapCause::LdapProtectionRequired { result, text })
            }
            INVALID_CREDENTIALS => {
                let sub_code = sub_code(&self.text);
                Cause::Ldap(LdapCause::LdapBindRefused { sub_code, text })
            }
            REFERRAL => Cause::Ldap(LdapCause::LdapReferral { to: self.referrals.clone() }),
            TIME_LIMIT_EXCEEDED | SIZE_LIMIT_EXCEEDED | ADMIN_LIMIT_EXCEEDED => {
                Cause::Ldap(LdapCause::LdapLimit { result, name: result_name(result).into(), text })
            }
            _ => Cause::Ldap(LdapCause::LdapRefused {
                result,
                name: result_name(result).into(),
                text,
            }),
        }
    }
}

/// StartTLS (RFC 4511 §4.14).
pub(super) fn start_tls() -> Vec<u8> {
    Writer::message(Tag::SEQUENCE, |message| {
        message.integer(STARTTLS_ID).nested(EXTENDED, |request| {
            request.element(Tag::context(0), STARTTLS.as_bytes());
        });
    })
}

/// The goodbye (RFC 4511 §4.3).
pub(super) fn unbind() -> Vec<u8> {
    Writer::message(Tag::SEQUENCE, |message| {
        message.integer(UNBIND_ID).element(UNBIND, &[]);
    })
}

/// Nothing below `levels` more levels: ldap3 recurses as deep as it is told to.
fn shallow(mut elements: Elements<'_>, levels: usize, message: &[u8]) -> Result<(), Cause> {
    while !elements.is_empty() {
        let (tag, content) = elements.next()?;
        match (tag.is_constructed(), levels) {
            (false, _) => {}
            (true, 0) => return Err(Cause::bad_reply("an LDAP message of few levels", message)),
            (true, _) => shallow(content, levels - 1, message)?,
        }
    }
    Ok(())
}

fn entry(mut entry: Elements<'_>) -> Result<(), Cause> {
    text(&mut entry)?;
    let mut attributes = entry.expect(Tag::SEQUENCE)?;
    entry.end()?;
    while !attributes.is_empty() {
        let mut attribute = attributes.expect(Tag::SEQUENCE)?;
        text(&mut attribute)?;
        let mut values = attribute.expect(Tag::SET)?;
        attribute.end()?;
        while !values.is_empty() {
            values.octets()?;
        }
    }
    Ok(())
}

fn controls(mut list: Elements<'_>) -> Result<(), Cause> {
    while !list.is_empty() {
        let mut control = list.expect(Tag::SEQUENCE)?;
        text(&mut control)?;
        if let Some(critical) = control.optional(Tag::BOOLEAN)?
            && critical.bytes().len() != 1
        {
            return Err(control.malformed());
        }
        control.optional(Tag::OCTETS)?;
        control.end()?;
    }
    Ok(())
}

fn texts(mut list: Elements<'_>) -> Result<Vec<&str>, Cause> {
    let mut texts = Vec::new();
    while !list.is_empty() {
        texts.push(text(&mut list)?);
    }
    Ok(texts)
}

/// An `LDAPString`, which must be UTF-8 (RFC 4511 §4.1.2).
fn text<'a>(elements: &mut Elements<'a>) -> Result<&'a str, Cause> {
    utf8(&elements.expect(Tag::OCTETS)?)
}

fn utf8<'a>(content: &Elements<'a>) -> Result<&'a str, Cause> {
    std::str::from_utf8(content.bytes()).map_err(|_| content.malformed())
}

/// Active Directory's reason: `… AcceptSecurityContext error, data 52e, v4563`.
fn sub_code(text: &str) -> Option<String> {
    let (_, behind) = text.split_once(", data ")?;
    let code = behind.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    (!code.is_empty() && code.len() <= 8).then(|| code.to_ascii_lowercase())
}

/// The name of a result code (RFC 4511 appendix A.1).
fn result_name(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        14 => "saslBindInProgress",
        16 => "noSuchAttribute",
        19 => "constraintViolation",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => "unknown result",
    }
}

pub(super) const STARTTLS: &str = "1.3.6.1.4.1.1466.20037";
/// The control that asks for the password policy's word.
pub(super) const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
pub(super) const OPERATIONS_ERROR: u32 = 1;
const CONSTRAINT_VIOLATION: u32 = 19;
const UNWILLING: u32 = 53;
const TIME_LIMIT_EXCEEDED: u32 = 3;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
pub(super) const STRONGER_AUTH_REQUIRED: u32 = 8;
const REFERRAL: u32 = 10;
const ADMIN_LIMIT_EXCEEDED: u32 = 11;
pub(super) const CONFIDENTIALITY_REQUIRED: u32 = 13;
pub(super) const INVALID_CREDENTIALS: u32 = 49;
pub(super) const BUSY: u32 = 51;
pub(super) const UNAVAILABLE: u32 = 52;
const EXPECTED: &str = "an LDAP message";
/// A search result entry needs four.
const MAX_DEPTH: usize = 16;
/// RFC 4511 §4.1.1.
const MAX_ID: i64 = 0x7fff_ffff;
/// The message id of a Notice of Disconnection (RFC 4511 §4.4.1).
const UNSOLICITED: i64 = 0;
/// Only ldap3 counts its questions; ours are alone on the wire.
const STARTTLS_ID: i64 = 1;
const UNBIND_ID: i64 = 2;
const MAX_TEXT: usize = 200;
/// Referrals shown.
const MAX_REFERRALS: usize = 4;
const CLASS: u8 = 0xc0;
const APPLICATION: u8 = 0x40;
