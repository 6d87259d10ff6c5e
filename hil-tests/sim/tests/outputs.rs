//! What comes out of several outputs of one session, and what its end, a restart and a changed latency do to them.

use std::path::Path;
use std::time::Duration;

use bondbox_bond::gateway::{CloseReason, GatewayEvent};
use bondbox_bond::receiver::OutputId;
use bondbox_bond::sender::SenderEvent;
use bondbox_linksim::Scenario;
use bondbox_sim::{Clocks, Config, Shape, Source, World, number};
use bondbox_units::{Bitrate, Instant, LinkId};

/// A stream through a world, and what came out of it.
struct Run {
    config: Config,
    world: World,
    source: Source,
    /// When each unit went in.
    pushed: Vec<Instant>,
    /// Numbers that came out of the live output and of the recording, and when.
    out: [Vec<(Instant, u32)>; 2],
    latencies: Vec<Duration>,
    /// When each session opened and closed.
    opened: Vec<Instant>,
    closed: Vec<(Instant, CloseReason)>,
}

impl Run {
    fn new(scenario: &str, seed: u64, shape: Shape, recording: Option<Duration>) -> Self {
        let scenario = Scenario::parse("inline", scenario, Path::new(".")).unwrap();
        let clocks = Clocks { offset_us: 77_000_000, drift_ppm: 30 };
        let config = Config { rate: Bitrate::from_kbps(3_000), clocks, recording, ..Config::default() };
        let (sender, gateway) = config.ends();
        Self {
            world: World::new(&scenario, seed, sender, gateway, config.clocks),
            source: Source::new(Instant::ZERO, shape, config.rate),
            config,
            pushed: vec![],
            out: [vec![], vec![]],
            latencies: vec![],
            opened: vec![],
            closed: vec![],
        }
    }

    fn until(&mut self, ms: u64) -> &mut Self {
        self.go(ms, true)
    }

    fn go(&mut self, ms: u64, streaming: bool) -> &mut Self {
        let end = Instant::from_millis(ms);
        while self.world.now() < end {
            let next = if streaming { self.source.deadline().min(end) } else { end };
            let (sender, gateway) = self.world.step(next);
            for event in sender {
                if let SenderEvent::LatencyChanged { latency } = event {
                    self.latencies.push(latency);
                }
            }
            let now = self.world.now();
            for event in gateway {
                match event {
                    GatewayEvent::Unit { unit, output, .. } => {
                        let number = number(&unit.payload).expect("unchanged");
                        let out = &mut self.out[usize::from(output.0)];
                        assert!(out.last().is_none_or(|(_, last)| *last < number), "unit {number} at {output:?}");
                        out.push((now, number));
                    }
                    GatewayEvent::SessionOpened { .. } => self.opened.push(now),
                    GatewayEvent::SessionClosed { reason, .. } => self.closed.push((now, reason)),
                    _ => {}
                }
            }
            while let Some(unit) = self.source.poll(self.world.now()).filter(|_| streaming) {
                self.pushed.push(self.world.now());
                self.world.push(unit);
            }
        }
        self
    }

    /// The unit dies and is started anew.
    fn restart_unit(&mut self) {
        let (sender, _) = self.config.ends();
        let now = self.world.now();
        self.world.sender = bondbox_bond::Sender::new(now, sender, 99);
        (0..2).for_each(|link| self.world.sender.add_link(now, LinkId(link), "again"));
    }

    /// Of the units that went in between two times, how many came out.
    fn came_out(&self, output: OutputId, from_ms: u64, to_ms: u64) -> (usize, usize) {
        let within = |at: Instant| (Instant::from_millis(from_ms)..Instant::from_millis(to_ms)).contains(&at);
        let out = &self.out[usize::from(output.0)];
        let out = out.iter().filter(|(_, number)| within(self.pushed[*number as usize])).count();
        (out, self.pushed.iter().filter(|at| within(**at)).count())
    }
}

const RECORDING: OutputId = OutputId(1);

const TWO: &str = "
[[link]]
name = \"a\"
rate_kbps = 6000
delay_ms = 20
jitter_ms = 6
loss_percent = 1
buffer_ms = 500
[[link]]
name = \"b\"
rate_kbps = 4000
delay_ms = 50
jitter_ms = 12
loss_percent = 1
buffer_ms = 500
";

/// The same, dark from 10 s on for two seconds.
fn tunnel() -> String {
    let dark = |link| format!("[[event]]\nat_s = 10\nlink = \"{link}\"\ndo = \"blackhole\"\nfor_s = 2\n");
    format!("{TWO}{}{}", dark("a"), dark("b"))
}

#[test]
fn an_outage_of_two_seconds_costs_the_live_output_and_leaves_the_recording_complete() {
    for (shape, seed) in [(Shape::Constant, 1), (Shape::Frames, 2)] {
        let mut run = Run::new(&tunnel(), seed, shape, Some(Duration::from_secs(5)));
        run.until(21_000);
        let (live, units) = run.came_out(OutputId::LIVE, 5_000, 15_000);
        assert!(live < units, "two seconds of darkness cost a live output of 600 ms something");
        let (recorded, _) = run.came_out(RECORDING, 5_000, 15_000);
        assert_eq!(recorded, units, "{shape:?}, seed {seed}");
        let status = &run.world.gateway.status(run.world.gateway_now())[0];
        assert_eq!((status.longer[0].output, status.longer[0].latency), (RECORDING, Duration::from_secs(5)));
        let (live, longer) = (status.tracks[0].counters, status.longer[0].tracks[0].1);
        assert!(live.lost + live.late > 0 && longer.lost == 0, "{live:?} {longer:?}");
    }
}

#[test]
fn a_session_that_its_unit_closes_puts_out_what_it_has_at_both_outputs() {
    let mut run = Run::new(TWO, 3, Shape::Constant, Some(Duration::from_secs(5)));
    run.until(10_000);
    run.go(10_300, false);
    run.world.sender.close();
    run.go(16_000, false);
    for output in [OutputId::LIVE, RECORDING] {
        let (out, units) = run.came_out(output, 2_000, 10_000);
        assert_eq!(out, units, "{output:?}");
    }
    let (at, reason) = run.closed[0];
    assert_eq!(reason, CloseReason::ByUnit);
    assert!((Instant::from_millis(14_900)..Instant::from_millis(15_200)).contains(&at), "closed at {at:?}");
    assert!(run.world.gateway.status(run.world.gateway_now()).is_empty());
}

#[test]
fn a_unit_that_restarts_is_live_at_once_while_the_recording_of_before_goes_on_to_its_end() {
    let mut run = Run::new(TWO, 4, Shape::Constant, Some(Duration::from_secs(5)));
    run.until(10_000).restart_unit();
    run.until(25_000);
    let numbers = |output: OutputId| run.out[usize::from(output.0)].iter();
    let first_live =
        numbers(OutputId::LIVE).find(|(_, number)| run.pushed[*number as usize] > Instant::from_millis(10_000));
    let (live_at, _) = first_live.expect("live again");
    assert!(*live_at < Instant::from_millis(12_500), "live again at {live_at:?}");
    let (out, units) = run.came_out(RECORDING, 2_000, 9_800);
    assert_eq!(out, units, "what went in before the restart and had the time to go over");
    let (out, units) = run.came_out(RECORDING, 12_000, 19_500);
    assert_eq!(out, units, "what went in after");
    let mut before_end =
        numbers(RECORDING).filter(|(_, number)| run.pushed[*number as usize] < Instant::from_millis(10_000));
    let (last_before, _) = before_end.next_back().expect("recorded");
    let (closed, reason) = run.closed[0];
    assert_eq!(reason, CloseReason::Replaced);
    assert!(run.opened[1] < closed && closed >= *last_before, "{:?} {closed:?} {last_before:?}", run.opened);
}

#[test]
fn a_latency_changes_live_without_a_step_or_a_lost_unit() {
    let mut run = Run::new(TWO, 5, Shape::Constant, None);
    run.until(6_000);
    for (ms, until) in [(1_000, 20_000), (400, 40_000)] {
        let stream = run.world.gateway.status(run.world.gateway_now())[0].stream.clone();
        assert!(run.world.gateway.set_latency(&stream, Duration::from_millis(ms)));
        run.until(until);
        assert_eq!(run.world.sender.status(run.world.now()).latency, Duration::from_millis(ms));
    }
    assert_eq!(run.latencies, [Duration::from_millis(1_000), Duration::from_millis(400)]);
    let delays: Vec<_> = run.out[0]
        .iter()
        .map(|(at, number)| (run.pushed[*number as usize], *at - run.pushed[*number as usize]))
        .filter(|(pushed, _)| *pushed > Instant::from_millis(3_000))
        .collect();
    for pair in delays.windows(2) {
        let [(before, was), (after, is)] = pair else { continue };
        // 50 ms/s, and the grain of the timer.
        let allowed = (*after - *before) / 15 + Duration::from_millis(2);
        assert!(was.abs_diff(*is) <= allowed, "{was:?} became {is:?} within {:?}", *after - *before);
    }
    for (ms, at) in [(600, 5_000), (1_000, 17_000), (400, 36_000)] {
        let (_, delay) = delays.iter().find(|(pushed, _)| *pushed > Instant::from_millis(at)).unwrap();
        assert!(delay.abs_diff(Duration::from_millis(ms)) < Duration::from_millis(12), "{delay:?} at {at} ms");
    }
    let (out, units) = run.came_out(OutputId::LIVE, 3_000, 39_000);
    assert_eq!(out, units);
    // A session that is opened later is told, too.
    run.restart_unit();
    run.until(45_000);
    assert_eq!(run.world.sender.status(run.world.now()).latency, Duration::from_millis(400));
}
