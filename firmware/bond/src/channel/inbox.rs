//! Messages of one channel as they come in.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::frame::{Channel, Message, MessageAck};
use bytes::Bytes;

use super::BadMessage;
use crate::ranges::RangeSet;

/// The message that is coming in.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Of the other end; `None` before its first message.
    origin: Option<u32>,
    /// A session opened, and nothing came on this channel since.
    fresh: bool,
    /// The message that is waited for.
    next: u64,
    body: Vec<u8>,
    there: RangeSet,
    /// Handed on by then or not at all.
    expires: Option<Instant>,
    owes_word: bool,
}

impl Inbox {
    pub(super) const fn begin_session(&mut self) {
        self.fresh = true;
    }

    /// Takes in a piece; gives the message when it is the last.
    pub(super) fn on_piece(&mut self, now: Instant, piece: &Message<'_>) -> Result<Option<Bytes>, BadMessage> {
        if self.origin != Some(piece.origin) {
            // Within a session the other end does not begin another life.
            if self.origin.is_some() && !self.fresh {
                return Err(BadMessage);
            }
            *self = Self { origin: Some(piece.origin), next: piece.id, ..Self::default() };
        }
        self.fresh = false;
        self.owes_word = true;
        if piece.id < self.next {
            return Ok(None);
        }
        if piece.id > self.next {
            self.go_on_with(piece.id);
        }
        let end = piece.offset as usize + piece.bytes.len();
        let total = piece.total as usize;
        if self.expires.is_none() {
            self.body = vec![0; total];
        } else if self.body.len() != total {
            return Err(BadMessage);
        }
        let expires = now + Duration::from_millis(piece.expires_ms);
        let expires = *self.expires.insert(self.expires.map_or(expires, |before| before.min(expires)));
        self.body[piece.offset as usize..end].copy_from_slice(piece.bytes);
        self.there.insert(piece.offset..end as u32);
        if self.there.pieces() > MAX_PIECES {
            self.go_on_with(self.next);
            return Err(BadMessage);
        }
        if !self.there.contains(&(0..total as u32)) {
            return Ok(None);
        }
        let body = std::mem::take(&mut self.body);
        self.go_on_with(piece.id.saturating_add(1));
        Ok((now <= expires).then(|| body.into()))
    }

    fn go_on_with(&mut self, next: u64) {
        (self.next, self.body, self.there, self.expires) = (next, vec![], RangeSet::default(), None);
    }

    /// Whether the other end is to be told what is there.
    pub(super) const fn owes_word(&self) -> bool {
        self.owes_word
    }

    pub(super) fn take_word(&mut self, channel: Channel) -> Option<MessageAck> {
        if !std::mem::take(&mut self.owes_word) {
            return None;
        }
        let ranges = self.there.iter().map(|range| (range.start, range.end));
        Some(MessageAck::new(channel, self.origin?, self.next, ranges))
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.body.len() + self.there.pieces() * size_of::<std::ops::Range<u32>>()
    }
}

/// Holes in a message: more than pieces can be on their way at once, unless somebody plays with us.
const MAX_PIECES: usize = 256;
