//! The way to power-off: said first, the stream ended cleanly, and only then done.

use core::time::Duration;

use bondbox_units::Instant;

use crate::world::Capture;

/// Where on the way the box is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PowerOff {
    #[default]
    No,
    /// It is said, and can be called off.
    Said { since: Instant, why: Why },
    /// The system was asked to switch off.
    Asked { at: Instant, why: Why },
}

/// Who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Calls it off by pressing again.
    Operator,
    /// Calls it off by being fed.
    Battery,
}

impl Why {
    /// How long it is said before it is done. An empty pack of 5 % lasts for minutes yet, and whoever stands by may plug in.
    pub(crate) const fn warning(self) -> Duration {
        match self {
            Self::Operator => Duration::from_secs(3),
            Self::Battery => Duration::from_secs(30),
        }
    }
}

impl PowerOff {
    /// Whether power goes off unless somebody calls it off.
    pub(crate) fn why(self) -> Option<Why> {
        match self {
            Self::No => None,
            Self::Said { why, .. } | Self::Asked { why, .. } => Some(why),
        }
    }

    /// Begins, unless it has begun.
    pub(crate) fn say(&mut self, now: Instant, why: Why) {
        if *self == Self::No {
            *self = Self::Said { since: now, why };
        }
    }

    /// Whether to ask the system now. The stream's end is waited for, but not for ever.
    pub(crate) fn pass(&mut self, now: Instant, capture: Capture) -> bool {
        let Some(at) = self.deadline(capture).filter(|at| *at <= now) else { return false };
        let (Self::Said { why, .. } | Self::Asked { why, .. }) = *self else { return false };
        debug_assert!(at <= now);
        *self = Self::Asked { at: now, why };
        true
    }

    /// When to ask, or to ask again: a system that did not answer may have been busy.
    pub(crate) fn deadline(self, capture: Capture) -> Option<Instant> {
        match self {
            Self::No => None,
            Self::Said { since, why } if matches!(capture, Capture::Stopped | Capture::Suspended | Capture::Absent) => {
                Some(since + why.warning())
            }
            Self::Said { since, why } => Some(since + why.warning() + CLEAN_END),
            Self::Asked { at, .. } => Some(at + AGAIN),
        }
    }
}

/// Capture stops within a second; one that hangs must not keep a box on an empty pack.
const CLEAN_END: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(60);
