//! What the gateway shows of its sessions.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId, TrackId};
use bondbox_wire::frame::LinkState;

use super::{Gateway, SessionId, StreamKey};
use crate::coding::CodingCounters;
use crate::receiver::{OutputId, TrackCounters};
use crate::return_track::ReturnCounters;
use crate::sender::TrackInfo;

/// A session now.
#[derive(Clone, Debug)]
pub struct SessionStatus {
    /// The session.
    pub session: SessionId,
    /// Its stream.
    pub stream: StreamKey,
    /// When it opened.
    pub opened: Instant,
    /// When the last datagram came.
    pub last_arrival: Instant,
    /// The unit has closed it, or it is replaced: it puts out what it has.
    pub ending: bool,
    /// From the unit's ingest to our live output.
    pub latency: Duration,
    /// Where that goes.
    pub latency_target: Duration,
    /// Outputs that wait longer.
    pub longer: Vec<OutputStatus>,
    /// Its tracks.
    pub tracks: Vec<TrackStatus>,
    /// Its links, by the unit's ids.
    pub links: Vec<PathStatus>,
    /// What the unit said of its encoder.
    pub encoder: Option<UnitReport>,
    /// Received over the last second, headers of IP and UDP not counted.
    pub received: Bitrate,
    /// Received since it opened, headers of IP and UDP not counted, in bytes.
    pub received_bytes: u64,
    /// Datagrams received since it opened.
    pub received_packets: u64,
    /// What coded repair did.
    pub coding: CodingCounters,
    /// What became of what goes back to the unit.
    pub returned: ReturnCounters,
}

/// An output beside the live one.
#[derive(Clone, Debug)]
pub struct OutputStatus {
    /// Its id.
    pub output: OutputId,
    /// From the unit's ingest to it.
    pub latency: Duration,
    /// What became of the units of each track at it.
    pub tracks: Vec<(TrackId, TrackCounters)>,
}

/// A track now.
#[derive(Clone, Debug)]
pub struct TrackStatus {
    /// Its id.
    pub track: TrackId,
    /// What the unit said it is, if it has.
    pub info: Option<TrackInfo>,
    /// What became of its units at the live output.
    pub counters: TrackCounters,
}

/// What the unit said of its encoder.
#[derive(Clone, Copy, Debug)]
pub struct UnitReport {
    /// What the encoder was told.
    pub target: Bitrate,
    /// What came from it over the last second.
    pub actual: Bitrate,
    /// From the camera to the bond.
    pub encode_delay: Duration,
}

/// A link now: the unit's word on it, and what came over it here.
#[derive(Clone, Debug)]
pub struct PathStatus {
    /// The unit's id of it.
    pub link: LinkId,
    /// Its name.
    pub name: String,
    /// Whether it carries media, as the unit sees it.
    pub state: LinkState,
    /// How old the unit's word is.
    pub age: Duration,
    /// Received here over the last second, headers of IP and UDP not counted.
    pub received: Bitrate,
    /// Datagrams received here.
    pub packets_received: u64,
    /// Delivered at most, as the unit has proven.
    pub capacity: Bitrate,
    /// Round trip without queue.
    pub rtt: Duration,
    /// One way, queue included.
    pub delay: Duration,
    /// Standing queue.
    pub queue: Duration,
    /// Share lost over the last 2 s.
    pub loss: f64,
    /// Datagrams the unit sent on it.
    pub packets_sent: u64,
    /// Of these, lost.
    pub packets_lost: u64,
    /// Media bytes it carried for the second time.
    pub bytes_repaired: u64,
}

impl Gateway {
    /// All sessions now.
    pub fn status(&self, now: Instant) -> Vec<SessionStatus> {
        let announced = self.sessions.iter().filter(|(_, session)| session.announced);
        announced
            .map(|(id, session)| SessionStatus {
                session: *id,
                stream: session.stream.clone(),
                opened: session.opened,
                last_arrival: session.last_arrival(),
                ending: session.ending || session.outgone.is_some(),
                latency: session.receiver.latency(),
                latency_target: session.receiver.latency_target(),
                longer: session
                    .receiver
                    .longer()
                    .map(|(output, latency)| {
                        let tracks = session.receiver.counters(output).collect();
                        OutputStatus { output, latency, tracks }
                    })
                    .collect(),
                tracks: session
                    .receiver
                    .counters(OutputId::LIVE)
                    .map(|(track, counters)| TrackStatus { track, info: session.tracks.get(&track).cloned(), counters })
                    .collect(),
                links: session
                    .reports
                    .iter()
                    .map(|(link, report)| {
                        let path = session.paths.get(&report.path);
                        let micros = Duration::from_micros;
                        PathStatus {
                            link: *link,
                            name: report.name.to_string(),
                            state: report.state,
                            age: now - report.at,
                            received: path.map(|path| path.received.rate(now)).unwrap_or_default(),
                            packets_received: path.map_or(0, |path| path.packets),
                            capacity: Bitrate::from_bps(report.numbers.capacity_bps),
                            rtt: micros(report.numbers.rtt_us),
                            delay: micros(report.numbers.delay_us),
                            queue: micros(report.numbers.queue_us),
                            loss: report.numbers.loss_ppm as f64 / 1e6,
                            packets_sent: report.numbers.packets_sent,
                            packets_lost: report.numbers.packets_lost,
                            bytes_repaired: report.numbers.bytes_repaired,
                        }
                    })
                    .collect(),
                encoder: session.encoder.map(|encoder| UnitReport {
                    target: Bitrate::from_bps(encoder.target_bps),
                    actual: Bitrate::from_bps(encoder.actual_bps),
                    encode_delay: Duration::from_micros(encoder.encode_delay_us),
                }),
                received: session.received.rate(now),
                received_bytes: session.received_bytes,
                received_packets: session.received_packets,
                coding: session.coding.counters,
                returned: session.returned.counters,
            })
            .collect()
    }
}
