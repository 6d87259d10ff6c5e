//! The events, and how they travel.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId, TrackId};
use bondbox_wire::frame::LinkState;
use bondbox_wire::{Full, Reader, Truncated, Writer};

/// Something that happened at one end. Paths are those of the session that is open; packet numbers are the low 32 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TraceEvent {
    /// A session opened.
    SessionOpened {
        /// Its index.
        session: u32,
        /// From ingest to output.
        latency: Duration,
    },
    /// The session is over, or nobody answers for a second.
    SessionClosed,
    /// Nothing was acknowledged on any link for a second.
    Dark,
    /// Something was acknowledged again.
    Back,
    /// A handshake failed.
    HandshakeFailed,
    /// A link's path of this session.
    PathOpened {
        /// The session's index.
        session: u32,
        /// Its id.
        path: u32,
        /// Whose it is.
        link: LinkId,
    },
    /// The path carries nothing any more.
    PathClosed {
        /// Its id.
        path: u32,
    },
    /// A packet left.
    Sent {
        /// On this path.
        path: u32,
        /// Its number.
        pn: u32,
        /// Bytes of the datagram.
        size: u16,
    },
    /// A packet came.
    Received {
        /// On this path.
        path: u32,
        /// Its number.
        pn: u32,
        /// Bytes of the datagram.
        size: u16,
    },
    /// The other end said that it has a packet.
    Acked {
        /// On this path.
        path: u32,
        /// Its number.
        pn: u32,
        /// When it came there, on the clock there.
        received: Instant,
    },
    /// A packet is taken for lost.
    Lost {
        /// On this path.
        path: u32,
        /// Its number.
        pn: u32,
    },
    /// What a link is thought to be changed.
    Health {
        /// The link.
        link: LinkId,
        /// Its new state.
        state: LinkState,
    },
    /// A path as its sender sees it, ten times a second.
    Path {
        /// The path.
        path: u32,
        /// Proven at most.
        capacity: Bitrate,
        /// At which packets leave.
        pace: Bitrate,
        /// Round trip without queue.
        rtt: Duration,
        /// Least one-way delay, the clocks' difference included, in microseconds.
        base_us: i64,
        /// Standing queue.
        queue: Duration,
        /// Sent and not settled, in bytes.
        in_flight: u64,
    },
    /// What is streamed, ten times a second.
    Stream {
        /// What the encoder may produce.
        target: Bitrate,
        /// What came in over the last second.
        actual: Bitrate,
        /// First copies waiting, in bytes.
        backlog: u64,
        /// Units pushed so far.
        units: u64,
    },
    /// Units were given up unsent.
    Shed {
        /// How many.
        units: u32,
        /// Why.
        why: Why,
    },
    /// Bytes go out again, or are to.
    Again {
        /// On this path, or those of this path.
        path: u32,
        /// How many.
        bytes: u32,
        /// Why.
        why: Why,
    },
    /// The encoder is told another rate.
    Target {
        /// In force from now on.
        rate: Bitrate,
    },
    /// A keyframe is asked for.
    KeyframeWanted {
        /// Of this track.
        track: TrackId,
    },
    /// What became of a unit.
    Unit {
        /// Its track.
        track: TrackId,
        /// Its number.
        unit: u32,
        /// Whether it came out.
        fate: Fate,
        /// After it was due.
        lateness: Duration,
    },
    /// A track's counts so far, ten times a second while they change.
    Track {
        /// The track.
        track: TrackId,
        /// Put out.
        delivered: u64,
        /// Complete too late.
        late: u64,
        /// Never complete.
        lost: u64,
        /// How late the latest was.
        latest: Duration,
    },
}

/// What a decision was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// More waits than can be in time.
    Backlog,
    /// Past its time.
    Expired,
    /// It was lost.
    Lost,
    /// Its link fell silent.
    Silent,
    /// It would have come too late where it is.
    Deadline,
    /// A copy, into room that nobody else needs.
    Duplicate,
    /// A coded symbol.
    Coded,
}

/// What became of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Whole and in time.
    Delivered,
    /// Whole too late.
    Late,
    /// Never whole.
    Lost,
}

impl TraceEvent {
    /// Writes the body at the front of `body`, which has room for [`MAX_BODY`]; gives the kind and the body's length.
    #[inline]
    pub(super) fn encode(&self, body: &mut [u8]) -> (u8, usize) {
        let mut out = Writer::new(body);
        match self.write(&mut out) {
            Ok(kind) => (kind, out.len()),
            // A record that found no room is one of a kind that nobody knows.
            Err(Full) => (0, 0),
        }
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<u8, Full> {
        Ok(match *self {
            Self::Sent { path, pn, size } => packet(kind::SENT, path, pn, size, out)?,
            Self::Received { path, pn, size } => packet(kind::RECEIVED, path, pn, size, out)?,
            Self::Acked { path, pn, received } => {
                out.varint(path.into())?;
                out.u32(pn)?;
                out.varint(received.as_micros())?;
                kind::ACKED
            }
            _ => self.write_rare(out)?,
        })
    }

    fn write_rare(&self, out: &mut Writer<'_>) -> Result<u8, Full> {
        Ok(match *self {
            Self::Sent { .. } | Self::Received { .. } | Self::Acked { .. } => 0,
            Self::SessionOpened { session, latency } => {
                out.u32(session)?;
                out.varint(micros(latency))?;
                kind::SESSION_OPENED
            }
            Self::SessionClosed => kind::SESSION_CLOSED,
            Self::Dark => kind::DARK,
            Self::Back => kind::BACK,
            Self::HandshakeFailed => kind::HANDSHAKE_FAILED,
            Self::PathOpened { session, path, link } => {
                out.u32(session)?;
                out.varint(path.into())?;
                out.u8(link.0)?;
                kind::PATH_OPENED
            }
            Self::PathClosed { path } => {
                out.varint(path.into())?;
                kind::PATH_CLOSED
            }
            Self::Lost { path, pn } => {
                out.varint(path.into())?;
                out.u32(pn)?;
                kind::LOST
            }
            Self::Health { link, state } => {
                out.u8(link.0)?;
                out.u8(state as u8)?;
                kind::HEALTH
            }
            Self::Path { path, capacity, pace, rtt, base_us, queue, in_flight } => {
                out.varint(path.into())?;
                out.varint(capacity.as_bps())?;
                out.varint(pace.as_bps())?;
                out.varint(micros(rtt))?;
                out.signed(base_us)?;
                out.varint(micros(queue))?;
                out.varint(in_flight)?;
                kind::PATH
            }
            Self::Stream { target, actual, backlog, units } => {
                out.varint(target.as_bps())?;
                out.varint(actual.as_bps())?;
                out.varint(backlog)?;
                out.varint(units)?;
                kind::STREAM
            }
            Self::Shed { units, why } => {
                out.varint(units.into())?;
                out.u8(why as u8)?;
                kind::SHED
            }
            Self::Again { path, bytes, why } => {
                out.varint(path.into())?;
                out.varint(bytes.into())?;
                out.u8(why as u8)?;
                kind::AGAIN
            }
            Self::Target { rate } => {
                out.varint(rate.as_bps())?;
                kind::TARGET
            }
            Self::KeyframeWanted { track } => {
                out.u8(track.0)?;
                kind::KEYFRAME_WANTED
            }
            Self::Unit { track, unit, fate, lateness } => {
                out.u8(track.0)?;
                out.u32(unit)?;
                out.u8(fate as u8)?;
                out.varint(micros(lateness))?;
                kind::UNIT
            }
            Self::Track { track, delivered, late, lost, latest } => {
                out.u8(track.0)?;
                out.varint(delivered)?;
                out.varint(late)?;
                out.varint(lost)?;
                out.varint(micros(latest))?;
                kind::TRACK
            }
        })
    }

    /// `None` for a kind or a value that this build does not know, and for a body that is too short.
    pub(super) fn decode(kind: u8, body: &[u8]) -> Option<Self> {
        Self::read(kind, &mut Reader::new(body)).ok().flatten()
    }

    fn read(kind: u8, body: &mut Reader<'_>) -> Result<Option<Self>, Truncated> {
        Ok(Some(match kind {
            kind::SENT => {
                let (path, pn, size) = read_packet(body)?;
                Self::Sent { path, pn, size }
            }
            kind::RECEIVED => {
                let (path, pn, size) = read_packet(body)?;
                Self::Received { path, pn, size }
            }
            kind::ACKED => {
                Self::Acked { path: path(body)?, pn: body.u32()?, received: Instant::from_micros(body.varint()?) }
            }
            kind::SESSION_OPENED => Self::SessionOpened { session: body.u32()?, latency: duration(body)? },
            kind::SESSION_CLOSED => Self::SessionClosed,
            kind::DARK => Self::Dark,
            kind::BACK => Self::Back,
            kind::HANDSHAKE_FAILED => Self::HandshakeFailed,
            kind::PATH_OPENED => Self::PathOpened { session: body.u32()?, path: path(body)?, link: LinkId(body.u8()?) },
            kind::PATH_CLOSED => Self::PathClosed { path: path(body)? },
            kind::LOST => Self::Lost { path: path(body)?, pn: body.u32()? },
            kind::HEALTH => {
                let link = LinkId(body.u8()?);
                let Some(state) = LINK_STATES.get(usize::from(body.u8()?)) else { return Ok(None) };
                Self::Health { link, state: *state }
            }
            kind::PATH => Self::Path {
                path: path(body)?,
                capacity: rate(body)?,
                pace: rate(body)?,
                rtt: duration(body)?,
                base_us: body.signed()?,
                queue: duration(body)?,
                in_flight: body.varint()?,
            },
            kind::STREAM => Self::Stream {
                target: rate(body)?,
                actual: rate(body)?,
                backlog: body.varint()?,
                units: body.varint()?,
            },
            kind::SHED => {
                let units = body.varint()? as u32;
                let Some(why) = WHYS.get(usize::from(body.u8()?)) else { return Ok(None) };
                Self::Shed { units, why: *why }
            }
            kind::AGAIN => {
                let (path, bytes) = (path(body)?, body.varint()? as u32);
                let Some(why) = WHYS.get(usize::from(body.u8()?)) else { return Ok(None) };
                Self::Again { path, bytes, why: *why }
            }
            kind::TARGET => Self::Target { rate: rate(body)? },
            kind::KEYFRAME_WANTED => Self::KeyframeWanted { track: TrackId(body.u8()?) },
            kind::UNIT => {
                let (track, unit) = (TrackId(body.u8()?), body.u32()?);
                let Some(fate) = FATES.get(usize::from(body.u8()?)) else { return Ok(None) };
                Self::Unit { track, unit, fate: *fate, lateness: duration(body)? }
            }
            kind::TRACK => Self::Track {
                track: TrackId(body.u8()?),
                delivered: body.varint()?,
                late: body.varint()?,
                lost: body.varint()?,
                latest: duration(body)?,
            },
            _ => return Ok(None),
        }))
    }
}

#[inline]
fn packet(kind: u8, path: u32, pn: u32, size: u16, out: &mut Writer<'_>) -> Result<u8, Full> {
    out.varint(path.into())?;
    out.u32(pn)?;
    out.varint(size.into())?;
    Ok(kind)
}

fn read_packet(body: &mut Reader<'_>) -> Result<(u32, u32, u16), Truncated> {
    Ok((path(body)?, body.u32()?, body.varint()? as u16))
}

fn path(body: &mut Reader<'_>) -> Result<u32, Truncated> {
    Ok(body.varint()? as u32)
}

fn rate(body: &mut Reader<'_>) -> Result<Bitrate, Truncated> {
    body.varint().map(Bitrate::from_bps)
}

fn duration(body: &mut Reader<'_>) -> Result<Duration, Truncated> {
    body.varint().map(Duration::from_micros)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The longest body, of a path: seven numbers of up to eight bytes.
pub(super) const MAX_BODY: usize = 56;

const LINK_STATES: [LinkState; 5] =
    [LinkState::Absent, LinkState::Joining, LinkState::Up, LinkState::Suspect, LinkState::Silent];
const WHYS: [Why; 7] = [Why::Backlog, Why::Expired, Why::Lost, Why::Silent, Why::Deadline, Why::Duplicate, Why::Coded];
const FATES: [Fate; 3] = [Fate::Delivered, Fate::Late, Fate::Lost];

/// Never given to another event.
mod kind {
    pub(super) const SESSION_OPENED: u8 = 1;
    pub(super) const SESSION_CLOSED: u8 = 2;
    pub(super) const DARK: u8 = 3;
    pub(super) const BACK: u8 = 4;
    pub(super) const HANDSHAKE_FAILED: u8 = 5;
    pub(super) const PATH_OPENED: u8 = 6;
    pub(super) const PATH_CLOSED: u8 = 7;
    pub(super) const SENT: u8 = 8;
    pub(super) const RECEIVED: u8 = 9;
    pub(super) const ACKED: u8 = 10;
    pub(super) const LOST: u8 = 11;
    pub(super) const HEALTH: u8 = 12;
    pub(super) const PATH: u8 = 13;
    pub(super) const STREAM: u8 = 14;
    pub(super) const SHED: u8 = 15;
    pub(super) const AGAIN: u8 = 16;
    pub(super) const TARGET: u8 = 17;
    pub(super) const KEYFRAME_WANTED: u8 = 18;
    pub(super) const UNIT: u8 = 19;
    pub(super) const TRACK: u8 = 20;
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One of each, with numbers at their edges.
    pub(in super::super) fn each(v: [u64; 4], small: (u32, u32, u16, u8), signed: i64) -> Vec<TraceEvent> {
        let (path, pn, size, byte) = small;
        let (rate, time) = (Bitrate::from_bps, Duration::from_micros);
        let (link, track) = (LinkId(byte), TrackId(byte));
        let mut all = vec![
            TraceEvent::SessionOpened { session: pn, latency: time(v[0]) },
            TraceEvent::SessionClosed,
            TraceEvent::Dark,
            TraceEvent::Back,
            TraceEvent::HandshakeFailed,
            TraceEvent::PathOpened { session: pn, path, link },
            TraceEvent::PathClosed { path },
            TraceEvent::Sent { path, pn, size },
            TraceEvent::Received { path, pn, size },
            TraceEvent::Acked { path, pn, received: Instant::from_micros(v[1]) },
            TraceEvent::Lost { path, pn },
            TraceEvent::Path {
                path,
                capacity: rate(v[0]),
                pace: rate(v[1]),
                rtt: time(v[2]),
                base_us: signed,
                queue: time(v[3]),
                in_flight: v[0],
            },
            TraceEvent::Stream { target: rate(v[0]), actual: rate(v[1]), backlog: v[2], units: v[3] },
            TraceEvent::Target { rate: rate(v[0]) },
            TraceEvent::KeyframeWanted { track },
            TraceEvent::Track { track, delivered: v[0], late: v[1], lost: v[2], latest: time(v[3]) },
        ];
        all.extend(LINK_STATES.map(|state| TraceEvent::Health { link, state }));
        all.extend(WHYS.map(|why| TraceEvent::Shed { units: pn, why }));
        all.extend(WHYS.map(|why| TraceEvent::Again { path, bytes: pn, why }));
        all.extend(FATES.map(|fate| TraceEvent::Unit { track, unit: pn, fate, lateness: time(v[0]) }));
        all
    }

    proptest! {
        #[test]
        fn each_event_reads_back_and_fits(
            v in prop::array::uniform4(0..1_u64 << 62),
            small in any::<(u32, u32, u16, u8)>(),
            signed in -(1_i64 << 60)..1 << 60,
        ) {
            for event in each(v, small, signed) {
                let mut body = [0; MAX_BODY];
                let (kind, len) = event.encode(&mut body);
                prop_assert_eq!(TraceEvent::decode(kind, &body[..len]), Some(event));
            }
        }

        #[test]
        fn any_bytes_are_an_event_or_none(kind: u8, body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = TraceEvent::decode(kind, &body);
        }

        #[test]
        fn a_body_that_a_later_build_made_longer_reads_as_before(small in any::<(u32, u32, u16, u8)>()) {
            for event in each([1, 2, 3, 4], small, -5) {
                let mut body = [7; MAX_BODY + 9];
                let (kind, len) = event.encode(&mut body[..MAX_BODY]);
                prop_assert_eq!(TraceEvent::decode(kind, &body[..len + 9]), Some(event));
            }
        }
    }
}
