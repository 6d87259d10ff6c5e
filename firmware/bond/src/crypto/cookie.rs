//! Proof that who sends from an address can be reached there, without keeping anything about them (RFC 9000 §8.1.2 does the
//! same with its tokens).
//!
//! A cookie is a MAC over the address and the handshake's id. Its key is made anew every [`LIFE`], so the key that a cookie
//! holds under says when it was baked: it is good for one to two lives, and the oldest key is gone for good.

use std::net::SocketAddr;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use aws_lc_rs::rand::SystemRandom;
use bondbox_units::Instant;
use bondbox_wire::handshake::MAX_COOKIE;
use std::time::Duration;

/// Bakes cookies, and tells its own from others.
pub(crate) struct Cookies {
    current: Key,
    previous: Key,
    since: Instant,
}

impl Cookies {
    pub(crate) fn new(now: Instant) -> Self {
        Self { current: fresh(), previous: fresh(), since: now }
    }

    /// A cookie for the handshake `id` of whoever is at `remote`.
    pub(crate) fn bake(&mut self, now: Instant, remote: SocketAddr, id: [u8; 8]) -> [u8; MAX_COOKIE] {
        self.turn(now);
        let tag = hmac::sign(&self.current, &message(remote, id));
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Whether this is a cookie for `id` at `remote`, and not too old.
    pub(crate) fn holds(&mut self, now: Instant, remote: SocketAddr, id: [u8; 8], cookie: &[u8]) -> bool {
        self.turn(now);
        let message = message(remote, id);
        [&self.current, &self.previous].into_iter().any(|key| hmac::verify(key, &message, cookie).is_ok())
    }

    fn turn(&mut self, now: Instant) {
        let age = now - self.since;
        if age < LIFE {
            return;
        }
        let old = std::mem::replace(&mut self.current, fresh());
        self.previous = if age < LIFE * 2 { old } else { fresh() };
        self.since = now;
    }
}

/// Makes the tokens that tell whether a PING arrived where it was sent to.
pub(crate) struct Tokens(Key);

impl Tokens {
    pub(crate) fn new() -> Self {
        Self(fresh())
    }

    /// What a PING on `path` to `remote` carries in its `round`: 62 bits that only who gets it knows.
    pub(crate) fn token(&self, path: u32, remote: SocketAddr, round: u64) -> u64 {
        let tag = hmac::sign(&self.0, &[&message(remote, round.to_be_bytes())[..], &path.to_be_bytes()].concat());
        let low = tag.as_ref().first_chunk().expect("SHA-256 has 32 bytes");
        u64::from_be_bytes(*low) >> 2
    }
}

/// A key that nobody can guess: unlike the ids that are drawn from a seed, it is a secret.
fn fresh() -> Key {
    Key::generate(HMAC_SHA256, &SystemRandom::new()).expect("the operating system gives randomness")
}

fn message(remote: SocketAddr, id: [u8; 8]) -> [u8; 26] {
    let address = match remote {
        SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped(),
        SocketAddr::V6(v6) => *v6.ip(),
    };
    let mut message = [0; 26];
    message[..16].copy_from_slice(&address.octets());
    message[16..18].copy_from_slice(&remote.port().to_be_bytes());
    message[18..].copy_from_slice(&id);
    message
}

/// Longer than a handshake may take.
const LIFE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    #[test]
    fn a_cookie_holds_for_its_address_and_handshake_only() {
        let now = Instant::from_millis(5);
        let mut cookies = Cookies::new(now);
        let cookie = cookies.bake(now, at(1, 9), [7; 8]);
        assert!(cookies.holds(now, at(1, 9), [7; 8], &cookie));
        assert!(!cookies.holds(now, at(1, 10), [7; 8], &cookie), "another port");
        assert!(!cookies.holds(now, at(2, 9), [7; 8], &cookie), "another host");
        assert!(!cookies.holds(now, at(1, 9), [8; 8], &cookie), "another handshake");
        assert!(!cookies.holds(now, at(1, 9), [7; 8], &cookie[..31]), "cut");
        assert!(!cookies.holds(now, at(1, 9), [7; 8], &[]));
        assert!(!Cookies::new(now).holds(now, at(1, 9), [7; 8], &cookie), "of another gateway");
    }

    #[test]
    fn a_cookie_lives_for_one_to_two_lives_of_a_key() {
        let bakes = [0, 9_999];
        for baked in bakes {
            let mut cookies = Cookies::new(Instant::ZERO);
            let cookie = cookies.bake(Instant::from_millis(baked), at(1, 9), [7; 8]);
            assert!(cookies.holds(Instant::from_millis(10_000), at(1, 9), [7; 8], &cookie));
            assert!(!cookies.holds(Instant::from_millis(20_000), at(1, 9), [7; 8], &cookie));
        }
        let mut idle = Cookies::new(Instant::ZERO);
        let cookie = idle.bake(Instant::ZERO, at(1, 9), [7; 8]);
        assert!(!idle.holds(Instant::from_millis(60_000), at(1, 9), [7; 8], &cookie), "nobody looked for a minute");
    }
}
