//! Rides: links whose radio and capacity are drawn together, so that what a forecast by radio is worth can be measured.
//!
//! A ride has four links of a modem each. Every 100 ms each has one [`Moment`]: what its radio is like and what it carries. The
//! network is made of the latter. What the modem *says* at a time is the radio of a moment `lead` later than that: with a lead of
//! +2 s the radio foretells what the link will carry in two seconds, with -1 s it tells what was. Nobody knows which of these
//! the field has, so a forecast has to be of use over several, and of no harm at any.
//!
//! Two generators of different structure draw the moments: in [`drive`] radio and capacity are of one physics; in [`jumps`] they
//! jump between states, of which some contradict each other. Their figures are out of 3GPP's models where there are any, and
//! were written down before any forecast was played over them. **Whoever tunes a forecast leaves them as they are.**
//!
//! The rule, written down at the same time: something that modems say is fed to the bond only if it surely gains (95 %) at a lead of
//! 0 over both generators together, and surely harms in neither at a lead of -1 or 0 s. Judged on [`JUDGED`].

mod drive;
pub mod forecast;
mod jumps;

use std::f64::consts::TAU;
use std::time::Duration;

use bondbox_linksim::Scenario;
use bondbox_linksim::model::{Buffer, DirectionConfig, Family, LinkConfig, Loss, Rate, RateStep};
use bondbox_radio::Reading;
use bondbox_units::{Bitrate, Instant};

use crate::random::Draw;
use crate::{Config, Shape};

/// Seeds that forecasts are judged by: never tune on them.
pub const JUDGED: std::ops::Range<u64> = 9_000..9_040;

/// What draws a ride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// A car passes cells: distance, shadows, handovers.
    Drive,
    /// States that follow each other without warning.
    Jumps,
}

impl Generator {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Drive, Self::Jumps];

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drive => "drive",
            Self::Jumps => "jumps",
        }
    }
}

/// A link at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// dBm.
    pub rsrp: f64,
    /// dB.
    pub rsrq: f64,
    /// dB, of what the modem receives.
    pub sinr: f64,
    /// What it carries from the unit; zero while it holds everything.
    pub up: Bitrate,
}

/// A network and the radios of its modems.
#[derive(Clone, Debug)]
pub struct Ride {
    /// The network.
    pub scenario: Scenario,
    /// The stream.
    pub config: Config,
    /// Of each link, from [`FARTHEST`] before the start to as long after the end.
    moments: Vec<Vec<Moment>>,
    /// Of each link, what its modem misreads each time, in standard deviations.
    errors: Vec<Vec<[f64; 3]>>,
}

impl Ride {
    /// Draws one; what is drawn depends on the seed alone.
    pub fn draw(generator: Generator, seed: u64) -> Self {
        let mut draw = Draw(seed ^ 0x41de_0000_0000 ^ ((generator as u64) << 48));
        let moments: Vec<Vec<Moment>> = match generator {
            Generator::Drive => drive::draw(&mut draw, LINKS, MOMENTS),
            Generator::Jumps => (0..LINKS).map(|_| jumps::draw(&mut draw, MOMENTS)).collect(),
        };
        let readings = READINGS as usize;
        let errors = (0..LINKS).map(|_| (0..readings).map(|_| std::array::from_fn(|_| normal(&mut draw))).collect());
        let errors = errors.collect();
        let links = moments.iter().enumerate().map(|(index, moments)| link(&mut draw, index, moments)).collect();
        let mean = moments.iter().flatten().map(|moment| moment.up.as_bps()).sum::<u64>() / MOMENTS as u64;
        let load_percent = draw.within(40, 71);
        let config = Config {
            seed,
            duration: DURATION,
            shape: Shape::Frames,
            rate: Bitrate::from_bps(mean * load_percent / 100),
            ..Config::default()
        };
        let name = generator.name().to_owned();
        let scenario = Scenario { name, description: String::new(), links, cells: vec![], events: vec![] };
        Self { scenario, config, moments, errors }
    }

    /// What a link's modem says when it is asked for the `asked`th of [`READINGS`] times; it is every [`ASKED_EVERY`].
    pub fn reading(&self, link: usize, asked: u64, lead_seconds: i64) -> Reading {
        let lead = FARTHEST.as_millis() as i64 + lead_seconds * 1_000;
        let at = asked * ASKED_EVERY.as_millis() as u64 + lead.max(0).unsigned_abs();
        let moment = self.moments[link][(at / STEP.as_millis() as u64) as usize];
        let errors = self.errors[link][asked as usize];
        let read = |value: f64, error: f64, grain: f64| Some(((value + error) / grain).round() as f32 * grain as f32);
        // As Qualcomm's modems give them: whole dB, but for the SINR. 3GPP TS 36.133 9.1 allows errors of several dB.
        Reading {
            rsrp: read(moment.rsrp, errors[0], 1.0),
            rsrq: read(moment.rsrq, errors[1], 1.0),
            sinr: read(moment.sinr, 1.5 * errors[2], 0.2),
        }
    }

    /// How many links there are.
    pub const fn links(&self) -> usize {
        self.moments.len()
    }
}

/// The link that carries this, otherwise as links of moving cars are in the other scenarios.
fn link(draw: &mut Draw, index: usize, moments: &[Moment]) -> LinkConfig {
    let before = (FARTHEST.as_millis() / STEP.as_millis()) as usize;
    let rate = |factor: u64| {
        let steps = moments[before..].iter().zip(0..).map(|(moment, step): (_, u32)| RateStep {
            at: Instant::ZERO + STEP * step,
            rate: Bitrate::from_bps(moment.up.as_bps() * factor),
        });
        Rate::Steps { start: moments[before].up, steps: steps.collect() }
    };
    let direction = |rate: Rate, delay: u64, buffer: u64| DirectionConfig {
        rate,
        delay: Duration::from_millis(delay),
        jitter: Duration::from_millis(delay / 2),
        buffer: Buffer::Time(Duration::from_millis(buffer)),
        loss: Loss::bursts(0.5, 3.0).unwrap_or(Loss::NONE),
        ..DirectionConfig::default()
    };
    let (delay, buffer) = (draw.within(25, 65), draw.within(500, 2_001));
    LinkConfig {
        name: format!("wwan{index}"),
        up: direction(rate(1), delay, buffer),
        down: direction(rate(3), delay, buffer),
        cell: None,
        families: vec![Family::Ipv4],
    }
}

/// From 0 to before 1.
fn unit(draw: &mut Draw) -> f64 {
    (draw.next() >> 11) as f64 / (1_u64 << 53) as f64
}

/// From the first to before the second.
fn between(draw: &mut Draw, from: f64, to: f64) -> f64 {
    from + (to - from) * unit(draw)
}

/// A standard normal value (Box and Muller 1958).
fn normal(draw: &mut Draw) -> f64 {
    let (a, b) = (1.0 - unit(draw), unit(draw));
    (-2.0 * a.ln()).sqrt() * (TAU * b).cos()
}

/// How long a moment lasts.
const STEP: Duration = Duration::from_millis(100);
/// As often as ModemManager asks.
pub const ASKED_EVERY: Duration = Duration::from_secs(1);
/// The farthest that radio is before or behind capacity.
pub const FARTHEST: Duration = Duration::from_secs(2);
/// Readings of one ride, its tail included, when what was sent last comes out.
pub const READINGS: u64 = 62;
const DURATION: Duration = Duration::from_secs(60);
const LINKS: usize = 4;
/// Those of the readings, and of the farthest lead on either side.
const MOMENTS: usize = (READINGS as usize + 4) * 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_one_ride() {
        for generator in Generator::ALL {
            let [first, again, other] = [1, 1, 2].map(|seed| Ride::draw(generator, seed));
            assert_eq!(first.moments, again.moments);
            assert_ne!(first.moments, other.moments);
            assert_eq!(first.config.rate, again.config.rate);
        }
    }

    #[test]
    fn a_reading_is_that_of_a_moment_its_lead_away() {
        let mut ride = Ride::draw(Generator::Drive, 1);
        for (index, moment) in ride.moments[0].iter_mut().enumerate() {
            *moment = Moment { rsrp: -(index as f64) / 10.0 - 30.0, ..*moment };
        }
        ride.errors[0].fill([0.0; 3]);
        // Moment 0 is 2 s before the start.
        for (lead, rsrp) in [(-1, -36.0), (0, -37.0), (1, -38.0), (2, -39.0)] {
            assert_eq!(ride.reading(0, 5, lead).rsrp, Some(rsrp), "{lead}");
        }
    }

    #[test]
    fn rides_are_what_a_car_meets() {
        for generator in Generator::ALL {
            let rides: Vec<_> = (1..21).map(|seed| Ride::draw(generator, seed)).collect();
            let all: Vec<Moment> = rides.iter().flat_map(|ride| ride.moments.iter().flatten().copied()).collect();
            let share =
                |of: fn(&Moment) -> bool| all.iter().filter(|moment| of(moment)).count() as f64 / all.len() as f64;
            let dark = share(|moment| moment.up == Bitrate::ZERO);
            assert!((0.01..0.10).contains(&dark), "{generator:?}: dark for {dark}");
            let mean = all.iter().map(|moment| moment.up.as_bps()).sum::<u64>() / all.len() as u64;
            assert!((1_500_000..6_000_000).contains(&mean), "{generator:?}: {mean} bit/s");
            let plausible =
                share(|moment| (-130.0..-40.0).contains(&moment.rsrp) && (-22.0..-5.0).contains(&moment.rsrq));
            assert!(plausible > 0.97, "{generator:?}: {plausible}");
        }
    }
}
