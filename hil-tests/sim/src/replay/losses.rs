//! What a link lost: stretches in which nothing passed, packets that found a full queue, and the rest.

use std::time::Duration;

use bondbox_units::Instant;

use super::packets::{Packet, Times};

/// What was lost of one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Losses {
    /// From the first packet that nobody got to the last.
    pub(super) blackholes: Vec<(Instant, Duration)>,
    /// From each of these times on: share in percent, and mean run of lost packets.
    pub(super) steps: Vec<(Instant, f64, f64)>,
    /// The longest that a packet stood in the queue, when others found it full.
    pub(super) full_at: Option<Duration>,
}

/// `queue` gives how long a packet that arrived had stood in the queue.
pub(super) fn losses(packets: &[Packet], times: Times, queue: impl Fn(&Packet) -> Duration) -> Losses {
    // What was sent last may still be on its way.
    let settled = packets.partition_point(|packet| packet.sent + UNSETTLED < times.end);
    let packets = &packets[..settled];
    let longest = packets.iter().filter(|packet| packet.received.is_some()).map(&queue).max().unwrap_or_default();
    let mut runs = runs(packets);
    let mut losses = Losses::default();
    let blackhole = |run: &Run| run.length >= LEAST_DARK && run.packets >= LEAST_PACKETS;
    losses.blackholes = runs.iter().filter(|run| blackhole(run)).map(|run| (run.start, run.length)).collect();
    runs.retain(|run| !blackhole(run));
    let full = |run: &Run| {
        let next = packets.get(run.next).filter(|_| longest >= LEAST_FULL);
        next.is_some_and(|next| queue(next) >= longest.mul_f64(0.8))
    };
    if runs.iter().filter(|run| full(run)).map(|run| run.packets).sum::<usize>() * 2
        > runs.iter().map(|run| run.packets).sum()
    {
        losses.full_at = Some(longest);
        runs.retain(|run| !full(run));
    }
    let mut from = times.start;
    while from < times.end {
        let to = from + STEP;
        let sent = packets.iter().filter(|packet| (from..to).contains(&packet.sent)).count();
        let dark =
            |at: &Packet| losses.blackholes.iter().any(|(start, length)| (*start..*start + *length).contains(&at.sent));
        let sent = sent - packets.iter().filter(|packet| (from..to).contains(&packet.sent) && dark(packet)).count();
        let within: Vec<_> = runs.iter().filter(|run| (from..to).contains(&run.start)).collect();
        let lost: usize = within.iter().map(|run| run.packets).sum();
        if sent > 0 {
            let run = lost as f64 / within.len().max(1) as f64;
            let most = 100.0 * run.max(1.0) / (run.max(1.0) + 1.0);
            let percent = (100.0 * lost as f64 / sent as f64).min(most * 0.99);
            losses.steps.push((from, percent, run.max(1.0)));
        }
        from = to;
    }
    losses.steps.dedup_by(|next, before| next.1 == 0.0 && before.1 == 0.0);
    losses
}

/// Packets lost in a row.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: Instant,
    length: Duration,
    packets: usize,
    /// Index of the packet after it.
    next: usize,
}

fn runs(packets: &[Packet]) -> Vec<Run> {
    let mut runs: Vec<Run> = vec![];
    for (i, packet) in packets.iter().enumerate().filter(|(_, packet)| packet.received.is_none()) {
        match runs.last_mut().filter(|run| run.next == i) {
            Some(run) => {
                run.length = packet.sent - run.start;
                run.packets += 1;
                run.next = i + 1;
            }
            None => runs.push(Run { start: packet.sent, length: Duration::ZERO, packets: 1, next: i + 1 }),
        }
    }
    runs
}

/// As long as a packet may stand in a deep buffer.
const UNSETTLED: Duration = Duration::from_secs(3);
/// A run of losses that is so long is a link that swallows everything.
const LEAST_DARK: Duration = Duration::from_millis(300);
const LEAST_PACKETS: usize = 4;
/// A queue that is shorter is not what drops packets.
const LEAST_FULL: Duration = Duration::from_millis(150);
/// How often losses are told anew.
const STEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(lost: impl Fn(u64) -> bool) -> Vec<Packet> {
        (0..1_000)
            .map(|i| {
                let sent = Instant::from_millis(i * 10);
                let received = (!lost(i)).then(|| sent + Duration::from_millis(30));
                Packet { sent, received, size: 1_000 }
            })
            .collect()
    }

    fn all(lost: impl Fn(u64) -> bool) -> Losses {
        let times = Times { start: Instant::ZERO, end: Instant::from_millis(20_000) };
        losses(&packets(lost), times, |_| Duration::ZERO)
    }

    #[test]
    fn single_losses_are_a_share_and_a_long_run_is_a_blackhole() {
        let losses = all(|i| i % 20 == 0 || (500..600).contains(&i));
        assert_eq!(losses.blackholes, [(Instant::from_millis(5_000), Duration::from_millis(1_000))]);
        assert!(losses.steps.iter().take(5).all(|step| *step == (step.0, 5.0, 1.0)), "{:?}", losses.steps);
    }

    #[test]
    fn runs_keep_their_length() {
        let losses = all(|i| i % 50 < 5);
        assert!(
            losses.steps[..9].iter().all(|(_, percent, run)| (*percent, *run) == (10.0, 5.0)),
            "{:?}",
            losses.steps
        );
    }
}
