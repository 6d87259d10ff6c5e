//! How often the packet path asks the allocator, once everything has found its size, and how much it holds at most.
//!
//! Both ends are driven over a wire of this test's own, whose allocations are not counted. The payload of a unit is the
//! caller's to make, and at the gateway a buffer that is used again once the caller has let go of it. Nothing else is exempt
//! while media flows; what may allocate is what happens now and then: sessions, links, messages, keys, damage.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bondbox_bond::gateway::{GatewayConfig, GatewayEvent, Route};
use bondbox_bond::receiver::{OutputId, Outputs};
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
    recorded: u64,
    /// From the beginning.
    repaired: u64,
    /// Packets, likewise.
    recovered: u64,
}

/// What is on its way, and when it arrives.
type Wire<T> = VecDeque<(Instant, T, Vec<u8>)>;

/// Eighteen megabits a second, of datagrams, frames and sound, over three links that lose one packet in ten, there
/// and back, in the first third of the time, and one in forty in the others, of which the last is counted. All ways are `longer`
/// by so much.
fn play(time: Duration, latency: Duration, longer: Duration, recording: Option<Duration>) -> Counts {
    let [unit, own] = [(); 2].map(|()| Arc::new(Identity::generate()));
    let (start, rate) = (Instant::from_millis(1_000), Bitrate::from_kbps(20_000));
    let config = SenderConfig {
        identity: unit.clone(),
        gateway: own.public(),
        stream: "test".into(),
        latency,
        return_latency: Duration::from_millis(300),
        headroom: Headroom::None,
        encoder_range: (Bitrate::from_kbps(300), rate),
        encoder_start: rate,
        policy: Policy::default(),
        features: Features::ALL,
    };
    let mut sender = Sender::new(start, config, 1);
    let outputs = Outputs { longer: recording.into_iter().collect(), ..Outputs::default() };
    let config = GatewayConfig { identity: own, units: vec![unit.public()], latency: None, outputs };
    let mut gateway = Gateway::new(start, config, 2);
    for (track, kind) in [(OPAQUE, TrackKind::Opaque), (PICTURE, TrackKind::H264), (SOUND, TrackKind::Aac)] {
        sender.set_track(TrackInfo { track, kind, width: 0, height: 0, rate: 0, channels: 0, label: String::new() });
    }
    (0..3).for_each(|link| sender.add_link(start, LinkId(link), "wwan"));

    let (mut up, mut down): ([Wire<()>; 3], Wire<Route>) = (Default::default(), VecDeque::new());
    let (mut counts, mut unmeasured) = (Counts::default(), Counts::default());
    let mut buffer = [0; MAX_DATAGRAM];
    let mut now = start;
    let mut sources = [Source::datagrams(start), Source::frames(start), Source::sound(start)];
    let mut chance = 1_u32;
    let mut lost = |one_in: u32| {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (chance >> 16).is_multiple_of(one_in)
    };
    while now < start + time {
        let one_in = if now < start + time / 3 { 10 } else { 40 };
        let count = if now < start + time / 3 * 2 { &mut unmeasured } else { &mut counts };
        for source in &mut sources {
            while let Some(unit) = source.next(now) {
                counted(&mut count.sender, || sender.push(now, unit));
                count.units += 1;
            }
        }
        for (link, wire) in (0..).zip(&mut up) {
            while let Some((_, (), mut datagram)) = wire.pop_front_if(|(at, ..)| *at <= now) {
                let route = Route { remote: SocketAddr::from(([10, 0, 0, link], 7_000)), local: None };
                counted(&mut count.gateway, || gateway.handle_datagram(now, route, &mut datagram));
            }
        }
        while let Some((_, route, mut datagram)) = down.pop_front_if(|(at, ..)| *at <= now) {
            let SocketAddr::V4(remote) = route.remote else { continue };
            let link = LinkId(remote.ip().octets()[3]);
            counted(&mut count.sender, || sender.handle_datagram(now, link, &mut datagram));
        }
        counted(&mut count.sender, || sender.handle_timeout(now));
        while let Some(sent) = counted(&mut count.sender, || sender.poll_transmit(now, &mut buffer)) {
            if !lost(one_in) {
                let wire = usize::from(sent.link.0);
                up[wire].push_back((now + ONE_WAY[wire] + longer, (), buffer[..sent.len].to_vec()));
            }
        }
        while counted(&mut count.sender, || sender.poll_event()).is_some() {}
        counted(&mut count.gateway, || gateway.handle_timeout(now));
        while let Some((route, len)) = counted(&mut count.gateway, || gateway.poll_transmit(now, &mut buffer)) {
            if !lost(one_in) {
                down.push_back((now + ONE_WAY[0] + longer, route, buffer[..len].to_vec()));
            }
        }
        while let Some(event) = counted(&mut count.gateway, || gateway.poll_event()) {
            match event {
                GatewayEvent::Unit { output: OutputId::LIVE, .. } => count.delivered += 1,
                GatewayEvent::Unit { .. } => count.recorded += 1,
                _ => {}
            }
        }
        now += TURN;
    }
    let status = gateway.status(now);
    counts.repaired = status[0].tracks.iter().map(|track| track.counters.repaired).sum();
    counts.recovered = status[0].coding.recovered;
    counts
}

/// Makes units of one track.
struct Source {
    track: TrackId,
    /// Sizes of units, by turns.
    sizes: &'static [usize],
    every: Duration,
    next: Instant,
    made: usize,
}

impl Source {
    /// Ten megabits a second.
    const fn datagrams(next: Instant) -> Self {
        Self { track: OPAQUE, sizes: &[1_316], every: Duration::from_micros(1_053), next, made: 0 }
    }

    /// Eight, fifty frames a second: of one packet, of many, and of very many.
    const fn frames(next: Instant) -> Self {
        const SIZES: &[usize] = &[90_000, 12_000, 8_000, 20_000, 1_000, 9_000, 14_000, 3_000, 30_000, 13_000];
        Self { track: PICTURE, sizes: SIZES, every: Duration::from_millis(20), next, made: 0 }
    }

    const fn sound(next: Instant) -> Self {
        Self { track: SOUND, sizes: &[300, 340], every: Duration::from_micros(21_333), next, made: 0 }
    }

    fn next(&mut self, now: Instant) -> Option<Unit> {
        if self.next > now {
            return None;
        }
        let size = self.sizes[self.made % self.sizes.len()];
        let keyframe = self.track == PICTURE && self.made.is_multiple_of(self.sizes.len());
        (self.next, self.made) = (self.next + self.every, self.made + 1);
        let pts = (self.track != OPAQUE).then_some(now);
        let priority = if keyframe { Priority::Reference } else { Priority::Standard };
        let payload = Bytes::from(vec![7; size]);
        Some(Unit { track: self.track, pts, dts: pts, priority, keyframe, discontinuity: false, payload })
    }
}

#[test]
fn no_packet_asks_the_allocator_once_a_stream_with_losses_has_run_for_a_while() {
    let counts = play(Duration::from_secs(60), Duration::from_millis(300), Duration::ZERO, None);
    assert!(counts.units > 19_000 && counts.delivered > 19_000, "{} in, {} out", counts.units, counts.delivered);
    assert!(counts.repaired > 300, "{} repaired", counts.repaired);
    println!("allocations: sender {}, gateway {}", counts.sender, counts.gateway);
    assert_eq!((counts.sender, counts.gateway), (0, 0));
}

#[test]
fn coded_repair_asks_the_allocator_for_nothing_either() {
    let counts = play(Duration::from_secs(60), Duration::from_millis(200), Duration::from_millis(110), None);
    assert!(counts.recovered > 1_000, "{} worked out", counts.recovered);
    println!("allocations: sender {}, gateway {}", counts.sender, counts.gateway);
    assert_eq!((counts.sender, counts.gateway), (0, 0));
}

#[test]
fn a_recording_beside_it_costs_the_gateway_nothing_more_and_the_unit_next_to_nothing() {
    let recording = Some(Duration::from_secs(3));
    let counts = play(Duration::from_secs(60), Duration::from_millis(300), Duration::ZERO, recording);
    assert!(counts.recorded > 19_000, "{} recorded", counts.recorded);
    println!("allocations with a recording: sender {}, gateway {}", counts.sender, counts.gateway);
    assert!(counts.gateway == 0 && counts.sender < counts.units / 100, "{} {}", counts.sender, counts.gateway);
}

#[test]
fn both_ends_of_18_megabits_a_second_hold_little_at_2_seconds() {
    let before = HELD.get().0;
    let counts = play(Duration::from_secs(12), Duration::from_secs(2), Duration::ZERO, None);
    assert!(counts.delivered > 4_000, "{} out", counts.delivered);
    let held = (HELD.get().1 - before) as f64 / f64::from(1 << 20);
    println!("both ends hold {held:.1} MiB at most");
    // 32 MiB are allowed to the sender and 16 to the receiver; 2 s of the stream are 4.5, and traces take 6.
    assert!(held <= 18.0, "{held:.1} MiB");
}

const OPAQUE: TrackId = TrackId(0);
const PICTURE: TrackId = TrackId(1);
const SOUND: TrackId = TrackId(2);
const ONE_WAY: [Duration; 3] = [Duration::from_millis(10), Duration::from_millis(25), Duration::from_millis(40)];
const TURN: Duration = Duration::from_millis(1);
