//! Pairing: a code that both ends were given vouches for keys that neither has seen.
//!
//! Each end says, inside the handshake that shows that it holds its key, an HMAC-SHA256 (RFC 2104) of that key under the code's
//! secret. Who does not know the code can neither make such a proof nor use another's: it is of a key that they do not hold.
//! A code has 80 bits, so that a proof tells nobody the code who tries them one by one.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{digest, hmac, rand};
use zeroize::Zeroizing;

use super::PublicKey;

/// What people read, type and print on a label: 16 symbols of Crockford's base 32, in groups of four.
///
/// Letters of either case are read; `O` is read as 0, `I` and `L` as 1; hyphens and spaces are passed over.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode(Zeroizing<[u8; SYMBOLS]>);

/// What a code is to both ends; its text form is 64 hexadecimal digits. Who has it can pair: keep it as secret as the code.
#[derive(Clone)]
pub struct PairingSecret(Zeroizing<[u8; 32]>);

/// That somebody who knows a code vouches for a key.
pub(crate) type Proof = [u8; 32];

/// Whose key is vouched for: a proof of the one is none of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Unit,
    Gateway,
}

/// Text that is no code, or no secret of one. It does not say what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// A code has 16 symbols.
    #[error("a pairing code has 16 letters and digits, this has {0}")]
    Length(usize),
    /// A symbol that no code has.
    #[error("a pairing code has no {0:?}")]
    Symbol(char),
    /// The stored form is 64 hexadecimal digits.
    #[error("the secret of a pairing code has 64 hexadecimal digits")]
    Secret,
}

impl PairingCode {
    /// A new one, from the operating system's randomness.
    pub fn generate() -> Self {
        let mut symbols = Zeroizing::new([0; SYMBOLS]);
        rand::fill(&mut symbols[..]).expect("the operating system gives randomness");
        symbols.iter_mut().for_each(|symbol| *symbol = ALPHABET[usize::from(*symbol % 32)]);
        Self(symbols)
    }

    /// What both ends keep and use.
    pub fn secret(&self) -> PairingSecret {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"bondbox pairing code ");
        context.update(&self.0[..]);
        PairingSecret(Zeroizing::new(context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")))
    }
}

impl PairingSecret {
    /// For a file that nobody else can read.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(crate) fn prove(&self, end: End, key: PublicKey) -> Proof {
        hmac::sign(&self.key(), &said(end, key)).as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
    }

    pub(crate) fn is_proven(&self, end: End, key: PublicKey, proof: &Proof) -> bool {
        hmac::verify(&self.key(), &said(end, key), proof).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0[..])
    }
}

/// What a proof is of.
fn said(end: End, key: PublicKey) -> Vec<u8> {
    let end: &[u8] = match end {
        End::Unit => b"bondbox pairs the unit ",
        End::Gateway => b"bondbox pairs the gateway ",
    };
    [end, &key.to_spki()].concat()
}

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, symbol) in self.0.iter().enumerate() {
            let hyphen = if number > 0 && number % 4 == 0 { "-" } else { "" };
            write!(f, "{hyphen}{}", char::from(*symbol))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode")
    }
}

impl fmt::Debug for PairingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingSecret")
    }
}

/// In constant time.
impl PartialEq for PairingSecret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0[..], &other.0[..]).is_ok()
    }
}

impl Eq for PairingSecret {}

impl FromStr for PairingCode {
    type Err = BadCode;

    fn from_str(text: &str) -> Result<Self, BadCode> {
        let mut symbols = Zeroizing::new([0; SYMBOLS]);
        let mut count = 0;
        for character in text.chars().filter(|character| !matches!(character, '-' | ' ')) {
            let symbol = match character.to_ascii_uppercase() {
                'O' => b'0',
                'I' | 'L' => b'1',
                upper => {
                    let known = ALPHABET.iter().find(|symbol| char::from(**symbol) == upper);
                    *known.ok_or(BadCode::Symbol(character))?
                }
            };
            if let Some(place) = symbols.get_mut(count) {
                *place = symbol;
            }
            count += 1;
        }
        if count == SYMBOLS { Ok(Self(symbols)) } else { Err(BadCode::Length(count)) }
    }
}

impl FromStr for PairingSecret {
    type Err = BadCode;

    fn from_str(text: &str) -> Result<Self, BadCode> {
        // A public key's text has the same form.
        let key: PublicKey = text.parse().map_err(|_| BadCode::Secret)?;
        Ok(Self(Zeroizing::new(key.to_bytes())))
    }
}

/// Digits and letters without I, L, O and U (Douglas Crockford, "Base 32").
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 5 bits each.
const SYMBOLS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::identities;

    #[test]
    fn a_code_is_read_however_it_is_written() {
        let code: PairingCode = "K7QF-2M9X-0V1S-ZT4E".parse().unwrap();
        assert_eq!(code.to_string(), "K7QF-2M9X-0V1S-ZT4E");
        for text in ["k7qf2m9xov1szt4e", "K7QF 2M9X OVLS ZT4E", "-K7QF-2M9X-0VIS-ZT4E"] {
            assert_eq!(text.parse(), Ok(code.clone()), "{text}");
        }
        let fresh = PairingCode::generate();
        assert_eq!(fresh.to_string().parse(), Ok(fresh.clone()));
        assert_ne!(fresh, PairingCode::generate());
        let secret: PairingSecret = fresh.secret().to_text().parse().unwrap();
        assert_eq!(secret, fresh.secret());
        assert_ne!(secret, code.secret());
    }

    #[test]
    fn what_is_no_code_is_named_without_repeating_it() {
        assert_eq!("K7QF".parse::<PairingCode>(), Err(BadCode::Length(4)));
        assert_eq!("K7QF-2M9X-0V1S-ZT4EX".parse::<PairingCode>(), Err(BadCode::Length(17)));
        assert_eq!("K7QF-2M9X-0V1S-ZT4U".parse::<PairingCode>(), Err(BadCode::Symbol('U')));
        assert_eq!("".parse::<PairingCode>(), Err(BadCode::Length(0)));
        assert_eq!("abc".parse::<PairingSecret>(), Err(BadCode::Secret));
        assert_eq!(format!("{:?}", PairingCode::generate()), "PairingCode");
        assert_eq!(format!("{:?}", PairingCode::generate().secret()), "PairingSecret");
    }

    #[test]
    fn a_proof_is_of_one_key_at_one_end_under_one_code() {
        let [unit, other, _] = identities();
        let (secret, another) = (PairingCode::generate().secret(), PairingCode::generate().secret());
        let proof = secret.prove(End::Unit, unit.public());
        assert!(secret.is_proven(End::Unit, unit.public(), &proof));
        assert!(!secret.is_proven(End::Unit, other.public(), &proof));
        assert!(!secret.is_proven(End::Gateway, unit.public(), &proof));
        assert!(!another.is_proven(End::Unit, unit.public(), &proof));
    }
}
