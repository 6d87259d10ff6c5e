//! Plays a scenario.

use std::time::Duration;

use bondbox_bond::gateway::{GatewayConfig, GatewayEvent};
use bondbox_bond::receiver::{OutputId, Outputs};
use bondbox_bond::sender::{Features, Headroom, LinkUse, Policy, RadioReport, SenderConfig, SenderEvent, Trust};
use bondbox_linksim::Scenario;
use bondbox_units::{Bitrate, Instant, LinkId};

use crate::meter::Meter;
use crate::world::identities;
use crate::{Clocks, LinkOutcome, Outcome, Shape, Source, Wire, World};

/// What to play.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything that is drawn is drawn from it.
    pub seed: u64,
    /// How long the stream runs.
    pub duration: Duration,
    /// From in to out.
    pub latency: Duration,
    /// How the stream comes.
    pub shape: Shape,
    /// How fast it comes, at first.
    pub rate: Bitrate,
    /// The stream follows the encoder target, up to this.
    pub follow: Option<Bitrate>,
    /// How much capacity is kept free.
    pub headroom: Headroom,
    /// How the clocks differ.
    pub clocks: Clocks,
    /// What comes before is not measured.
    pub warm_up: Duration,
    /// Which link takes a packet.
    pub policy: Policy,
    /// What each link may be used for, in the order of the scenario; without limits where it says nothing.
    pub uses: Vec<LinkUse>,
    /// Which parts of the engine are on.
    pub features: Features,
    /// What the unit is told of its radio, in the order of time.
    pub told: Vec<Told>,
    /// There is a recording beside the live output, from in to which it is so long.
    pub recording: Option<Duration>,
}

/// What the unit is told of one link's radio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// Which link.
    pub link: LinkId,
    /// What.
    pub report: RadioReport,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            duration: Duration::from_secs(60),
            latency: Duration::from_millis(600),
            shape: Shape::Constant,
            rate: Bitrate::from_kbps(8_000),
            follow: None,
            headroom: Headroom::None,
            clocks: Clocks { offset_us: 123_456_789, drift_ppm: 20 },
            warm_up: Duration::from_secs(5),
            policy: Policy::EarliestArrival,
            uses: vec![],
            features: Features::ALL,
            told: vec![],
            recording: None,
        }
    }
}

impl Config {
    /// The settings of both ends.
    pub fn ends(&self) -> (SenderConfig, GatewayConfig) {
        let [unit, gateway] = identities();
        let ceiling = self.follow.unwrap_or(self.rate);
        let sender = SenderConfig {
            identity: unit.clone(),
            gateway: Trust::Pinned(gateway.public()),
            stream: "sim".to_owned(),
            latency: self.latency,
            return_latency: Duration::from_millis(300),
            headroom: self.headroom,
            encoder_range: (Bitrate::from_kbps(300).min(ceiling), ceiling),
            encoder_start: self.rate,
            policy: self.policy,
            features: self.features,
        };
        let outputs = Outputs { longer: self.recording.into_iter().collect(), ..Outputs::default() };
        let gateway = GatewayConfig { identity: gateway.clone(), units: vec![unit.public()], latency: None, outputs };
        (sender, gateway)
    }
}

/// Plays `scenario` and tells what became of the stream.
pub fn run(scenario: &Scenario, config: &Config) -> Outcome {
    run_watched(scenario, config, |_| {})
}

/// As [`run()`], and lets `watch` look at the world every half second.
pub fn run_watched(scenario: &Scenario, config: &Config, mut watch: impl FnMut(&World)) -> Outcome {
    let (sender, gateway) = config.ends();
    let mut world = World::new(scenario, config.seed, sender, gateway, config.clocks);
    for (link, usage) in (0..).zip(&config.uses) {
        world.sender.set_link_use(LinkId(link), *usage);
    }
    let mut source = Source::new(Instant::ZERO, config.shape, config.rate);
    let (mut meter, mut recorded) = (Meter::default(), config.recording.map(|_| Meter::default()));
    let over = config.duration + (config.latency * 2).max(config.recording.unwrap_or_default() + config.latency);
    let (measure_from, end) = (Instant::ZERO + config.warm_up, Instant::ZERO + config.duration);
    let mut wire_before = None;
    let (mut opened, mut targets) = (None, vec![]);
    let mut watch_at = Instant::ZERO;
    let mut told = config.told.iter().peekable();
    while world.now() < Instant::ZERO + over {
        if world.now() >= measure_from && wire_before.is_none() {
            wire_before = Some((world.wire.clone(), lost(&world)));
        }
        let streaming = source.deadline() < end;
        if world.now() >= watch_at {
            watch_at += WATCH_INTERVAL;
            watch(&world);
        }
        let mut until = if streaming { source.deadline() } else { Instant::ZERO + over };
        if wire_before.is_none() {
            until = until.min(measure_from);
        }
        while let Some(told) = told.next_if(|told| told.at <= world.now()) {
            world.sender.set_radio(world.now(), told.link, told.report);
        }
        until = until.min(told.peek().map_or(until, |told| told.at));
        let (events, gateway_events) = world.step(until);
        for event in events {
            match event {
                SenderEvent::SessionOpened { .. } => opened = opened.or(Some(world.now())),
                SenderEvent::TargetBitrate(rate) => {
                    targets.push((world.now(), rate));
                    if config.follow.is_some() {
                        source.set_rate(rate);
                    }
                }
                SenderEvent::KeyframeWanted(_) if config.follow.is_some() => source.force_keyframe(),
                _ => {}
            }
        }
        for event in gateway_events {
            let GatewayEvent::Unit { output, unit, .. } = event else { continue };
            match &mut recorded {
                Some(recorded) if output != OutputId::LIVE => recorded.on_out(world.now(), &unit.payload),
                _ => meter.on_out(world.now(), &unit.payload),
            }
        }
        while let Some(unit) = source.poll(world.now()).filter(|_| streaming) {
            meter.on_push(world.now(), &unit);
            if let Some(recorded) = &mut recorded {
                recorded.on_push(world.now(), &unit);
            }
            world.push(unit);
        }
    }
    let status = world.sender.status(world.now());
    let (before, lost_before) = wire_before.unwrap_or_else(|| (vec![Wire::default(); world.wire.len()], [0; 2]));
    let [dropped, offered] = lost(&world);
    let kept = 1.0 - (dropped - lost_before[0]) as f64 / (offered - lost_before[1]).max(1) as f64;
    let links = scenario.links.iter().zip(world.wire.iter().zip(before));
    let mtu = largest_mtu(scenario);
    let outcome = meter.outcome(measure_from, config.latency);
    let recorded = recorded.zip(config.recording).map(|(meter, latency)| meter.outcome(measure_from, latency));
    Outcome {
        floor_bytes: meter.wire_bytes(measure_from, |size| wire_size(size, mtu)) as f64 / kept.max(f64::MIN_POSITIVE),
        links: links
            .map(|(link, (now, before))| LinkOutcome { name: link.name.clone(), wire: less(*now, before) })
            .collect(),
        opened,
        sessions: status.sessions,
        targets,
        wrong: outcome.wrong + recorded.as_ref().map_or(0, |recorded| recorded.wrong),
        not_recorded: recorded.map_or(0, |recorded| recorded.units - recorded.on_time),
        ..outcome
    }
}

/// Bytes that the up links' losses took, and all that they were given.
fn lost(world: &World) -> [u64; 2] {
    let counters = world.network.links().iter().map(|link| link.up.counters());
    counters.fold([0; 2], |[lost, all], counted| [lost + counted.dropped.loss.bytes, all + counted.offered.bytes])
}

/// What the widest path takes, in bytes of IP.
pub(crate) fn largest_mtu(scenario: &Scenario) -> usize {
    scenario.links.iter().map(|link| link.up.mtu_bytes.unwrap_or(usize::MAX)).max().unwrap_or(usize::MAX)
}

/// Bytes on the wire of a unit sent once, in as few datagrams as paths of `mtu` bytes of IP allow.
pub(crate) fn wire_size(unit: usize, mtu: usize) -> usize {
    let piece = mtu.min(IP_UDP + LARGEST_DATAGRAM) - IP_UDP - ENVELOPE - MEDIA_FRAME;
    unit + unit.div_ceil(piece) * (IP_UDP + ENVELOPE + MEDIA_FRAME)
}

/// Headers of IPv4 and UDP.
const IP_UDP: usize = 28;
/// What most paths take.
const LARGEST_DATAGRAM: usize = 1_472;
/// Kind, receiver index, packet number and tag.
const ENVELOPE: usize = 23;
/// What comes before a piece of a unit.
const MEDIA_FRAME: usize = 8;

const fn less(now: Wire, before: Wire) -> Wire {
    Wire {
        up_packets: now.up_packets - before.up_packets,
        up_bytes: now.up_bytes - before.up_bytes,
        down_bytes: now.down_bytes - before.down_bytes,
        up_arrived: now.up_arrived - before.up_arrived,
    }
}

const WATCH_INTERVAL: Duration = Duration::from_millis(500);
