//! The pairing code: what one `respond` prints, and the other machine is told over the telephone.
//!
//! `47-K3M-Q9X-PT7`: the number of the run, which everybody may know, eight secret symbols (40 bits), and one
//! that finds a slip. Nobody can try codes away from the responder (SPAKE2), and it takes few a second.

use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};

/// Crockford's: no letter that looks like a digit.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Symbols that are secret.
const SECRET: usize = 8;
/// The digits of the run's number.
const NUMBER: usize = 2;

/// A code of one run of `respond`. `Debug` shows nothing that is secret.
#[derive(Clone, Debug)]
pub(crate) struct PairingCode {
    run: RunNumber,
    secret: SecretString,
}

/// Which run of `respond` a code is of, so that an old one can be told from a wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunNumber([u8; NUMBER]);

/// Why a text cannot be a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoCode {
    /// Too many symbols, or too few.
    #[error("a code has {} symbols, as 47-K3M-Q9X-PT7 has", NUMBER + SECRET + 1)]
    Length,
    /// A symbol that no code has.
    #[error("`{0}` is in no code")]
    Symbol(char),
    /// The last symbol does not fit the others.
    #[error("the code has a slip in it: please compare it with the screen of the other machine")]
    Slip,
}

impl PairingCode {
    /// A code that nobody has had before; `None` without a source of randomness.
    pub(crate) fn new() -> Option<Self> {
        let mut random = [0; NUMBER + SECRET];
        SystemRandom::new().fill(&mut random).ok()?;
        let (number, secret) = random.split_first_chunk::<NUMBER>()?;
        let run = number.map(|byte| b'0' + byte % 10);
        // 256 is a multiple of 32: no symbol is likelier.
        let secret: String = secret.iter().filter_map(|byte| symbol(byte % 32)).collect();
        Some(Self { run: RunNumber(run), secret: secret.into() })
    }

    /// Reads a code as people write it: hyphens, blanks and small letters do not matter.
    ///
    /// # Errors
    ///
    /// [`NoCode`], which does not repeat the code.
    pub(crate) fn read(text: &str) -> Result<Self, NoCode> {
        let mut symbols = Vec::new();
        for letter in text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
            symbols.push(value(letter).ok_or(NoCode::Symbol(letter))?);
        }
        let Some(([first, second], rest)) = symbols.split_first_chunk::<NUMBER>() else {
            return Err(NoCode::Length);
        };
        let Some((check, secret)) = rest.split_last().filter(|(_, secret)| secret.len() == SECRET)
        else {
            return Err(NoCode::Length);
        };
        if [*first, *second].iter().any(|digit| *digit > 9) || *check != checksum(&symbols) {
            return Err(NoCode::Slip);
        }
        let secret: String = secret.iter().filter_map(|value| symbol(*value)).collect();
        Ok(Self { run: RunNumber([b'0' + first, b'0' + second]), secret: secret.into() })
    }

    /// As it is shown on the screen of the machine that made it, and nowhere else.
    pub(crate) fn shown(&self) -> String {
        let text = format!("{}{}", self.run, self.secret.expose_secret());
        let values: Vec<u8> = text.chars().filter_map(value).chain([0]).collect();
        let check = symbol(checksum(&values)).unwrap_or_default();
        let mut shown = self.run.to_string();
        for (index, letter) in self.secret.expose_secret().chars().chain([check]).enumerate() {
            if index % 3 == 0 {
                shown.push('-');
            }
            shown.push(letter);
        }
        shown
    }

    /// Which run it is of.
    pub(crate) fn run(&self) -> RunNumber {
        self.run
    }

    /// What both sides derive their key from.
    pub(super) fn password(&self) -> &str {
        self.secret.expose_secret()
    }
}

impl RunNumber {
    /// The digits, as they are sent.
    pub(super) fn bytes(self) -> [u8; NUMBER] {
        self.0
    }

    /// Reads the digits; `None`: they are none.
    pub(super) fn of(bytes: [u8; NUMBER]) -> Option<Self> {
        bytes.iter().all(u8::is_ascii_digit).then_some(Self(bytes))
    }
}

impl std::fmt::Display for RunNumber {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|digit| write!(out, "{}", char::from(*digit)))
    }
}

fn symbol(value: u8) -> Option<char> {
    SYMBOLS.get(usize::from(value)).copied().map(char::from)
}

fn value(letter: char) -> Option<u8> {
    let letter = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = SYMBOLS.iter().position(|symbol| char::from(*symbol) == letter)?;
    u8::try_from(at).ok()
}

/// Of all symbols but the last: odd weights, so that any one wrong symbol shows, and most swaps.
fn checksum(values: &[u8]) -> u8 {
    let all = values.split_last().map_or(values, |(_, all)| all);
    let sum: u32 =
        (1..).step_by(2).zip(all).map(|(weight, value): (u32, _)| weight * u32::from(*value)).sum();
    u8::try_from(sum % 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_shown_and_as_people_write_it() {
        for _ in 0..200 {
            let code = PairingCode::new().unwrap();
            let shown = code.shown();
            assert_eq!(shown.len(), "47-K3M-Q9X-PT7".len(), "{shown}");
            let small = shown.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            for text in [&shown, &small] {
                let read = PairingCode::read(text).unwrap();
                assert_eq!((read.run(), read.password()), (code.run(), code.password()));
            }
            assert!(!format!("{code:?}").contains(code.password()));
        }
    }

    #[test]
    fn any_one_wrong_symbol_is_a_slip_and_goes_nowhere() {
        let shown = PairingCode::new().unwrap().shown();
        for (at, right) in shown.char_indices().filter(|(_, letter)| *letter != '-') {
            for wrong in SYMBOLS.iter().map(|symbol| char::from(*symbol)) {
                let mut text = shown.clone();
                text.replace_range(at..=at, &wrong.to_string());
                assert_eq!(PairingCode::read(&text).is_ok(), wrong == right, "{shown} {text}");
            }
        }
        assert_eq!(PairingCode::read("47-K3M").unwrap_err(), NoCode::Length);
        assert_eq!(PairingCode::read("").unwrap_err(), NoCode::Length);
        assert_eq!(PairingCode::read("47-K3M-Q9X-PT?").unwrap_err(), NoCode::Symbol('?'));
    }

    #[test]
    fn two_codes_differ() {
        assert_ne!(PairingCode::new().unwrap().password(), PairingCode::new().unwrap().password());
    }
}
