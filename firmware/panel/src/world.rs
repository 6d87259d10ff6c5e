//! What is true now, and which of it is said.

use core::time::Duration;

use bondbox_ipc::panel::{BatteryStep, Meaning, Service};
use bondbox_units::Instant;

use crate::flow::Flow;
use crate::services::Services;

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
    /// Its gateway says that it does not know this unit, or no more.
    Refused,
    /// No answer from the gateway yet.
    Connecting,
    /// Media reaches the gateway, where there is some.
    Open {
        /// Links that carry.
        up: u8,
        /// Links that are there.
        present: u8,
        /// Units that the gateway has, as they are counted since the uplink started.
        arrived: u64,
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
    pub(crate) services: Services,
    flow: Flow,
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
            services: Services::new(now),
            ..Self::default()
        }
    }

    pub(crate) fn set_capture(&mut self, now: Instant, capture: Capture) {
        self.services.set_answers(now, Service::Capture, capture != Capture::Absent);
        self.capture.set(now, capture);
        self.set_reaches(now);
    }

    pub(crate) fn set_uplink(&mut self, now: Instant, uplink: Uplink) {
        self.services.set_answers(now, Service::Uplink, uplink != Uplink::Absent);
        self.lame.set(now, matches!(uplink, Uplink::Open { up, present, .. } if up < present));
        self.uplink.set(now, uplink);
        self.set_reaches(now);
        match uplink {
            Uplink::Open { arrived, .. } => self.flow.on_arrived(now, arrived),
            Uplink::Absent => self.flow.forget(),
            Uplink::NotPaired | Uplink::Refused | Uplink::Connecting | Uplink::Dark => {}
        }
    }

    fn set_reaches(&mut self, now: Instant) {
        self.flow.set_open(now, self.capture.is.on_air() && self.is_open());
    }

    fn is_open(&self) -> bool {
        matches!(self.uplink.is, Uplink::Open { .. })
    }

    /// Whether pictures reach the gateway.
    pub(crate) fn flows(&self, now: Instant) -> bool {
        self.flow.flows(now)
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
        let open = self.is_open();
        match meaning {
            Meaning::PoweringOff => self.powering_off,
            Meaning::Fault => self.services.troubles(now) != [None; 3],
            Meaning::Identify => self.identify,
            Meaning::BatteryEmpty => self.step >= BatteryStep::Spare,
            Meaning::NoLink => on_air && self.uplink.is == Uplink::Dark,
            Meaning::SourceLost => open && (self.capture.is == Capture::Slate || self.flow.stands(now)),
            Meaning::LowBattery => self.step == BatteryStep::Low,
            Meaning::Degraded => self.flows(now) && self.lame.has_been(&true, now, LAME),
            Meaning::OnAir => self.flows(now),
            Meaning::Updating => self.updating,
            Meaning::Starting => !self.services.were_heard(&[Service::Capture, Service::Uplink]),
            Meaning::NotPaired => matches!(self.uplink.is, Uplink::NotPaired | Uplink::Refused),
            Meaning::Connecting => !open || self.capture.is != Capture::Stopped,
            Meaning::Ready => true,
        }
    }

    /// When the meaning may change by itself.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let lame = self.lame.is.then_some(self.lame.since + LAME);
        let times = [lame, self.services.deadline(now), self.flow.deadline()];
        times.into_iter().flatten().filter(|at| *at > now).min()
    }
}

/// A link that changes cells is silent for less; longer, and somebody may want to look at it.
pub const LAME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Uplink = open(0);

    const fn open(arrived: u64) -> Uplink {
        Uplink::Open { up: 2, present: 2, arrived }
    }

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
            (Capture::Stopped, Uplink::Refused, Meaning::NotPaired),
            (Capture::Live, Uplink::Refused, Meaning::NotPaired),
            (Capture::Starting, OPEN, Meaning::Connecting),
            (Capture::Live, Uplink::Connecting, Meaning::Connecting),
            (Capture::Live, OPEN, Meaning::Connecting),
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
        let lame = |arrived| Uplink::Open { up: 1, present: 2, arrived };
        let mut world = self::world(Capture::Live, lame(0));
        world.set_uplink(Instant::from_millis(1_000), lame(1));
        assert_eq!(world.meaning(Instant::from_millis(1_999)), Meaning::OnAir);
        assert_eq!(world.deadline(Instant::ZERO), Some(Instant::from_millis(2_000)));
        assert_eq!(world.meaning(Instant::from_millis(2_000)), Meaning::Degraded);
        let gone = self::world(Capture::Absent, OPEN);
        assert_eq!(gone.meaning(Instant::from_millis(15_000)), Meaning::Fault);
    }

    #[test]
    fn on_the_air_is_said_while_something_arrives() {
        let said = |world: &World, ms| world.meaning(Instant::from_millis(ms));
        let mut world = world(Capture::Live, OPEN);
        assert_eq!((said(&world, 0), said(&world, 1_999)), (Meaning::Connecting, Meaning::Connecting));
        assert_eq!(said(&world, 2_000), Meaning::SourceLost, "nothing comes out of it");
        world.set_uplink(Instant::from_millis(2_500), open(1));
        assert_eq!((said(&world, 2_500), said(&world, 4_499)), (Meaning::OnAir, Meaning::OnAir));
        assert_eq!(world.deadline(Instant::from_millis(2_500)), Some(Instant::from_millis(4_500)));
        assert_eq!(said(&world, 4_500), Meaning::SourceLost);
        world.set_uplink(Instant::from_millis(4_600), Uplink::Dark);
        assert_eq!(said(&world, 9_000), Meaning::NoLink, "of what cannot arrive nothing is missed");
        world.set_uplink(Instant::from_millis(9_000), open(2));
        assert_eq!(said(&world, 9_000), Meaning::OnAir);
    }

    #[test]
    fn meanings_are_tried_in_the_order_of_their_urgency() {
        assert!(crate::lights::ALL.is_sorted());
    }
}
