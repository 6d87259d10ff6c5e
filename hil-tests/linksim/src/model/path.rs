//! The way from the bottleneck to the far end.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_units::Instant;

use super::jitter::Jitter;
use super::{DelayStep, DirectionConfig};

/// Packets on their way, and what decides how long that is.
#[derive(Clone, Debug)]
pub(super) struct Path<T> {
    pub(super) delay: Duration,
    /// Ascending.
    steps: Vec<DelayStep>,
    jitter: Jitter,
    pub(super) reorder: bool,
    /// By arrival.
    pub(super) flights: VecDeque<Flight<T>>,
    last_arrival: Instant,
}

#[derive(Clone, Debug)]
pub(super) struct Flight<T> {
    pub(super) arrival: Instant,
    pub(super) packet: T,
    pub(super) size_bytes: usize,
}

impl<T> Path<T> {
    pub(super) fn new(config: &DirectionConfig, seed: u64) -> Self {
        let mut steps = config.delay_steps.clone();
        steps.sort_by_key(|step| step.at);
        Self {
            delay: config.delay,
            steps,
            jitter: Jitter::new(config.jitter, config.reorder, seed),
            reorder: config.reorder,
            flights: VecDeque::new(),
            last_arrival: Instant::ZERO,
        }
    }

    /// What a packet takes at least that leaves now and finds nothing before it.
    pub(super) fn least_delay_at(&mut self, departure: Instant) -> Duration {
        // Where each packet draws for itself, it may draw nothing.
        let jitter = if self.reorder { Duration::ZERO } else { self.jitter.at(departure) };
        self.base_at(departure) + jitter
    }

    fn base_at(&self, departure: Instant) -> Duration {
        let step = self.steps.partition_point(|step| step.at <= departure);
        self.delay + self.steps[..step].last().map_or(Duration::ZERO, |step| step.extra)
    }

    pub(super) fn depart(&mut self, departure: Instant, packet: T, size_bytes: usize) {
        let mut arrival = departure + self.base_at(departure) + self.jitter.at(departure);
        if !self.reorder {
            // A path that gets shorter does not let packets overtake: they bunch up behind the last one.
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        let place = self.flights.partition_point(|flight| flight.arrival <= arrival);
        self.flights.insert(place, Flight { arrival, packet, size_bytes });
    }
}
