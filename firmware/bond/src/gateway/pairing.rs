//! Codes that let a unit in that nobody knew before: each for a while, and once.

use bondbox_units::Instant;

use super::{Gateway, GatewayEvent};
use crate::crypto::{PairingSecret, PublicKey};

/// Most codes that are open at a time: each adds 34 bytes to what every unit is told in its handshake.
pub const MAX_PAIRINGS: usize = 4;

/// As many codes are open as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_PAIRINGS} units are waited for already")]
pub struct TooManyPairings;

impl Gateway {
    /// Lets in the next unit that knows this code, until then. A code that is open already stays so until the new time.
    ///
    /// # Errors
    /// [`TooManyPairings`] when [`MAX_PAIRINGS`] other codes are open.
    pub fn open_pairing(&mut self, now: Instant, code: PairingSecret, until: Instant) -> Result<(), TooManyPairings> {
        self.expire_pairings(now);
        self.pairings.retain(|(open, _)| *open != code);
        if self.pairings.len() >= MAX_PAIRINGS {
            return Err(TooManyPairings);
        }
        self.pairings.push((code, until));
        self.tell_codes();
        Ok(())
    }

    /// This code lets nobody in any more.
    pub fn close_pairing(&mut self, code: &PairingSecret) {
        self.pairings.retain(|(open, _)| open != code);
        self.tell_codes();
    }

    /// Whether the code lets a unit in.
    pub fn is_pairing(&self, code: &PairingSecret) -> bool {
        self.pairings.iter().any(|(open, _)| open == code)
    }

    pub(super) fn expire_pairings(&mut self, now: Instant) {
        if self.pairings.iter().any(|(_, until)| *until <= now) {
            self.pairings.retain(|(_, until)| *until > now);
            self.tell_codes();
        }
    }

    /// A unit has proven that it knows the code.
    pub(super) fn pair(&mut self, unit: PublicKey, code: &PairingSecret) {
        if !self.config.units.contains(&unit) {
            self.config.units.push(unit);
            self.tls.set_units(self.config.units.iter().copied());
        }
        self.close_pairing(code);
        self.events.push_back(GatewayEvent::Paired { unit, code: code.clone() });
    }

    fn tell_codes(&self) {
        self.tls.set_codes(self.pairings.iter().map(|(code, _)| code.clone()).collect());
    }
}
