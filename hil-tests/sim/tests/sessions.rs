//! Sessions: who may open one, what ends one, what garbage does to one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bondbox_bond::Identity;
use bondbox_bond::gateway::{CloseReason, GatewayEvent, Route};
use bondbox_bond::sender::{LinkUse, NoSession, SenderEvent, TrackInfo, Trust};
use bondbox_linksim::model::Event;
use bondbox_linksim::{Scenario, Way};
use bondbox_sim::{Clocks, Config, Shape, Source, World, number};
use bondbox_units::{Bitrate, Instant, LinkId, TrackId};
use bondbox_wire::frame::{LinkState, TrackKind};

struct Run {
    world: World,
    source: Source,
    /// Numbers that came out, and when.
    out: Vec<(Instant, u32)>,
    sender_events: Vec<SenderEvent>,
    gateway_events: Vec<GatewayEvent>,
}

impl Run {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { rate: Bitrate::from_kbps(3_000), ..Config::default() };
        change(&mut config);
        let (sender, gateway) = config.ends();
        Self::with(World::new(&three_lte(), 1, sender, gateway, Clocks::default()), &config)
    }

    fn with(world: World, config: &Config) -> Self {
        let source = Source::new(Instant::ZERO, Shape::Constant, config.rate);
        Self { world, source, out: vec![], sender_events: vec![], gateway_events: vec![] }
    }

    fn until(&mut self, ms: u64) -> &mut Self {
        let end = Instant::from_millis(ms);
        while self.world.now() < end {
            let (sender, gateway) = self.world.step(self.source.deadline().min(end));
            self.sender_events.extend(sender);
            for event in gateway {
                match event {
                    GatewayEvent::Unit { unit, .. } => {
                        self.out.push((self.world.now(), number(&unit.payload).expect("unchanged")));
                    }
                    event => self.gateway_events.push(event),
                }
            }
            while let Some(unit) = self.source.poll(self.world.now()) {
                self.world.push(unit);
            }
        }
        self
    }

    fn opened(&self) -> usize {
        self.gateway_events.iter().filter(|event| matches!(event, GatewayEvent::SessionOpened { .. })).count()
    }

    /// Longest time in which nothing came out.
    fn longest_pause(&self) -> Duration {
        self.out.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or(Duration::MAX)
    }
}

fn three_lte() -> Scenario {
    shipped("three_lte")
}

fn shipped(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("toml");
    Scenario::load(&path).unwrap()
}

fn rejected(counters: &bondbox_bond::Rejected) -> Vec<(&'static str, u64)> {
    counters.by_name().filter(|(_, count)| *count > 0).collect()
}

fn route() -> Route {
    Route { remote: SocketAddr::from(([192, 0, 2, 1], 9)), local: None }
}

#[test]
fn a_gateway_that_dies_is_back_on_the_air_within_three_seconds() {
    let mut run = Run::new(|_| {});
    run.until(8_000).world.restart_gateway();
    run.until(16_000);
    assert_eq!(run.opened(), 2);
    assert!(run.longest_pause() <= Duration::from_millis(1_500), "{:?}", run.longest_pause());
    let numbers: Vec<_> = run.out.iter().map(|(_, number)| *number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "no unit came out twice");
}

#[test]
fn a_unit_that_restarts_replaces_its_older_session() {
    let config = Config { rate: Bitrate::from_kbps(3_000), ..Config::default() };
    let (sender, _) = config.ends();
    let mut run = Run::new(|_| {});
    run.until(5_000);
    run.world.sender = bondbox_bond::Sender::new(run.world.now(), sender, 99);
    for link in 0..3 {
        run.world.sender.add_link(run.world.now(), LinkId(link), "again");
    }
    run.until(10_000);
    assert_eq!(run.opened(), 2);
    let closed = run
        .gateway_events
        .iter()
        .any(|event| matches!(event, GatewayEvent::SessionClosed { reason: CloseReason::Replaced, .. }));
    assert!(closed, "{:?}", run.gateway_events);
    assert!(run.longest_pause() <= Duration::from_millis(1_500), "{:?}", run.longest_pause());
}

#[test]
fn a_minute_of_darkness_is_survived_by_the_same_stream() {
    let mut run = Run::new(|_| {});
    run.until(5_000);
    (0..3).for_each(|link| run.world.apply(link, Way::Both, Event::Blackhole));
    run.until(50_000);
    assert!(run.sender_events.contains(&SenderEvent::SessionDark));
    (0..3).for_each(|link| run.world.apply(link, Way::Both, Event::Restore));
    run.until(55_000);
    let back = run.out.iter().find(|(at, _)| *at > Instant::from_millis(50_000)).expect("it came back").0;
    assert!(back <= Instant::from_millis(52_500), "{back}");
    assert!(run.world.gateway.status(run.world.gateway_now()).len() == 1);
}

#[test]
fn two_seconds_of_darkness_do_not_end_a_session() {
    let mut run = Run::new(|_| {});
    run.until(5_000);
    (0..3).for_each(|link| run.world.apply(link, Way::Both, Event::Blackhole));
    run.until(7_000);
    (0..3).for_each(|link| run.world.apply(link, Way::Both, Event::Restore));
    run.until(10_000);
    let told: Vec<_> =
        run.sender_events.iter().filter(|e| matches!(e, SenderEvent::SessionDark | SenderEvent::SessionBack)).collect();
    assert_eq!(told, [&SenderEvent::SessionDark, &SenderEvent::SessionBack]);
    assert_eq!(run.opened(), 1);
}

#[test]
fn links_that_join_and_leave_lose_nothing() {
    let mut run = Run::new(|_| {});
    run.until(4_000);
    run.world.sender.remove_link(run.world.now(), LinkId(0));
    run.until(8_000);
    run.world.sender.add_link(run.world.now(), LinkId(0), "wwan0");
    run.until(12_000);
    run.world.sender.remove_link(run.world.now(), LinkId(1));
    run.until(15_000);
    let links = run.world.gateway.status(run.world.gateway_now())[0].links.clone();
    assert_eq!(links.iter().map(|link| link.link).collect::<Vec<_>>(), [LinkId(0), LinkId(2)], "who left is not shown");
    let numbers: Vec<_> = run.out.iter().map(|(_, number)| *number).collect();
    let first = numbers[0];
    assert!(numbers.iter().zip(first..).all(|(number, expected)| *number == expected), "no gap, no repeat");
    assert!(run.world.wire[0].up_packets > 1_000);
}

#[test]
fn a_unit_that_closes_is_gone_when_all_that_came_is_out_and_opens_no_other_session() {
    let mut run = Run::new(|_| {});
    run.until(4_000).world.sender.close();
    let closed = |run: &Run| {
        let by_unit =
            |event: &GatewayEvent| matches!(event, GatewayEvent::SessionClosed { reason: CloseReason::ByUnit, .. });
        run.gateway_events.iter().any(by_unit)
    };
    run.until(4_300);
    assert!(!closed(&run) && run.world.gateway.status(run.world.gateway_now())[0].ending);
    run.until(4_700);
    assert!(closed(&run), "{:?}", run.gateway_events);
    let (last, _) = *run.out.last().unwrap();
    assert!(last >= Instant::from_millis(4_500), "the last came out at {last:?}, 600 ms after it went in");
    run.until(8_000);
    assert_eq!(run.opened(), 1);
}

#[test]
fn a_gateway_with_another_key_gets_no_session_and_is_named() {
    let config = Config::default();
    let (mut sender, gateway) = config.ends();
    sender.gateway = Trust::Pinned(Identity::generate().public());
    let mut run = Run::with(World::new(&three_lte(), 1, sender, gateway, Clocks::default()), &config);
    run.until(3_000);
    assert_eq!(run.opened(), 0);
    assert!(run.world.sender.rejected().wrong_gateway >= 1);
    assert!(run.sender_events.contains(&SenderEvent::HandshakeFailed(NoSession::OtherKey)));
}

#[test]
fn a_unit_whose_key_is_not_pinned_gets_no_session_is_counted_and_told() {
    let config = Config::default();
    let (mut sender, gateway) = config.ends();
    sender.identity = Arc::new(Identity::generate());
    let mut run = Run::with(World::new(&three_lte(), 1, sender, gateway, Clocks::default()), &config);
    run.until(5_000);
    assert_eq!(run.opened(), 0);
    let counters = rejected(run.world.gateway.rejected());
    assert!(counters.iter().any(|(name, _)| *name == "unknown_unit"), "{counters:?}");
    assert!(run.sender_events.contains(&SenderEvent::HandshakeFailed(NoSession::UnknownUnit)));
}

#[test]
fn a_revoked_unit_is_off_at_once_and_stays_off() {
    let mut run = Run::new(|_| {});
    run.until(4_000).world.gateway.set_units(vec![]);
    run.until(4_700);
    let out = run.out.len();
    run.until(9_000);
    assert_eq!(run.out.len(), out);
    let revoked = run
        .gateway_events
        .iter()
        .any(|event| matches!(event, GatewayEvent::SessionClosed { reason: CloseReason::Revoked, .. }));
    assert!(revoked);
}

#[test]
fn garbage_versions_of_the_future_and_replays_are_counted_by_name_and_change_nothing() {
    let mut run = Run::new(|_| {});
    run.until(3_000);
    let now = run.world.gateway_now();
    let mut noise: u64 = 0x5eed;
    for len in 0..1_500 {
        let mut garbage: Vec<u8> = (0..len)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (noise >> 33) as u8
            })
            .collect();
        run.world.gateway.handle_datagram(now, route(), &mut garbage.clone());
        run.world.sender.handle_datagram(run.world.now(), LinkId(0), &mut garbage);
    }
    let mut future = [0; 100];
    future[..2].copy_from_slice(&[0x60, 2]);
    run.world.gateway.handle_datagram(now, route(), &mut future);
    run.until(8_000);
    let counters = run.world.gateway.rejected();
    assert!(
        counters.wrong_version >= 1 && counters.unknown_kind > 1_000 && counters.truncated >= 1,
        "{:?}",
        rejected(counters)
    );
    assert_eq!(run.opened(), 1);
    let numbers: Vec<_> = run.out.iter().map(|(_, number)| *number).collect();
    assert!(numbers.iter().zip(numbers[0]..).all(|(number, expected)| *number == expected));
}

#[test]
fn a_replayed_capture_does_nothing() {
    let config = Config { rate: Bitrate::from_kbps(1_000), ..Config::default() };
    let (sender, gateway) = config.ends();
    let mut run = Run::with(World::new(&three_lte(), 1, sender, gateway, Clocks::default()), &config);
    run.world.record();
    run.until(3_000);
    let capture = run.world.take_recording();
    assert!(capture.len() > 200);
    let before = run.opened();
    for datagram in &capture {
        let now = run.world.gateway_now();
        run.world.gateway.handle_datagram(now, route(), &mut datagram.clone());
    }
    run.until(6_000);
    let counters = rejected(run.world.gateway.rejected());
    assert!(run.world.gateway.rejected().replayed as usize > 200, "{counters:?}");
    assert_eq!(run.opened(), before);
    // Nothing went to where the replay came from but answers to its handshake: the path did not move.
    let numbers: Vec<_> = run.out.iter().map(|(_, number)| *number).collect();
    assert!(numbers.iter().zip(numbers[0]..).all(|(number, expected)| *number == expected));
}

#[test]
fn the_gateway_learns_what_the_tracks_are_and_how_the_links_do() {
    let info = TrackInfo {
        track: TrackId(0),
        kind: TrackKind::H264,
        width: 640,
        height: 360,
        rate: 25_000,
        channels: 0,
        label: "test pattern".into(),
    };
    let mut run = Run::new(|_| {});
    run.world.sender.set_track(info.clone());
    run.until(4_000);
    let told = run
        .gateway_events
        .iter()
        .filter(|event| matches!(event, GatewayEvent::Track { info: told, .. } if *told == info));
    assert_eq!(told.count(), 1);
    let status = &run.world.gateway.status(run.world.gateway_now())[0];
    assert_eq!(status.tracks[0].info.as_ref(), Some(&info));
    let names: Vec<_> = status.links.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["wwan0", "wwan1", "wwan2"]);
    assert!(status.encoder.is_some_and(|encoder| encoder.actual.as_bps() > 2_500_000), "{:?}", status.encoder);
    let delay = status.links[0].delay;
    assert!((20..80).contains(&delay.as_millis()), "one way over wwan0: {delay:?}");
}

#[test]
fn a_unit_that_finds_its_modems_late_opens_as_soon_as_one_is_there() {
    let config = Config { rate: Bitrate::from_kbps(1_000), ..Config::default() };
    let (sender, gateway) = config.ends();
    let mut run = Run::with(World::new(&three_lte(), 1, sender, gateway, Clocks::default()), &config);
    (0..3).for_each(|link| run.world.sender.remove_link(Instant::ZERO, LinkId(link)));
    run.until(2_900);
    run.world.sender.add_link(run.world.now(), LinkId(0), "wwan0");
    run.until(3_200);
    assert_eq!(run.opened(), 1, "two round trips of 50 ms after the link came");
}

#[test]
fn a_datagram_over_ipv6_takes_twenty_bytes_more_of_its_link() {
    let config = Config { rate: Bitrate::from_kbps(5_000), ..Config::default() };
    let (sender, gateway) = config.ends();
    let world = World::new(&shipped("families"), 1, sender, gateway, Clocks::default());
    let mut run = Run::with(world, &config);
    run.until(5_000);
    let status = run.world.sender.status(run.world.now());
    for (link, headers) in [(0, 28), (1, 48), (2, 48)] {
        let said = &status.links[link];
        assert!(said.packets_sent > 100, "{said:?}");
        // What is under way at the end is neither.
        assert!(said.packets_delivered > 100, "{said:?}");
        assert!(said.packets_delivered + said.packets_lost <= said.packets_sent, "{said:?}");
        assert_eq!(run.world.wire[link].up_bytes, said.bytes_sent + headers * said.packets_sent, "link {link}");
    }
}

#[test]
fn a_link_with_nothing_to_carry_is_not_taken_for_silent_by_what_was_too_large_for_it() {
    let mut run = near_and_far(1_000);
    let mut lost = None;
    for at in (1_000..12_000).step_by(20) {
        run.until(at);
        let far = &run.world.sender.status(run.world.now()).links[1];
        assert_eq!(far.state, LinkState::Up, "after {at} ms: {far:?}");
        assert_eq!(*lost.get_or_insert(far.packets_lost), far.packets_lost, "after {at} ms: {far:?}");
    }
    let dropped = run.world.network.links()[1].up.counters().dropped.too_big.packets;
    assert!(dropped >= 10, "{dropped} datagrams were too large");
}

#[test]
fn a_far_link_that_joins_does_not_keep_a_near_one_from_being_answered() {
    let mut run = near_and_far(1_500);
    for at in (100..2_000).step_by(5) {
        run.until(at);
        let near = &run.world.sender.status(run.world.now()).links[0];
        assert_eq!(near.state, LinkState::Up, "after {at} ms: {near:?}");
        assert_eq!(near.packets_lost, 0, "after {at} ms: {near:?}");
    }
}

#[test]
fn a_bad_link_that_joins_two_good_ones_takes_nothing_from_the_stream() {
    for seed in 1..6 {
        let config = Config { rate: Bitrate::from_kbps(6_000), ..Config::default() };
        let (sender, gateway) = config.ends();
        let world = World::new(&shipped("two_good_one_awful"), seed, sender, gateway, Clocks::default());
        let mut run = Run::with(world, &config);
        run.world.sender.remove_link(Instant::ZERO, LinkId(2));
        run.until(15_000);
        assert_eq!(run.world.wire[2].up_arrived, 0);
        run.world.sender.add_link(run.world.now(), LinkId(2), "awful");
        run.until(40_000);
        assert!(run.world.wire[2].up_arrived > 20, "seed {seed}: it was used");
        let numbers: Vec<_> = run.out.iter().map(|(_, number)| *number).collect();
        let from_10_s = numbers.iter().skip_while(|number| **number < numbers[numbers.len() / 4]);
        let missing = from_10_s.clone().zip(from_10_s.skip(1)).filter(|(a, b)| *a + 1 != **b).count();
        assert_eq!(missing, 0, "seed {seed}");
    }
}

#[test]
fn a_cap_that_comes_amid_a_stream_holds_from_then_on() {
    let mut run = Run::new(|_| {});
    run.until(20_000);
    assert!(run.world.wire[0].up_bytes > 4_000_000, "{:?}", run.world.wire[0]);
    let cap = Bitrate::from_kbps(500);
    run.world.sender.set_link_use(LinkId(0), LinkUse { cap: Some(cap), ..LinkUse::default() });
    let before = run.until(21_000).world.wire[0].up_bytes;
    let after = run.until(41_000).world.wire[0].up_bytes;
    assert!(after - before <= cap.bytes_in(Duration::from_secs(20)) * 102 / 100, "{} bytes in 20 s", after - before);
}

#[test]
fn a_session_without_a_stream_keeps_every_link_open_in_a_carriers_nat() {
    let (sender, gateway) = Config::default().ends();
    let mut world = World::new(&three_lte(), 1, sender, gateway, Clocks::default());
    let to = |world: &mut World, ms| {
        while world.now() < Instant::from_millis(ms) {
            world.step(Instant::from_millis(ms));
        }
    };
    to(&mut world, 3_000);
    world.record();
    for at in (3_000..30_000).step_by(1_100) {
        let before = world.wire.iter().map(|wire| wire.up_packets).collect::<Vec<_>>();
        to(&mut world, at + 1_100);
        let spoke = world.wire.iter().zip(before).all(|(wire, before)| wire.up_packets > before);
        assert!(spoke, "a link was quiet for 1.1 s from {at} ms on");
    }
    let least = world.take_recording().iter().map(Vec::len).min();
    assert!(least >= Some(32), "a datagram of {least:?} bytes");
}

/// A stream that one of two links carries, the other being farther away and taking datagrams of `mtu` bytes of IP.
fn near_and_far(mtu: usize) -> Run {
    let link = |name, delay, mtu| {
        format!(
            "[[link]]\nname = \"{name}\"\nrate_kbps = 6000\ndelay_ms = {delay}\nbuffer_ms = 500\nmtu_bytes = {mtu}\n"
        )
    };
    let text = link("near", 20, 1_500) + &link("far", 120, mtu);
    let scenario = Scenario::parse("inline", &text, Path::new(".")).unwrap();
    let config = Config { rate: Bitrate::from_kbps(300), ..Config::default() };
    let (sender, gateway) = config.ends();
    Run::with(World::new(&scenario, 1, sender, gateway, Clocks::default()), &config)
}
