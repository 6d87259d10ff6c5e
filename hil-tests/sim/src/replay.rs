//! From the traces of both ends to a scenario: a bad day in the field is played again here.
//!
//! A trace says when each packet left and, with that of the other end, when it arrived or that it never did. From this each
//! link's base delay, losses, blackholes and rate are recovered: while packets stand in a queue, what leaves it is what the
//! link carries. What nobody asked of a link, nobody knows: there it carries what the sender had proven.
//!
//! Jitter is recovered as a rate that changes, and losses of packets that found a full queue as a buffer of that depth.

mod capacity;
mod losses;
mod packets;
mod scenario;

use std::time::Duration;

use anyhow::{Context, bail};
use bondbox_bond::trace::{Recording, Side, TraceEvent};
use bondbox_linksim::Scenario;
use bondbox_units::{Bitrate, Instant};

use crate::{Config, Shape};
use packets::{Packets, Times};

/// What traces were recovered to.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The network, as a scenario file.
    pub toml: String,
    /// The same, checked.
    pub scenario: Scenario,
    /// The stream.
    pub config: Config,
}

/// Recovers what the network did from the trace of a unit and, where it is there, that of its gateway. Without it, packets
/// whose acknowledgements were lost seem lost, and the way back seems to lose nothing.
///
/// # Errors
/// When the traces are not of two ends of a session, or there is too little in them.
pub fn recover(name: &str, unit: &Recording, gateway: Option<&Recording>) -> anyhow::Result<Replay> {
    if unit.side != Side::Unit || gateway.is_some_and(|gateway| gateway.side != Side::Gateway) {
        bail!("the first trace must be a unit's, and the second a gateway's");
    }
    let times = Times::of(unit).context("the unit's trace has no packets")?;
    let links = Packets::of_links(unit, gateway);
    if links.is_empty() {
        bail!("no link has packets that arrived");
    }
    let clock = packets::clock_offset(&links).context("nothing arrived")?;
    let links: Vec<_> = links.iter().map(|link| scenario::link(link, unit, times, clock)).collect();
    let toml = scenario::file(&links);
    let scenario =
        Scenario::parse(name, &toml, "".as_ref()).map_err(anyhow::Error::msg).context("recovered scenario")?;
    Ok(Replay { toml, scenario, config: stream(unit, times)? })
}

/// The stream as it came in, at one rate.
fn stream(unit: &Recording, times: Times) -> anyhow::Result<Config> {
    let mut latency = Config::default().latency;
    let (mut bits, mut looks, mut counts) = (0_u64, 0_u64, None);
    for (_, event) in &unit.events {
        match event {
            TraceEvent::SessionOpened { latency: agreed, .. } => latency = *agreed,
            TraceEvent::Stream { actual, units, .. } if *actual > Bitrate::ZERO => {
                bits += actual.as_bps();
                looks += 1;
                let (first, _) = counts.unwrap_or((*units, *units));
                counts = Some((first, *units));
            }
            _ => {}
        }
    }
    let (first, last) = counts.context("nothing was streamed")?;
    let rate = Bitrate::from_bps(bits / looks.max(1));
    let duration = times.end - times.start;
    let mean_unit = rate.bytes_in(duration) / (last - first).max(1);
    let shape = if mean_unit > LARGEST_DATAGRAM { Shape::Frames } else { Shape::Constant };
    Ok(Config { rate, latency, shape, duration, warm_up: WARM_UP.min(duration / 4), ..Config::default() })
}

/// Whether something is so at a time, as told at some times.
fn latest<T: Copy>(told: &[(Instant, T)], at: Instant) -> Option<T> {
    let next = told.partition_point(|(time, _)| *time <= at);
    told.get(next.saturating_sub(1)).map(|(_, value)| *value)
}

/// Larger units on average are frames.
const LARGEST_DATAGRAM: u64 = 1_500;
const WARM_UP: Duration = Duration::from_secs(5);
