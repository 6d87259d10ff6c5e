//! Tells when something was plugged in or pulled out.

use std::time::Duration;

use crate::events::{Events, Of};

/// [`Events`] where they come, and a look now and then where they do not.
pub struct Plugs {
    events: Events,
}

impl Plugs {
    /// Listens for what may be a link, on the current reactor.
    pub fn listen() -> Self {
        Self::of(&[Of::Subsystem("net"), Of::Type("usb", "usb_device")])
    }

    /// Listens for these.
    pub fn of(kinds: &[Of]) -> Self {
        Self { events: Events::of(kinds) }
    }

    /// Returns when it is worth looking; a burst of events may count once. May be dropped halfway.
    pub async fn changed(&mut self) {
        if !self.events.come() {
            return tokio::time::sleep(POLL).await;
        }
        // Nothing for long: an event may have been lost, which no program is told.
        let _ = tokio::time::timeout(SELDOM, self.events.next()).await;
    }
}

/// Where nobody tells.
const POLL: Duration = Duration::from_secs(2);
/// Where somebody does.
const SELDOM: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_events_it_is_worth_looking_now_and_then() {
        let mut plugs = Plugs { events: Events::none() };
        let start = tokio::time::Instant::now();
        plugs.changed().await;
        plugs.changed().await;
        assert_eq!(start.elapsed(), POLL * 2);
    }
}
