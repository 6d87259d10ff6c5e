//! What the packet path tells the web server, four times a second.

pub mod status;

use std::time::Duration;

use bondbox_bond::gateway::{CloseReason, OutputStatus, PathStatus, SessionStatus, TrackStatus};
use bondbox_bond::receiver::TrackCounters;
use bondbox_units::Instant;
use bondbox_wire::frame::{self, TrackKind};
use bytes::Bytes;

use crate::output::Counters;
use crate::streams::Stream;
use status::{Delay, Encoder, Ending, Kind, Link, LinkState, Recording, Session, Talkback, Totals, Track, Wire};

/// One look at everything.
pub(crate) struct Report {
    pub(crate) at: Instant,
    /// What the unit of each stream in `status`, in its order, last said of itself.
    pub(crate) telemetry: Vec<Option<Bytes>>,
    pub(crate) status: status::Status,
    /// Of each stream in `status`, in its order.
    pub(crate) outputs: Vec<Counters>,
    /// Datagrams that were not taken, by reason.
    pub(crate) rejected: Vec<(&'static str, u64)>,
    /// What units were asked to do, by how it ended.
    pub(crate) commands: Vec<(&'static str, u64)>,
    /// Units that were waited for, by what came of it.
    pub(crate) pairings: Vec<(&'static str, u64)>,
    /// Answers that the system did not send.
    pub(crate) unsent: u64,
}

/// What of a session is worth telling at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Headline {
    dark: bool,
    links: Vec<(u8, LinkState)>,
}

/// The headline of a session that is not over.
pub(crate) fn headline(now: Instant, session: &SessionStatus) -> Headline {
    let state = state(now, session);
    let links = session.links.iter().map(|path| (path.link.0, state_of(path, state))).collect();
    Headline { dark: state == Session::Dark, links }
}

/// A stream now; `None` before its session was looked at once.
pub(crate) fn stream(now: Instant, stream: &Stream) -> Option<status::Stream> {
    let last = stream.last.as_ref()?;
    let session = if stream.is_over() || last.ending { Session::Ended } else { state(now, last) };
    let live = session == Session::Open;
    let pictures = last.tracks.iter().any(|track| kind(track) == Kind::Video);
    let encode_ms = last.encoder.map_or(0.0, |encoder| millis(encoder.encode_delay));
    let bond_ms = millis(stream.history.delay());
    Some(status::Stream {
        name: stream.name.clone(),
        unit: last.stream.unit.fingerprint(),
        session,
        ended: stream.ending().or(last.ending.then_some(CloseReason::ByUnit)).map(ending),
        failing: stream.outputs.failing(),
        uptime_s: now.since(last.opened).as_secs_f64(),
        latency_ms: millis(last.latency),
        latency_target_ms: millis(last.latency_target),
        tracks: last.tracks.iter().map(|status| track(status, stream.outputs.inside(status.track))).collect(),
        totals: totals(last.tracks.iter().map(|track| &track.counters)),
        recording: last.longer.first().map(recording),
        encoder: last.encoder.filter(|_| pictures).map(|encoder| Encoder {
            target_bps: if live { encoder.target.as_bps() } else { 0 },
            actual_bps: if live { encoder.actual.as_bps() } else { 0 },
            delay_ms: encode_ms,
        }),
        delay: Delay { encode_ms, bond_ms, total_ms: encode_ms + bond_ms },
        wire: Wire {
            received_bps: if live { last.received.as_bps() } else { 0 },
            cost: if live { stream.history.cost() } else { 0.0 },
        },
        links: last.links.iter().map(|path| link(path, last, session)).collect(),
        talkback: Talkback {
            sent: last.returned.units,
            delivered: last.returned.acknowledged,
            lost: last.returned.expired,
            refused: 0,
        },
        telemetry: stream.telemetry.as_deref().and_then(told),
    })
}

/// What a unit says of itself, where it is JSON and short enough to be told four times a second.
fn told(telemetry: &[u8]) -> Option<serde_json::Value> {
    (telemetry.len() <= MAX_TOLD).then(|| serde_json::from_slice(telemetry).ok()).flatten()
}

const fn ending(reason: CloseReason) -> Ending {
    match reason {
        CloseReason::ByUnit => Ending::ByUnit,
        CloseReason::Replaced => Ending::Replaced,
        CloseReason::Silent => Ending::Silent,
        CloseReason::Revoked => Ending::Revoked,
    }
}

fn state(now: Instant, session: &SessionStatus) -> Session {
    if now.since(session.last_arrival) > SILENT { Session::Dark } else { Session::Open }
}

/// `inside`: what was found in an opaque one.
fn track(track: &TrackStatus, inside: Option<String>) -> Track {
    let TrackCounters { delivered, late, repaired, lost, longest_gap, .. } = track.counters;
    let codec = track.info.as_ref().map_or("", |info| match info.kind {
        TrackKind::Opaque => "datagrams",
        TrackKind::H264 => "H.264",
        TrackKind::H265 => "H.265",
        TrackKind::Aac => "AAC",
        TrackKind::Opus => "Opus",
    });
    let label = track.info.as_ref().map(|info| info.label.clone()).filter(|label| !label.is_empty());
    Track {
        id: track.track.0,
        kind: kind(track),
        codec: codec.into(),
        label: label.into_iter().chain(inside).collect::<Vec<_>>().join(": "),
        delivered,
        late,
        repaired,
        lost,
        longest_gap_ms: millis(longest_gap),
    }
}

fn kind(track: &TrackStatus) -> Kind {
    match track.info.as_ref().map(|info| info.kind) {
        Some(TrackKind::H264 | TrackKind::H265) => Kind::Video,
        Some(TrackKind::Aac | TrackKind::Opus) => Kind::Audio,
        Some(TrackKind::Opaque) | None => Kind::Opaque,
    }
}

fn totals<'a>(tracks: impl Iterator<Item = &'a TrackCounters>) -> Totals {
    tracks.fold(Totals::default(), |sum, counters| Totals {
        delivered: sum.delivered + counters.delivered,
        late: sum.late + counters.late,
        repaired: sum.repaired + counters.repaired,
        lost: sum.lost + counters.lost,
    })
}

fn recording(output: &OutputStatus) -> Recording {
    let Totals { delivered, late, repaired, lost } = totals(output.tracks.iter().map(|(_, counters)| counters));
    Recording { latency_ms: millis(output.latency), delivered, late, repaired, lost }
}

/// A link whose unit has not spoken of it for a second has left, or is silent with all the others: its figures are
/// history and are not shown.
fn link(path: &PathStatus, session: &SessionStatus, state: Session) -> Link {
    let fresh = path.age <= SILENT && state == Session::Open;
    let now = |figure: f64| if fresh { figure } else { 0.0 };
    let all: u64 = session.links.iter().map(|path| path.received.as_bps()).sum();
    let share = if all == 0 { 0.0 } else { path.received.as_bps() as f64 / all as f64 * 100.0 };
    Link {
        id: path.link.0,
        name: path.name.clone(),
        state: state_of(path, state),
        rate_bps: if fresh { path.received.as_bps() } else { 0 },
        capacity_bps: if fresh { path.capacity.as_bps() } else { 0 },
        rtt_ms: now(millis(path.rtt)),
        delay_ms: now(millis(path.delay)),
        queue_ms: now(millis(path.queue)),
        loss_percent: now(path.loss * 100.0),
        share_percent: now(share),
        lost: path.packets_lost,
        repaired: path.bytes_repaired.div_ceil(MEAN_PACKET),
    }
}

fn state_of(path: &PathStatus, state: Session) -> LinkState {
    match path.state {
        _ if state == Session::Dark => LinkState::Silent,
        _ if state == Session::Ended || path.age > SILENT => LinkState::Absent,
        frame::LinkState::Absent => LinkState::Absent,
        frame::LinkState::Joining => LinkState::Joining,
        frame::LinkState::Up => LinkState::Up,
        frame::LinkState::Suspect => LinkState::Suspect,
        frame::LinkState::Silent => LinkState::Silent,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

const MAX_TOLD: usize = 8 << 10;
/// Links report every 100 ms and sessions are never quiet for so long.
const SILENT: Duration = Duration::from_secs(1);
/// The unit counts what it repaired in bytes; people think of packets.
const MEAN_PACKET: u64 = 1_200;

#[cfg(test)]
mod tests {
    use bondbox_bond::gateway::{SessionId, StreamKey};
    use bondbox_units::{Bitrate, LinkId};

    use super::*;

    fn path(age: Duration) -> PathStatus {
        PathStatus {
            link: LinkId(0),
            name: "wwan0".into(),
            state: frame::LinkState::Up,
            age,
            received: Bitrate::from_kbps(3_000),
            packets_received: 100,
            capacity: Bitrate::from_kbps(6_000),
            rtt: Duration::from_millis(60),
            delay: Duration::from_millis(30),
            queue: Duration::from_millis(5),
            loss: 0.01,
            packets_sent: 110,
            packets_lost: 10,
            bytes_repaired: 12_000,
        }
    }

    fn session(links: Vec<PathStatus>) -> SessionStatus {
        let unit = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".parse().unwrap();
        SessionStatus {
            session: SessionId(1),
            stream: StreamKey { unit, name: "live".into() },
            opened: Instant::ZERO,
            last_arrival: Instant::from_millis(5_000),
            ending: false,
            latency: Duration::from_millis(600),
            latency_target: Duration::from_millis(600),
            longer: vec![],
            tracks: vec![],
            links,
            encoder: None,
            received: Bitrate::from_kbps(4_000),
            received_bytes: 0,
            received_packets: 0,
            coding: bondbox_bond::CodingCounters::default(),
            returned: bondbox_bond::return_track::ReturnCounters::default(),
        }
    }

    #[test]
    fn a_link_is_shown_as_the_unit_sees_it_while_it_speaks_of_it() {
        let other = PathStatus { received: Bitrate::from_kbps(1_000), ..path(Duration::ZERO) };
        let session = session(vec![path(Duration::from_millis(100)), other]);
        let shown = link(&session.links[0], &session, Session::Open);
        assert_eq!((shown.state, shown.rate_bps, shown.share_percent), (LinkState::Up, 3_000_000, 75.0));
        assert_eq!((shown.loss_percent, shown.lost, shown.repaired), (1.0, 10, 10));
    }

    #[test]
    fn old_figures_never_look_alive() {
        let old = path(Duration::from_millis(1_001));
        let session = session(vec![old.clone()]);
        for (state, expected) in [
            (Session::Open, LinkState::Absent),
            (Session::Dark, LinkState::Silent),
            (Session::Ended, LinkState::Absent),
        ] {
            let shown = link(&old, &session, state);
            assert_eq!(shown.state, expected);
            let figures = (shown.rate_bps, shown.capacity_bps, shown.rtt_ms, shown.queue_ms, shown.share_percent);
            assert_eq!(figures, (0, 0, 0.0, 0.0, 0.0));
            assert_eq!(shown.lost, 10);
        }
    }
}
