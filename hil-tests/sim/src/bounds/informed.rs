//! A sender that knows the links exactly, but late.
//!
//! It sends each packet when its link is free by what it knows, the earliest due first, where it would arrive first. What it
//! learns is true: what a link drains, that it holds or swallows everything, what it still had to drain when that began, and
//! that a packet was lost. Then what would now be too late there goes elsewhere. A unit that can be in time nowhere is given
//! up.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use bondbox_linksim::Scenario;
use bondbox_linksim::model::{Foreseen, Losses};
use bondbox_units::{Bitrate, Instant};

use super::{Demand, Task};

/// How many units are whole at the far end in time.
pub(super) fn played(task: &Task, scenario: &Scenario) -> usize {
    let mut play = Play::new(task, scenario);
    while let Some(Reverse((now, event))) = play.events.pop() {
        play.happen(now, event);
        while let Some(Reverse((_, event))) = play.events.peek().filter(|Reverse((at, _))| *at == now).copied() {
            play.events.pop();
            play.happen(now, event);
        }
        play.send(now);
    }
    play.there.iter().filter(|packets| packets.iter().all(|there| *there)).count()
}

/// A unit and one of its packets; ordered by when it is due.
type Packet = (usize, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A unit comes.
    Release(usize),
    /// It has come to light that a link changed at this time.
    Learned(usize, Instant),
    /// It has come to light that a packet was lost.
    Lost(Packet),
    /// A link should be free.
    Free,
}

struct Play<'a> {
    units: &'a [Demand],
    bytes: u64,
    cells: &'a [Foreseen],
    links: Vec<Link<'a>>,
    /// The next opportunity of each cell that nobody uses yet.
    cell_next: Vec<usize>,
    events: BinaryHeap<Reverse<(Instant, Event)>>,
    waiting: BTreeSet<Packet>,
    /// Which packets of a unit are, or will be, at the far end in time.
    there: Vec<Vec<bool>>,
}

struct Link<'a> {
    foreseen: &'a Foreseen,
    losses: Losses,
    cell: Option<usize>,
    /// How many share the cell.
    members: u64,
    /// From a change until it is known.
    lag: Duration,
    /// Of one packet at what it is known to drain; `None` when that is nothing.
    service: Option<Duration>,
    delay: Duration,
    /// When what was sent has gone, by what is known.
    free_at: Instant,
    /// The next opportunity that nobody uses yet.
    next: usize,
    /// What was sent, and when it is really served.
    sent: Vec<(Packet, Instant)>,
}

impl<'a> Play<'a> {
    fn new(task: &'a Task, scenario: &Scenario) -> Self {
        let mut events = BinaryHeap::new();
        events.extend(task.units.iter().enumerate().map(|(unit, demand)| Reverse((demand.at, Event::Release(unit)))));
        let mut links = vec![];
        for (index, (foreseen, config)) in task.links.iter().zip(&scenario.links).enumerate() {
            let lag = config.up.delay + config.down.delay + NOTICE;
            let cell = config.cell.map(|cell| &task.cells[cell].rates);
            for (at, _) in foreseen.rates.iter().chain(cell.into_iter().flatten()) {
                // What holds from the start is known from the start.
                let known = if *at == Instant::ZERO { *at } else { *at + lag };
                events.push(Reverse((known, Event::Learned(index, *at))));
            }
            links.push(Link {
                foreseen,
                losses: foreseen.losses.clone(),
                cell: config.cell,
                members: scenario.links.iter().filter(|other| other.cell == config.cell).count() as u64,
                lag,
                service: None,
                delay: config.up.delay,
                free_at: Instant::ZERO,
                next: 0,
                sent: vec![],
            });
        }
        Self {
            units: &task.units,
            bytes: task.packet as u64,
            cells: &task.cells,
            links,
            cell_next: vec![0; task.cells.len()],
            events,
            waiting: BTreeSet::new(),
            there: task.units.iter().map(|unit| vec![false; unit.packets]).collect(),
        }
    }

    fn happen(&mut self, now: Instant, event: Event) {
        match event {
            Event::Free => {}
            Event::Release(unit) => self.waiting.extend((0..self.units[unit].packets).map(|part| (unit, part))),
            Event::Lost(packet) => {
                self.waiting.insert(packet);
            }
            Event::Learned(index, at) => self.learn(now, index, at),
        }
    }

    /// What the link drains since `at`, and so when what it had then will be through.
    fn learn(&mut self, now: Instant, index: usize, at: Instant) {
        let link = &mut self.links[index];
        let shared = link.cell.map_or(u64::MAX, |cell| rate_at(&self.cells[cell], at) / link.members);
        let bps = rate_at(link.foreseen, at).min(shared);
        let service = (bps > 0).then(|| Bitrate::from_bps(bps).time_for(self.bytes));
        link.service = service;
        link.delay = link.delay_at(at);
        link.sent.retain(|(_, served)| *served > at);
        let mut free_at = at;
        let mut stuck = vec![];
        for (packet, _) in &link.sent {
            free_at += service.unwrap_or(Duration::ZERO);
            if service.is_none() || free_at + link.delay > self.units[packet.0].deadline {
                stuck.push(*packet);
            }
        }
        link.free_at = free_at.max(now);
        if service.is_some() {
            // Served late there, it can still be too late here.
            link.sent.retain(|(packet, _)| !stuck.contains(packet));
        }
        self.waiting.extend(stuck);
    }

    /// Sends what the links are free for.
    fn send(&mut self, now: Instant) {
        let mut free_at: Vec<Instant> = self.links.iter().map(|link| link.free_at.max(now)).collect();
        let mut given_up = None;
        for packet in self.waiting.clone() {
            if given_up == Some(packet.0) {
                self.waiting.remove(&packet);
                continue;
            }
            let arrival =
                |(index, link): (usize, &Link<'_>)| Some((free_at[index] + link.service? + link.delay, index));
            let Some((arrival, best)) = self.links.iter().enumerate().filter_map(arrival).min() else { return };
            if arrival > self.units[packet.0].deadline {
                given_up = Some(packet.0);
                self.waiting.remove(&packet);
                continue;
            }
            if free_at[best] <= now {
                self.waiting.remove(&packet);
                self.transmit(now, best, packet);
            }
            free_at[best] += self.links[best].service.unwrap_or_default();
            if free_at.iter().zip(&self.links).all(|(free, link)| *free > now || link.service.is_none()) {
                return;
            }
        }
    }

    fn transmit(&mut self, now: Instant, index: usize, packet: Packet) {
        let link = &mut self.links[index];
        link.free_at = now + link.service.unwrap_or_default();
        self.events.push(Reverse((link.free_at, Event::Free)));
        let lag = link.lag;
        if let Some((from, _)) = link.foreseen.dark.iter().find(|(from, to)| *from <= now && now < *to) {
            // Swallowed, and known to be as soon as that the link swallows.
            self.events.push(Reverse((*from.max(&now) + lag, Event::Lost(packet))));
            return;
        }
        if link.losses.next_is_lost(now) {
            self.events.push(Reverse((now + lag, Event::Lost(packet))));
            return;
        }
        let points = &link.foreseen.opportunities;
        link.next = link.next.max(points.partition_point(|point| point.at < now));
        let Some(point) = points.get(link.next).copied() else { return };
        let swallowed = link.foreseen.dark.iter().find(|(from, _)| now < *from && *from < point.arrival);
        if let Some((from, _)) = swallowed {
            self.events.push(Reverse((*from + lag, Event::Lost(packet))));
            return;
        }
        link.next += 1;
        let mut arrival = point.arrival;
        if let Some(cell) = link.cell {
            let points = &self.cells[cell].opportunities;
            let next = self.cell_next[cell].max(points.partition_point(|point| point.at < arrival));
            let Some(point) = points.get(next) else { return };
            self.cell_next[cell] = next + 1;
            arrival = point.arrival;
        }
        link.sent.push((packet, point.at));
        self.there[packet.0][packet.1] |= arrival <= self.units[packet.0].deadline;
    }
}

impl Link<'_> {
    fn delay_at(&self, at: Instant) -> Duration {
        let points = &self.foreseen.opportunities;
        let last = points.partition_point(|point| point.at <= at).checked_sub(1).map(|index| points[index]);
        last.map_or(self.delay, |point| point.arrival - point.at)
    }
}

fn rate_at(foreseen: &Foreseen, at: Instant) -> u64 {
    let index = foreseen.rates.partition_point(|(from, _)| *from <= at);
    index.checked_sub(1).map_or(0, |index| foreseen.rates[index].1.as_bps())
}

/// From the end of a round trip until who looks at it has understood.
const NOTICE: Duration = Duration::from_millis(60);
