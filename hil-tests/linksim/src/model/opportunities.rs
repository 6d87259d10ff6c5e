//! What links could carry, for one who knows everything that is drawn.
//!
//! A schedule made with hindsight is the measure of one made without. Losses are not among what is drawn here: a lost
//! packet takes no capacity in this model, so to one who knows them they cost bytes and no time.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::capacity::Capacity;
use super::link::outages_seed;
use super::loss::{Loss, LossProcess};
use super::path::Path;
use super::seed::derive;
use super::{DirectionConfig, Event, Way};
use crate::Scenario;

/// A point at which a direction has drained another whole number of packets, were it never idle.
///
/// Any packet of at least this size has exactly one such point between the start and the end of its service, or at its
/// start, and no two packets have the same. So nothing that can be done with the direction is more than an assignment of
/// packets to points no earlier than they are there, and no later than lets them arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opportunity {
    /// When.
    pub at: Instant,
    /// When what leaves at this point is at the far end, at the earliest.
    pub arrival: Instant,
}

/// What one direction is like over time.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// Ascending.
    pub opportunities: Vec<Opportunity>,
    /// From when on the bottleneck drains how much: zero in outages, and while nothing passes. Ascending.
    pub rates: Vec<(Instant, Bitrate)>,
    /// From when to when all vanishes, what is under way at its start included.
    pub dark: Vec<(Instant, Instant)>,
    /// Which of the packets are lost that it is given while it is not dark, one after the other.
    pub losses: Losses,
}

/// The fate of one packet after the other.
#[derive(Clone, Debug)]
pub struct Losses {
    process: LossProcess,
    /// When another loss holds from then on, the latest first.
    changes: Vec<(Instant, Loss)>,
}

impl Losses {
    /// Whether the next packet is lost, given at this time.
    pub fn next_is_lost(&mut self, now: Instant) -> bool {
        while let Some((_, loss)) = self.changes.pop_if(|(at, _)| *at <= now) {
            self.process.set(loss);
        }
        self.process.next_is_lost()
    }
}

/// The way up of each link of `scenario`, and then of each cell, until `until`, in packets of `size_bytes` (all of IP).
pub fn foresee(scenario: &Scenario, seed: u64, size_bytes: usize, until: Instant) -> (Vec<Foreseen>, Vec<Foreseen>) {
    let links = scenario.links.iter().zip(0..).map(|(link, index)| {
        let events = scenario.events.iter().filter(|event| event.link == index && event.way != Way::Down);
        let events: Vec<_> = events.map(|event| (event.at, event.event)).collect();
        let seed = derive(seed, index as u64);
        direction(&link.up, derive(seed, 0), outages_seed(seed), &events, size_bytes, until)
    });
    let cells = scenario.cells.iter().zip(0..).map(|(cell, index)| {
        let seed = derive(!seed, index);
        direction(&cell.up, derive(seed, 0), outages_seed(seed), &[], size_bytes, until)
    });
    (links.collect(), cells.collect())
}

fn direction(
    config: &DirectionConfig,
    seed: u64,
    outages_seed: u64,
    events: &[(Instant, Event)],
    size_bytes: usize,
    until: Instant,
) -> Foreseen {
    let mut capacity = Capacity::new(&config.rate, config.outages, seed, outages_seed);
    let mut path = Path::<()>::new(config, seed);
    let changes = events.iter().rev().filter_map(|(at, event)| match event {
        Event::Loss(loss) => Some((*at, *loss)),
        _ => None,
    });
    let losses = Losses { process: LossProcess::new(config.loss, seed), changes: changes.collect() };
    let mut foreseen = Foreseen { opportunities: vec![], rates: vec![], dark: vec![], losses };
    let mut events = events.iter().peekable();
    let (mut now, mut passes) = (Instant::ZERO, true);
    // Bits times microseconds per second until the next point: whole numbers, as the bottleneck counts.
    let mut left = 0;
    while now < until {
        while let Some((at, event)) = events.next_if(|(at, _)| *at <= now) {
            match event {
                Event::Cut | Event::Blackhole => {
                    if std::mem::replace(&mut passes, false) {
                        foreseen.dark.push((*at, Instant::FAR_FUTURE));
                    }
                    // What is under way is lost.
                    foreseen.opportunities.retain(|point| point.arrival <= *at);
                }
                Event::Restore => {
                    passes = true;
                    if let Some((_, to)) = foreseen.dark.last_mut().filter(|(_, to)| *to == Instant::FAR_FUTURE) {
                        *to = *at;
                    }
                }
                Event::Rate(rate) => capacity.fix(*rate),
                Event::Delay(delay) => path.delay = *delay,
                Event::Loss(_) | Event::NatRebind | Event::BlackholeFamily(_) => {}
            }
        }
        let segment = capacity.at(now);
        let end = events.peek().map_or(until, |(at, _)| *at).min(segment.until).min(until);
        let rate = if passes { segment.rate } else { Bitrate::ZERO };
        if foreseen.rates.last().is_none_or(|(_, last)| *last != rate) {
            foreseen.rates.push((now, rate));
        }
        let bps = segment.rate.as_bps();
        let work = bps.saturating_mul(end.as_micros() - now.as_micros());
        let mut done = 0;
        while bps > 0 && left <= work - done {
            done += left;
            left = size_bytes as u64 * 8_000_000;
            let at = now + Duration::from_micros(done / bps);
            if passes {
                foreseen.opportunities.push(Opportunity { at, arrival: at + path.least_delay_at(at) });
            }
        }
        left -= work - done;
        now = end;
    }
    // A packet in service while a detour ends arrives as the detour's end has it.
    for i in 1..foreseen.opportunities.len() {
        let after = foreseen.opportunities[i].arrival;
        let point = &mut foreseen.opportunities[i - 1];
        point.arrival = point.arrival.min(after);
    }
    foreseen
}
