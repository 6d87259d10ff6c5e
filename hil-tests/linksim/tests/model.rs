//! Laws of the model that hold for any settings and any traffic.

use std::time::Duration;

use bondbox_linksim::model::{
    Buffer, Direction, DirectionConfig, DropReason, Event, Loss, Outages, Rate, RateStep, State, Walk,
};
use bondbox_units::{Bitrate, Instant};
use proptest::prelude::*;

/// What a test does to a direction, `after` the step before.
#[derive(Clone, Debug)]
struct Step {
    after: Duration,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Send(usize),
    Poll,
    Happen(Event),
}

/// Settings of every kind, and a seed.
fn any_direction() -> impl Strategy<Value = (DirectionConfig, u64)> {
    let rate = (0_u8..3, 100_u64..20_000, 1_u64..3_000).prop_map(|(kind, kbps, at_ms)| {
        let start = Bitrate::from_kbps(kbps);
        let step = |at_ms, rate| RateStep { at: Instant::from_millis(at_ms), rate };
        match kind {
            0 => Rate::Fixed(start),
            1 => Rate::Steps { start, steps: vec![step(at_ms, Bitrate::ZERO), step(at_ms + 300, start.scaled(0.5))] },
            _ => {
                let walk = Walk::new(start, start.scaled(0.5), start.scaled(2.0), Duration::from_millis(50), 20.0);
                Rate::Walk(walk.expect("the walls are around the start"))
            }
        }
    });
    let buffer = prop_oneof![
        (1_000_u64..100_000).prop_map(Buffer::Bytes),
        (10_u64..2_000).prop_map(|ms| Buffer::Time(Duration::from_millis(ms)))
    ];
    let outages = proptest::option::of(Just(
        Outages::new(Duration::from_millis(700), Duration::from_millis(50), Duration::from_millis(400))
            .expect("the range is in order"),
    ));
    let path = (0_u64..200, 0_u64..60, any::<bool>(), 0.0..40.0, 1.0..8.0, proptest::option::of(500_usize..1_500));
    (rate, buffer, outages, path, any::<u64>()).prop_map(
        |(rate, buffer, outages, (delay_ms, jitter_ms, reorder, loss, burst, mtu_bytes), seed)| {
            let config = DirectionConfig {
                rate,
                outages,
                buffer,
                delay: Duration::from_millis(delay_ms),
                jitter: Duration::from_millis(jitter_ms),
                reorder,
                loss: Loss::bursts(loss, burst).expect("40 % is possible from one packet on"),
                mtu_bytes,
                delay_steps: Vec::new(),
            };
            (config, seed)
        },
    )
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let action = prop_oneof![
        20 => (40_usize..1_500).prop_map(Action::Send),
        5 => Just(Action::Poll),
        1 => prop_oneof![
            Just(Event::Cut),
            Just(Event::Blackhole),
            Just(Event::Restore),
            Just(Event::NatRebind),
            (0_u64..5_000).prop_map(|kbps| Event::Rate(Bitrate::from_kbps(kbps))),
            (0_u64..300).prop_map(|ms| Event::Delay(Duration::from_millis(ms))),
        ].prop_map(Action::Happen),
    ];
    let step = (0_u64..8_000, action).prop_map(|(us, action)| Step { after: Duration::from_micros(us), action });
    proptest::collection::vec(step, 1..400)
}

/// Runs the steps and then, where the link is not dead for good, everything out of it. Gives arrivals.
fn run(
    direction: &mut Direction<usize>,
    steps: &[Step],
    poll_between: bool,
    mut check: impl FnMut(&Direction<usize>),
) -> Vec<(Instant, usize)> {
    let (mut now, mut arrived) = (Instant::ZERO, Vec::new());
    for (index, step) in steps.iter().enumerate() {
        now += step.after;
        match step.action {
            Action::Send(size) => drop(direction.enqueue(now, index, size)),
            Action::Happen(event) => direction.apply(now, event),
            Action::Poll if poll_between => arrived.extend(std::iter::from_fn(|| direction.poll_timed(now))),
            Action::Poll => {}
        }
        check(direction);
    }
    direction.apply(now, Event::Rate(Bitrate::from_kbps(50_000)));
    while let Some(deadline) = direction.deadline() {
        arrived.extend(std::iter::from_fn(|| direction.poll_timed(deadline)));
        check(direction);
    }
    arrived
}

proptest! {
    #[test]
    fn nothing_is_lost_without_a_reason((config, seed) in any_direction(), steps in any_steps()) {
        let mut direction = Direction::new(&config, seed);
        let arrived = run(&mut direction, &steps, true, |direction| {
            let (count, held) = (direction.counters(), direction.held());
            let dropped = count.dropped.total();
            assert_eq!(count.offered.packets, count.delivered.packets + dropped.packets + held.packets);
            assert_eq!(count.offered.bytes, count.delivered.bytes + dropped.bytes + held.bytes);
        });
        prop_assert_eq!(arrived.len() as u64, direction.counters().delivered.packets);
        prop_assert_eq!(direction.held().packets, 0, "a link that drains gives everything back");
    }

    #[test]
    fn packets_arrive_in_time_order_and_unless_asked_in_the_order_sent(
        (config, seed) in any_direction(), steps in any_steps()
    ) {
        let arrived = run(&mut Direction::new(&config, seed), &steps, true, |_| {});
        prop_assert!(arrived.is_sorted_by_key(|&(at, _)| at));
        if !config.reorder {
            prop_assert!(arrived.is_sorted_by_key(|&(_, packet)| packet));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_fate_however_often_it_is_polled(
        (config, seed) in any_direction(), steps in any_steps()
    ) {
        let often = run(&mut Direction::new(&config, seed), &steps, true, |_| {});
        let rarely = run(&mut Direction::new(&config, seed), &steps, false, |_| {});
        prop_assert_eq!(often, rarely);
    }

    #[test]
    fn a_fixed_rate_is_exact(kbps in 64_u64..200_000, sizes in proptest::collection::vec(40_usize..1_500, 1..200)) {
        let rate = Bitrate::from_kbps(kbps);
        let config = DirectionConfig { rate: Rate::Fixed(rate), buffer: Buffer::Bytes(u64::MAX), ..Default::default() };
        let mut direction = Direction::new(&config, 0);
        for &size in &sizes {
            direction.enqueue(Instant::ZERO, (), size).unwrap();
        }
        let mut last = Instant::ZERO;
        while let Some(deadline) = direction.deadline() {
            while let Some((at, ())) = direction.poll_timed(deadline) {
                last = at;
            }
        }
        let bits = 8_000_000 * sizes.iter().sum::<usize>() as u64;
        prop_assert_eq!(last, Instant::from_micros(bits.div_ceil(rate.as_bps())));
    }
}

fn fixed(kbps: u64) -> DirectionConfig {
    DirectionConfig { rate: Rate::Fixed(Bitrate::from_kbps(kbps)), ..Default::default() }
}

/// All arrivals until nothing more comes.
fn drain<T>(direction: &mut Direction<T>) -> Vec<(Instant, T)> {
    let mut arrived = Vec::new();
    while let Some(deadline) = direction.deadline() {
        arrived.extend(std::iter::from_fn(|| direction.poll_timed(deadline)));
    }
    arrived
}

#[test]
fn one_packet_takes_its_own_time_and_the_delay() {
    let mut direction = Direction::new(&DirectionConfig { delay: Duration::from_millis(25), ..fixed(8_000) }, 0);
    direction.enqueue(Instant::from_millis(100), 'a', 1_000).unwrap();
    assert_eq!(direction.poll(Instant::from_micros(125_999)), None);
    assert_eq!(direction.deadline(), Some(Instant::from_millis(126)));
    assert_eq!(direction.poll(Instant::from_millis(126)), Some('a'));
    assert_eq!(direction.deadline(), None);
}

#[test]
fn a_buffer_in_time_follows_the_rate() {
    let steps = vec![RateStep { at: Instant::from_millis(1_000), rate: Bitrate::from_kbps(800) }];
    let rate = Rate::Steps { start: Bitrate::from_kbps(8_000), steps };
    let config =
        DirectionConfig { rate, buffer: Buffer::Time(Duration::from_millis(100)), ..DirectionConfig::default() };
    let mut direction = Direction::new(&config, 0);
    let fill =
        |direction: &mut Direction<()>, at| (0..200).filter(|_| direction.enqueue(at, (), 1_000).is_ok()).count();
    // 100 ms are 100 kB at 8 Mbit/s, and 10 kB at a tenth of it.
    assert_eq!(fill(&mut direction, Instant::from_millis(500)), 100);
    assert_eq!(direction.queue_delay(), Duration::from_millis(100));
    assert_eq!(fill(&mut direction, Instant::from_millis(2_000)), 10);
    assert_eq!(direction.enqueue(Instant::from_millis(2_000), (), 1_000), Err(DropReason::BufferFull));
    assert_eq!(direction.counters().dropped.buffer_full.packets, 100 + 190 + 1);
}

#[test]
fn an_empty_buffer_takes_a_packet_of_any_size() {
    let mut direction = Direction::new(&DirectionConfig { buffer: Buffer::Bytes(10), ..fixed(1_000) }, 0);
    assert_eq!(direction.enqueue(Instant::ZERO, (), 1_000), Ok(()));
    assert_eq!(direction.enqueue(Instant::ZERO, (), 1_000), Err(DropReason::BufferFull));
}

#[test]
fn an_outage_holds_packets_and_then_lets_them_burst() {
    let outages = Outages::new(Duration::from_secs(10), Duration::from_millis(400), Duration::from_millis(400));
    let mut direction = Direction::new(&DirectionConfig { outages, ..fixed(8_000) }, 4);
    // A tenth of the rate: without outages nothing would ever wait.
    let mut delays = Vec::new();
    for millis in (0..100_000).step_by(10) {
        let now = Instant::from_millis(millis);
        delays.extend(std::iter::from_fn(|| direction.poll_timed(now)).map(|(at, sent)| at - sent));
        assert_eq!(direction.enqueue(now, now, 1_000), Ok(()), "held, not dropped, at {now}");
    }
    delays.extend(drain(&mut direction).into_iter().map(|(at, sent)| at - sent));
    let longest = delays.iter().max().unwrap();
    assert!((Duration::from_millis(380)..Duration::from_millis(500)).contains(longest), "{longest:?}");
    let late = delays.iter().filter(|&&delay| delay > Duration::from_millis(2)).count();
    // About ten outages, each with the forty packets sent in it and a few in its wake.
    assert!((200..700).contains(&late), "{late} of 10000");
}

#[test]
fn a_cut_and_a_blackhole_take_what_is_under_way_and_a_restore_starts_empty() {
    for (event, state, reason) in
        [(Event::Cut, State::Cut, DropReason::Cut), (Event::Blackhole, State::Blackhole, DropReason::Blackhole)]
    {
        let mut direction = Direction::new(&DirectionConfig { delay: Duration::from_millis(20), ..fixed(8_000) }, 0);
        for packet in 0..30 {
            direction.enqueue(Instant::ZERO, packet, 1_000).unwrap();
        }
        // At 24.5 ms four have arrived, twenty fly, six wait, and nobody has polled.
        let now = Instant::from_micros(24_500);
        direction.apply(now, event);
        assert_eq!(direction.state(), state);
        assert_eq!(direction.enqueue(now, 99, 1_000), Err(reason));
        assert_eq!(drain(&mut direction).into_iter().map(|(_, packet)| packet).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(direction.counters().dropped.total().packets, 27);
        direction.apply(Instant::from_millis(100), Event::Restore);
        direction.enqueue(Instant::from_millis(100), 7, 1_000).unwrap();
        assert_eq!(drain(&mut direction), [(Instant::from_millis(121), 7)]);
    }
}

#[test]
fn a_shorter_path_lets_no_packet_overtake() {
    let mut direction = Direction::new(&DirectionConfig { delay: Duration::from_millis(100), ..fixed(8_000) }, 0);
    direction.enqueue(Instant::ZERO, 'a', 1_000).unwrap();
    direction.apply(Instant::from_millis(10), Event::Delay(Duration::from_millis(5)));
    direction.enqueue(Instant::from_millis(10), 'b', 1_000).unwrap();
    assert_eq!(drain(&mut direction), [(Instant::from_millis(101), 'a'), (Instant::from_millis(101), 'b')]);
}

#[test]
fn a_rate_event_applies_to_what_already_waits() {
    let mut direction = Direction::new(&fixed(8_000), 0);
    for packet in 0..3 {
        direction.enqueue(Instant::ZERO, packet, 1_000).unwrap();
    }
    // Half of the second packet is through; the other half takes ten times as long.
    direction.apply(Instant::from_micros(1_500), Event::Rate(Bitrate::from_kbps(800)));
    let arrivals: Vec<u64> = drain(&mut direction).into_iter().map(|(at, _)| at.as_micros()).collect();
    assert_eq!(arrivals, [1_000, 6_500, 16_500]);
}

#[test]
fn large_packets_vanish_and_small_ones_pass() {
    let mut direction = Direction::new(&DirectionConfig { mtu_bytes: Some(1_000), ..fixed(8_000) }, 0);
    assert_eq!(direction.enqueue(Instant::ZERO, (), 1_001), Err(DropReason::TooBig));
    assert_eq!(direction.enqueue(Instant::ZERO, (), 1_000), Ok(()));
}
