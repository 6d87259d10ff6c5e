//! What every [`Network`] promises, asked of the fake, and of the kernel in a namespace of the test's own.

use std::process::Command;
use std::time::Duration;

use bondbox_netlink::{Address, Change, Fake, Interface, Kernel, NetlinkError, Network, Route, Rule};
use nix::sched::{CloneFlags, unshare};

/// As a number of a protocol that nobody has.
const OURS: u8 = 98;
const TABLE: u32 = 1_007;

fn address(ip: &str, prefix: u8) -> Address {
    Address { ip: ip.parse().unwrap(), prefix }
}

fn rule(ipv6: bool) -> Rule {
    Rule { ipv6, outgoing: Some("stick0".into()), source: None, table: TABLE, priority: 1_000, protocol: OURS }
}

/// `stick0` is there and up.
async fn keeps_the_contract(network: &mut impl Network) {
    let stick = network.look().await.unwrap().named("stick0").unwrap().index;
    let own = address("192.168.8.100", 24);
    let route = |destination: Address, gateway: Option<&str>, metric| Route {
        destination,
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        interface: stick,
        table: TABLE,
        metric,
        protocol: OURS,
    };
    let source = Rule { outgoing: None, source: Some(own.ip), priority: 1_001, ..rule(false) };
    let routes = [
        route(address("192.168.8.0", 24), None, 0),
        route(Address::anywhere(false), Some("192.168.8.1"), 5),
        route(Address::anywhere(true), None, 1_024),
    ];
    let add = [
        Change::SetUp(stick),
        Change::SetMtu(stick, 1_430),
        Change::AddAddress(stick, own),
        Change::AddRule(rule(false)),
        Change::AddRule(rule(true)),
        Change::AddRule(source.clone()),
        Change::AddRoute(routes[0].clone()),
        Change::AddRoute(routes[1].clone()),
        Change::AddRoute(routes[2].clone()),
    ];
    // Twice: what is there already is no error.
    for change in add.iter().chain(&add) {
        network.apply(change).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(60), network.changed()).await.expect("it told of a change");
    let now = network.look().await.unwrap();
    assert!(now.named("stick0").unwrap().addresses.contains(&own), "{now:#?}");
    // While it works, too.
    network.apply(&Change::SetMtu(stick, 1_280)).await.unwrap();
    let wide = network.look().await.unwrap();
    assert_eq!((now.named("stick0").unwrap().mtu, wide.named("stick0").unwrap().mtu), (1_430, 1_280));
    let refused = network.apply(&Change::SetMtu(stick, 20)).await.unwrap_err();
    let said = format!("packets of 20 bytes on interface {stick}: Invalid argument");
    assert!(refused.to_string().starts_with(&said), "{refused}");
    let rules: Vec<_> = now.rules.iter().filter(|rule| rule.protocol == OURS).cloned().collect();
    let mut expected = vec![rule(false), source.clone(), rule(true)];
    expected.sort_unstable();
    assert_eq!(rules, expected);
    for route in &routes {
        assert!(now.routes.contains(route), "{route:?} is not among {:#?}", now.routes);
    }
    let remove = [
        Change::RemoveRoute(routes[1].clone()),
        Change::RemoveRoute(routes[2].clone()),
        Change::RemoveRule(source),
        Change::RemoveRule(rule(true)),
        Change::RemoveAddress(stick, own),
    ];
    for change in remove.iter().chain(&remove) {
        network.apply(change).await.unwrap();
    }
    let now = network.look().await.unwrap();
    assert!(!now.named("stick0").unwrap().addresses.contains(&own));
    assert!(!now.routes.iter().any(|route| route.destination.prefix == 0));
    assert_eq!(now.rules.iter().filter(|rule| rule.protocol == OURS).collect::<Vec<_>>(), [&rule(false)]);
    for nowhere in [Change::AddAddress(77, own), Change::SetUp(77), Change::SetMtu(77, 1_430)] {
        assert!(matches!(network.apply(&nowhere).await, Err(NetlinkError::NoInterface(_))), "{nowhere}");
    }
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    let mut fake = Fake::default();
    fake.plug(Interface { index: 7, name: "stick0".into(), up: true, carrier: true, ..Interface::default() });
    keeps_the_contract(&mut fake).await;
}

#[test]
fn the_kernel_keeps_the_contract() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root may make a network namespace");
        return;
    }
    // Of this thread only: a reactor of its own runs in it.
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        for command in ["link add stick0 type veth peer name far0", "link set stick0 up", "link set far0 up"] {
            assert!(Command::new("ip").args(command.split(' ')).status().unwrap().success(), "ip {command}");
        }
        let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        reactor.block_on(async { keeps_the_contract(&mut Kernel::open().unwrap()).await });
    })
    .join()
    .unwrap();
}
