//! What the modems of a scenario say of their radio.

use std::time::Duration;

use bondbox_bond::sender::RadioReport;
use bondbox_units::{Bitrate, Instant, LinkId};

use crate::World;

/// What all modems of a run tell, once a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Radio {
    /// Proven to carry less than this, a link carries redundancy only.
    pub watermark: Option<Bitrate>,
    /// No link carries more.
    pub ceiling: Option<Bitrate>,
}

/// What the unit is told of one link's radio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// Which link.
    pub link: LinkId,
    /// What.
    pub report: RadioReport,
}

/// The modems of a run.
pub(crate) struct Modems {
    radio: Radio,
    pub(crate) next: Instant,
}

impl Modems {
    pub(crate) const fn new(radio: Radio) -> Self {
        Self { radio, next: Instant::ZERO }
    }

    /// Tells the unit when that is due.
    pub(crate) fn tell(&mut self, world: &mut World) {
        let now = world.now();
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        let Radio { watermark, ceiling } = self.radio;
        let report = RadioReport { watermark, ceiling, stale_after: INTERVAL * 3, ..RadioReport::default() };
        for link in 0..world.wire.len() as u8 {
            world.sender.set_radio(now, LinkId(link), report);
        }
    }
}

/// As often as a modem is asked.
const INTERVAL: Duration = Duration::from_secs(1);
