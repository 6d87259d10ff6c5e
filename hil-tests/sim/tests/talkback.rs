//! Talkback beside a stream: 64 kbit/s of sound to the unit, over the same bad links.

use std::path::Path;
use std::time::Duration;

use bondbox_bond::gateway::GatewayEvent;
use bondbox_bond::sender::{SenderEvent, Unit};
use bondbox_linksim::Scenario;
use bondbox_sim::{Config, Source, World, number, payload};
use bondbox_units::{Bitrate, Instant, Priority, TrackId};

/// What became of both directions.
#[derive(Debug, Default)]
struct Both {
    /// Units of sound pushed, and of these, those that came out.
    sound: (u32, u32),
    /// How much later than agreed the latest came out.
    worst: Duration,
    stream: (u32, u32),
}

impl Both {
    fn share(&self) -> f64 {
        100.0 * f64::from(self.sound.1) / f64::from(self.sound.0)
    }
}

fn play(scenario: &str, seed: u64, rate: Bitrate) -> Both {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(scenario).with_extension("toml");
    let config = Config { rate, ..Config::default() };
    let (sender, gateway) = config.ends();
    let return_latency = sender.return_latency;
    let mut world = World::new(&Scenario::load(&path).unwrap(), seed, sender, gateway, config.clocks);
    let mut source = Source::new(Instant::ZERO, config.shape, config.rate);
    let (mut both, mut pushed, mut next) = (Both::default(), vec![], Instant::from_millis(5_000));
    let (end, mut last) = (Instant::from_millis(60_000), None);
    while world.now() < end + Duration::from_secs(2) {
        let streaming = world.now() < end;
        let until = if streaming { source.deadline().min(next) } else { end + Duration::from_secs(2) };
        let (events, gateway_events) = world.step(until);
        for event in events {
            let SenderEvent::Unit(unit) = event else { continue };
            let number = number(&unit.payload).expect("a whole unit");
            assert_eq!(unit.payload, payload(number, 160), "altered");
            assert!(last.replace(number).is_none_or(|last| last < number), "doubled or out of order");
            both.sound.1 += 1;
            both.worst = both.worst.max(world.now() - (pushed[number as usize] + return_latency));
        }
        both.stream.1 +=
            gateway_events.iter().filter(|event| matches!(event, GatewayEvent::Unit { .. })).count() as u32;
        while let Some(unit) = source.poll(world.now()).filter(|_| streaming) {
            both.stream.0 += 1;
            world.push(unit);
        }
        if world.now() >= next && streaming {
            next += Duration::from_millis(20);
            let now = world.gateway_now();
            let stream = world.gateway.status(now)[0].stream.clone();
            let unit = Unit::datagram(TrackId(0), Priority::Reference, payload(both.sound.0, 160));
            world.gateway.push(now, &stream, unit).expect("there is room");
            pushed.push(world.now());
            both.sound.0 += 1;
        }
    }
    both
}

#[test]
fn sound_comes_whole_over_lte_links_beside_the_stream() {
    for seed in 1..4 {
        let both = play("three_lte", seed, Bitrate::from_kbps(8_000));
        assert!(both.share() >= 99.9, "seed {seed}: {both:?}");
        assert!(both.worst <= Duration::from_millis(20), "seed {seed}: {both:?}");
        assert!(both.stream.1 * 1_000 >= both.stream.0 * 999, "seed {seed}: {both:?}");
    }
}

#[test]
fn a_link_that_swallows_everything_costs_little_sound() {
    for seed in 1..4 {
        let both = play("three_lte_blackhole", seed, Bitrate::from_kbps(6_000));
        assert!(both.share() >= 99.5, "seed {seed}: {both:?}");
    }
}

#[test]
fn links_that_lose_a_sixth_on_the_way_back_lose_hardly_any_sound() {
    for seed in 1..4 {
        let both = play("feedback_loss", seed, Bitrate::from_kbps(6_000));
        assert!(both.share() >= 99.5, "seed {seed}: {both:?}");
    }
}
