//! Hours of clocks that drift apart, while links come, go and move to farther cells: nothing is late, and nobody sees it.
//!
//! `DRIFT_MINUTES` says how long; `make drift` plays eight hours.

use std::path::Path;
use std::time::Duration;

use bondbox_bond::gateway::GatewayEvent;
use bondbox_linksim::model::Event;
use bondbox_linksim::{Scenario, Way};
use bondbox_sim::{Clocks, Config, Shape, Source, World, number};
use bondbox_units::{Bitrate, Instant, LinkId};

const LINKS: &str = "
[[link]]
name = \"a\"
rate_kbps = 4000
delay_ms = 20
jitter_ms = 5
buffer_ms = 800
[[link]]
name = \"b\"
rate_kbps = 3000
delay_ms = 45
jitter_ms = 8
buffer_ms = 800
[[link]]
name = \"c\"
rate_kbps = 2000
delay_ms = 60
jitter_ms = 8
buffer_ms = 800
";

/// What changes every 20 s, by turns.
type Change = fn(&mut World, u64);

/// Plays so long, and gives the least and the most time from in to out, of all units after the first seconds; and how many
/// did not come out.
fn play(minutes: u64, drift_ppm: i64, change: Change) -> (Duration, Duration, usize) {
    let clocks = Clocks { offset_us: 3_600_000_000, drift_ppm };
    let config = Config { rate: Bitrate::from_kbps(100), clocks, ..Config::default() };
    let scenario = Scenario::parse("inline", LINKS, Path::new(".")).unwrap();
    let (sender, gateway) = config.ends();
    let mut world = World::new(&scenario, 1, sender, gateway, config.clocks);
    let mut source = Source::new(Instant::ZERO, Shape::Constant, config.rate);
    let end = Instant::ZERO + Duration::from_secs(60 * minutes);
    let mut pushed = vec![];
    let (mut least, mut most, mut out, mut from) = (Duration::MAX, Duration::ZERO, 0, None);
    let mut turns = (0_u64.., Instant::from_millis(20_000));
    while world.now() < end + Duration::from_secs(1) {
        let (_, events) = world.step(source.deadline().min(turns.1));
        for event in events {
            let GatewayEvent::Unit { unit, .. } = event else { continue };
            let number = number(&unit.payload).expect("unchanged");
            let at: Instant = pushed[number as usize];
            if at < Instant::from_millis(5_000) {
                continue;
            }
            from.get_or_insert(number);
            out += 1;
            (least, most) = (least.min(world.now() - at), most.max(world.now() - at));
        }
        let now = world.now();
        if now >= turns.1 {
            turns.1 += Duration::from_secs(20);
            change(&mut world, turns.0.next().unwrap_or(0));
        }
        while let Some(unit) = source.poll(now).filter(|_| now < end) {
            pushed.push(now);
            world.push(unit);
        }
    }
    (least, most, pushed.len() - from.unwrap_or(0) as usize - out)
}

/// A link leaves and is back a turn later, the fastest among them, or moves 60 ms away and back.
fn one_by_one(world: &mut World, turn: u64) {
    let now = world.now();
    let link = (turn / 4 % 3) as usize;
    let other = (link + 1) % 3;
    match turn % 4 {
        0 => world.sender.remove_link(now, LinkId(link as u8)),
        1 => world.sender.add_link(now, LinkId(link as u8), "again"),
        2 => set_farther(world, other, 60),
        _ => set_farther(world, other, 0),
    }
}

/// From the first turn on, all links are 60 ms farther away.
fn all_at_once(world: &mut World, turn: u64) {
    if turn == 0 {
        (0..3).for_each(|link| set_farther(world, link, 60));
    }
}

fn set_farther(world: &mut World, link: usize, by_ms: u64) {
    let delay = Duration::from_millis([20, 45, 60][link] + by_ms);
    world.apply(link, Way::Both, Event::Delay(delay));
}

#[test]
fn clocks_that_drift_for_hours_while_links_leave_lose_no_unit_and_keep_the_latency() {
    let minutes = std::env::var("DRIFT_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    for drift_ppm in [-100, 100] {
        let (least, most, lost) = play(minutes, drift_ppm, one_by_one);
        println!("{minutes} minutes at {drift_ppm} ppm: {least:?} to {most:?}, {lost} lost");
        assert_eq!(lost, 0, "{drift_ppm} ppm");
        assert!(most - least <= Duration::from_millis(10), "{drift_ppm} ppm: {least:?} to {most:?}");
    }
}

#[test]
fn links_that_all_move_away_do_not_move_the_output() {
    let (least, most, lost) = play(7, 20, all_at_once);
    println!("{least:?} to {most:?}, {lost} lost");
    assert_eq!(lost, 0);
    assert!(most - least <= Duration::from_millis(5), "{least:?} to {most:?}");
}
