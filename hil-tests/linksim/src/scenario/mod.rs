//! Scenario files: the links of a test and what happens to them.
//!
//! ```toml
//! description = "One line for people."   # optional
//!
//! [[link]]
//! name = "wwan0"          # the unit's interface: 1 to 15 of a-z 0-9 - _
//! families = ["ipv4"]     # what it has addresses of, ["ipv6"] or both; the first counts in virtual time; this is the default
//! # Every key below may stand here, for both directions, and in [link.up] or [link.down], for one of them.
//! rate_kbps = 6000        # required, but for a trace
//! delay_ms = 25           # required; one way, without queue; fractions allowed
//! buffer_ms = 300         # drop-tail, as time at the current rate; or buffer_bytes; default 1000 ms
//! jitter_ms = 10          # the most that is added to the delay; default 0
//! reorder = false         # whether jitter may change the order of packets
//! loss_percent = 2.0      # default 0
//! burst_packets = 4       # mean run of lost packets; absent: each packet by itself
//! mtu_bytes = 1400        # larger IP packets vanish; default none
//!
//! # The rate over time, at most one of these three:
//! steps = [{ at_s = 10, rate_kbps = 2000 }]
//! walk = { min_kbps = 2000, max_kbps = 9000, step_ms = 100, step_percent = 8 }   # starts at rate_kbps
//! trace = "traces/bus.up"                 # mahimahi format, beside the scenario; instead of rate_kbps
//!
//! # Times at which the modem holds everything, then lets go of it at its rate:
//! outages = { mean_interval_s = 40, min_ms = 200, max_ms = 900 }
//! # Detours, each instead of the one before:
//! delay_steps = [{ at_s = 20, extra_ms = 60 }, { at_s = 40, extra_ms = 0 }]
//!
//! [[cell]]                # a further bottleneck that links share: those that say `cell = "tower"`
//! name = "tower"          # its packets come from their links; the keys are a link's, but delay_ms is 0 by default
//! rate_kbps = 9000
//! buffer_ms = 500
//!
//! [[event]]
//! at_s = 10               # from the start; fractions allowed
//! link = "wwan0"
//! do = "blackhole"        # cut, blackhole, restore, rate, delay, loss, nat_rebind
//! for_s = 15              # cut and blackhole: restored after this; absent: never by itself
//! way = "both"            # up, down or both (default); not for cut and nat_rebind
//! family = "ipv6"         # blackhole: only packets of it, both ways, on a link that has both; seen by real packets only
//! # rate takes rate_kbps; delay takes delay_ms; loss takes loss_percent and burst_packets
//! ```
//!
//! `buffer_*`, and each of the three rates over time, replaces its like when a direction overrides it: a link with
//! `walk` can have `[link.down]` with `steps`. Unknown keys are errors.

mod check;
mod file;

use std::path::{Path, PathBuf};

use crate::model::{LinkConfig, TimedEvent};

/// A checked scenario: whatever is in it can be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// One line for people, or empty.
    pub description: String,
    /// In the order of the file.
    pub links: Vec<LinkConfig>,
    /// Bottlenecks that several links share.
    pub cells: Vec<LinkConfig>,
    /// Ascending in time.
    pub events: Vec<TimedEvent>,
}

impl Scenario {
    /// Reads a scenario and the traces it names.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ScenarioError::Read { path: path.to_owned(), error })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(&name, &text, path.parent().unwrap_or(Path::new("")))
            .map_err(|reason| ScenarioError::Refused { path: path.to_owned(), reason })
    }

    /// Reads the text of a scenario; traces are looked for below `folder`. The error names key, value and range.
    pub fn parse(name: &str, text: &str, folder: &Path) -> Result<Self, String> {
        check::scenario(name, file::parse(text)?, folder)
    }

    /// The index of the link of this name.
    pub fn link(&self, name: &str) -> Option<usize> {
        self.links.iter().position(|link| link.name == name)
    }
}

/// Why a scenario file cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What it says makes no sense.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Key, value and range.
        reason: String,
    },
}

#[cfg(test)]
mod tests;
