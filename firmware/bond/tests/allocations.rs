//! How often the packet path asks the allocator, once everything has found its size, and how much it holds at most.
//!
//! Both ends are driven over a wire of this test's own, whose allocations are not counted. The payload of a unit is the
//! caller's to make, and at the gateway a buffer that is used again once the caller has let go of it. Nothing else is exempt
//! while media flows; what may allocate is what happens now and then: sessions, links, messages, keys, damage.

mod steady;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use bondbox_bond::gateway::GatewayEvent;
use steady::{Counter, Outcome, Step};

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

/// How often each end allocated.
#[derive(Default)]
struct Counts {
    sender: u64,
    gateway: u64,
    /// Bytes that the gateway holds, now and at most.
    held: (i64, i64),
}

impl Counts {
    fn of_gateway<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let before = HELD.get().0;
        let result = act();
        let (now, most) = self.held;
        let now = now + HELD.get().0 - before;
        self.held = (now, most.max(now));
        result
    }
}

impl Counter for Counts {
    fn around<T>(&mut self, step: Step, counts: bool, act: impl FnOnce() -> T) -> T {
        let count = || {
            COUNTED.set(counts.then_some(0));
            let result = act();
            (result, COUNTED.take().unwrap_or(0))
        };
        match step {
            Step::UnitPush | Step::UnitTimeout | Step::UnitTransmit | Step::UnitReceive => {
                let (result, allocated) = count();
                self.sender += allocated;
                result
            }
            Step::GatewayReceive | Step::GatewayTimeout | Step::GatewayTransmit => {
                let (result, allocated) = self.of_gateway(count);
                self.gateway += allocated;
                result
            }
        }
    }

    fn let_go(&mut self, event: GatewayEvent) {
        self.of_gateway(|| drop(event));
    }
}

/// What was streamed, and how often that allocated.
fn play(seconds: u64, latency_ms: u64, longer_ms: u64, recording: Option<Duration>) -> (Outcome, Counts) {
    let mut counts = Counts::default();
    let [latency, longer] = [latency_ms, longer_ms].map(Duration::from_millis);
    let outcome = steady::play(&mut counts, Duration::from_secs(seconds), latency, longer, recording);
    println!("allocations: sender {}, gateway {}", counts.sender, counts.gateway);
    (outcome, counts)
}

#[test]
fn no_packet_asks_the_allocator_once_a_stream_with_losses_has_run_for_a_while() {
    let (outcome, counts) = play(60, 300, 0, None);
    assert!(outcome.units > 19_000 && outcome.delivered > 19_000, "{} in, {} out", outcome.units, outcome.delivered);
    assert!(outcome.repaired > 300, "{} repaired", outcome.repaired);
    assert_eq!((counts.sender, counts.gateway), (0, 0));
}

#[test]
fn coded_repair_asks_the_allocator_for_nothing_either() {
    let (outcome, counts) = play(60, 200, 110, None);
    assert!(outcome.recovered > 1_000, "{} worked out", outcome.recovered);
    assert_eq!((counts.sender, counts.gateway), (0, 0));
}

#[test]
fn a_recording_beside_it_costs_both_ends_next_to_nothing() {
    let recording = Some(Duration::from_secs(3));
    let (outcome, counts) = play(60, 300, 0, recording);
    assert!(outcome.recorded > 19_000, "{} recorded", outcome.recorded);
    // Of 3 s of units there are now and then more at once than ever before.
    assert!(counts.gateway < outcome.units / 1_000, "{} of {}", counts.gateway, outcome.units);
    assert!(counts.sender < outcome.units / 100, "{} of {}", counts.sender, outcome.units);
}

#[test]
fn both_ends_of_18_megabits_a_second_hold_little_at_2_seconds() {
    let before = HELD.get().0;
    let (outcome, counts) = play(12, 2_000, 0, None);
    assert!(outcome.delivered > 4_000, "{} out", outcome.delivered);
    let held = (HELD.get().1 - before) as f64 / f64::from(1 << 20);
    let gateway = counts.held.1 as f64 / f64::from(1 << 20);
    println!("both ends hold {held:.1} MiB at most, {gateway:.1} of it the gateway");
    // 32 MiB are allowed to the sender and 16 to the gateway, at 20 Mbit/s; 2 s of the stream are 4.5, and traces take 6.
    assert!(held <= 18.0, "{held:.1} MiB");
    assert!(gateway <= 14.4, "{gateway:.1} MiB");
}
