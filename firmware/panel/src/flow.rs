//! Whether what is on the air arrives.
//!
//! That capture is on the air and a session is open says that something could. That it does is known by what the gateway has in
//! full: an encoder that is stuck, or a source that died without a word, sends nothing over the best of links.

use core::time::Duration;

use bondbox_units::Instant;

use crate::world::Since;

/// What has arrived, while it can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    /// On the air with a session.
    open: Since<bool>,
    /// As last told by an uplink that is still there.
    count: Option<u64>,
    /// When there was more the last time.
    last: Option<Instant>,
}

impl Flow {
    /// Whether anything can arrive.
    pub(crate) fn set_open(&mut self, now: Instant, open: bool) {
        if self.open.is != open {
            self.open.set(now, open);
            self.last = None;
        }
    }

    /// How many have arrived. The first word of an uplink is where counting begins.
    pub(crate) fn on_arrived(&mut self, now: Instant, count: u64) {
        if self.open.is && self.count.is_some_and(|before| count > before) {
            self.last = Some(now);
        }
        self.count = Some(count);
    }

    /// The uplink is gone, and counts anew when it is back.
    pub(crate) fn forget(&mut self) {
        self.count = None;
    }

    /// Whether something arrived a moment ago.
    pub(crate) fn flows(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.since(last) < STANDS)
    }

    /// Whether nothing arrived for long.
    pub(crate) fn stands(&self, now: Instant) -> bool {
        self.open.is && now.since(self.last.unwrap_or(self.open.since)) >= STANDS
    }

    /// When it will stand unless something arrives.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.open.is.then(|| self.last.unwrap_or(self.open.since) + STANDS)
    }
}

/// Of a picture a second something would be missed as of none. A bond that is cut off says so itself after one second, and a capture
/// that has nothing to send builds its encoder anew after as long as this.
pub(crate) const STANDS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn it_flows_from_the_first_unit_that_arrives_and_stands_two_seconds_after_the_last() {
        let mut flow = Flow::default();
        flow.on_arrived(at(0), 7);
        flow.set_open(at(0), true);
        assert_eq!((flow.flows(at(1_999)), flow.stands(at(1_999)), flow.deadline()), (false, false, Some(at(2_000))));
        assert!(flow.stands(at(2_000)));
        flow.on_arrived(at(3_000), 8);
        flow.on_arrived(at(4_000), 8);
        assert!(flow.flows(at(4_999)) && !flow.stands(at(4_999)));
        assert!(!flow.flows(at(5_000)) && flow.stands(at(5_000)));
        flow.set_open(at(5_000), false);
        assert!(!flow.flows(at(5_000)) && !flow.stands(at(9_000)) && flow.deadline().is_none());
    }

    #[test]
    fn what_was_counted_before_is_no_arrival() {
        let mut flow = Flow::default();
        flow.set_open(at(0), true);
        flow.on_arrived(at(10), 1_000);
        assert!(!flow.flows(at(10)), "where counting begins");
        flow.on_arrived(at(20), 3);
        assert!(!flow.flows(at(20)), "it counts anew");
        flow.forget();
        flow.on_arrived(at(30), 4);
        assert!(!flow.flows(at(30)), "another one's");
        flow.on_arrived(at(40), 5);
        assert!(flow.flows(at(40)));
        // A session that is open again shows anew that something arrives.
        flow.set_open(at(50), false);
        flow.set_open(at(60), true);
        assert!(!flow.flows(at(60)));
    }
}
