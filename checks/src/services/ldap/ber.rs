//! BER: the tag-length-value encoding of LDAP.
//!
//! The subset it allows: tags of one byte, definite lengths of at most four
//! length bytes. Whatever else arrives is a [`Cause`], never a guess.
//!
//! Reference: ITU-T X.690 §8.1, [RFC 4511 §5.1](https://www.rfc-editor.org/rfc/rfc4511#section-5.1).

use crate::Cause;
use crate::reader::Reader;
use crate::wire;

/// The identifier byte of an element: class, form and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u8);

impl Tag {
    pub(crate) const BOOLEAN: Self = Self(0x01);
    pub(crate) const INTEGER: Self = Self(0x02);
    pub(crate) const OCTETS: Self = Self(0x04);
    pub(crate) const ENUMERATED: Self = Self(0x0a);
    pub(crate) const SEQUENCE: Self = Self(0x30);
    pub(crate) const SET: Self = Self(0x31);

    /// `[number]`, holding bytes.
    pub(crate) const fn context(number: u8) -> Self {
        Self(0x80 | number)
    }

    /// `[number]`, holding elements.
    pub(crate) const fn context_constructed(number: u8) -> Self {
        Self(0xa0 | number)
    }

    /// `[APPLICATION number]`, holding elements.
    pub(crate) const fn application(number: u8) -> Self {
        Self(0x60 | number)
    }

    /// Does it hold elements instead of bytes?
    pub(crate) const fn is_constructed(self) -> bool {
        self.0 & 0x20 != 0
    }

    const fn continues(self) -> bool {
        self.0 & 0x1f == 0x1f
    }
}

/// What the first bytes of an element announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BerHeader {
    pub(crate) tag: Tag,
    /// Bytes of the header itself.
    pub(crate) length: usize,
    /// Bytes announced behind it: as large as the peer likes, check before use.
    pub(crate) content: usize,
}

/// No BER of our subset can begin like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl BerHeader {
    /// Reads the header `bytes` begin with; `Ok(None)`: more bytes are needed.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let tag = Tag(first);
        if tag.continues() {
            return Err(Malformed);
        }
        let Some((&length, rest)) = rest.split_first() else {
            return Ok(None);
        };
        if length < LONG_FORM {
            return Ok(Some(Self { tag, length: 2, content: usize::from(length) }));
        }
        let bytes_of_length = usize::from(length & !LONG_FORM);
        if bytes_of_length == 0 || bytes_of_length > MAX_LENGTH_BYTES {
            return Err(Malformed);
        }
        let Some(length) = rest.get(..bytes_of_length) else {
            return Ok(None);
        };
        Ok(Some(Self { tag, length: 2 + bytes_of_length, content: wire::length(length) }))
    }
}

/// Takes elements off the front of a message; anything unexpected is a [`Cause`].
#[derive(Clone)]
pub(crate) struct Elements<'a>(Reader<'a>);

impl<'a> Elements<'a> {
    /// `expected` names the whole message in the error: "an LDAP message".
    pub(crate) fn new(message: &'a [u8], expected: &'static str) -> Self {
        Self(Reader::new(message, expected))
    }

    /// The next element, whatever it is: its tag and what it holds.
    pub(crate) fn next(&mut self) -> Result<(Tag, Self), Cause> {
        let header = self.header().ok_or_else(|| self.malformed())?;
        self.0.take(header.length)?;
        Ok((header.tag, Self(self.0.nested(header.content)?)))
    }

    /// The next element, which must be a `tag`.
    pub(crate) fn expect(&mut self, tag: Tag) -> Result<Self, Cause> {
        match self.next()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(self.malformed()),
        }
    }

    /// What the next element holds, if it is a `tag`.
    pub(crate) fn optional(&mut self, tag: Tag) -> Result<Option<Self>, Cause> {
        match self.header() {
            Some(header) if header.tag == tag => self.expect(tag).map(Some),
            _ => Ok(None),
        }
    }

    /// An INTEGER of at most eight bytes.
    pub(crate) fn integer(&mut self) -> Result<i64, Cause> {
        self.number(Tag::INTEGER)
    }

    /// A two's complement number under any `tag` (ENUMERATED, …).
    pub(crate) fn number(&mut self, tag: Tag) -> Result<i64, Cause> {
        let bytes = self.expect(tag)?.bytes();
        let Some((&first, _)) = bytes.split_first().filter(|_| bytes.len() <= 8) else {
            return Err(self.malformed());
        };
        let sign = i64::from(first.cast_signed() >> 7);
        Ok(bytes.iter().fold(sign, |number, &byte| (number << 8) | i64::from(byte)))
    }

    /// An OCTET STRING.
    pub(crate) fn octets(&mut self) -> Result<&'a [u8], Cause> {
        self.expect(Tag::OCTETS).map(|content| content.bytes())
    }

    /// All that is left, as bytes.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.0.rest()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Cause> {
        if self.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }

    /// The whole message is not what was expected.
    pub(crate) fn malformed(&self) -> Cause {
        self.0.malformed()
    }

    fn header(&self) -> Option<BerHeader> {
        BerHeader::decode(self.0.rest()).ok().flatten()
    }
}

/// Writes elements one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// One element that holds what `fill` writes.
    pub(crate) fn message(tag: Tag, fill: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut writer = Self::default();
        writer.nested(tag, fill);
        writer.0
    }

    /// An element that holds what `fill` writes.
    pub(crate) fn nested(&mut self, tag: Tag, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.element(tag, &inner.0)
    }

    /// An element that holds `content`.
    pub(crate) fn element(&mut self, tag: Tag, content: &[u8]) -> &mut Self {
        self.0.push(tag.0);
        match u8::try_from(content.len()) {
            Ok(short) if short < LONG_FORM => self.0.push(short),
            _ => {
                let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
                self.0.push(LONG_FORM | 4);
                self.0.extend(length.to_be_bytes());
            }
        }
        self.0.extend_from_slice(content);
        self
    }

    /// An INTEGER.
    pub(crate) fn integer(&mut self, number: i64) -> &mut Self {
        self.number(Tag::INTEGER, number)
    }

    /// A number under any `tag`, in as few bytes as it fits.
    pub(crate) fn number(&mut self, tag: Tag, number: i64) -> &mut Self {
        let fits = |bytes: usize| (number << (64 - 8 * bytes)) >> (64 - 8 * bytes) == number;
        let length = (1..8).find(|&bytes| fits(bytes)).unwrap_or(8);
        let bytes = number.to_be_bytes();
        self.element(tag, bytes.get(8 - length..).unwrap_or(&bytes))
    }

    /// An OCTET STRING.
    pub(crate) fn octets(&mut self, bytes: &[u8]) -> &mut Self {
        self.element(Tag::OCTETS, bytes)
    }
}

const LONG_FORM: u8 = 0x80;
const MAX_LENGTH_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::damaged;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn elements(bytes: &[u8]) -> Elements<'_> {
        Elements::new(bytes, "an element")
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = Writer::message(Tag::SEQUENCE, |message| {
            message.integer(-129).octets(&[7; 300]).number(Tag::ENUMERATED, 49);
            message.nested(Tag::application(24), |inner| {
                inner.element(Tag::context(10), b"1.3.6");
            });
        });
        let mut outer = elements(&bytes);
        let mut message = outer.expect(Tag::SEQUENCE).unwrap();
        outer.end().unwrap();
        assert_eq!(message.integer().unwrap(), -129);
        assert_eq!(message.octets().unwrap(), [7; 300]);
        assert_eq!(message.number(Tag::ENUMERATED).unwrap(), 49);
        let mut inner = message.expect(Tag::application(24)).unwrap();
        assert!(inner.optional(Tag::context(7)).unwrap().is_none());
        assert_eq!(inner.optional(Tag::context(10)).unwrap().unwrap().bytes(), b"1.3.6");
        assert!(message.is_empty());
    }

    #[test]
    fn numbers_take_as_few_bytes_as_they_fit() {
        for (number, bytes) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (-128, &[2, 1, 128]),
            (-129, &[2, 2, 0xff, 0x7f]),
            (i64::MIN, &[2, 8, 128, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            let mut writer = Writer::default();
            writer.integer(number);
            assert_eq!(writer.0, bytes);
            assert_eq!(elements(bytes).integer().unwrap(), number);
        }
    }

    #[test]
    fn every_truncation_is_a_bad_reply() {
        let whole = Writer::message(Tag::SEQUENCE, |message| {
            message.octets(&[1; 200]);
        });
        for length in 0..whole.len() {
            let cause = elements(&whole[..length]).expect(Tag::SEQUENCE).err().unwrap();
            assert_eq!(cause.code(), "bad-reply", "{length} bytes");
        }
    }

    #[test]
    fn every_malformed_length_is_named_so() {
        // Indefinite, five bytes of length, the reserved form, a tag of two bytes.
        for bytes in [&[0x30, 0x80][..], &[0x30, 0x85, 0, 0, 0, 0, 1], &[0x30, 0xff], &[0x3f, 1]] {
            assert_eq!(BerHeader::decode(bytes), Err(Malformed), "{bytes:02x?}");
            assert_eq!(elements(bytes).next().err().unwrap().code(), "bad-reply");
        }
    }

    #[test]
    fn a_header_announces_up_to_four_gigabytes_and_allocates_nothing() {
        let header = BerHeader::decode(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).unwrap().unwrap();
        assert_eq!((header.length, header.content), (6, 0xffff_ffff));
        assert_eq!(BerHeader::decode(&[0x30, 0x84, 0xff]), Ok(None));
        assert_eq!(BerHeader::decode(&[]), Ok(None));
    }

    #[test]
    fn an_element_longer_than_its_parent_is_malformed() {
        let mut outer = elements(&[0x30, 3, 4, 9, 0]);
        let cause = outer.expect(Tag::SEQUENCE).unwrap().octets().unwrap_err();
        assert_eq!(cause.to_string(), "expected an element, got 5 bytes: 30 03 04 09 00");
    }

    #[test]
    fn numbers_without_or_with_too_many_bytes_are_malformed() {
        assert!(elements(&[2, 0]).integer().is_err());
        assert!(elements(&[2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1]).integer().is_err());
    }

    proptest! {
        #[test]
        fn any_number_and_text_is_read_back(number in any::<i64>(), text in vec(any::<u8>(), 0..400)) {
            let bytes = Writer::message(Tag::SEQUENCE, |message| {
                message.integer(number).octets(&text);
            });
            let mut message = elements(&bytes).expect(Tag::SEQUENCE).unwrap();
            prop_assert_eq!(message.integer().unwrap(), number);
            prop_assert_eq!(message.octets().unwrap(), text);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in damaged(&[0x30, 0x82, 0, 5, 2, 1, 7, 4, 0])) {
            let mut left = elements(&bytes);
            while let Ok((_, mut content)) = left.next() {
                let _any_number = content.integer();
                prop_assert!(content.bytes().len() < bytes.len());
            }
        }
    }
}
