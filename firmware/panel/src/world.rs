//! What is true now, and which of it is said.

use core::time::Duration;

use bondbox_ipc::panel::{BatteryStep, Meaning};
use bondbox_units::Instant;

/// What capture says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// Nothing: it is not there.
    #[default]
    Absent,
    /// Off the air on purpose.
    Stopped,
    /// Off the air, and meant to be on it.
    Suspended,
    /// On its way.
    Starting,
    /// The source goes out.
    Live,
    /// A slate goes out.
    Slate,
}

impl Capture {
    /// Whether pictures go out.
    pub const fn on_air(self) -> bool {
        matches!(self, Self::Live | Self::Slate)
    }
}

/// What the uplink says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uplink {
    /// Nothing: it is not there.
    #[default]
    Absent,
    /// It belongs to no gateway.
    NotPaired,
    /// No answer from the gateway yet.
    Connecting,
    /// Media reaches the gateway.
    Open {
        /// Links that carry.
        up: u8,
        /// Links that are there.
        present: u8,
    },
    /// Nothing was acknowledged for a second.
    Dark,
}

/// What is true now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    pub(crate) capture: Since<Capture>,
    pub(crate) uplink: Since<Uplink>,
    pub(crate) lame: Since<bool>,
    /// Whether capture and the uplink said anything since this panel is there.
    heard: [bool; 2],
    pub(crate) updating: bool,
    pub(crate) identify: bool,
    pub(crate) powering_off: bool,
    pub(crate) step: BatteryStep,
}

/// A value, and since when it is that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Since<T> {
    pub(crate) is: T,
    pub(crate) since: Instant,
}

impl<T: PartialEq> Since<T> {
    pub(crate) fn set(&mut self, now: Instant, is: T) {
        if self.is != is {
            *self = Self { is, since: now };
        }
    }

    fn has_been(&self, is: &T, now: Instant, long: Duration) -> bool {
        self.is == *is && now.since(self.since) >= long
    }
}

impl World {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            capture: Since { since: now, ..Since::default() },
            uplink: Since { since: now, ..Since::default() },
            ..Self::default()
        }
    }

    pub(crate) fn set_capture(&mut self, now: Instant, capture: Capture) {
        self.heard[0] |= capture != Capture::Absent;
        self.capture.set(now, capture);
    }

    pub(crate) fn set_uplink(&mut self, now: Instant, uplink: Uplink) {
        self.heard[1] |= uplink != Uplink::Absent;
        self.lame.set(now, matches!(uplink, Uplink::Open { up, present } if up < present));
        // Links come and go; the session is what a service may have lost.
        self.uplink.set(now, uplink);
    }

    /// The one thing to say.
    pub fn meaning(&self, now: Instant) -> Meaning {
        // The order is the declaration's; a test holds them together.
        for meaning in crate::lights::ALL {
            if self.is(meaning, now) {
                return meaning;
            }
        }
        Meaning::Connecting
    }

    fn is(&self, meaning: Meaning, now: Instant) -> bool {
        let on_air = self.capture.is.on_air();
        let open = matches!(self.uplink.is, Uplink::Open { .. });
        match meaning {
            Meaning::PoweringOff => self.powering_off,
            Meaning::Fault => {
                self.capture.has_been(&Capture::Absent, now, FAULT) || self.uplink.has_been(&Uplink::Absent, now, FAULT)
            }
            Meaning::Identify => self.identify,
            Meaning::BatteryEmpty => self.step >= BatteryStep::Spare,
            Meaning::NoLink => on_air && self.uplink.is == Uplink::Dark,
            Meaning::SourceLost => self.capture.is == Capture::Slate && open,
            Meaning::LowBattery => self.step == BatteryStep::Low,
            Meaning::Degraded => on_air && open && self.lame.has_been(&true, now, LAME),
            Meaning::OnAir => on_air && open,
            Meaning::Updating => self.updating,
            Meaning::Starting => self.heard != [true; 2],
            Meaning::NotPaired => self.uplink.is == Uplink::NotPaired,
            Meaning::Connecting => !open || self.capture.is != Capture::Stopped,
            Meaning::Ready => true,
        }
    }

    /// When the meaning may change by itself.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let absent = [
            (self.capture.is == Capture::Absent).then_some(self.capture.since + FAULT),
            (self.uplink.is == Uplink::Absent).then_some(self.uplink.since + FAULT),
            self.lame.is.then_some(self.lame.since + LAME),
        ];
        absent.into_iter().flatten().filter(|at| *at > now).min()
    }
}

/// A service that crashed is back within two seconds, and one that starts with the box within ten.
pub const FAULT: Duration = Duration::from_secs(15);

/// A link that changes cells is silent for less; longer, and somebody may want to look at it.
pub const LAME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Uplink = Uplink::Open { up: 2, present: 2 };

    fn world(capture: Capture, uplink: Uplink) -> World {
        let mut world = World::new(Instant::ZERO);
        world.set_capture(Instant::ZERO, capture);
        world.set_uplink(Instant::ZERO, uplink);
        world
    }

    fn said(world: &World) -> Meaning {
        world.meaning(Instant::from_millis(1_000))
    }

    #[test]
    fn each_state_of_the_box_is_said() {
        let cases = [
            (Capture::Stopped, OPEN, Meaning::Ready),
            (Capture::Stopped, Uplink::Connecting, Meaning::Connecting),
            (Capture::Stopped, Uplink::Dark, Meaning::Connecting),
            (Capture::Stopped, Uplink::NotPaired, Meaning::NotPaired),
            (Capture::Starting, OPEN, Meaning::Connecting),
            (Capture::Live, Uplink::Connecting, Meaning::Connecting),
            (Capture::Live, OPEN, Meaning::OnAir),
            (Capture::Live, Uplink::Dark, Meaning::NoLink),
            (Capture::Slate, OPEN, Meaning::SourceLost),
            (Capture::Slate, Uplink::Dark, Meaning::NoLink),
            (Capture::Absent, OPEN, Meaning::Starting),
            (Capture::Stopped, Uplink::Absent, Meaning::Starting),
            (Capture::Absent, Uplink::NotPaired, Meaning::Starting),
        ];
        for (capture, uplink, meaning) in cases {
            assert_eq!(said(&world(capture, uplink)), meaning, "{capture:?} {uplink:?}");
        }
    }

    #[test]
    fn a_box_starts_until_both_services_were_heard_and_not_again_when_one_is_lost() {
        let mut world = world(Capture::Absent, Uplink::Absent);
        assert_eq!(said(&world), Meaning::Starting);
        world.set_capture(Instant::ZERO, Capture::Stopped);
        assert_eq!(said(&world), Meaning::Starting);
        world.set_uplink(Instant::ZERO, OPEN);
        assert_eq!(said(&world), Meaning::Ready);
        world.set_capture(Instant::ZERO, Capture::Absent);
        assert_eq!(said(&world), Meaning::Connecting);
    }

    #[test]
    fn what_is_more_urgent_is_said_instead() {
        let no_link = world(Capture::Live, Uplink::Dark);
        let low = World { step: BatteryStep::Low, ..no_link.clone() };
        let empty = World { step: BatteryStep::Spare, ..low.clone() };
        let identify = World { identify: true, ..empty.clone() };
        let off = World { powering_off: true, ..identify.clone() };
        let all = [no_link, low, empty, identify, off].map(|world| said(&world));
        use Meaning::{BatteryEmpty, Identify, NoLink, PoweringOff};
        assert_eq!(all, [NoLink, NoLink, BatteryEmpty, Identify, PoweringOff]);
    }

    #[test]
    fn a_lame_link_and_a_missing_service_are_said_when_they_stay() {
        let lame = world(Capture::Live, Uplink::Open { up: 1, present: 2 });
        assert_eq!(lame.meaning(Instant::from_millis(1_999)), Meaning::OnAir);
        assert_eq!(lame.deadline(Instant::ZERO), Some(Instant::from_millis(2_000)));
        assert_eq!(lame.meaning(Instant::from_millis(2_000)), Meaning::Degraded);
        let gone = world(Capture::Absent, OPEN);
        assert_eq!(gone.meaning(Instant::from_millis(15_000)), Meaning::Fault);
    }

    #[test]
    fn meanings_are_tried_in_the_order_of_their_urgency() {
        assert!(crate::lights::ALL.is_sorted());
    }
}
