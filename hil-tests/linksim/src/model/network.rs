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
    cells: Vec<Cell<T>>,
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
        let members = |cell| {
            let of_cell = scenario.links.iter().enumerate().filter(move |(_, link)| link.cell == Some(cell));
            of_cell.map(|(index, _)| index).collect()
        };
        let cell =
            |(config, index)| Cell { link: Link::new(config, derive(!seed, index)), members: members(index as usize) };
        let cells = scenario.cells.iter().zip(0..).map(cell).collect();
        Self { links, cells, events, next_event: 0 }
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
        // What is in a link whose packets go through a cell was moved on to that by now.
        self.cells.iter_mut().find_map(|cell| cell.poll(now)).or_else(|| {
            self.links.iter_mut().enumerate().find_map(|(index, link)| {
                let (way, (at, packet)) = link.poll(now)?;
                Some(Delivery { at, link: index, way, packet })
            })
        })
    }

    /// When to poll next: a packet or an event is due.
    pub fn deadline(&self) -> Option<Instant> {
        let event = self.events.get(self.next_event).map(|event| event.at);
        let cells = self.cells.iter().map(|cell| cell.link.deadline());
        self.links.iter().map(Link::deadline).chain(cells).chain([event]).flatten().min()
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
        for cell in &mut self.cells {
            cell.take(now, &mut self.links);
        }
    }
}

/// What several links go through behind their own bottlenecks.
#[derive(Clone, Debug)]
struct Cell<T> {
    /// With the index of the link that each packet came over.
    link: Link<(usize, T)>,
    members: Vec<usize>,
}

impl<T> Cell<T> {
    /// Takes in what has come through the links, in the order of its coming.
    fn take(&mut self, now: Instant, links: &mut [Link<T>]) {
        let mut arrived = vec![];
        for index in &self.members {
            let link = &mut links[*index];
            let up = std::iter::from_fn(|| link.up.poll_sized(now))
                .map(|(at, packet, size)| (at, Way::Up, *index, packet, size));
            arrived.extend(up);
            let down = std::iter::from_fn(|| link.down.poll_sized(now));
            arrived.extend(down.map(|(at, packet, size)| (at, Way::Down, *index, packet, size)));
        }
        arrived.sort_by_key(|(at, ..)| *at);
        for (at, way, index, packet, size_bytes) in arrived {
            let direction = if way == Way::Up { &mut self.link.up } else { &mut self.link.down };
            // What it drops it has counted.
            let _ = direction.enqueue(at, (index, packet), size_bytes);
        }
    }

    fn poll(&mut self, now: Instant) -> Option<Delivery<T>> {
        let (way, (at, (link, packet))) = self.link.poll(now)?;
        Some(Delivery { at, link, way, packet })
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
