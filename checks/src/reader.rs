//! Reading a stranger's bytes: bounded, and never by index.

use crate::cause::Cause;

/// Takes fields off the front of a message; running short is a [`Cause`].
///
/// Protocol files never index a slice: every byte they read passes here.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    message: &'a [u8],
    rest: &'a [u8],
    expected: &'static str,
}

impl<'a> Reader<'a> {
    /// `expected` names the whole message in the error: "an NTP packet".
    pub(crate) fn new(message: &'a [u8], expected: &'static str) -> Self {
        Self { message, rest: message, expected }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Cause> {
        let (field, rest) = self.rest.split_first_chunk().ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(*field)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Cause> {
        let (field, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.malformed())?;
        self.rest = rest;
        Ok(field)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Cause> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Cause> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Cause> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Cause> {
        self.array().map(u64::from_be_bytes)
    }

    /// Bytes up to `end`, which is taken and not returned.
    pub(crate) fn until(&mut self, end: u8) -> Result<&'a [u8], Cause> {
        let at = self.rest.iter().position(|&byte| byte == end);
        let field = self.take(at.ok_or_else(|| self.malformed())?)?;
        self.take(1)?;
        Ok(field)
    }

    /// A reader of the next `length` bytes whose errors name the whole message.
    pub(crate) fn nested(&mut self, length: usize) -> Result<Self, Cause> {
        Ok(Self { rest: self.take(length)?, ..self.clone() })
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The whole message is not what was expected.
    pub(crate) fn malformed(&self) -> Cause {
        Cause::bad_reply(self.expected, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_short_names_the_message_and_shows_its_head() {
        let mut reader = Reader::new(&[1, 2], "a pair of words");
        assert_eq!(reader.u8().unwrap(), 1);
        assert_eq!(
            reader.u32().unwrap_err().to_string(),
            "expected a pair of words, got 2 bytes: 01 02"
        );
    }
}
