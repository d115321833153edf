//! NTP packets that are sealed with the keys of NTS (RFC 8915 §5).

use aes_siv::KeyInit;
use aes_siv::siv::Aes128Siv;

use crate::net::nts_keys::{KEY, NtsKeys};
use crate::reader::Reader;
use crate::services::ntp::{NtpPacket, PACKET_LEN, Timestamp};

/// What is remembered of a question until its answer comes.
pub(super) struct Sealed<'a> {
    stamp: Timestamp,
    /// The answer repeats it.
    id: [u8; ID],
    cookie: &'a [u8],
}

/// What an answer to our question is.
#[derive(Debug)]
pub(super) enum NtsReply {
    /// Sealed with the right key.
    Protected(NtpPacket),
    /// A kiss code that is not sealed, as of a server that has lost its keys or is too busy.
    Kiss(NtpPacket),
    /// The server does not know the cookie.
    Nak,
    /// Not sealed, or not with the right key: how, as a clause.
    Bare(&'static str),
}

impl<'a> Sealed<'a> {
    /// A question with that cookie.
    pub(super) fn new(cookie: &'a [u8]) -> Self {
        Self { stamp: Timestamp(rand::random()), id: rand::random(), cookie }
    }

    /// Its bytes, sealed with our key.
    pub(super) fn question(&self, key: &[u8; KEY]) -> Vec<u8> {
        let mut packet = NtpPacket::request(self.stamp).encode().to_vec();
        packet.extend(field(UNIQUE_ID, &self.id));
        packet.extend(field(COOKIE, self.cookie));
        seal(&mut packet, &[], key);
        packet
    }

    /// What `datagram` is to it; `None`: no answer to this question.
    pub(super) fn read(&self, datagram: &[u8], key: &[u8; KEY]) -> Option<NtsReply> {
        let packet =
            NtpPacket::decode(datagram).ok().filter(|packet| packet.answers(self.stamp))?;
        let fields = Fields::of(datagram);
        let kiss = packet.kiss();
        match (&fields, kiss.as_deref()) {
            (Ok(fields), Some("NTSN")) if fields.id == Some(&self.id) => Some(NtsReply::Nak),
            (Ok(fields), Some(_)) if fields.is_bare() => Some(NtsReply::Kiss(packet)),
            (Ok(fields), _) if fields.is_bare() => Some(NtsReply::Bare("it has no field of NTS")),
            (Ok(fields), _) if fields.id != Some(&self.id) => {
                Some(NtsReply::Bare("it does not repeat our number"))
            }
            (Ok(Fields { seal: Some(sealed), .. }), _) if sealed.open(datagram, key).is_some() => {
                Some(NtsReply::Protected(packet))
            }
            (Ok(_), _) => Some(NtsReply::Bare("its seal is not made with the keys agreed on")),
            (Err(()), _) => Some(NtsReply::Bare("its fields are cut short")),
        }
    }
}

/// The far side's half: an answer to a question with that cookie; `None`: it is not one.
pub(super) fn answer(question: &[u8], cookie: &[u8], keys: &NtsKeys) -> Option<Vec<u8>> {
    let asked = NtpPacket::decode(question).ok()?;
    let fields = Fields::of(question).ok()?;
    // Fields are padded, so the cookie may have grown.
    fields.cookie.filter(|own| own.starts_with(cookie))?;
    fields.seal?.open(question, &keys.ours)?;
    let mut answer = NtpPacket::reply(&asked, Timestamp::now()).encode().to_vec();
    answer.extend(field(UNIQUE_ID, fields.id?));
    seal(&mut answer, &field(COOKIE, cookie), &keys.theirs);
    Some(answer)
}

/// The fields of a packet that matter here.
#[derive(Debug, Default)]
struct Fields<'a> {
    id: Option<&'a [u8]>,
    cookie: Option<&'a [u8]>,
    seal: Option<Seal<'a>>,
}

/// The field that seals all that stands before it.
#[derive(Clone, Copy, Debug)]
struct Seal<'a> {
    /// Bytes before it.
    covers: usize,
    nonce: &'a [u8],
    text: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Those behind the packet's first 48 bytes; what stands behind the seal is not protected, and is
    /// passed over.
    fn of(packet: &'a [u8]) -> Result<Self, ()> {
        let (mut found, mut at) = (Self::default(), PACKET_LEN);
        while found.seal.is_none() && at < packet.len() {
            let rest = packet.get(at..).ok_or(())?;
            let mut reader = Reader::new(rest, "a field of NTP");
            let (kind, length) = (reader.u16().map_err(drop)?, reader.u16().map_err(drop)?);
            let length = usize::from(length);
            let body = rest.get(FIELD_HEAD..length).ok_or(())?;
            match kind {
                UNIQUE_ID => found.id = Some(body),
                COOKIE => found.cookie = Some(body),
                SEAL => found.seal = Some(Seal::of(at, body)?),
                _ => {}
            }
            at += length;
        }
        Ok(found)
    }

    fn is_bare(&self) -> bool {
        self.id.is_none() && self.seal.is_none()
    }
}

impl<'a> Seal<'a> {
    fn of(covers: usize, body: &'a [u8]) -> Result<Self, ()> {
        let mut reader = Reader::new(body, "a seal of NTS");
        let mut length = || reader.u16().map(usize::from).map_err(drop);
        let (nonce, text) = (length()?, length()?);
        let nonce_end = SEAL_HEAD + nonce.next_multiple_of(4);
        let nonce = body.get(SEAL_HEAD..SEAL_HEAD + nonce).ok_or(())?;
        let text = body.get(nonce_end..nonce_end + text).ok_or(())?;
        Ok(Self { covers, nonce, text })
    }

    /// What is hidden in it; `None`: it is not made with this key, or not for this packet.
    fn open(&self, packet: &[u8], key: &[u8; KEY]) -> Option<Vec<u8>> {
        let covered = packet.get(..self.covers)?;
        Aes128Siv::new(key.into()).decrypt([covered, self.nonce], self.text).ok()
    }
}

/// Seals all of `packet` so far, with `hidden` inside the seal.
fn seal(packet: &mut Vec<u8>, hidden: &[u8], key: &[u8; KEY]) {
    let nonce: [u8; NONCE] = rand::random();
    // It fails for more than 126 parts only.
    let text =
        Aes128Siv::new(key.into()).encrypt([&packet[..], &nonce], hidden).unwrap_or_default();
    let length = |of: &[u8]| u16::try_from(of.len()).unwrap_or_default().to_be_bytes();
    packet.extend(field(SEAL, &[&length(&nonce)[..], &length(&text), &nonce, &text].concat()));
}

/// Type, length with this head, and value, padded to words of four bytes.
pub(super) fn field(kind: u16, value: &[u8]) -> Vec<u8> {
    let padded = (FIELD_HEAD + value.len()).next_multiple_of(4);
    let length = u16::try_from(padded).unwrap_or_default();
    let mut field = [&kind.to_be_bytes()[..], &length.to_be_bytes(), value].concat();
    field.resize(padded, 0);
    field
}

/// Types of fields.
pub(super) const UNIQUE_ID: u16 = 0x0104;
pub(super) const COOKIE: u16 = 0x0204;
pub(super) const SEAL: u16 = 0x0404;
const ID: usize = 32;
/// What AES-SIV-CMAC-256 takes without padding (RFC 8915 §5.6).
const NONCE: usize = 16;
const FIELD_HEAD: usize = 4;
/// The lengths of nonce and text.
const SEAL_HEAD: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::damaged;

    const KEYS: NtsKeys = NtsKeys { ours: [1; KEY], theirs: [2; KEY] };

    fn exchange() -> (Sealed<'static>, Vec<u8>) {
        let sealed = Sealed::new(&[5; 100]);
        let answer = answer(&sealed.question(&KEYS.ours), &[5; 100], &KEYS).unwrap();
        (sealed, answer)
    }

    /// The first example of RFC 5297 (A.1), through the crate that seals our packets.
    #[test]
    fn the_cipher_is_the_one_of_the_standard() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
                .collect()
        };
        let key: [u8; KEY] =
            hex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
                .try_into()
                .unwrap();
        let covered = hex("101112131415161718191a1b1c1d1e1f2021222324252627");
        let text =
            Aes128Siv::new(&key.into()).encrypt([covered], &hex("112233445566778899aabbccddee"));
        assert_eq!(
            text.unwrap(),
            hex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c")
        );
    }

    #[test]
    fn a_sealed_answer_to_our_question_counts() {
        let (sealed, answer) = exchange();
        assert!(matches!(sealed.read(&answer, &KEYS.theirs), Some(NtsReply::Protected(_))));
        let (other, _) = exchange();
        assert!(other.read(&answer, &KEYS.theirs).is_none());
    }

    #[test]
    fn another_key_a_changed_byte_and_a_bare_answer_do_not() {
        let (sealed, answer) = exchange();
        let how = |answer: &[u8], key: &[u8; KEY]| match sealed.read(answer, key) {
            Some(NtsReply::Bare(how)) => how,
            other => panic!("{other:?}"),
        };
        assert!(how(&answer, &KEYS.ours).contains("seal"));
        let mut older = answer.clone();
        older[1] = 9;
        assert!(how(&older, &KEYS.theirs).contains("seal"));
        let mut another = answer.clone();
        another[PACKET_LEN + FIELD_HEAD] ^= 1;
        assert!(how(&another, &KEYS.theirs).contains("number"));
        assert!(how(&answer[..PACKET_LEN], &KEYS.theirs).contains("no field"));
        assert!(how(&answer[..PACKET_LEN + 9], &KEYS.theirs).contains("cut short"));
    }

    #[test]
    fn a_nak_is_one_when_it_repeats_our_number() {
        let (sealed, mut answer) = exchange();
        answer[1] = 0;
        answer[12..16].copy_from_slice(b"NTSN");
        answer.truncate(PACKET_LEN + FIELD_HEAD + ID);
        assert!(matches!(sealed.read(&answer, &KEYS.theirs), Some(NtsReply::Nak)));
        answer.truncate(PACKET_LEN);
        answer[12..16].copy_from_slice(b"RATE");
        assert!(matches!(sealed.read(&answer, &KEYS.theirs), Some(NtsReply::Kiss(_))));
    }

    #[test]
    fn the_far_side_answers_its_own_cookie_only() {
        let question = Sealed::new(&[5; 100]).question(&KEYS.ours);
        assert!(answer(&question, &[6; 100], &KEYS).is_none());
        let strange = NtsKeys { ours: [9; KEY], theirs: [2; KEY] };
        assert!(answer(&question, &[5; 100], &strange).is_none());
        assert!(answer(&question[..60], &[5; 100], &KEYS).is_none());
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(words in damaged(&exchange().1)) {
            let (sealed, _) = exchange();
            let _any = sealed.read(&words, &KEYS.theirs);
            let _fields = Fields::of(&words).is_ok();
        }
    }
}
