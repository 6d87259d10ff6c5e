//! From what is written to what can be run. A refusal names place, key, value and range.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::Scenario;
use super::file::{Action, File, RawDelayStep, RawDirection, RawEvent, RawLink, RawOutages, RawRateStep, RawWalk};
use crate::Way;
use crate::model::{
    Buffer, DelayStep, DirectionConfig, Event, Family, LinkConfig, Loss, Outages, Rate, RateStep, TimedEvent, Trace,
    Walk,
};

pub(super) fn scenario(name: &str, file: File, folder: &Path) -> Result<Scenario, String> {
    if file.links.is_empty() || file.links.len() > MAX_LINKS {
        return Err(format!("there are {} [[link]] tables, must be 1 to {MAX_LINKS}", file.links.len()));
    }
    let mut cells: Vec<LinkConfig> = Vec::new();
    for raw in file.cells {
        if raw.cell.is_some() {
            return Err(format!("cell {}: cell does not belong to a cell", raw.name));
        }
        if raw.families.is_some() {
            return Err(format!("cell {}: families do not belong to a cell", raw.name));
        }
        if cells.iter().any(|cell| cell.name == raw.name) {
            return Err(format!("cell {}: there are two of this name", raw.name));
        }
        cells.push(link(raw, &[], folder)?);
    }
    let mut links: Vec<LinkConfig> = Vec::new();
    for raw in file.links {
        if links.iter().any(|link| link.name == raw.name) {
            return Err(format!("link {}: there are two of this name", raw.name));
        }
        links.push(link(raw, &cells, folder)?);
    }
    let mut events = Vec::new();
    for (index, raw) in file.events.iter().enumerate() {
        let place = format!("event {} ({:?} of {})", index + 1, raw.action, raw.link);
        event(raw, &links, &mut events).map_err(|reason| format!("{place}: {reason}"))?;
    }
    events.sort_by_key(|event: &TimedEvent| event.at);
    Ok(Scenario { name: name.to_owned(), description: file.description, links, cells, events })
}

fn link(raw: RawLink, cells: &[LinkConfig], folder: &Path) -> Result<LinkConfig, String> {
    let name = raw.name;
    // As an interface name: IFNAMSIZ is 16 with its terminator.
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !(1..=15).contains(&name.len()) || !name.chars().all(fits) || name == "lo" {
        return Err(format!("link {name:?}: name must be 1 to 15 of a-z 0-9 - _ and not lo"));
    }
    let cell = raw.cell.map(|cell| {
        let index = cells.iter().position(|there| there.name == cell);
        index.ok_or_else(|| format!("link {name}: cell is {cell:?}, must be the name of a [[cell]]"))
    });
    let families = raw.families.unwrap_or_else(|| vec![Family::Ipv4]);
    if !matches!(families[..], [_] | [Family::Ipv4, Family::Ipv6] | [Family::Ipv6, Family::Ipv4]) {
        return Err(format!("link {name}: families must be one or both of ipv4 and ipv6, none twice"));
    }
    let both = |way, raw| direction(raw, folder).map_err(|reason| format!("link {name}, {way}: {reason}"));
    Ok(LinkConfig {
        up: both("up", raw.up)?,
        down: both("down", raw.down)?,
        cell: cell.transpose()?,
        families,
        name: name.clone(),
    })
}

fn direction(raw: RawDirection, folder: &Path) -> Result<DirectionConfig, String> {
    let jitter = millis("jitter_ms", raw.jitter_ms)?;
    if raw.reorder && jitter.is_zero() {
        return Err("reorder is true, must not be without jitter_ms".into());
    }
    Ok(DirectionConfig {
        delay: millis("delay_ms", raw.delay_ms)?,
        jitter,
        reorder: raw.reorder,
        buffer: buffer(raw.buffer_ms, raw.buffer_bytes)?,
        loss: loss(raw.loss_percent, raw.burst_packets)?,
        mtu_bytes: raw.mtu_bytes.map(|bytes| within("mtu_bytes", bytes, 68..=65_535)).transpose()?,
        outages: raw.outages.map(outages).transpose()?,
        delay_steps: delay_steps(&raw.delay_steps)?,
        rate: rate(raw.rate_kbps, raw.steps, raw.walk, raw.trace, folder)?,
    })
}

fn rate(
    rate_kbps: Option<u64>,
    steps: Option<Vec<RawRateStep>>,
    walk: Option<RawWalk>,
    trace: Option<String>,
    folder: &Path,
) -> Result<Rate, String> {
    if let Some(path) = trace {
        // A link's common rate_kbps may stand beside one direction's trace, so it is not refused.
        if steps.is_some() || walk.is_some() {
            return Err("steps, walk and trace exclude each other".into());
        }
        let text = std::fs::read_to_string(folder.join(&path)).map_err(|error| format!("trace {path:?}: {error}"))?;
        return Ok(Rate::Trace(Arc::new(Trace::parse(&text).map_err(|error| format!("trace {path:?}: {error}"))?)));
    }
    let start_kbps = rate_kbps.ok_or("rate_kbps is missing, must be there without a trace")?;
    let start = kbps("rate_kbps", start_kbps)?;
    match (steps, walk) {
        (Some(_), Some(_)) => Err("steps, walk and trace exclude each other".into()),
        (None, None) => Ok(Rate::Fixed(start)),
        (Some(steps), None) => {
            let steps = steps.iter().map(|step| {
                let at = seconds("steps.at_s", step.at_s)?;
                Ok(RateStep { at, rate: kbps("steps.rate_kbps", step.rate_kbps)? })
            });
            Ok(Rate::Steps { start, steps: steps.collect::<Result<_, String>>()? })
        }
        (None, Some(walk)) => {
            let min = Bitrate::from_kbps(within("walk.min_kbps", walk.min_kbps, 1..=start_kbps)?);
            let max = Bitrate::from_kbps(within("walk.max_kbps", walk.max_kbps, start_kbps..=MAX_KBPS)?);
            let step = Duration::from_millis(within("walk.step_ms", walk.step_ms, 1..=3_600_000)?);
            let percent = within("walk.step_percent", walk.step_percent, 0.0..=100.0)?;
            Walk::new(start, min, max, step, percent).map(Rate::Walk).ok_or_else(|| "walk makes no sense".into())
        }
    }
}

fn buffer(ms: Option<u64>, bytes: Option<u64>) -> Result<Buffer, String> {
    match (ms, bytes) {
        (Some(_), Some(_)) => Err("buffer_ms and buffer_bytes exclude each other".into()),
        (None, Some(bytes)) => Ok(Buffer::Bytes(within("buffer_bytes", bytes, 1..=1_000_000_000)?)),
        (ms, None) => {
            let ms = within("buffer_ms", ms.unwrap_or(DEFAULT_BUFFER_MS), 1..=60_000)?;
            Ok(Buffer::Time(Duration::from_millis(ms)))
        }
    }
}

fn loss(percent: f64, burst_packets: Option<f64>) -> Result<Loss, String> {
    within("loss_percent", percent, 0.0..=100.0)?;
    let Some(burst) = burst_packets else {
        return Loss::independent(percent).ok_or_else(|| format!("loss_percent is {percent}, must be 0 to 100"));
    };
    within("burst_packets", burst, 1.0..=100_000.0)?;
    Loss::bursts(percent, burst).ok_or_else(|| {
        let most = 100.0 * burst / (burst + 1.0);
        format!("loss_percent is {percent}, must be at most {most:.1} with burst_packets {burst}")
    })
}

fn outages(raw: RawOutages) -> Result<Outages, String> {
    let interval = Duration::from_secs_f64(within("outages.mean_interval_s", raw.mean_interval_s, 0.1..=86_400.0)?);
    let longest_ms = within("outages.max_ms", raw.max_ms, 1..=3_600_000)?;
    let shortest = Duration::from_millis(within("outages.min_ms", raw.min_ms, 0..=longest_ms)?);
    Outages::new(interval, shortest, Duration::from_millis(longest_ms)).ok_or_else(|| "outages make no sense".into())
}

fn delay_steps(raw: &[RawDelayStep]) -> Result<Vec<DelayStep>, String> {
    raw.iter()
        .map(|step| {
            let at = seconds("delay_steps.at_s", step.at_s)?;
            Ok(DelayStep { at, extra: millis("delay_steps.extra_ms", step.extra_ms)? })
        })
        .collect()
}

fn event(raw: &RawEvent, links: &[LinkConfig], events: &mut Vec<TimedEvent>) -> Result<(), String> {
    let link = links.iter().position(|link| link.name == raw.link).ok_or_else(|| {
        let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        format!("link is {:?}, must be one of {}", raw.link, names.join(", "))
    })?;
    let at = seconds("at_s", raw.at_s)?;
    let way = raw.way.unwrap_or(Way::Both);
    let action = raw.action;
    let present = [
        ("way", raw.way.is_some(), !matches!(action, Action::Cut | Action::NatRebind) && raw.family.is_none()),
        ("family", raw.family.is_some(), action == Action::Blackhole && links[link].families.len() > 1),
        ("for_s", raw.for_s.is_some(), matches!(action, Action::Cut | Action::Blackhole)),
        ("rate_kbps", raw.rate_kbps.is_some(), action == Action::Rate),
        ("delay_ms", raw.delay_ms.is_some(), action == Action::Delay),
        ("loss_percent", raw.loss_percent.is_some(), action == Action::Loss),
        ("burst_packets", raw.burst_packets.is_some(), action == Action::Loss),
    ];
    if let Some((key, ..)) = present.iter().find(|(_, there, allowed)| *there && !allowed) {
        return Err(format!("{key} does not belong to this event"));
    }
    if action == Action::NatRebind && !links[link].families.contains(&Family::Ipv4) {
        return Err("the link has no IPv4, and IPv6 has no NAT".into());
    }
    let event = match action {
        Action::Cut => Event::Cut,
        Action::Blackhole => raw.family.map_or(Event::Blackhole, Event::BlackholeFamily),
        Action::Restore => Event::Restore,
        Action::NatRebind => Event::NatRebind,
        Action::Rate => Event::Rate(kbps("rate_kbps", raw.rate_kbps.ok_or("rate_kbps is missing")?)?),
        Action::Delay => Event::Delay(millis("delay_ms", raw.delay_ms.ok_or("delay_ms is missing")?)?),
        Action::Loss => Event::Loss(loss(raw.loss_percent.ok_or("loss_percent is missing")?, raw.burst_packets)?),
    };
    events.push(TimedEvent { at, link, way, event });
    if let Some(length) = raw.for_s {
        let end = at + (seconds("for_s", length)? - Instant::ZERO);
        events.push(TimedEvent { at: end, link, way, event: Event::Restore });
    }
    Ok(())
}

fn kbps(key: &str, value: u64) -> Result<Bitrate, String> {
    within(key, value, 0..=MAX_KBPS).map(Bitrate::from_kbps)
}

fn millis(key: &str, value: f64) -> Result<Duration, String> {
    within(key, value, 0.0..=60_000.0).map(|ms| Duration::from_micros((ms * 1_000.0).round() as u64))
}

fn seconds(key: &str, value: f64) -> Result<Instant, String> {
    within(key, value, 0.0..=1_000_000.0).map(|s| Instant::from_micros((s * 1_000_000.0).round() as u64))
}

fn within<T: PartialOrd + std::fmt::Display>(key: &str, value: T, range: RangeInclusive<T>) -> Result<T, String> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!("{key} is {value}, must be {} to {}", range.start(), range.end()))
}

/// Link ids are a byte, and so is the part of the emulator's addresses that counts links.
const MAX_LINKS: usize = 64;
/// 100 Gbit/s.
const MAX_KBPS: u64 = 100_000_000;
/// As deep as a common modem's.
const DEFAULT_BUFFER_MS: u64 = 1_000;
