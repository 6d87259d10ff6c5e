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

fn inline(text: &str) -> Scenario {
    Scenario::parse("inline", text, Path::new(".")).unwrap()
}

#[test]
fn links_of_one_cell_share_its_rate_and_wait_for_each_other() {
    let link = |name: &str, delay_ms: u64| {
        format!("[[link]]\nname = \"{name}\"\nrate_kbps = 8000\ndelay_ms = {delay_ms}\ncell = \"tower\"\n")
    };
    let cell = "[[cell]]\nname = \"tower\"\nrate_kbps = 8000\nbuffer_ms = 500\n";
    let alone = "[[link]]\nname = \"c\"\nrate_kbps = 8000\ndelay_ms = 10\n";
    let mut network: Network<Instant> =
        Network::new(&inline(&[&link("a", 10), &link("b", 30), alone, cell].concat()), 1);
    // Each link alone carries 10 s of 6 Mbit/s with ease; two of them are too much for their cell.
    let (mut arrived, mut latest) = ([0_u64; 3], [0_u64; 3]);
    for millis in 0..10_000 {
        let now = Instant::from_millis(millis);
        for link in 0..3 {
            network.enqueue(now, link, Way::Up, now, 750).unwrap();
        }
        while let Some(arrival) = network.poll(now) {
            arrived[arrival.link] += 750;
            latest[arrival.link] = latest[arrival.link].max((arrival.at - arrival.packet).as_millis() as u64);
        }
    }
    let kbps = arrived.map(|bytes| bytes * 8 / 10_000);
    assert!((7_500..=8_000).contains(&(kbps[0] + kbps[1])), "{kbps:?}");
    // Packets that come in step find a full buffer unequally often; both pass.
    assert!(kbps[0].min(kbps[1]) > 1_000 && kbps[2] > 5_950, "{kbps:?}");
    assert!(latest[0].abs_diff(511) <= 2 && latest[1].abs_diff(531) <= 2 && latest[2] <= 12, "{latest:?}");
}

#[test]
fn a_modem_that_is_out_is_out_both_ways() {
    let link = "[[link]]\nname = \"a\"\nrate_kbps = 8000\ndelay_ms = 10\nbuffer_ms = 10000\n\
                outages = { mean_interval_s = 5, min_ms = 1000, max_ms = 3000 }\n";
    let mut network: Network<()> = Network::new(&inline(link), 3);
    let mut out = 0;
    for millis in 0..60_000 {
        let now = Instant::from_millis(millis);
        for way in [Way::Up, Way::Down] {
            network.enqueue(now, 0, way, (), 100).unwrap();
        }
        while network.poll(now).is_some() {}
        let [up, down] = [&network.links()[0].up, &network.links()[0].down].map(|way| way.rate());
        assert_eq!(up, down, "at {now}");
        out += u32::from(up.as_bps() == 0);
    }
    assert!((5_000..30_000).contains(&out), "out for {out} ms of a minute");
}
