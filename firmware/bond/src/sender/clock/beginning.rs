//! Where the line begins.
//!
//! It is drawn within a second, and on paths whose delay swings all packets of that second may have been slow: then everything
//! would come out later than it should, by tens of milliseconds and for good. The shorter a round trip, the less can either way
//! differ from half of it (RFC 5905 §10): a path that shows a shorter one in the first minute knows better.
//!
//! Two links whose delay swings by 150 ms, 9 Mbit/s at 1 s (`swinging`, seeds 1..16): all that the worst seed brought was 1 to 10 ms
//! later than counts as on time, and 75.5 % of it is on time with this. It costs hundredths where each millisecond counts: three
//! slow LTE links at 200 ms (`slow_lte`) have 99.850 % on time in the median where they had 99.888.

use std::time::Duration;

use bondbox_units::Instant;

use super::{Line, MOST_IN_A_STRETCH, PathClock};

/// By what the line was drawn.
#[derive(Debug)]
pub(super) struct Beginning {
    until: Instant,
    /// The least round trip by which it was.
    drawn: f64,
    /// By how much it is still to be moved, since a shorter one was seen.
    owed: f64,
}

impl Beginning {
    /// The line was drawn by this round trip.
    pub(super) fn new(now: Instant, round_trip: f64) -> Self {
        Self { until: now + LASTS, drawn: round_trip, owed: 0.0 }
    }

    /// Draws it anew at the end of a stretch, where a path knows better; tells whether it moved. It does by 1 ms a second.
    pub(super) fn redraw(&mut self, now: Instant, line: &mut Line, paths: &mut [&mut PathClock]) -> bool {
        let said = paths.iter().filter(|path| !path.young).filter_map(|path| path.centre());
        let best = said.min_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((centre, round_trip)) = best.filter(|(_, trip)| now < self.until && *trip < self.drawn - FINER) {
            (self.drawn, self.owed) = (round_trip, centre);
        }
        let by = self.owed.clamp(-MOST_IN_A_STRETCH, MOST_IN_A_STRETCH);
        self.owed -= by;
        line.offset += by;
        paths.iter_mut().for_each(|path| path.shift(by));
        by != 0.0
    }
}

/// Drift that is not known yet makes 30 ms of error in it at most, and only where nothing was measured meanwhile.
const LASTS: Duration = Duration::from_secs(60);
/// Microseconds that are worth it.
const FINER: f64 = 500.0;
