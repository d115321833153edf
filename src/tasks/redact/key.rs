//! The secret that stand-ins are made with: without it nobody can try names until one fits.
//!
//! Without a file it is new in each run and never written. A file of 64 hexadecimal digits makes
//! the reports of several machines match; it is made if it is not there, for its owner alone.

use std::fmt::Write as _;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::console::output::file;

/// A key of 256 bits.
#[derive(Clone)]
pub(crate) struct RedactionKey {
    hmac: hmac::Key,
    /// Do the peers' own words stay (`--redact-keep-text`)?
    pub(super) keeps_text: bool,
}

impl From<[u8; 32]> for RedactionKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self { hmac: hmac::Key::new(hmac::HMAC_SHA256, &bytes), keeps_text: false }
    }
}

impl std::fmt::Debug for RedactionKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Key([REDACTED])")
    }
}

impl RedactionKey {
    /// A key that nobody has had before.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub(crate) fn new() -> Result<Self, String> {
        random().map(Self::from)
    }

    /// The key in `file`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// The file cannot be read or made, or holds something else.
    pub(crate) fn of(file: &Path) -> Result<Self, String> {
        match std::fs::File::open(file) {
            Ok(there) => {
                let owner = there.metadata().map_err(|error| error.to_string())?.uid();
                if ![0, geteuid().as_raw()].contains(&owner) {
                    return Err(format!(
                        "another user (uid {owner}) owns this key, and could undo every stand-in"
                    ));
                }
                let mut text = String::new();
                there.take(LONGEST).read_to_string(&mut text).map_err(|error| error.to_string())?;
                parse(text.trim_end())
                    .map(Self::from)
                    .ok_or_else(|| "no key: 64 hexadecimal digits are one".to_owned())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let bytes = random()?;
                make(file, &bytes).map_err(|error| error.to_string())?;
                Ok(Self::from(bytes))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The same, with which the peers' own words stay, or not.
    pub(crate) fn keeping_text(self, keeps_text: bool) -> Self {
        Self { keeps_text, ..self }
    }

    /// A keyed hash of `parts`, for one purpose.
    pub(super) fn hash(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.hmac);
        context.update(purpose.as_bytes());
        for part in parts {
            context.update(&[0]);
            context.update(part);
        }
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        hash
    }
}

fn random() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| "the system has no random numbers".to_owned())
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// For its owner alone, and never over a file that is there.
fn make(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut line = String::new();
    for byte in bytes {
        let _infallible = write!(line, "{byte:02x}");
    }
    line.push('\n');
    file::create(file, |out| out.write_all(line.as_bytes()))
}

/// A key and the end of its line, and a little more so that a longer file is noticed.
const LONGEST: u64 = 128;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let made = RedactionKey::of(&file).unwrap();
        let allowed = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(allowed & 0o777, 0o600);
        let read = RedactionKey::of(&file).unwrap();
        assert_eq!(made.hash("x", &[b"y"]), read.hash("x", &[b"y"]));
        assert_ne!(made.hash("x", &[b"y"]), RedactionKey::new().unwrap().hash("x", &[b"y"]));
    }

    #[test]
    fn the_key_of_another_user_is_refused() {
        assert!(geteuid().is_root(), "a file can be given away by root alone");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        RedactionKey::of(&file).unwrap();
        std::os::unix::fs::chown(&file, Some(65534), None).unwrap();
        assert_eq!(
            RedactionKey::of(&file).unwrap_err(),
            "another user (uid 65534) owns this key, and could undo every stand-in"
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        for text in ["", "0123", &"g".repeat(64), &"a".repeat(65), &"a".repeat(200)] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(
                RedactionKey::of(&file).unwrap_err(),
                "no key: 64 hexadecimal digits are one"
            );
        }
        assert_eq!(RedactionKey::of(folder.path()).unwrap_err(), "Is a directory (os error 21)");
    }
}
