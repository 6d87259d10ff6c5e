//! Units from the capture service, which may die and come back.

use std::path::Path;
use std::time::Duration;

use bondbox_bond::Sender;
use bondbox_bond::sender::{TrackInfo, Unit};
use bondbox_daemon::ipc::{self, Client, Commander, Peers, Want};
use bondbox_ipc::capture::{self as protocol, State};
use bondbox_ipc::media::{Codec, Track};
use bondbox_units::{Bitrate, Instant, TrackId};
use bondbox_wire::frame::TrackKind;

use super::steering::Steering;

/// What the service says.
pub(crate) type Event = ipc::Event<protocol::Capture>;

/// The connection to the service.
pub(crate) struct Capture {
    client: Client<protocol::Capture>,
    steering: Steering,
    /// Tracks that are pictures, the only ones whose bitrate can be set.
    pictures: Vec<TrackId>,
    sound: Meter,
    /// As last said, while the service is there.
    state: Option<State>,
}

impl Capture {
    pub(crate) fn connect(run_dir: &Path) -> Self {
        let client = Client::connect(run_dir, Peers::with(&[SERVICE_USER.into()]), Want::StateAndMedia);
        let steering = Steering::start(client.commander());
        Self { client, steering, pictures: Vec::new(), sound: Meter::default(), state: None }
    }

    /// What the service last said of itself, while it is there.
    pub(crate) const fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    pub(crate) fn commander(&self) -> Commander<protocol::Capture> {
        self.client.commander()
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.client.event().await
    }

    pub(crate) fn handle(&mut self, now: Instant, event: Event, sender: &mut Sender) {
        match event {
            Event::Connected(service) => {
                tracing::info!(build = service.build, "the capture service is there");
                // It may have started anew, at a bitrate of its own.
                self.steering.repeat();
            }
            Event::Disconnected(reason) => {
                // One that was there is missed; one that was not starts with this service, in whatever order.
                match self.state.take() {
                    Some(_) => tracing::warn!(reason, "the capture service is not there any more"),
                    None => tracing::info!(reason, "the capture service is not there yet"),
                }
            }
            Event::State(state) => {
                self.take_state(&state, sender);
                self.state = Some(state);
            }
            Event::Media(unit) => self.take_unit(now, unit, sender),
        }
    }

    pub(crate) fn set_target(&self, target: Bitrate) {
        // The engine counts all tracks; the encoder of pictures has what sound leaves.
        self.steering.set_bitrate(target.saturating_sub(self.sound.rate).max(LEAST));
    }

    pub(crate) fn force_keyframe(&self) {
        self.steering.force_keyframe();
    }

    fn take_state(&mut self, state: &State, sender: &mut Sender) {
        for track in &state.tracks {
            sender.set_track(describe(track));
        }
        let pictures = state.tracks.iter().filter(|track| track.width > 0).map(|track| track.track);
        self.pictures = pictures.collect();
        sender.set_encode_delay(Duration::from_micros(state.encode_delay_us.into()));
    }

    fn take_unit(&mut self, now: Instant, unit: ipc::Unit, sender: &mut Sender) {
        let ipc::Unit { head, data } = unit;
        if !self.pictures.contains(&head.track) {
            self.sound.add(now, data.len() as u64);
        }
        sender.push(
            now,
            Unit {
                track: head.track,
                pts: Some(head.pts),
                dts: Some(head.dts),
                priority: head.priority,
                keyframe: head.keyframe,
                discontinuity: head.discontinuity,
                payload: data,
            },
        );
    }
}

/// What sound comes to, second by second.
#[derive(Default)]
struct Meter {
    since: Instant,
    bytes: u64,
    rate: Bitrate,
}

impl Meter {
    fn add(&mut self, now: Instant, bytes: u64) {
        self.bytes += bytes;
        let time = now.since(self.since);
        if time >= Duration::from_secs(1) {
            // After a pause the time is long, and says nothing.
            if time < Duration::from_secs(2) {
                self.rate = Bitrate::from_bytes_in(self.bytes, time).unwrap_or(self.rate);
            }
            (self.since, self.bytes) = (now, 0);
        }
    }
}

fn describe(track: &Track) -> TrackInfo {
    let kind = match track.codec {
        Codec::H264 => TrackKind::H264,
        Codec::H265 => TrackKind::H265,
        Codec::Aac => TrackKind::Aac,
        Codec::Opus => TrackKind::Opus,
    };
    // The bond carries short labels.
    let cut = (0..=track.label.len().min(MAX_LABEL)).rev().find(|at| track.label.is_char_boundary(*at));
    TrackInfo {
        track: track.track,
        kind,
        width: track.width,
        height: track.height,
        rate: track.rate,
        channels: track.channels,
        label: track.label[..cut.unwrap_or(0)].to_owned(),
    }
}

/// The user that the service runs as on a box.
const SERVICE_USER: &str = "bondbox-capture";
const MAX_LABEL: usize = 64;

/// A picture gets this much, whatever sound takes.
const LEAST: Bitrate = Bitrate::from_kbps(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_measured_over_each_second() {
        let mut meter = Meter::default();
        for frame in 0..101 {
            meter.add(Instant::from_millis(5_000 + frame * 20), 320);
        }
        assert_eq!(meter.rate.as_bps() / 1_000, 128);
    }

    #[test]
    fn a_long_label_is_cut_between_characters() {
        let track = Track {
            track: TrackId(1),
            codec: Codec::H264,
            label: "é".repeat(40),
            width: 640,
            height: 360,
            rate: 25_000,
            channels: 0,
        };
        assert_eq!(describe(&track).label, "é".repeat(32));
        let label = format!("x{}", "é".repeat(40));
        assert_eq!(describe(&Track { label, ..track }).label.len(), 63);
    }
}
