//! Whole scenarios in virtual time.

use std::path::Path;

use bondbox_linksim::model::State;
use bondbox_linksim::{DropReason, Network, Scenario, Way};
use bondbox_units::Instant;

fn shipped(name: &str) -> Scenario {
    Scenario::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name)).unwrap()
}

#[test]
fn the_timeline_happens_at_its_times_however_late_the_caller_comes() {
    let mut network: Network<u64> = Network::new(&shipped("three_lte_blackhole.toml"), 1);
    assert_eq!(network.deadline(), Some(Instant::from_millis(20_000)));
    assert!(network.poll(Instant::from_millis(34_999)).is_none());
    assert_eq!(network.links()[0].state(), State::Blackhole);
    assert_eq!(network.links()[1].state(), State::Up);
    let sent = network.enqueue(Instant::from_millis(34_999), 0, Way::Up, 0, 100);
    assert_eq!(sent, Err(DropReason::Blackhole));
    // Lost or not is the loss process's business; the blackhole is over.
    let sent = network.enqueue(Instant::from_millis(35_000), 0, Way::Up, 0, 100);
    assert!(matches!(sent, Ok(()) | Err(DropReason::Loss)), "{sent:?}");
}

#[test]
fn a_scenario_gives_the_rates_delays_and_losses_it_states() {
    let scenario = shipped("three_lte.toml");
    let mut network: Network<Instant> = Network::new(&scenario, 42);
    let (mut received, mut first) = ([0_u64; 3], [u64::MAX; 3]);
    let mut take = |network: &mut Network<Instant>, now| {
        while let Some(arrival) = network.poll(now) {
            received[arrival.link] += 1_250;
            first[arrival.link] = first[arrival.link].min((arrival.at - arrival.packet).as_micros() as u64);
        }
    };
    // 10 Mbit/s into each for 100 s: more than any carries.
    for millis in 0..100_000 {
        let now = Instant::from_millis(millis);
        for link in 0..3 {
            let _ = network.enqueue(now, link, Way::Up, now, 1_250);
        }
        take(&mut network, now);
    }
    for (link, (kbps, delay_us, loss)) in
        [(6_000, 25_000, 0.01), (4_000, 40_000, 0.02), (3_000, 70_000, 0.03)].into_iter().enumerate()
    {
        let rate_kbps = received[link] as f64 * 8.0 / 100_000.0;
        assert!((rate_kbps / f64::from(kbps) - 1.0).abs() < 0.005, "link {link}: {rate_kbps} kbit/s");
        assert_eq!(first[link], delay_us + 10_000_000 / kbps as u64 + u64::from(10_000_000 % kbps != 0));
        let counters = network.links()[link].up.counters();
        let share = counters.dropped.loss.packets as f64 / counters.offered.packets as f64;
        let bound = 4.0 * scenario.links[link].up.loss.deviation(counters.offered.packets);
        assert!((share - loss).abs() < bound, "link {link}: lost {share}, bound {bound}");
    }
}
