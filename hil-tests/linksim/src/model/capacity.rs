//! What the bottleneck drains at a given time: the rate, silenced by outages.

use std::sync::Arc;

use bondbox_units::{Bitrate, Instant};

use super::outages::OutageProcess;
use super::walk::WalkProcess;
use super::{Outages, Rate, RateStep, Trace};

/// A stretch of time in which the rate does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// What is drained.
    pub(super) rate: Bitrate,
    /// What a buffer measured in time counts with: the last rate above zero.
    pub(super) nominal: Bitrate,
    pub(super) until: Instant,
}

#[derive(Clone, Debug)]
pub(super) struct Capacity {
    source: Source,
    outages: Option<OutageProcess>,
    nominal: Bitrate,
}

impl Capacity {
    pub(super) fn new(rate: &Rate, outages: Option<Outages>, seed: u64, outages_seed: u64) -> Self {
        Self {
            source: Source::new(rate, seed),
            outages: outages.map(|outages| OutageProcess::new(outages, outages_seed)),
            nominal: Bitrate::ZERO,
        }
    }

    /// The segment around `now`. Time must not run backwards.
    pub(super) fn at(&mut self, now: Instant) -> Segment {
        let (rate, until) = self.source.at(now);
        let nominal = match &self.source {
            Source::Trace(trace) => trace.mean(),
            Source::Steps(_) | Source::Walk(_) => rate,
        };
        if nominal > Bitrate::ZERO {
            self.nominal = nominal;
        }
        let (out, turn) = self.outages.as_mut().map_or((false, Instant::FAR_FUTURE), |outages| outages.at(now));
        Segment { rate: if out { Bitrate::ZERO } else { rate }, nominal: self.nominal, until: until.min(turn) }
    }

    /// From now on the rate is this, whatever was planned. Outages go on.
    pub(super) fn fix(&mut self, rate: Bitrate) {
        self.source = Source::Steps(vec![RateStep { at: Instant::ZERO, rate }]);
    }
}

#[derive(Clone, Debug)]
enum Source {
    /// Ascending; the first is at zero.
    Steps(Vec<RateStep>),
    Trace(Arc<Trace>),
    Walk(Box<WalkProcess>),
}

impl Source {
    fn new(rate: &Rate, seed: u64) -> Self {
        match rate {
            Rate::Fixed(rate) => Self::Steps(vec![RateStep { at: Instant::ZERO, rate: *rate }]),
            Rate::Steps { start, steps } => {
                let mut all = vec![RateStep { at: Instant::ZERO, rate: *start }];
                all.extend_from_slice(steps);
                all.sort_by_key(|step| step.at);
                Self::Steps(all)
            }
            Rate::Trace(trace) => Self::Trace(Arc::clone(trace)),
            Rate::Walk(walk) => Self::Walk(Box::new(WalkProcess::new(*walk, seed))),
        }
    }

    fn at(&mut self, now: Instant) -> (Bitrate, Instant) {
        match self {
            Self::Steps(steps) => {
                let next = steps.partition_point(|step| step.at <= now);
                let rate = steps[..next].last().map_or(Bitrate::ZERO, |step| step.rate);
                (rate, steps.get(next).map_or(Instant::FAR_FUTURE, |step| step.at))
            }
            Self::Trace(trace) => trace.at(now),
            Self::Walk(walk) => walk.at(now),
        }
    }
}
