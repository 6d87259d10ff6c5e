//! The status as the API gives it: `GET /api/status` once, `GET /api/events` four times a second.
//!
//! Fields are only ever added. Figures that are not known now are zero, never those of before.

use serde::{Deserialize, Serialize};

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the routes below `/api/demo` are there.
    pub demo: bool,
    /// This gateway.
    pub gateway: About,
    /// Streams, those included that ended less than a minute ago.
    pub streams: Vec<Stream>,
}

/// The gateway itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Its version.
    pub version: String,
    /// Since it started.
    pub uptime_s: f64,
}

/// One stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// As in `/live/NAME.ts`.
    pub name: String,
    /// Fingerprint of its unit's key.
    pub unit: String,
    /// Its session.
    pub session: Session,
    /// Why it ended, where it has.
    #[serde(default)]
    pub ended: Option<Ending>,
    /// What keeps units that were delivered from going where they should, now; for people.
    #[serde(default)]
    pub failing: Vec<String>,
    /// Since its session opened.
    pub uptime_s: f64,
    /// From the unit's ingest to our live output, now.
    pub latency_ms: f64,
    /// Where that goes, by 50 ms a second.
    #[serde(default)]
    pub latency_target_ms: f64,
    /// Its tracks.
    pub tracks: Vec<Track>,
    /// Over all tracks.
    pub totals: Totals,
    /// What is recorded, where anything is.
    #[serde(default)]
    pub recording: Option<Recording>,
    /// Without pictures there is no encoder.
    pub encoder: Option<Encoder>,
    /// From the camera to the gateway's output.
    pub delay: Delay,
    /// What came over the links.
    pub wire: Wire,
    /// The unit's links.
    pub links: Vec<Link>,
    /// What went back to the unit.
    pub talkback: Talkback,
    /// What the unit last said of itself, as it said it; absent before its first word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<serde_json::Value>,
}

/// Datagrams that went back to a unit, in this session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talkback {
    /// Taken in.
    pub sent: u64,
    /// The unit had them in time, by its own word.
    pub delivered: u64,
    /// Nobody said so before their time was over.
    pub lost: u64,
    /// Too large, too many, or the stream had no session; since the gateway's start.
    pub refused: u64,
}

/// Whether a session carries a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// Yes.
    Open,
    /// Nothing came for a second.
    Dark,
    /// No more.
    Ended,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The unit closed it.
    ByUnit,
    /// The unit opened another one for the same stream.
    Replaced,
    /// Nothing came for a minute.
    Silent,
    /// The unit may send no more.
    Revoked,
}

/// What a track is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Datagrams of unknown content.
    Opaque,
}

/// One track; its counts are of units, since its session opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Its id in the session.
    pub id: u8,
    /// What it is.
    pub kind: Kind,
    /// How it is encoded, for people.
    pub codec: String,
    /// Where it comes from and, of datagrams, what was found in them; for people.
    pub label: String,
    /// Came out whole and in time.
    pub delivered: u64,
    /// Were whole only after they were due, and did not come out.
    pub late: u64,
    /// Of those delivered, were whole only because something was sent again.
    pub repaired: u64,
    /// Were never whole.
    pub lost: u64,
    /// Longest stretch without one, around those that are missing.
    pub longest_gap_ms: f64,
}

/// The counts of all tracks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// As in [`Track`].
    pub delivered: u64,
    /// As in [`Track`].
    pub late: u64,
    /// As in [`Track`].
    pub repaired: u64,
    /// As in [`Track`].
    pub lost: u64,
}

/// The recording, which waits longer than the live output and so has more of the units; its counts are of all tracks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// From the unit's ingest to the recording.
    pub latency_ms: f64,
    /// As in [`Track`].
    pub delivered: u64,
    /// As in [`Track`].
    pub late: u64,
    /// As in [`Track`].
    pub repaired: u64,
    /// As in [`Track`].
    pub lost: u64,
}

/// The unit's word on its encoder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    /// What it was told, sound included.
    pub target_bps: u64,
    /// What came from it.
    pub actual_bps: u64,
    /// From the camera to the encoded unit.
    pub delay_ms: f64,
}

/// From the camera to the gateway's output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// From the camera to the bond.
    pub encode_ms: f64,
    /// From the bond's ingest to our output, as measured there.
    pub bond_ms: f64,
    /// Both.
    pub total_ms: f64,
}

/// What came over the links.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wire {
    /// Over the last second.
    pub received_bps: u64,
    /// Bytes on the wire, with 28 of IP and UDP a datagram, by bytes of media, over the last seconds.
    pub cost: f64,
}

/// One link of the unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Its id in the session.
    pub id: u8,
    /// The unit's interface.
    pub name: String,
    /// Whether it carries media.
    pub state: LinkState,
    /// Received over it here.
    pub rate_bps: u64,
    /// What it has proven to carry.
    pub capacity_bps: u64,
    /// Round trip without queue.
    pub rtt_ms: f64,
    /// One way, queue included.
    pub delay_ms: f64,
    /// Standing queue.
    pub queue_ms: f64,
    /// Packets lost of those sent, before repair.
    pub loss_percent: f64,
    /// Of all that is received.
    pub share_percent: f64,
    /// Packets lost in all.
    pub lost: u64,
    /// Packets it carried for the second time, in all.
    pub repaired: u64,
}

/// Whether a link carries media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Waits for an answer.
    Joining,
    /// Yes.
    Up,
    /// An acknowledgement is overdue: no new media.
    Suspect,
    /// So long overdue that its packets were sent elsewhere.
    Silent,
    /// The unit does not use it any more.
    Absent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_s_example_is_a_status_and_comes_back_the_same() {
        let example: serde_json::Value = serde_json::from_str(include_str!("status/example.json")).unwrap();
        let status: Status = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(&status).unwrap(), example);
    }
}
