//! What must hold in every network, whatever becomes of the stream.
//!
//! [`check`] draws links, faults, joins, leaves and restarts from a seed, plays ten seconds of a stream through them, closes the
//! session, and lets a minute pass. In all of it
//!
//! - nothing comes out twice, out of order, altered, or later than the latency allows, of the live output and of a recording
//!   that every other network has;
//! - the recording has what the live output has;
//! - each unit is counted once, at both ends, and what each link was given it has delivered, dropped, or holds;
//! - what is kept, sent and sent back is bounded, and nobody spins;
//! - of no second's media more than a twentieth goes out again on suspicion alone;
//! - two seconds after the last fault every unit is on time, or as many as an [informed](bounds::informed) sender gets through;
//!   where links lose packets by themselves, but for what is lost again and again: 19 in 20 of those where each loses 1 % at
//!   most, 17 where one loses more, and half at a latency that is too short for most repairs;
//! - after the end of the session neither side knows of it, and all is quiet.
//!
//! A [`Sabotage`] breaks what comes out on its way here: so it can be proven that each of these would be seen.

use std::collections::VecDeque;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bondbox_bond::gateway::GatewayEvent;
use bondbox_bond::receiver::OutputId;
use bondbox_bond::sender::Policy;
use bondbox_bond::trace::{TraceEvent, Why};
use bondbox_linksim::model::{Direction, Event};
use bondbox_linksim::{Scenario, Way};
use bondbox_units::{Bitrate, Instant, LinkId};
use bytes::Bytes;

use crate::random::{Draw, parse};
use crate::{Clocks, Config, Shape, Source, World, bounds, number};

/// What an engine could get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Now and then a unit comes out twice.
    Repeat,
    /// Now and then a unit comes out behind the next.
    Swap,
    /// Now and then a byte is another.
    Alter,
    /// From the middle on, units come out half a second late.
    Delay,
    /// Now and then a unit is counted and does not come out.
    Swallow,
    /// From the middle on, no link carries anything.
    Stop,
    /// A byte that was sent is not counted.
    Forget,
    /// Nobody tells of the end of the session.
    Linger,
    /// Everything goes over two links.
    Lavish,
    /// A mebibyte more goes back.
    Chatter,
}

/// Plays the network of this seed; an error says what did not hold. Panics of the engine are errors too.
pub fn check(seed: u64, sabotage: Option<Sabotage>) -> Result<(), String> {
    let played = catch_unwind(AssertUnwindSafe(|| play(seed, sabotage)));
    played.unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// The network of a seed, as a scenario file would have it.
pub fn network(seed: u64) -> String {
    scenario(&mut Draw(seed)).1
}

/// Two to four links and a handful of faults, all over by [`CALM_FROM`] less two seconds.
fn scenario(draw: &mut Draw) -> (Scenario, String) {
    let links = draw.within(2, 5);
    let mut text = String::new();
    for link in 0..links {
        let (rate, delay, buffer) = (draw.within(1_500, 8_000), draw.within(5, 150), draw.within(100, 1_500));
        let loss = [0, 0, 1, 3, 10][draw.within(0, 5) as usize];
        let _ = writeln!(
            text,
            "[[link]]\nname = \"l{link}\"\nrate_kbps = {rate}\ndelay_ms = {delay}\nbuffer_ms = {buffer}\nloss_percent = {loss}"
        );
        if loss > 0 && draw.one_in(2) {
            let _ = writeln!(text, "burst_packets = {}", draw.within(2, 8));
        }
        if draw.one_in(3) {
            let _ = writeln!(text, "jitter_ms = {}\nreorder = {}", draw.within(1, 30), draw.one_in(2));
        }
        if draw.one_in(4) {
            let _ = writeln!(text, "mtu_bytes = 1000");
        }
    }
    for _ in 0..draw.within(0, 6) {
        let (at, link) = (draw.within(500, 4_500), draw.within(0, links));
        let (fault, value) = match draw.within(0, 5) {
            0 => ("cut", format!("for_s = {}", draw.within(100, 1_500) as f64 / 1e3)),
            1 => ("blackhole", format!("for_s = {}", draw.within(100, 1_500) as f64 / 1e3)),
            2 => ("delay", format!("delay_ms = {}", draw.within(5, 200))),
            3 => ("nat_rebind", String::new()),
            _ => ("rate", format!("rate_kbps = {}", draw.within(1_000, 6_000))),
        };
        let _ = writeln!(text, "[[event]]\nat_s = {}\nlink = \"l{link}\"\ndo = \"{fault}\"\n{value}", at as f64 / 1e3);
    }
    (parse(&text), text)
}

/// What the services do, and when.
#[derive(Clone, Copy, Debug)]
enum Act {
    Remove(LinkId),
    Add(LinkId),
    RestartGateway,
}

fn acts(draw: &mut Draw, links: u64) -> Vec<(Instant, Act)> {
    let mut acts = vec![];
    for link in (0..links).filter(|_| draw.one_in(4)).collect::<Vec<_>>() {
        let (at, id) = (draw.within(300, 4_000), LinkId(link as u8));
        acts.push((Instant::from_millis(at), Act::Remove(id)));
        acts.push((Instant::from_millis(at + draw.within(10, 1_500)), Act::Add(id)));
    }
    if draw.one_in(5) {
        acts.push((Instant::from_millis(draw.within(500, 4_500)), Act::RestartGateway));
    }
    acts.sort_by_key(|(at, _)| *at);
    acts
}

macro_rules! hold {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}

fn play(seed: u64, sabotage: Option<Sabotage>) -> Result<(), String> {
    let mut draw = Draw(seed);
    let (scenario, _) = scenario(&mut draw);
    let acts = acts(&mut draw, scenario.links.len() as u64);
    let touched = acts.iter().filter_map(|(_, act)| match act {
        Act::Remove(link) => Some(*link),
        Act::Add(_) | Act::RestartGateway => None,
    });
    let touched: Vec<LinkId> = touched.collect();
    let mut acts = acts.into_iter().peekable();
    let mut config = Config {
        seed,
        latency: Duration::from_millis([300, 600, 1_200][draw.within(0, 3) as usize]),
        rate: Bitrate::from_kbps(draw.within(200, 1_000)),
        ..Config::default()
    };
    let clocks = Clocks { offset_us: draw.within(0, 1 << 40) as i64, drift_ppm: draw.within(0, 400) as i64 - 200 };
    config.shape = if draw.one_in(2) { Shape::Constant } else { Shape::Frames };
    if sabotage == Some(Sabotage::Lavish) {
        config.policy = Policy::Redundant;
    }
    config.recording = draw.one_in(2).then(|| Duration::from_millis(draw.within(1_500, 5_000)));
    let (sender, gateway) = config.ends();
    let mut source = Source::new(Instant::ZERO, config.shape, config.rate);
    let mut run = Run {
        world: World::new(&scenario, seed, sender, gateway, clocks),
        pushed: vec![],
        last_out: [None; 2],
        calm_out: [0; 2],
        delivered: [0; 2],
        sessions: 0,
        open: 0,
        latencies: [config.latency, config.recording.unwrap_or_default()],
        saboteur: sabotage.map(|sabotage| Saboteur { sabotage, seen: 0, held: VecDeque::new() }),
    };
    let (mut second, mut steps) = (0, 0);
    while run.world.now() < END {
        let streaming = run.world.now() < STREAM_END;
        let act_at = acts.peek().map_or(END, |(at, _)| *at);
        let unit_at = if streaming { source.deadline() } else { END };
        run.step(act_at.min(unit_at).min(END))?;
        let now = run.world.now();
        while let Some(unit) = source.poll(now).filter(|_| streaming) {
            run.pushed.push((now, unit.payload.len() as u64));
            run.world.push(unit);
        }
        while let Some((_, act)) = acts.next_if(|(at, _)| *at <= now) {
            match act {
                Act::Remove(link) => run.world.sender.remove_link(now, link),
                Act::Add(link) => run.world.sender.add_link(now, link, "again"),
                Act::RestartGateway => {
                    run.open = 0;
                    run.world.restart_gateway();
                }
            }
        }
        steps += 1;
        hold!(steps <= MAX_STEPS, "spins: {steps} steps in second {second}");
        if now.as_micros() / 1_000_000 > second {
            run.look(&touched)?;
            (second, steps) = (now.as_micros() / 1_000_000, 0);
        }
    }
    hold!(run.sessions > 0, "no session opened");
    let out = run.calm_out[0];
    let calm = run.pushed.iter().filter(|(at, _)| *at >= CALM_FROM).count();
    if out < calm {
        let config = Config { duration: STREAM_END - Instant::ZERO, warm_up: CALM_FROM - Instant::ZERO, ..config };
        let possible = bounds::informed(&scenario, &config).on_time;
        let lost = scenario.links.iter().map(|link| link.up.loss.mean()).fold(0.0, f64::max);
        let least = match () {
            () if lost == 0.0 => possible,
            () if config.latency < REPAIRABLE => possible / 2,
            () if lost <= LITTLE_LOSS => (possible - possible / 20).saturating_sub(1),
            () => possible * 17 / 20,
        };
        hold!(out >= least, "not back: {out} of {calm} units came out after all faults, {possible} could");
    }
    run.spent(config.latency)?;
    run.rescued()?;
    run.end()
}

struct Run {
    world: World,
    /// When each unit went in, and its bytes.
    pushed: Vec<(Instant, u64)>,
    /// Of the live output and the recording, as what follows.
    last_out: [Option<u32>; 2],
    /// Units out that went in from [`CALM_FROM`] on.
    calm_out: [usize; 2],
    /// In this session, and in those that it goes on with.
    delivered: [u64; 2],
    sessions: usize,
    /// Sessions that opened, and of which nobody said that they are over.
    open: usize,
    latencies: [Duration; 2],
    saboteur: Option<Saboteur>,
}

impl Run {
    fn step(&mut self, until: Instant) -> Result<(), String> {
        let (_, mut events) = self.world.step(until);
        if let Some(saboteur) = &mut self.saboteur {
            saboteur.break_world(&mut self.world);
            events = saboteur.break_some(self.world.now(), events);
        }
        events.into_iter().try_for_each(|event| self.on_event(event))
    }

    fn on_event(&mut self, event: GatewayEvent) -> Result<(), String> {
        match event {
            GatewayEvent::SessionOpened { continues, .. } => {
                self.sessions += 1;
                self.open += 1;
                self.delivered = if continues { self.delivered } else { [0; 2] };
            }
            GatewayEvent::SessionClosed { .. } => self.open -= 1,
            GatewayEvent::Unit { output, unit, .. } => {
                let at = usize::from(output.0);
                let out = number(&unit.payload).ok_or("a unit came out altered")?;
                let (pushed, _) = *self.pushed.get(out as usize).ok_or("a unit came out that never went in")?;
                let last = self.last_out[at].replace(out);
                hold!(last != Some(out), "unit {out} came out twice");
                hold!(last.is_none_or(|last| last < out), "unit {out} came out after {last:?}");
                let delay = self.world.now() - pushed;
                hold!(delay <= self.latencies[at] + MAP_ERROR, "unit {out} came out late: {delay:?} after it went in");
                self.delivered[at] += 1;
                self.calm_out[at] += usize::from(pushed >= CALM_FROM);
            }
            _ => {}
        }
        Ok(())
    }

    /// What must hold at any time.
    fn look(&self, touched: &[LinkId]) -> Result<(), String> {
        let status = self.world.sender.status(self.world.now());
        let counted = status.units_acknowledged + status.units_expired + status.units_waiting;
        hold!(status.units_in == counted, "units are not conserved: {status:?}");
        hold!(status.units_waiting <= 1_000 && status.backlog <= 1 << 20, "holds too much: {status:?}");
        for session in self.world.gateway.status(self.world.gateway_now()) {
            let live = session.tracks.iter().map(|track| (OutputId::LIVE, track.counters));
            let longer =
                session.longer.iter().flat_map(|of| of.tracks.iter().map(|(_, counters)| (of.output, *counters)));
            for (output, counters) in live.chain(longer) {
                let delivered = self.delivered[usize::from(output.0)];
                hold!(counters.delivered == delivered, "{delivered} came out, counted {counters:?} at {output:?}");
                let counted = counters.delivered + counters.late + counters.lost;
                hold!(counted <= self.pushed.len() as u64, "{counters:?} of {}", self.pushed.len());
            }
        }
        for (index, link) in self.world.network.links().iter().enumerate() {
            conserved(&link.up)?;
            conserved(&link.down)?;
            let wire = self.world.wire[index];
            hold!(link.up.counters().offered.bytes == wire.up_bytes, "link {index} was given other than {wire:?}");
            let said = status.links.iter().find(|said| usize::from(said.link.0) == index);
            // One that came back counts anew.
            if let Some(said) = said.filter(|said| !touched.contains(&said.link)) {
                let bytes = said.bytes_sent + IP_UDP * said.packets_sent;
                hold!(bytes == wire.up_bytes, "link {index} sent {wire:?}, says {bytes}");
            }
        }
        Ok(())
    }

    /// What the whole stream may have taken, there and back.
    fn spent(&self, latency: Duration) -> Result<(), String> {
        let sum = |of: fn(&crate::Wire) -> u64| self.world.wire.iter().map(of).sum::<u64>();
        let (up, down) = (sum(|wire| wire.up_bytes), sum(|wire| wire.down_bytes));
        let media: u64 = self.pushed.iter().map(|(_, bytes)| bytes).sum();
        let links = self.world.wire.len() as u64;
        let percent = if latency >= REPAIRABLE { MOST_UP } else { MOST_UP_CODED };
        let fair = media * percent / 100 + UP_BESIDES * links;
        hold!(up <= fair, "sent {up} B for {media} B of media over {links} links");
        let seconds = self.world.now().as_micros().div_ceil(1_000_000);
        let fair = up * MOST_DOWN / 100 + DOWN_BESIDES * links * seconds;
        hold!(down <= fair, "sent back {down} B for {up} B over {links} links");
        Ok(())
    }

    /// What went out again because it would else be late, though nothing says that it is lost, is a twentieth of the media of
    /// each second at most; each session reckons anew.
    fn rescued(&self) -> Result<(), String> {
        let mut rescues: VecDeque<(Instant, u64)> = VecDeque::new();
        for (at, event) in self.world.sender.trace().events() {
            match event {
                TraceEvent::SessionOpened { .. } => rescues.clear(),
                TraceEvent::Again { bytes, why: Why::Deadline, .. } => {
                    let of_late = |then: Instant| at - then < Duration::from_secs(1);
                    rescues.push_back((at, bytes.into()));
                    while rescues.pop_front_if(|(then, _)| !of_late(*then)).is_some() {}
                    let bytes: u64 = rescues.iter().map(|(_, bytes)| bytes).sum();
                    let pushed = self.pushed.iter().filter(|(then, _)| *then <= at && of_late(*then));
                    let media: u64 = pushed.map(|(_, bytes)| bytes).sum();
                    hold!(bytes * 100 <= media * MOST_RESCUED, "rescued {bytes} B of {media} B by {at}");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The unit closes the session: soon nobody knows of it, and nothing is sent or waited for.
    fn end(&mut self) -> Result<(), String> {
        let silent_from = self.world.now() + Duration::from_secs(2);
        self.world.sender.close();
        let mut sent = None;
        let (mut second, mut steps) = (self.world.now().as_micros() / 1_000_000, 0);
        while self.world.now() < END + AFTERMATH {
            self.step(END + AFTERMATH)?;
            steps += 1;
            hold!(steps <= MAX_STEPS, "spins after the end: {steps} steps in second {second}");
            if self.world.now().as_micros() / 1_000_000 > second {
                (second, steps) = (self.world.now().as_micros() / 1_000_000, 0);
            }
            if self.world.now() >= silent_from {
                let total = || self.world.wire.iter().map(|wire| wire.up_packets).sum::<u64>();
                hold!(*sent.get_or_insert_with(total) == total(), "sends after the end");
            }
        }
        let [live, recorded] = self.calm_out;
        hold!(self.latencies[1].is_zero() || recorded >= live, "{live} came out, and {recorded} were recorded");
        hold!(self.open == 0, "{} sessions were not said to be over", self.open);
        hold!(self.world.gateway.status(self.world.gateway_now()).is_empty(), "the gateway still has a session");
        Ok(())
    }
}

fn conserved<T>(direction: &Direction<T>) -> Result<(), String> {
    let (counters, held) = (direction.counters(), direction.held());
    let accounted = counters.delivered.bytes + counters.dropped.total().bytes + held.bytes;
    hold!(counters.offered.bytes == accounted, "bytes are not conserved: {counters:?}, {held:?} held");
    Ok(())
}

/// Breaks every so many units that come out.
struct Saboteur {
    sabotage: Sabotage,
    seen: u64,
    held: VecDeque<(Instant, GatewayEvent)>,
}

impl Saboteur {
    fn break_world(&mut self, world: &mut World) {
        if world.now() < HALF || self.seen == u64::MAX {
            return;
        }
        match self.sabotage {
            Sabotage::Stop => (0..world.wire.len()).for_each(|link| world.apply(link, Way::Both, Event::Blackhole)),
            Sabotage::Forget => world.wire[0].up_bytes -= 1,
            Sabotage::Chatter => world.wire[0].down_bytes += 1 << 20,
            _ => return,
        }
        self.seen = u64::MAX;
    }

    fn break_some(&mut self, now: Instant, events: Vec<GatewayEvent>) -> Vec<GatewayEvent> {
        let mut out = vec![];
        for event in events {
            if matches!(event, GatewayEvent::SessionClosed { .. }) && self.sabotage == Sabotage::Linger {
                continue;
            }
            let GatewayEvent::Unit { session, output: OutputId::LIVE, mut unit } = event else {
                out.push(event);
                continue;
            };
            let output = OutputId::LIVE;
            self.seen = self.seen.saturating_add(1);
            let its_turn = self.seen.is_multiple_of(EVERY);
            match self.sabotage {
                Sabotage::Repeat if its_turn => out.push(GatewayEvent::Unit { session, output, unit: unit.clone() }),
                Sabotage::Swap if its_turn => {
                    self.held.push_back((now, GatewayEvent::Unit { session, output, unit }));
                    continue;
                }
                Sabotage::Delay if now >= HALF => {
                    self.held.push_back((now + HALF_SECOND, GatewayEvent::Unit { session, output, unit }));
                    out.extend(self.held.pop_front_if(|(until, _)| *until <= now).map(|(_, event)| event));
                    continue;
                }
                Sabotage::Alter if its_turn => {
                    let mut bytes = unit.payload.to_vec();
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    unit.payload = Bytes::from(bytes);
                }
                Sabotage::Swallow if its_turn => continue,
                _ => {}
            }
            out.push(GatewayEvent::Unit { session, output, unit });
            out.extend(self.held.pop_front_if(|(until, _)| *until <= now).map(|(_, event)| event));
        }
        out
    }
}

/// From here on nothing new happens, and what happened before had two seconds to be got over.
const CALM_FROM: Instant = Instant::from_millis(8_000);
const STREAM_END: Instant = Instant::from_millis(10_000);
const END: Instant = Instant::from_millis(12_500);
/// A unit that is held back from here on comes out before counters are looked at next.
const HALF: Instant = Instant::from_millis(6_100);
const HALF_SECOND: Duration = Duration::from_millis(500);
/// A gateway that was not told forgets a silent session after a minute.
const AFTERMATH: Duration = Duration::from_secs(65);
/// The map of clocks settles for a second, and then moves by 1 ms/s: what a link's delay changed meanwhile it believes.
const MAP_ERROR: Duration = Duration::from_millis(200);
/// Per second of virtual time: some hundred packets, their answers and a tick every 5 ms take a third of it.
const MAX_STEPS: u64 = 6_000;
/// Headers of IPv4 and UDP.
const IP_UDP: u64 = 28;
/// From here on a lost packet can be sent again in time over any of these links; below, what the far ones lose is coded or lost.
const REPAIRABLE: Duration = Duration::from_millis(600);
/// Of a link's packets.
const LITTLE_LOSS: f64 = 0.01 + 1e-9;
/// Percent of the media: a tenth are headers, what links lose or swallow is sent again, and sums go along where that is too late.
const MOST_UP: u64 = 130;
const MOST_UP_CODED: u64 = 250;
/// Bytes a link of handshakes, reports, probes, and padding that proves what it can do.
const UP_BESIDES: u64 = 100_000;
/// Percent of what goes forth.
const MOST_DOWN: u64 = 3;
/// Bytes a link and second, however little goes forth: a hundred acknowledgements, as while something is missing, of 70 bytes.
const DOWN_BESIDES: u64 = 7_000;
/// Percent of the media of a second.
const MOST_RESCUED: u64 = 5;
/// One unit in so many is broken.
const EVERY: u64 = 50;
