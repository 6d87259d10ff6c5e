//! Networks nobody thought of, each from a seed.
//!
//! What is drawn depends on the seed alone and on nothing that a library may change, so a seed names the same network in
//! every version until this file changes.

mod cells;

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use bondbox_bond::sender::Features;
use bondbox_linksim::Scenario;
use bondbox_units::{Bitrate, Instant};

use crate::{Clocks, Config, Outcome, Shape, bounds, run};

/// SplitMix64 (Steele et al. 2014).
#[derive(Clone, Debug)]
pub struct Draw(pub u64);

impl Draw {
    /// Anything.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From the first to before the second.
    pub const fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    /// Once in so many times.
    pub const fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

/// A network, its stream, and both as text for people.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The network.
    pub scenario: Scenario,
    /// As a file would have it.
    pub text: String,
    /// The stream.
    pub config: Config,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// One to six links, each by itself.
    #[default]
    Links,
    /// Two to four links through one cell that carries less than they would, or two such cells, and up to two links beside.
    Cells,
}

impl Family {
    /// A network for half a minute of a stream that asks for 35 to 90 % of what it carries on average.
    pub fn draw(self, seed: u64) -> Drawn {
        match self {
            Self::Links => draw(seed),
            Self::Cells => cells::draw(seed),
        }
    }
}

fn draw(seed: u64) -> Drawn {
    let mut draw = Draw(seed ^ 0x005c_e7a1_0000);
    let links = draw.within(1, 7);
    let mut text = String::new();
    let mut sum_kbps = 0;
    for link in 0..links {
        let rate = draw.within(1_000, 9_000);
        one_link(&mut draw, &mut text, link, rate);
        sum_kbps += rate;
    }
    for _ in 0..draw.within(0, 4) {
        event(&mut draw, &mut text, links);
    }
    let config = stream(&mut draw, seed, sum_kbps, &[300, 400, 600, 600, 800, 1_000]);
    Drawn { scenario: parse(&text), text, config }
}

/// Half a minute of a stream over links that carry so much together, at one of these latencies.
fn stream(draw: &mut Draw, seed: u64, sum_kbps: u64, latencies_ms: &[u64]) -> Config {
    let load_percent = draw.within(35, 91);
    Config {
        seed,
        duration: Duration::from_secs(30),
        latency: Duration::from_millis(latencies_ms[draw.within(0, latencies_ms.len() as u64) as usize]),
        shape: if draw.one_in(2) { Shape::Constant } else { Shape::Frames },
        rate: Bitrate::from_kbps((sum_kbps * load_percent / 100).clamp(300, 25_000)),
        clocks: Clocks { offset_us: draw.within(0, 1 << 40) as i64, drift_ppm: draw.within(0, 200) as i64 - 100 },
        ..Config::default()
    }
}

/// Writes one link that carries `rate` kbit/s on average.
fn one_link(draw: &mut Draw, text: &mut String, link: u64, rate: u64) {
    let (delay, buffer) = (draw.within(5, 120), draw.within(150, 2_000));
    let _ = writeln!(
        text,
        "[[link]]\nname = \"l{link}\"\nrate_kbps = {rate}\ndelay_ms = {delay}\nbuffer_ms = {buffer}\ndown.rate_kbps = {}",
        rate * 3
    );
    let loss = [0, 0, 2, 5, 10, 20, 50][draw.within(0, 7) as usize];
    if loss > 0 {
        let _ = writeln!(text, "loss_percent = {}", loss as f64 / 10.0);
        if draw.one_in(2) {
            let _ = writeln!(text, "burst_packets = {}", draw.within(2, 8));
        }
    }
    if draw.one_in(2) {
        let _ = writeln!(text, "jitter_ms = {}\nreorder = {}", draw.within(1, 40), draw.one_in(6));
    }
    if draw.one_in(10) {
        let _ = writeln!(text, "mtu_bytes = 1000");
    }
    if draw.one_in(2) {
        let (least, most) = (rate / draw.within(2, 5), rate * draw.within(3, 6) / 2);
        let percent = draw.within(2, 12);
        let _ = writeln!(
            text,
            "walk = {{ min_kbps = {least}, max_kbps = {most}, step_ms = 200, step_percent = {percent} }}\n\
             down.walk = {{ min_kbps = {}, max_kbps = {}, step_ms = 200, step_percent = {percent} }}",
            least * 3,
            most * 3
        );
    }
    if draw.one_in(3) {
        let (interval, least, more) = (draw.within(8, 40), draw.within(100, 1_000), draw.within(100, 2_000));
        let most = least + more;
        let _ = writeln!(text, "outages = {{ mean_interval_s = {interval}, min_ms = {least}, max_ms = {most} }}");
    }
}

fn event(draw: &mut Draw, text: &mut String, links: u64) {
    let (at, link) = (draw.within(6_000, 25_000) as f64 / 1e3, draw.within(0, links));
    let (what, value) = match draw.within(0, 7) {
        0 => ("cut", format!("for_s = {}", draw.within(500, 10_000) as f64 / 1e3)),
        1 | 2 => ("blackhole", format!("for_s = {}", draw.within(500, 10_000) as f64 / 1e3)),
        3 => ("delay", format!("delay_ms = {}", draw.within(5, 180))),
        4 => ("nat_rebind", String::new()),
        5 => ("loss", format!("loss_percent = {}\nburst_packets = 3", draw.within(1, 10))),
        _ => ("rate", format!("rate_kbps = {}", draw.within(500, 6_000))),
    };
    let _ = writeln!(text, "[[event]]\nat_s = {at}\nlink = \"l{link}\"\ndo = \"{what}\"\n{value}");
}

/// Reads what was drawn.
///
/// # Panics
///
/// When no scenario was drawn.
pub fn parse(text: &str) -> Scenario {
    Scenario::parse("random", text, Path::new(".")).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// How much more than the stream the oracle could get through in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Headroom {
    /// 30 % or more.
    Ample,
    /// 10 to 30 %.
    Fair,
    /// Less, or not even the stream.
    Little,
}

impl Headroom {
    /// Of a drawn network and its stream.
    pub fn of(drawn: &Drawn) -> Self {
        let whole = |load| {
            let bound = bounds::oracle(&drawn.scenario, &drawn.config, load);
            bound.on_time == bound.units
        };
        match () {
            () if !whole(1.1) => Self::Little,
            () if !whole(1.3) => Self::Fair,
            () => Self::Ample,
        }
    }

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ample => "30 % or more",
            Self::Fair => "10 to 30 %",
            Self::Little => "less",
        }
    }

    /// The most points that the median and nine in ten may lie below the oracle.
    pub const fn bar(self) -> Option<(f64, f64)> {
        match self {
            Self::Ample => Some((0.02, 0.1)),
            Self::Fair => Some((0.2, 1.5)),
            Self::Little => None,
        }
    }
}

/// How a run compares with the oracle.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Of the network.
    pub seed: u64,
    /// Its class.
    pub headroom: Headroom,
    /// From in to out.
    pub latency: Duration,
    /// What the oracle has more, in points.
    pub gap: f64,
    /// What who learns of each change a round trip and 60 ms later has more, in points.
    pub behind: f64,
    /// When each unit went in that was not on time.
    pub missed: Vec<Instant>,
}

/// Plays a drawn network beside the oracle, with these parts of the engine.
pub fn compare(family: Family, seed: u64, features: Features) -> Compared {
    let mut drawn = family.draw(seed);
    drawn.config.features = features;
    let best = bounds::oracle(&drawn.scenario, &drawn.config, 1.0);
    let informed = bounds::informed(&drawn.scenario, &drawn.config);
    let outcome: Outcome = run(&drawn.scenario, &drawn.config);
    let on_time = outcome.on_time_percent();
    Compared {
        seed,
        headroom: Headroom::of(&drawn),
        latency: drawn.config.latency,
        gap: best.percent() - on_time,
        behind: informed.percent() - on_time,
        missed: outcome.missed,
    }
}
