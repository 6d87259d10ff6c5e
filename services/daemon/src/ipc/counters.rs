//! What came over a socket and was not taken, by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection was ended. Anyone on the box may try, so these are counted, not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// Another user than those allowed.
    Stranger,
    /// More connections than a service takes.
    TooManyClients,
    /// No hello in time.
    NoHello,
    /// A first message that is no hello.
    BadHello,
    /// A hello of another service or schema.
    Mismatch,
    /// A packet larger than any message.
    Oversized,
    /// A packet that is no message, or more than one.
    Malformed,
    /// A piece that does not continue its unit.
    WrongOrder,
    /// A unit larger than any, or more tracks at a time than any service has.
    TooLarge,
    /// More unanswered requests than a client may have.
    Flood,
}

impl Garbage {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::Stranger,
        Self::TooManyClients,
        Self::NoHello,
        Self::BadHello,
        Self::Mismatch,
        Self::Oversized,
        Self::Malformed,
        Self::WrongOrder,
        Self::TooLarge,
        Self::Flood,
    ];

    /// As a metric is named.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::TooManyClients => "too_many_clients",
            Self::NoHello => "no_hello",
            Self::BadHello => "bad_hello",
            Self::Mismatch => "mismatch",
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::WrongOrder => "wrong_order",
            Self::TooLarge => "too_large",
            Self::Flood => "flood",
        }
    }
}

/// How often each happened on one socket. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    counts: Arc<[AtomicU64; Garbage::ALL.len()]>,
}

impl Counters {
    /// How often `garbage` came.
    pub fn count(&self, garbage: Garbage) -> u64 {
        self.counts[garbage as usize].load(Ordering::Relaxed)
    }

    /// All that came at least once, by name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Garbage::ALL.into_iter().map(|garbage| (garbage.name(), self.count(garbage))).filter(|(_, count)| *count > 0)
    }

    pub(super) fn add(&self, garbage: Garbage) {
        self.counts[garbage as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_counter() {
        for (index, garbage) in Garbage::ALL.into_iter().enumerate() {
            assert_eq!(garbage as usize, index);
            let counters = Counters::default();
            counters.add(garbage);
            assert_eq!(counters.named().collect::<Vec<_>>(), [(garbage.name(), 1)]);
        }
    }
}
