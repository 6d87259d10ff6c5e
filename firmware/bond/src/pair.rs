//! Both ends for tests, and a network between them that does what each test says.

use std::collections::BTreeMap;
use std::time::Duration;

use bondbox_units::{Instant, LinkId, Priority};
use bondbox_wire::MAX_DATAGRAM;
use bondbox_wire::frame::UnitHeader;

use crate::gateway::{GatewayEvent, Route};
use crate::hostile::{HONEST, gateway, identities, route, sender, unit};
use crate::receiver::Delivered;
use crate::sender::SenderEvent;
use crate::{Gateway, Sender};

/// What becomes of a datagram of the unit's: after so long it arrives from there, maybe more than once.
pub(crate) type Up = dyn FnMut(Instant, LinkId, &[u8]) -> Vec<(Duration, Route)>;
/// What becomes of a datagram of the gateway's: after so long it arrives on that link, maybe more than once.
pub(crate) type Down = dyn FnMut(Instant, Route, &[u8]) -> Vec<(Duration, LinkId)>;

/// Of a unit that nothing is to be said of.
pub(crate) fn plain_header() -> UnitHeader {
    UnitHeader {
        priority: Priority::Standard,
        keyframe: false,
        discontinuity: false,
        ingest_low: 0,
        pts_offset: 0,
        dts_offset: 0,
        skips: 0,
    }
}

/// Two links, 20 and 30 ms long, that a test may bend.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) sender: Sender,
    pub(crate) gateway: Gateway,
    pub(crate) up: Box<Up>,
    pub(crate) down: Box<Down>,
    flying: BTreeMap<(Instant, u64), (Way, Vec<u8>)>,
    sent: u64,
    pub(crate) pushed: u32,
    /// Numbers of the units that came out, and whether something was missing before each.
    pub(crate) out: Vec<(Instant, u32, bool)>,
    pub(crate) events: Vec<(Instant, GatewayEvent)>,
    /// Units of return tracks that came out at the unit.
    pub(crate) returned: Vec<(Instant, Delivered)>,
    /// What else the unit was told.
    pub(crate) told: Vec<SenderEvent>,
}

enum Way {
    Up(Route),
    Down(LinkId),
}

impl Pair {
    /// Both ends, without a session yet.
    pub(crate) fn new() -> Self {
        let now = Instant::from_millis(1);
        Self::of(now, sender(now, &identities()[1], 2))
    }

    /// The same with this unit.
    pub(crate) fn of(now: Instant, sender: Sender) -> Self {
        Self {
            now,
            sender,
            gateway: gateway(now),
            up: Box::new(|_, link, _| vec![(one_way(link), home(link))]),
            down: Box::new(|_, route, _| link_at(route).map(|link| (one_way(link), link)).into_iter().collect()),
            flying: BTreeMap::new(),
            sent: 0,
            pushed: 0,
            out: vec![],
            events: vec![],
            returned: vec![],
            told: vec![],
        }
    }

    /// A session that has carried media for two seconds.
    pub(crate) fn open() -> Self {
        let mut pair = Self::new();
        pair.run(2_000);
        assert_eq!(pair.sender.status(pair.now).sessions, 1);
        assert!(pair.out.len() > 200, "{} units", pair.out.len());
        pair
    }

    /// Goes on for so many milliseconds, with a unit of media in every fifth.
    pub(crate) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += Duration::from_millis(1);
            if self.now.as_micros().is_multiple_of(5_000) {
                self.sender.push(self.now, unit(self.pushed));
                self.pushed += 1;
            }
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(first) = self.flying.first_entry().filter(|first| first.key().0 <= now) {
            let (way, mut datagram) = first.remove();
            match way {
                Way::Up(route) => self.gateway.handle_datagram(now, route, &mut datagram),
                Way::Down(link) => self.sender.handle_datagram(now, link, &mut datagram),
            }
        }
        self.sender.handle_timeout(now);
        self.gateway.handle_timeout(now);
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some(sent) = self.sender.poll_transmit(now, &mut buffer) {
            for (after, route) in (self.up)(now, sent.link, &buffer[..sent.len]) {
                self.fly(now + after, Way::Up(route), &buffer[..sent.len]);
            }
        }
        while let Some((route, len)) = self.gateway.poll_transmit(now, &mut buffer) {
            for (after, link) in (self.down)(now, route, &buffer[..len]) {
                self.fly(now + after, Way::Down(link), &buffer[..len]);
            }
        }
        while let Some(event) = self.sender.poll_event() {
            match event {
                SenderEvent::Unit(unit) => self.returned.push((now, unit)),
                event => self.told.push(event),
            }
        }
        while let Some(event) = self.gateway.poll_event() {
            match event {
                GatewayEvent::Unit { unit: out, .. } => {
                    let number = u32::from_be_bytes(*out.payload.first_chunk().expect("four bytes"));
                    assert_eq!(out.payload, unit(number).payload, "altered");
                    self.out.push((now, number, out.discontinuity));
                }
                event => self.events.push((now, event)),
            }
        }
    }

    /// What is on its way arrives nowhere.
    pub(crate) fn lose_what_flies(&mut self) {
        self.flying.clear();
    }

    fn fly(&mut self, at: Instant, way: Way, datagram: &[u8]) {
        self.sent += 1;
        self.flying.insert((at, self.sent), (way, datagram.to_vec()));
    }

    /// Asserts that all came out once, in order, but for the last that wait.
    pub(crate) fn nothing_is_missing(&self) {
        let first = self.out.first().expect("something came out").1;
        for ((_, number, _), expected) in self.out.iter().zip(first..) {
            assert_eq!(*number, expected, "of {} out", self.out.len());
        }
        assert!(self.out.len() + 60 >= self.pushed as usize, "{} of {} came out", self.out.len(), self.pushed);
    }
}

/// Where a link is seen while no NAT has moved it.
pub(crate) fn home(link: LinkId) -> Route {
    route(HONEST, link.0.into())
}

/// The link that is at an address: the port's last digit tells.
pub(crate) fn link_at(route: Route) -> Option<LinkId> {
    let honest = home(LinkId(0)).remote.ip() == route.remote.ip();
    honest.then_some(LinkId((route.remote.port() % 10) as u8))
}

/// From one end to the other.
pub(crate) fn one_way(link: LinkId) -> Duration {
    Duration::from_millis(20 + 10 * u64::from(link.0))
}
