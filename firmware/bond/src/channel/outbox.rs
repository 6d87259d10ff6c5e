//! Messages of one channel on their way out.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::Writer;
use bondbox_wire::frame::{Channel, Frame, MAX_MESSAGE, Message, MessageAck};
use bytes::Bytes;

use super::{MessageId, Refused};
use crate::ranges::RangeSet;

/// Messages that wait, the first of them on its way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Id of the first that waits, or of the next to come.
    first: u64,
    waiting: VecDeque<Waiting>,
    held: usize,
    /// Of the first.
    sending: Sending,
}

#[derive(Debug)]
struct Waiting {
    body: Bytes,
    expires: Instant,
}

#[derive(Debug, Default)]
struct Sending {
    /// Bytes before this were sent at least once.
    next: u32,
    /// A piece was sent, of an empty message too.
    begun: bool,
    /// Pieces that were sent and not acknowledged.
    pieces: Vec<Piece>,
    acknowledged: RangeSet,
}

#[derive(Clone, Debug)]
struct Piece {
    range: Range<u32>,
    again_at: Instant,
    tries: u32,
}

impl Outbox {
    pub(super) fn push(&mut self, expires: Instant, body: Bytes) -> Result<MessageId, Refused> {
        if body.len() > MAX_MESSAGE {
            return Err(Refused::TooLong(body.len()));
        }
        if self.waiting.len() >= MAX_WAITING || self.held + body.len() > MAX_HELD {
            return Err(Refused::Full);
        }
        self.held += body.len();
        self.waiting.push_back(Waiting { body, expires });
        Ok(MessageId(self.first + self.waiting.len() as u64 - 1))
    }

    /// What was sent went to another end.
    pub(super) fn begin_session(&mut self) {
        self.sending = Sending::default();
    }

    /// Gives the message that is done, if one is.
    pub(super) fn on_ack(&mut self, ack: &MessageAck) -> Option<u64> {
        if ack.next == self.first + 1 && self.sending.begun {
            return self.next();
        }
        if ack.next == self.first {
            for (start, end) in ack.ranges() {
                self.sending.acknowledged.insert(*start..*end);
            }
            let Sending { pieces, acknowledged, .. } = &mut self.sending;
            pieces.retain(|piece| piece.range.is_empty() || !acknowledged.contains(&piece.range));
        }
        None
    }

    /// Gives up one message that has expired. Those behind it are looked at when it is their turn.
    pub(super) fn expire(&mut self, now: Instant) -> Option<u64> {
        (self.waiting.front()?.expires <= now).then(|| self.next())?
    }

    fn next(&mut self) -> Option<u64> {
        self.held -= self.waiting.pop_front()?.body.len();
        self.sending = Sending::default();
        self.first += 1;
        Some(self.first - 1)
    }

    /// When a piece is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let body = &self.waiting.front()?.body;
        if !self.sending.begun || (self.sending.next as usize) < body.len() {
            return Some(Instant::ZERO);
        }
        self.sending.pieces.iter().map(|piece| piece.again_at).min()
    }

    /// Writes a piece that is due, if it finds room.
    pub(super) fn write(
        &mut self,
        now: Instant,
        channel: Channel,
        origin: u32,
        patience: Duration,
        writer: &mut Writer<'_>,
    ) {
        let Some(Waiting { body, expires }) = self.waiting.front() else { return };
        let total = body.len() as u32;
        let (wanted, tries) = match self.sending.overdue(now) {
            Some(piece) => (piece.range, piece.tries + 1),
            None if !self.sending.begun || self.sending.next < total => (self.sending.next..total, 0),
            None => return,
        };
        let expires_ms = (*expires - now).as_millis() as u64;
        let empty = Message { channel, origin, id: self.first, offset: wanted.start, total, expires_ms, bytes: &[] };
        let room = writer.room().saturating_sub(empty.overhead()) as u32;
        let end = wanted.end.min(wanted.start.saturating_add(room.min(MAX_PIECE)));
        let message = Message { bytes: &body[wanted.start as usize..end as usize], ..empty };
        if (end == wanted.start && total > 0) || Frame::Message(message).encode(writer).is_err() {
            return self.sending.pieces.extend((tries > 0).then_some(Piece { range: wanted, again_at: now, tries }));
        }
        // What found no room of a piece that goes again is a piece of its own.
        if tries > 0 && end < wanted.end {
            self.sending.pieces.push(Piece { range: end..wanted.end, again_at: now, tries });
        }
        self.sending.begun = true;
        self.sending.next = self.sending.next.max(end);
        let patience = patience.mul_f64(1.5_f64.powi(tries.min(8) as i32)).min(MAX_PATIENCE);
        self.sending.pieces.push(Piece { range: wanted.start..end, again_at: now + patience, tries });
    }

    #[cfg(test)]
    pub(super) const fn held(&self) -> usize {
        self.held
    }
}

impl Sending {
    fn overdue(&mut self, now: Instant) -> Option<Piece> {
        let at = self.pieces.iter().position(|piece| piece.again_at <= now)?;
        Some(self.pieces.swap_remove(at))
    }
}

/// Messages that wait on one channel.
const MAX_WAITING: usize = 64;
/// And their bytes.
const MAX_HELD: usize = 256 << 10;
/// A piece passes every path, whatever else is in its datagram.
const MAX_PIECE: u32 = 800;
/// However long nothing was acknowledged, a piece is tried again so soon: links come back at any time.
const MAX_PATIENCE: Duration = Duration::from_secs(1);
