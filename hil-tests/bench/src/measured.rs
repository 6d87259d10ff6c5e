//! What one run gave.

use serde::Serialize;

use crate::meter::Outcome;

/// What one run gave.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) seed: u64,
    pub(crate) outcome: Outcome,
    /// Payload that came out while counted.
    pub(crate) media_bytes: u64,
    pub(crate) unit: EndUse,
    pub(crate) gateway: EndUse,
    pub(crate) links: Vec<LinkLoad>,
    pub(crate) harness: Harness,
}

/// How late the harness was itself, since its start. It runs before all that is measured: when it was late, the machine
/// stood still, and what is late beside it proves nothing.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Harness {
    /// Worst of the source.
    pub(crate) source_worst_us: u64,
    /// Worst of the emulated links.
    pub(crate) emulator_worst_us: u64,
    /// One in a hundred packets was later on the emulated links.
    pub(crate) emulator_p99_us: u64,
}

impl Harness {
    /// Worst of all.
    pub(crate) fn worst_ms(self) -> f64 {
        self.source_worst_us.max(self.emulator_worst_us) as f64 / 1e3
    }
}

/// What one end took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct EndUse {
    /// User and system, while counted.
    pub(crate) processor_s: f64,
    /// The peak since the start.
    pub(crate) peak_rss_kib: u64,
    /// System calls for each datagram of the stream, where they could be counted.
    pub(crate) calls_per_datagram: Option<f64>,
}

/// What went into a link while counted, in IP bytes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LinkLoad {
    pub(crate) name: String,
    pub(crate) up_bytes: u64,
    pub(crate) down_bytes: u64,
}

impl Measured {
    /// IP bytes from the unit for each byte that came out.
    pub(crate) fn cost(&self) -> f64 {
        self.up_bytes() as f64 / self.media_bytes as f64
    }

    /// IP bytes to the unit for each from it.
    pub(crate) fn return_share(&self) -> f64 {
        self.links.iter().map(|link| link.down_bytes).sum::<u64>() as f64 / self.up_bytes() as f64
    }

    /// Each link's share of the bytes from the unit.
    pub(crate) fn shares(&self) -> Vec<f64> {
        self.links.iter().map(|link| link.up_bytes as f64 / self.up_bytes() as f64).collect()
    }

    /// Processor seconds of an end for 10⁹ bytes that came out.
    pub(crate) fn processor_per_gb(&self, end: EndUse) -> f64 {
        end.processor_s * 1e9 / self.media_bytes as f64
    }

    fn up_bytes(&self) -> u64 {
        self.links.iter().map(|link| link.up_bytes).sum()
    }
}
