//! What could have been done at best.
//!
//! - [`oracle`] knows all that is drawn, and gives up what cannot be in time. Nothing gets more units through: it is held
//!   against every run.
//! - [`informed`] schedules packet by packet with exact knowledge that is late: of each change of a link (its rate, an outage,
//!   a lost packet) it learns one round trip of that link and 60 ms later. Nobody without foresight can expect much more.
//!
//! Both send over the drawn capacities, delays and jitters with our headers. Both have what the meter allows: the latency and
//! 20 ms. What a stream asks for that follows the encoder target depends on the engine: there they get what [`went
//! in`](crate::Outcome::asked) in a run.

mod informed;
mod oracle;

use std::time::Duration;

use bondbox_linksim::Scenario;
use bondbox_linksim::model::{Foreseen, foresee};
use bondbox_units::Instant;

use crate::meter::ALLOWANCE;
use crate::run::{largest_mtu, wire_size};
use crate::{Asked, Config, Source};

/// Units that a bound gets through in time, of those that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Of these.
    pub units: usize,
    /// So many in time.
    pub on_time: usize,
}

impl Bound {
    /// In percent.
    pub fn percent(&self) -> f64 {
        100.0 * self.on_time as f64 / self.units.max(1) as f64
    }
}

/// The most units of a stream of one rate that can be in time where each byte counts `load` times.
pub fn oracle(scenario: &Scenario, config: &Config, load: f64) -> Bound {
    most(scenario, &Task::new(scenario, config, &asked(config), load))
}

/// What a sender gets through of a stream of one rate that knows the links as they were a round trip and 60 ms ago.
pub fn informed(scenario: &Scenario, config: &Config) -> Bound {
    played(scenario, &Task::new(scenario, config, &asked(config), 1.0))
}

/// What both get through of what went in, the oracle first.
pub fn of(scenario: &Scenario, config: &Config, asked: &[Asked]) -> [Bound; 2] {
    let task = Task::new(scenario, config, asked, 1.0);
    [most(scenario, &task), played(scenario, &task)]
}

fn most(scenario: &Scenario, task: &Task) -> Bound {
    Bound { units: task.units.len(), on_time: oracle::most(&task.units, &task.slots(scenario)) }
}

fn played(scenario: &Scenario, task: &Task) -> Bound {
    Bound { units: task.units.len(), on_time: informed::played(task, scenario) }
}

/// What is measured of a stream of one rate. What is not does not count and need not be sent.
fn asked(config: &Config) -> Vec<Asked> {
    let mut source = Source::new(Instant::ZERO, config.shape, config.rate);
    let end = Instant::ZERO + config.duration;
    let all = std::iter::from_fn(|| (source.deadline() < end).then(|| source.advance()));
    let measured = all.filter(|unit| unit.at >= Instant::ZERO + config.warm_up);
    measured.map(|unit| Asked { at: unit.at, size: unit.size, alone: unit.keyframe, critical: unit.critical }).collect()
}

/// A stream and the links under it, in equal packets.
struct Task {
    units: Vec<Demand>,
    /// Bytes of each packet, all of IP.
    packet: usize,
    links: Vec<Foreseen>,
    cells: Vec<Foreseen>,
}

/// What must be sent of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Demand {
    at: Instant,
    deadline: Instant,
    packets: usize,
}

/// Room for one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// What is there by then can use it.
    at: Instant,
    arrival: Instant,
}

impl Task {
    fn new(scenario: &Scenario, config: &Config, asked: &[Asked], load: f64) -> Self {
        let mtu = largest_mtu(scenario);
        let wire = |size| wire_size(size, mtu);
        // Cut so that the least unit is a whole number of packets: what is left over of others is forgiven.
        let least = asked.iter().map(|unit| wire(unit.size)).min().unwrap_or(1);
        let packet = least / least.div_ceil(mtu.min(1_500)).max(1);
        let demand =
            |at: Instant, size| Demand { at, deadline: at + config.latency + ALLOWANCE, packets: wire(size) / packet };
        let units = asked.iter().map(|unit| demand(unit.at, unit.size)).collect();
        let until = Instant::ZERO + config.duration + config.latency + Duration::from_secs(1);
        let (links, cells) = foresee(scenario, config.seed, (packet as f64 * load).round() as usize, until);
        Self { units, packet, links, cells }
    }

    /// Those of links by themselves, and those of cells, where the links before are taken to be wide enough.
    fn slots(&self, scenario: &Scenario) -> Vec<Slot> {
        let alone = self.links.iter().zip(&scenario.links).filter(|(_, link)| link.cell.is_none());
        let alone = alone.map(|(foreseen, _)| (foreseen, Duration::ZERO));
        let cells = self.cells.iter().enumerate().map(|(cell, foreseen)| {
            let members = scenario.links.iter().filter(|link| link.cell == Some(cell));
            (foreseen, members.map(|link| link.up.delay).min().unwrap_or_default())
        });
        let slots = alone.chain(cells).flat_map(|(foreseen, before)| {
            let slot = move |at: Instant, arrival| Slot { at: at.earlier_by(before), arrival };
            foreseen.opportunities.iter().map(move |point| slot(point.at + GRAIN, point.arrival))
        });
        slots.collect()
    }
}

/// Time counts in whole microseconds.
const GRAIN: Duration = Duration::from_micros(1);
