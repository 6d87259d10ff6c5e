use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::*;
use crate::Way;
use crate::model::{Buffer, Event, Family, Loss, Rate};

fn parse(text: &str) -> Result<Scenario, String> {
    Scenario::parse("test", text, Path::new(""))
}

/// A link with these further lines.
fn refusal(lines: &str) -> String {
    let text = format!("[[link]]\nname = \"a\"\nrate_kbps = 1000\ndelay_ms = 10\n{lines}");
    parse(&text).expect_err(lines)
}

#[test]
fn every_shipped_scenario_can_be_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert!(!scenario.description.is_empty(), "{} says nothing about itself", scenario.name);
            names.push(scenario.name);
        }
    }
    for name in ["clean", "three_lte", "demo", "three_lte_blackhole", "lossy_handshake"] {
        assert!(names.iter().any(|there| there == name), "{name} is missing");
    }
}

#[test]
fn a_direction_overrides_what_the_link_says() {
    let scenario = parse(
        r#"
        [[link]]
        name = "wwan0"
        rate_kbps = 6000
        delay_ms = 12.5
        buffer_ms = 300
        walk = { min_kbps = 1000, max_kbps = 9000, step_ms = 100, step_percent = 5 }
        [link.down]
        rate_kbps = 20000
        buffer_bytes = 50000
        steps = [{ at_s = 1.5, rate_kbps = 10 }]
        loss_percent = 3
        burst_packets = 4
        "#,
    )
    .unwrap();
    let link = &scenario.links[0];
    assert_eq!(link.up.delay, Duration::from_micros(12_500));
    assert_eq!(link.up.buffer, Buffer::Time(Duration::from_millis(300)));
    assert!(matches!(link.up.rate, Rate::Walk(_)));
    assert_eq!(link.up.loss, Loss::NONE);
    assert_eq!(link.down.delay, Duration::from_micros(12_500));
    assert_eq!(link.down.buffer, Buffer::Bytes(50_000));
    let Rate::Steps { start, steps } = &link.down.rate else { panic!("{:?}", link.down.rate) };
    assert_eq!((*start, steps[0].at), (Bitrate::from_kbps(20_000), Instant::from_millis(1_500)));
    assert_eq!(Some(link.down.loss), Loss::bursts(3.0, 4.0));
}

#[test]
fn an_event_that_lasts_is_followed_by_its_end() {
    let scenario = parse(
        r#"
        [[link]]
        name = "a"
        rate_kbps = 1
        delay_ms = 0
        [[event]]
        at_s = 20
        link = "a"
        do = "rate"
        rate_kbps = 5
        way = "up"
        [[event]]
        at_s = 10
        link = "a"
        do = "blackhole"
        for_s = 2.5
        "#,
    )
    .unwrap();
    let seen: Vec<_> = scenario.events.iter().map(|e| (e.at.as_micros() / 1_000, e.way, e.event)).collect();
    assert_eq!(
        seen,
        [
            (10_000, Way::Both, Event::Blackhole),
            (12_500, Way::Both, Event::Restore),
            (20_000, Way::Up, Event::Rate(Bitrate::from_kbps(5))),
        ]
    );
}

#[test]
fn a_link_has_addresses_of_the_families_it_names_and_of_ipv4_when_it_names_none() {
    let scenario = parse(
        r#"
        [[link]]
        name = "a"
        rate_kbps = 1
        delay_ms = 0
        [[link]]
        name = "b"
        families = ["ipv6", "ipv4"]
        rate_kbps = 1
        delay_ms = 0
        [[event]]
        at_s = 1
        link = "b"
        do = "blackhole"
        family = "ipv6"
        for_s = 2
        "#,
    )
    .unwrap();
    assert_eq!(scenario.links[0].families, [Family::Ipv4]);
    assert_eq!(scenario.links[1].families, [Family::Ipv6, Family::Ipv4]);
    assert_eq!([0, 1].map(|link| scenario.links[link].udp_headers()), [28, 48]);
    let events: Vec<_> = scenario.events.iter().map(|event| event.event).collect();
    assert_eq!(events, [Event::BlackholeFamily(Family::Ipv6), Event::Restore]);
}

#[test]
fn a_refusal_names_place_key_value_and_range() {
    let cases = [
        ("loss_percent = 120", "link a, up: loss_percent is 120, must be 0 to 100"),
        (
            "loss_percent = 80\nburst_packets = 2",
            "link a, up: loss_percent is 80, must be at most 66.7 with burst_packets 2",
        ),
        ("[link.down]\nmtu_bytes = 20", "link a, down: mtu_bytes is 20, must be 68 to 65535"),
        ("buffer_ms = 1\nbuffer_bytes = 1", "link a, up: buffer_ms and buffer_bytes exclude each other"),
        ("reorder = true", "link a, up: reorder is true, must not be without jitter_ms"),
        (
            "walk = { min_kbps = 2000, max_kbps = 3000, step_ms = 1, step_percent = 1 }",
            "link a, up: walk.min_kbps is 2000, must be 1 to 1000",
        ),
        (
            "outages = { mean_interval_s = 5, min_ms = 9, max_ms = 3 }",
            "link a, up: outages.min_ms is 9, must be 0 to 3",
        ),
        ("[[event]]\nat_s = 1\nlink = \"b\"\ndo = \"cut\"", "event 1 (Cut of b): link is \"b\", must be one of a"),
        ("[[event]]\nat_s = 1\nlink = \"a\"\ndo = \"rate\"", "event 1 (Rate of a): rate_kbps is missing"),
        (
            "[[event]]\nat_s = 1\nlink = \"a\"\ndo = \"restore\"\nfor_s = 3",
            "event 1 (Restore of a): for_s does not belong to this event",
        ),
        ("[[link]]\nname = \"a\"\nrate_kbps = 1\ndelay_ms = 0", "link a: there are two of this name"),
        ("cell = \"b\"", "link a: cell is \"b\", must be the name of a [[cell]]"),
        ("families = []", "link a: families must be one or both of ipv4 and ipv6, none twice"),
        ("families = [\"ipv6\", \"ipv6\"]", "link a: families must be one or both of ipv4 and ipv6, none twice"),
        (
            "families = [\"ipv6\"]\n[[event]]\nat_s = 1\nlink = \"a\"\ndo = \"nat_rebind\"",
            "event 1 (NatRebind of a): the link has no IPv4, and IPv6 has no NAT",
        ),
        (
            "[[event]]\nat_s = 1\nlink = \"a\"\ndo = \"blackhole\"\nfamily = \"ipv4\"",
            "event 1 (Blackhole of a): family does not belong to this event",
        ),
        (
            "[[cell]]\nname = \"b\"\nrate_kbps = 1\n[[cell]]\nname = \"b\"\nrate_kbps = 1",
            "cell b: there are two of this name",
        ),
        ("[[cell]]\nname = \"b\"\ncell = \"c\"\nrate_kbps = 1", "cell b: cell does not belong to a cell"),
        (
            "[[link]]\nname = \"much-too-long-name\"\nrate_kbps = 1\ndelay_ms = 0",
            "link \"much-too-long-name\": name must be 1 to 15 of a-z 0-9 - _ and not lo",
        ),
    ];
    for (lines, expected) in cases {
        assert_eq!(refusal(lines), expected);
    }
    assert_eq!(parse("").unwrap_err(), "there are 0 [[link]] tables, must be 1 to 64");
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    assert!(refusal("delay = 3").starts_with("link a, up: unknown field `delay`"), "{}", refusal("delay = 3"));
    assert!(refusal("[link.up]\nrate = 3").starts_with("link a, up: unknown field `rate`"));
    assert!(parse("colour = 3").unwrap_err().contains("unknown field `colour`"));
    assert!(parse("[[link]]\nrate_kbps = 3").unwrap_err().contains("link 1: name is missing"));
}

#[test]
fn a_value_of_the_wrong_kind_is_an_error_that_names_its_key() {
    let seen = refusal("jitter_ms = \"x\"");
    assert!(seen.starts_with("link a, up: ") && seen.contains("jitter_ms"), "{seen}");
    let seen = refusal("walk = { min_kbps = -1, max_kbps = 3, step_ms = 1, step_percent = 1 }");
    assert!(seen.starts_with("link a, up: ") && seen.contains("walk.min_kbps"), "{seen}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Scenario::load(Path::new("/nonexistent/x.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/x.toml: "), "{error}");
}
