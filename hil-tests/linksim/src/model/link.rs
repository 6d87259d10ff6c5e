//! A link: two directions under one name.

use bondbox_units::Instant;

use super::seed::derive;
use super::{Direction, DirectionConfig, Event, State};

/// What a link is like.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// As the unit's interface is called.
    pub name: String,
    /// From the unit.
    pub up: DirectionConfig,
    /// To the unit.
    pub down: DirectionConfig,
    /// Index of the scenario's cell that its packets go through behind it, with those of other links.
    pub cell: Option<usize>,
    /// What it has addresses of, at least one; in virtual time its packets are of the first.
    pub families: Vec<Family>,
}

impl LinkConfig {
    /// Headers of IP and UDP around a datagram, in bytes.
    pub fn udp_headers(&self) -> usize {
        self.families.first().copied().unwrap_or(Family::Ipv4).udp_headers()
    }
}

/// A version of the internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// RFC 791.
    Ipv4,
    /// RFC 8200.
    Ipv6,
}

impl Family {
    /// Of a packet, by its first four bits.
    pub fn of(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Some(Self::Ipv4),
            6 => Some(Self::Ipv6),
            _ => None,
        }
    }

    /// Headers of IP and UDP around a datagram, in bytes.
    pub const fn udp_headers(self) -> usize {
        match self {
            Self::Ipv4 => 28,
            Self::Ipv6 => 48,
        }
    }
}

/// Two directions of one link.
#[derive(Clone, Debug)]
pub struct Link<T> {
    /// From the unit.
    pub up: Direction<T>,
    /// To the unit.
    pub down: Direction<T>,
    nat_rebinds: u32,
    swallowed: Vec<Family>,
}

impl<T> Link<T> {
    /// A link at time zero, with nothing in it.
    pub fn new(config: &LinkConfig, seed: u64) -> Self {
        // A modem that is out is out both ways: where both have the same outages, they are at the same times.
        let outages = outages_seed(seed);
        Self {
            up: Direction::with_outages(&config.up, derive(seed, 0), outages),
            down: Direction::with_outages(&config.down, derive(seed, 1), outages),
            nat_rebinds: 0,
            swallowed: Vec::new(),
        }
    }

    /// The next packet that has arrived by `now` at either end, and when.
    pub(super) fn poll(&mut self, now: Instant) -> Option<(Way, (Instant, T))> {
        let up = self.up.poll_timed(now).map(|arrived| (Way::Up, arrived));
        up.or_else(|| self.down.poll_timed(now).map(|arrived| (Way::Down, arrived)))
    }

    /// Something happens to one or both of its directions.
    pub fn apply(&mut self, now: Instant, way: Way, event: Event) {
        match event {
            Event::NatRebind => self.nat_rebinds += 1,
            Event::BlackholeFamily(family) => self.swallowed.push(family),
            Event::Restore => self.swallowed.clear(),
            _ => {}
        }
        if way != Way::Down {
            self.up.apply(now, event);
        }
        if way != Way::Up {
            self.down.apply(now, event);
        }
    }

    /// How often the unit's port has changed: whoever knows ports maps them anew when this grows.
    pub fn nat_rebinds(&self) -> u32 {
        self.nat_rebinds
    }

    /// Whether packets of this family vanish: whoever knows families drops them, both ways.
    pub fn swallows(&self, family: Family) -> bool {
        self.swallowed.contains(&family)
    }

    /// Cut when one direction is; else swallowing when one direction does.
    pub fn state(&self) -> State {
        match (self.up.state(), self.down.state()) {
            (State::Cut, _) | (_, State::Cut) => State::Cut,
            (State::Blackhole, _) | (_, State::Blackhole) => State::Blackhole,
            (State::Up, State::Up) => State::Up,
        }
    }

    /// When to poll one of its directions next.
    pub fn deadline(&self) -> Option<Instant> {
        [self.up.deadline(), self.down.deadline()].into_iter().flatten().min()
    }
}

/// Of both directions of the link with this seed.
pub(super) fn outages_seed(seed: u64) -> u64 {
    derive(seed, 2)
}

/// Which directions of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the unit.
    Up,
    /// To the unit.
    Down,
    /// Both of them.
    Both,
}
