//! How often the packet path asks the allocator, once everything has found its size, and how much it holds at most.
//!
//! Both ends are driven over a wire of this test's own, whose allocations are not counted. What is exempt: the payload of a
//! unit, which the caller makes, and at the gateway its bytes as they are put together, one block a unit. Everything else is
//! meant to be nothing; it is not yet, and what there is may not grow.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bondbox_bond::gateway::{GatewayConfig, GatewayEvent, Route};
use bondbox_bond::sender::{Features, Headroom, Policy, SenderConfig, TrackInfo, Unit};
use bondbox_bond::{Gateway, Identity, Sender};
use bondbox_units::{Bitrate, Instant, LinkId, Priority, TrackId};
use bondbox_wire::MAX_DATAGRAM;
use bondbox_wire::frame::TrackKind;
use bytes::Bytes;

/// The system's allocator. Calls are counted by thread while that is asked for, bytes always.
struct Counting;

thread_local! {
    static COUNTED: Cell<Option<u64>> = const { Cell::new(None) };
    /// Bytes now, and at most.
    static HELD: Cell<(i64, i64)> = const { Cell::new((0, 0)) };
}

// A thread that is ending has nothing to count.
fn count_one() {
    let _ = COUNTED.try_with(|counted| counted.set(counted.get().map(|count| count + 1)));
}

fn hold(bytes: i64) {
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + bytes, most.max(now + bytes)));
    });
}

#[allow(unsafe_code, reason = "an allocator is unsafe by its nature")]
// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        hold(layout.size() as i64);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        hold(size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        hold(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Does it and adds to `count` how often it allocated.
fn counted<T>(count: &mut u64, act: impl FnOnce() -> T) -> T {
    COUNTED.set(Some(0));
    let result = act();
    *count += COUNTED.take().unwrap_or(0);
    result
}

#[derive(Default)]
struct Counts {
    sender: u64,
    gateway: u64,
    units: u64,
    delivered: u64,
}

/// What is on its way, and when it arrives.
type Wire<T> = VecDeque<(Instant, T, Vec<u8>)>;

/// Twenty megabits a second over three links of 10 ms for so long; counted from half of it on.
fn play(time: Duration, latency: Duration) -> Counts {
    let [unit, own] = [(); 2].map(|()| Arc::new(Identity::generate()));
    let (start, rate) = (Instant::from_millis(1_000), Bitrate::from_kbps(20_000));
    let config = SenderConfig {
        identity: unit.clone(),
        gateway: own.public(),
        stream: "test".into(),
        latency,
        headroom: Headroom::None,
        encoder_range: (Bitrate::from_kbps(300), rate),
        encoder_start: rate,
        policy: Policy::default(),
        features: Features::ALL,
    };
    let mut sender = Sender::new(start, config, 1);
    let mut gateway =
        Gateway::new(start, GatewayConfig { identity: own, units: vec![unit.public()], latency: None }, 2);
    let label = String::new();
    sender.set_track(TrackInfo {
        track: TRACK,
        kind: TrackKind::Opaque,
        width: 0,
        height: 0,
        rate: 0,
        channels: 0,
        label,
    });
    (0..3).for_each(|link| sender.add_link(start, LinkId(link), "wwan"));

    let (mut up, mut down): (Wire<LinkId>, Wire<Route>) = (VecDeque::new(), VecDeque::new());
    let (mut counts, mut unmeasured) = (Counts::default(), Counts::default());
    let mut buffer = [0; MAX_DATAGRAM];
    let mut now = start;
    let mut next_unit = start;
    while now < start + time {
        let count = if now < start + time / 2 { &mut unmeasured } else { &mut counts };
        while next_unit <= now {
            next_unit += rate.time_for(1_316);
            let (payload, priority) = (Bytes::from(vec![7; 1_316]), Priority::Standard);
            let unit =
                Unit { track: TRACK, pts: None, dts: None, priority, keyframe: false, discontinuity: false, payload };
            counted(&mut count.sender, || sender.push(now, unit));
            count.units += 1;
        }
        while let Some((_, link, mut datagram)) = up.pop_front_if(|(at, ..)| *at <= now) {
            let route = Route { remote: SocketAddr::from(([10, 0, 0, link.0], 7_000)), local: None };
            counted(&mut count.gateway, || gateway.handle_datagram(now, route, &mut datagram));
        }
        while let Some((_, route, mut datagram)) = down.pop_front_if(|(at, ..)| *at <= now) {
            let SocketAddr::V4(remote) = route.remote else { continue };
            let link = LinkId(remote.ip().octets()[3]);
            counted(&mut count.sender, || sender.handle_datagram(now, link, &mut datagram));
        }
        counted(&mut count.sender, || sender.handle_timeout(now));
        while let Some(sent) = counted(&mut count.sender, || sender.poll_transmit(now, &mut buffer)) {
            up.push_back((now + ONE_WAY, sent.link, buffer[..sent.len].to_vec()));
        }
        while counted(&mut count.sender, || sender.poll_event()).is_some() {}
        counted(&mut count.gateway, || gateway.handle_timeout(now));
        while let Some((route, len)) = counted(&mut count.gateway, || gateway.poll_transmit(now, &mut buffer)) {
            down.push_back((now + ONE_WAY, route, buffer[..len].to_vec()));
        }
        while let Some(event) = counted(&mut count.gateway, || gateway.poll_event()) {
            count.delivered += u64::from(matches!(event, GatewayEvent::Unit { .. }));
        }
        now += TURN;
    }
    counts
}

#[test]
fn the_packet_path_seldom_allocates_once_it_has_run_for_a_while() {
    let counts = play(Duration::from_secs(8), Duration::from_millis(300));
    assert!(counts.units > 7_000 && counts.delivered > 7_000, "{} in, {} out", counts.units, counts.delivered);
    let each = |count: u64| count as f64 / counts.units as f64;
    let (sender, gateway) = (each(counts.sender), each(counts.gateway));
    println!("allocations a unit: sender {sender:.2}, gateway {gateway:.2}");
    assert!(sender <= SENDER, "sender: {sender:.2} a unit, may be {SENDER}");
    assert!(gateway <= GATEWAY, "gateway: {gateway:.2} a unit, may be {GATEWAY}");
}

#[test]
fn both_ends_of_20_megabits_a_second_hold_little_at_2_seconds() {
    let before = HELD.get().0;
    let counts = play(Duration::from_secs(8), Duration::from_secs(2));
    assert!(counts.delivered > 5_000, "{} out", counts.delivered);
    let held = (HELD.get().1 - before) as f64 / f64::from(1 << 20);
    println!("both ends hold {held:.1} MiB at most");
    // 32 MiB are allowed to the sender and 16 to the receiver; 2 s of the stream are 4.8.
    assert!(held <= 16.0, "{held:.1} MiB");
}

const TRACK: TrackId = TrackId(0);
const ONE_WAY: Duration = Duration::from_millis(10);
const TURN: Duration = Duration::from_millis(1);
/// Of one unit of 1,316 bytes, which is one packet.
const SENDER: f64 = 0.7;
const GATEWAY: f64 = 2.1;
