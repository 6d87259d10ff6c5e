//! Return tracks: what the gateway sends to us.

use bondbox_units::{Instant, TrackId};
use bondbox_wire::frame::Media;

use super::path::Content;
use super::{Sender, SenderEvent, Transmit};
use crate::receiver::TrackCounters;
use crate::return_track::ReturnReceiver;

impl Sender {
    pub(super) fn on_returned(&mut self, now: Instant, media: &Media<'_>) {
        let latency = self.config.return_latency;
        let Some(session) = &mut self.session else { return };
        if session.returned.is_none() {
            // Before the clocks are known nothing can be put out at its time: the gateway tries again.
            let Some(line) = session.clocks.line() else { return };
            session.returned = Some(ReturnReceiver::new(now, latency, line.offset(now), line.drift_ppb()));
        }
        if let Some(returned) = &mut session.returned {
            self.rejected.out_of_bounds += u64::from(returned.on_media(now, media).is_err());
        }
    }

    pub(super) fn returned_counters(&self) -> Vec<(TrackId, TrackCounters)> {
        let returned = self.session.as_ref().and_then(|session| session.returned.as_ref());
        returned.map(|returned| returned.counters().collect()).unwrap_or_default()
    }

    /// Bytes that return tracks hold.
    #[cfg(test)]
    pub(crate) fn held_returned(&self) -> usize {
        self.session.as_ref().and_then(|session| session.returned.as_ref()).map_or(0, ReturnReceiver::held)
    }

    /// Each unit at its time, however seldom anything else is looked at.
    pub(super) fn put_out_returned(&mut self, now: Instant) {
        let Some(session) = &mut self.session else { return };
        let (Some(returned), Some(line)) = (&mut session.returned, session.clocks.line()) else { return };
        returned.on_clock(now, line.offset(now), line.drift_ppb());
        self.events.extend(std::iter::from_fn(|| returned.poll(now)).map(SenderEvent::Unit));
    }

    /// Tells the gateway which units have come, on the link that delivers first.
    pub(super) fn transmit_units_ack(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let session = self.session.as_mut()?;
        session.returned.as_ref().filter(|returned| returned.has_news(now))?;
        let link = session.quickest(now)?;
        let mut returned = session.returned.take()?;
        let sent = session.transmit(now, link, &mut self.links, buffer, |_, writer| {
            returned.tell(writer);
            Some(Content::default())
        });
        session.returned = Some(returned);
        sent
    }
}
