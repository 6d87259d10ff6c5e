//! Messages to and from the gateway, on the link that delivers first.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::frame::Channel;
use bytes::Bytes;

use super::path::{Content, Path};
use super::{Sender, Transmit};
use crate::channel::{MessageId, Refused};

impl Sender {
    /// Sends a message to the gateway, in this session or the next ones, until it is acknowledged or `expiry` is over:
    /// [`crate::sender::SenderEvent::Channel`] tells which.
    ///
    /// # Errors
    /// [`Refused`] when it is too long or too many wait.
    pub fn send_message(
        &mut self,
        now: Instant,
        channel: Channel,
        body: Bytes,
        expiry: Duration,
    ) -> Result<MessageId, Refused> {
        self.channels.send(now, channel, body, expiry)
    }

    pub(super) fn transmit_messages(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let session = self.session.as_mut().filter(|_| self.channels.is_due(now))?;
        let link = session.quickest(now)?;
        let patience = patience(session.paths.get(&link)?);
        let usable = session.paths.values().filter(|path| path.is_usable());
        let proven = usable.map(|path| path.capacity.estimate(now)).sum();
        let channels = &mut self.channels;
        session.transmit(now, link, &mut self.links, buffer, |_, writer| {
            channels.write(now, patience, proven, writer);
            Some(Content::default())
        })
    }
}

/// How long an answer may take over this path.
fn patience(path: &Path) -> Duration {
    path.round_trip().mul_f64(1.5) + path.delay.standing() + GRAIN
}

/// Of timers at both ends, and of machines that are busy.
const GRAIN: Duration = Duration::from_millis(50);
