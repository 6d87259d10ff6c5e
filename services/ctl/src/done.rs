//! What was seen after a command, in words.

use bondbox_ipc::{capture, modems, panel, uplink};

use crate::show::bands;

/// What a service answers.
pub(crate) trait Done {
    fn words(&self) -> String;
}

impl Done for capture::Done {
    fn words(&self) -> String {
        match self {
            Self::Bitrate { target, measured } => format!("encodes at {target}, {measured} came out"),
            Self::Keyframe { after_ms } => format!("a keyframe came out after {after_ms} ms"),
            Self::Pictures { count, within_ms, rate } => {
                format!("{count} pictures came within {within_ms} ms, {rate} a second are shown")
            }
            Self::Now => "done".into(),
        }
    }
}

impl Done for uplink::Done {
    fn words(&self) -> String {
        match self {
            Self::Joined(link) => format!("in use, as link {}", link.0),
            Self::Left => "gone".into(),
            Self::Paired(gateway) => format!("paired with the gateway {gateway}"),
            Self::Unpaired => "paired with no gateway".into(),
            Self::Trace { total, bytes } => format!("{} of {total} bytes of the trace", bytes.len()),
        }
    }
}

impl Done for modems::Done {
    fn words(&self) -> String {
        match self {
            Self::Kept => "kept".into(),
            Self::Unlocked => "unlocked".into(),
            Self::Connected(interface) => format!("connected, over {interface}"),
            Self::Bands(these) => format!("uses {}", bands(these)),
            Self::Spread(modems) => {
                let each = modems.iter().map(|(port, these)| format!("{port:15} {}", bands(these)));
                each.collect::<Vec<_>>().join("\n")
            }
            Self::Back { after_ms } => format!("back after {after_ms} ms"),
        }
    }
}

impl Done for panel::Done {
    fn words(&self) -> String {
        match self {
            Self::Seen => "done".into(),
            Self::Measured(measured) => format!("{measured:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bondbox_ipc::modems::Band;
    use bondbox_units::Bitrate;

    use super::*;

    #[test]
    fn bands_that_were_spread_are_named_as_people_do() {
        let done = modems::Done::Spread(vec![("usb1-1".into(), vec![Band::Lte(3), Band::Nr(78)])]);
        assert_eq!(done.words(), "usb1-1          B3 n78");
    }

    #[test]
    fn a_bitrate_is_what_the_encoder_took_and_what_came_out() {
        let done = capture::Done::Bitrate { target: Bitrate::from_kbps(6_000), measured: Bitrate::from_kbps(5_900) };
        assert_eq!(done.words(), "encodes at 6.00 Mbit/s, 5.90 Mbit/s came out");
    }
}
