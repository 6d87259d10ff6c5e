//! All links of a scenario and its timeline.

use bondbox_units::Instant;

use super::seed::derive;
use super::{DropReason, Event, Link, Way};
use crate::Scenario;

/// All links of a scenario, and the events that its timeline holds for them.
///
/// Time starts at [`Instant::ZERO`] and must not run backwards from call to call.
#[derive(Clone, Debug)]
pub struct Network<T> {
    links: Vec<Link<T>>,
    /// Ascending; those before `next_event` have happened.
    events: Vec<TimedEvent>,
    next_event: usize,
}

impl<T> Network<T> {
    /// All links at time zero. The same seed gives the same network.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let links = scenario.links.iter().zip(0..).map(|(link, index)| Link::new(link, derive(seed, index))).collect();
        let mut events = scenario.events.clone();
        events.sort_by_key(|event| event.at);
        Self { links, events, next_event: 0 }
    }

    /// Sends a packet up or down a link; [`Way::Both`] means up.
    ///
    /// # Panics
    ///
    /// When there is no such link.
    pub fn enqueue(
        &mut self,
        now: Instant,
        link: usize,
        way: Way,
        packet: T,
        size_bytes: usize,
    ) -> Result<(), DropReason> {
        self.advance(now);
        match way {
            Way::Up | Way::Both => self.links[link].up.enqueue(now, packet, size_bytes),
            Way::Down => self.links[link].down.enqueue(now, packet, size_bytes),
        }
    }

    /// The next packet that has arrived by `now`; over all links together the order is not that of arrival.
    pub fn poll(&mut self, now: Instant) -> Option<Delivery<T>> {
        self.advance(now);
        self.links.iter_mut().enumerate().find_map(|(index, link)| {
            let up = link.up.poll_timed(now).map(|(at, packet)| Delivery { at, link: index, way: Way::Up, packet });
            up.or_else(|| {
                link.down.poll_timed(now).map(|(at, packet)| Delivery { at, link: index, way: Way::Down, packet })
            })
        })
    }

    /// When to poll next: a packet or an event is due.
    pub fn deadline(&self) -> Option<Instant> {
        let event = self.events.get(self.next_event).map(|event| event.at);
        self.links.iter().map(Link::deadline).chain([event]).flatten().min()
    }

    /// Something happens to a link now, beside the timeline.
    ///
    /// # Panics
    ///
    /// When there is no such link.
    pub fn apply(&mut self, now: Instant, link: usize, way: Way, event: Event) {
        self.advance(now);
        self.links[link].apply(now, way, event);
    }

    /// The links, in the order of the scenario.
    pub fn links(&self) -> &[Link<T>] {
        &self.links
    }

    /// Lets the timeline happen until `now`, each event at its own time.
    fn advance(&mut self, now: Instant) {
        while let Some(event) = self.events.get(self.next_event).filter(|event| event.at <= now) {
            self.links[event.link].apply(event.at, event.way, event.event);
            self.next_event += 1;
        }
    }
}

/// A packet at the far end of its link.
#[derive(Clone, Debug)]
pub struct Delivery<T> {
    /// When it arrived.
    pub at: Instant,
    /// Over which link.
    pub link: usize,
    /// Up or down.
    pub way: Way,
    /// The packet.
    pub packet: T,
}

/// One entry of a timeline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimedEvent {
    /// From the start of the scenario.
    pub at: Instant,
    /// Index of the link.
    pub link: usize,
    /// In which direction.
    pub way: Way,
    /// What happens.
    pub event: Event,
}
