//! What the radio of a link's modem says about it: how much it carries at most, and when it is spared all but redundancy.
//!
//! Simulations alone tell it, with [`Sender::set_radio`], to show what it is worth: `bondbox-sim radio` plays rides with and
//! without it, and has found nothing that is (the table is in `bondbox-radio`). So no service tells it.
//!
//! A SINR that falls is no part of it: slowing the pace by what Shannon's bound says of the next moment cost 0.2 to 0.7 % and
//! won nothing on simulated driving links (six of them: -0.06 ± 0.06 points), and not probing meanwhile made no difference.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId};

use super::Sender;

/// What is said of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RadioReport {
    /// It carries no more than this, whatever was proven: what its band and signal allow.
    pub ceiling: Option<Bitrate>,
    /// When it was proven to carry less than this, it carries redundancy only.
    pub watermark: Option<Bitrate>,
    /// How long that holds.
    pub stale_after: Duration,
}

/// The last word about one link, and when it was said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Radio {
    report: RadioReport,
    said: Instant,
}

/// What a path is to make of its radio. The default is what one does of which nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Guidance {
    /// See [`RadioReport::ceiling`].
    pub(crate) ceiling: Option<Bitrate>,
    /// See [`RadioReport::watermark`].
    pub(crate) watermark: Option<Bitrate>,
}

impl Radio {
    /// What holds now.
    pub(crate) fn guidance(&self, now: Instant) -> Guidance {
        let RadioReport { ceiling, watermark, stale_after } = self.report;
        if now - self.said <= stale_after { Guidance { ceiling, watermark } } else { Guidance::default() }
    }
}

impl Sender {
    /// Takes in what the radio of a link says. Of a link that is not there it says nothing.
    pub fn set_radio(&mut self, now: Instant, link: LinkId, report: RadioReport) {
        if let Some(link) = self.links.get_mut(&link) {
            link.radio = Some(Radio { report, said: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_until_they_are_stale() {
        let [ceiling, watermark] = [900, 300].map(|kbps| Some(Bitrate::from_kbps(kbps)));
        let report = RadioReport { ceiling, watermark, stale_after: Duration::from_secs(3) };
        let radio = Radio { report, said: Instant::from_millis(10_000) };
        assert_eq!(radio.guidance(Instant::from_millis(13_000)), Guidance { ceiling, watermark });
        assert_eq!(radio.guidance(Instant::from_millis(13_001)), Guidance::default());
    }
}
