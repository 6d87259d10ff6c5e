//! One link as a scenario file has it.

use std::fmt::Write;
use std::time::Duration;

use bondbox_bond::trace::{Recording, TraceEvent};
use bondbox_units::{Bitrate, Instant};

use super::capacity::{WINDOW, windows};
use super::latest;
use super::losses::{Losses, losses};
use super::packets::{Packet, Packets, Times, in_session};

/// A link with all that happens to it.
pub(super) struct Link {
    table: String,
    events: String,
}

/// Recovers one link; `clock` is the gateway's less the unit's, in microseconds.
pub(super) fn link(packets: &Packets, unit: &Recording, times: Times, clock: i64) -> Link {
    let samples = samples(packets, unit);
    let bases: Vec<_> = samples.iter().map(|(at, sample)| (*at, sample.base_us)).collect();
    let proven: Vec<_> = samples.iter().map(|(at, sample)| (*at, sample.capacity)).collect();
    let least = packets.up.iter().filter_map(Packet::relative).min().unwrap_or(clock);
    // What the sender believed rises only on evidence; what was measured may be below it before it noticed.
    let base = |at: Instant| latest(&bases, at).unwrap_or(least).max(least);
    let rates = windows(&packets.up, times, base, |at| latest(&proven, at).unwrap_or_default());
    let queue = |packet: &Packet| {
        let relative = packet.relative().unwrap_or(least);
        Duration::from_micros((relative - base(packet.sent)).max(0).unsigned_abs())
    };
    let up = losses(&packets.up, times, queue);
    let down_times = Times { start: times.start.offset_micros(clock), end: times.end.offset_micros(clock) };
    let down = losses(&packets.down, down_times, |_| Duration::ZERO);
    let longest = packets.up.iter().map(queue).max().unwrap_or_default();
    let buffer = up.full_at.unwrap_or(longest.mul_f64(1.5) + ROOM).max(ROOM).min(MOST_BUFFER);
    let up_ms = millis(least - clock);
    let rtt_ms = samples.iter().map(|(_, sample)| sample.rtt.as_secs_f64() * 1e3).fold(f64::MAX, f64::min);
    let back = packets.down.iter().filter_map(Packet::relative).min().map(|least| millis(least + clock));
    let down_ms = back.unwrap_or(if rtt_ms < f64::MAX { (rtt_ms - up_ms).max(0.0) } else { up_ms });
    let mut table = format!("\n[[link]]\nname = \"{}\"\n", name(packets));
    let first = rates.first().copied().unwrap_or_default();
    let _ = writeln!(table, "rate_kbps = {}\ndelay_ms = {up_ms:.1}\nbuffer_ms = {}", kbps(first), buffer.as_millis());
    let _ = writeln!(table, "up.steps = [{}]", steps(&rates));
    let extra: Vec<_> = bases.iter().map(|(at, base)| (*at, (*base).max(least) - least)).collect();
    let _ = writeln!(table, "up.delay_steps = [{}]", delay_steps(&extra, times));
    let _ = writeln!(table, "down.rate_kbps = {DOWN_KBPS}\ndown.delay_ms = {down_ms:.1}");
    let mut events = String::new();
    told(&mut events, packets, "up", &up, times.start);
    told(&mut events, packets, "down", &down, down_times.start);
    Link { table, events }
}

/// All of a scenario file.
pub(super) fn file(links: &[Link]) -> String {
    let mut text = "description = \"Recovered from traces\"\n".to_owned();
    links.iter().for_each(|link| text += &link.table);
    links.iter().for_each(|link| text += &link.events);
    text
}

#[derive(Clone, Copy)]
struct Sample {
    capacity: Bitrate,
    rtt: Duration,
    base_us: i64,
}

/// How the sender saw the link, over all its paths.
fn samples(packets: &Packets, unit: &Recording) -> Vec<(Instant, Sample)> {
    let ours = |session, path| {
        unit.paths.iter().any(|known| (known.session, known.path, known.link) == (session, path, packets.link))
    };
    in_session(unit)
        .filter_map(|(at, session, event)| match event {
            TraceEvent::Path { path, capacity, rtt, base_us, .. } if ours(session, path) => {
                Some((at, Sample { capacity, rtt, base_us }))
            }
            _ => None,
        })
        .collect()
}

/// Names of interfaces that a scenario cannot have are made into ones that it can.
fn name(packets: &Packets) -> String {
    let fits = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_' { c } else { '_' };
    let name: String = packets.name.to_ascii_lowercase().chars().map(fits).take(15).collect();
    if name.is_empty() || name == "lo" { format!("link{}", packets.link.0) } else { name }
}

fn steps(rates: &[Bitrate]) -> String {
    let mut last = None;
    let mut steps = vec![];
    for (i, rate) in rates.iter().enumerate() {
        let kbps = kbps(*rate);
        if last.is_none_or(|last: u64| last.abs_diff(kbps) * 20 > last) {
            let at = WINDOW.as_secs_f64() * i as f64;
            steps.push(format!("{{ at_s = {at:.1}, rate_kbps = {kbps} }}"));
            last = Some(kbps);
        }
    }
    steps.join(", ")
}

fn delay_steps(extra: &[(Instant, i64)], times: Times) -> String {
    let mut last = 0;
    let mut steps = vec![];
    for (at, extra) in extra {
        if (extra - last).abs() >= LEAST_STEP_US {
            let at = (*at - times.start).as_secs_f64();
            steps.push(format!("{{ at_s = {at:.1}, extra_ms = {:.1} }}", millis(*extra)));
            last = *extra;
        }
    }
    steps.join(", ")
}

fn told(out: &mut String, packets: &Packets, way: &str, losses: &Losses, start: Instant) {
    let name = name(packets);
    let mut event = |at: Instant, rest: String| {
        let at = (at - start).as_secs_f64();
        let _ = writeln!(out, "\n[[event]]\nat_s = {at:.3}\nlink = \"{name}\"\nway = \"{way}\"\n{rest}");
    };
    for (at, percent, run) in &losses.steps {
        event(*at, format!("do = \"loss\"\nloss_percent = {percent:.3}\nburst_packets = {run:.2}"));
    }
    for (at, length) in &losses.blackholes {
        event(*at, format!("do = \"blackhole\"\nfor_s = {:.3}", length.as_secs_f64()));
    }
}

fn kbps(rate: Bitrate) -> u64 {
    rate.as_bps() / 1_000
}

fn millis(micros: i64) -> f64 {
    micros.max(0) as f64 / 1e3
}

/// A step of the base delay that matters.
const LEAST_STEP_US: i64 = 3_000;
/// More than any queue that was seen, so that what is lost is what was lost.
const ROOM: Duration = Duration::from_millis(100);
const MOST_BUFFER: Duration = Duration::from_secs(10);
/// What comes back is small.
const DOWN_KBPS: u64 = 20_000;
