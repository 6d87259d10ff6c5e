//! Long-term keys of units and gateways: Ed25519 (RFC 8032), pinned as raw public keys (RFC 7250).
//!
//! A private key is overwritten when its [`Identity`] goes. What aws-lc makes of it, in TLS and when a key is generated, it
//! overwrites itself when it frees it, as it does with all keys. It never is in a `Debug` text.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

/// A public key; its text form is 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

/// A private key and its public half.
pub struct Identity {
    public: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

/// Text or bytes that are no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A public key is 64 hexadecimal digits.
    #[error("a public key has 64 hexadecimal digits, this has {len} characters: {start:?}")]
    Text {
        /// Characters given.
        len: usize,
        /// The first few.
        start: String,
    },
    /// A private key is an Ed25519 key in PKCS #8.
    #[error("not an Ed25519 private key in PKCS #8 ({len} bytes)")]
    Private {
        /// Bytes given.
        len: usize,
    },
}

impl Identity {
    /// A new key, from the operating system's randomness.
    pub fn generate() -> Self {
        let pair = Ed25519KeyPair::generate().expect("the operating system gives randomness");
        let pkcs8 = pair.to_pkcs8().expect("a fresh key can be written");
        Self { public: public_of(&pair), pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()) }
    }

    /// Reads [`Identity::to_pkcs8`].
    ///
    /// # Errors
    /// [`BadKey::Private`] for anything else.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, BadKey> {
        Self::take_pkcs8(pkcs8.to_vec())
    }

    /// As [`Identity::from_pkcs8`], for a copy that nobody else needs: it is overwritten, when this goes or now.
    ///
    /// # Errors
    /// [`BadKey::Private`] for what is no key.
    pub fn take_pkcs8(pkcs8: Vec<u8>) -> Result<Self, BadKey> {
        let pkcs8 = Zeroizing::new(pkcs8);
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| BadKey::Private { len: pkcs8.len() })?;
        Ok(Self { public: public_of(&pair), pkcs8 })
    }

    /// The private key in PKCS #8 (RFC 5958). Keep it secret.
    pub fn to_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// What others pin.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(&self.pkcs8[..]));
        let key =
            rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("the key was checked when it was made");
        Arc::new(CertifiedKey::new(vec![CertificateDer::from(self.public.to_spki())], key))
    }
}

impl PublicKey {
    /// The first 16 digits: enough for people to tell units apart.
    pub fn fingerprint(&self) -> String {
        self.to_string()[..16].to_owned()
    }

    pub(super) const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    pub(super) fn to_spki(self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.0].concat()
    }

    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        let key = spki.strip_prefix(&SPKI_PREFIX)?;
        key.try_into().ok().map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public)
    }
}

impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bad = || BadKey::Text { len: text.chars().count(), start: text.chars().take(12).collect() };
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+')).ok_or_else(bad)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| bad())?;
        }
        Ok(Self(key))
    }
}

fn public_of(pair: &Ed25519KeyPair) -> PublicKey {
    PublicKey(pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes"))
}

/// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_text_and_byte_forms() {
        let identity = Identity::generate();
        assert_eq!(Identity::from_pkcs8(identity.to_pkcs8()).unwrap().public(), identity.public());
        assert_eq!(identity.public().to_string().parse(), Ok(identity.public()));
        assert_eq!(PublicKey::from_spki(&identity.public().to_spki()), Some(identity.public()));
    }

    #[test]
    fn a_private_key_is_overwritten_when_it_goes() {
        fn overwritten<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        overwritten(&Identity::generate().pkcs8);
    }

    /// A text in which any part of a secret shows, as digits or as a list of numbers.
    fn shows(text: &str, secret: &[u8]) -> bool {
        let hex = |part: &[u8]| part.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let text = text.to_lowercase();
        secret.windows(4).any(|part| {
            let numbers = format!("{part:?}");
            text.contains(&hex(part)) || text.contains(numbers.trim_matches(['[', ']']))
        })
    }

    #[test]
    fn no_text_about_anything_public_shows_a_private_key() {
        use crate::gateway::GatewayConfig;
        use crate::hostile::identities;
        use crate::receiver::Outputs;

        let mut pair = crate::pair::Pair::open();
        let [unit, other, gateway] = identities();
        let config = GatewayConfig {
            identity: gateway.clone(),
            units: vec![unit.public()],
            latency: None,
            outputs: Outputs::default(),
        };
        let sender = crate::hostile::config(other);
        pair.run(10);
        let texts = [
            format!("{unit:?} {other:?} {gateway:#?} {config:?} {sender:#?}"),
            format!("{:?} {:?}", pair.sender.status(pair.now), pair.gateway.status(pair.now)),
            format!("{:?} {:?} {:?}", pair.events, pair.sender.rejected(), pair.gateway.rejected()),
            format!("{:?} {}", Identity::from_pkcs8(&unit.to_pkcs8()[1..]), BadKey::Private { len: 3 }),
        ];
        for identity in identities() {
            // The last 32 bytes before the public half, wherever that is: the seed.
            let pkcs8 = identity.to_pkcs8();
            let seed = &pkcs8[16..48];
            assert!(shows(
                &format!("{seed:02x?} {}", seed.iter().map(|b| format!("{b:02x}")).collect::<String>()),
                seed
            ));
            assert!(shows(&format!("{seed:?}"), seed), "the test sees what it looks for");
            assert!(texts.iter().all(|text| !shows(text, seed)), "{texts:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_named() {
        assert_eq!("abc".parse::<PublicKey>().unwrap_err(), BadKey::Text { len: 3, start: "abc".into() });
        assert!("zz".repeat(32).parse::<PublicKey>().is_err());
        assert!("+1".repeat(32).parse::<PublicKey>().is_err());
        assert_eq!(Identity::from_pkcs8(&[1, 2]).unwrap_err(), BadKey::Private { len: 2 });
    }
}
