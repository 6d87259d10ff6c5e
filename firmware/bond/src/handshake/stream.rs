//! One direction's TLS bytes: sent in pieces, received in any order, read message by message.

use bondbox_wire::handshake::{Handshake, MAX_DATAGRAM, MAX_OVERHEAD};

/// Bytes to send.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    acknowledged: usize,
}

impl Outgoing {
    /// The peer has all bytes before `offset`; `true` when that is news.
    pub(super) fn on_acknowledged(&mut self, offset: u64) -> bool {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let news = offset > self.acknowledged;
        self.acknowledged = self.acknowledged.max(offset);
        news
    }

    /// Where unacknowledged pieces begin. One empty piece at the end when there is none.
    pub(super) fn pieces(&self) -> impl Iterator<Item = usize> + use<> {
        let (start, end) = (self.acknowledged, self.bytes.len());
        (start..end.max(start + 1)).step_by(PIECE)
    }

    /// The piece that begins at `offset`.
    pub(super) fn piece(&self, offset: usize) -> &[u8] {
        let offset = offset.min(self.bytes.len());
        &self.bytes[offset..self.bytes.len().min(offset + PIECE)]
    }
}

/// Bytes received.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    filled: Vec<bool>,
    contiguous: usize,
    read: usize,
}

impl Incoming {
    /// Takes in a piece; what lies past `limit` is ignored.
    pub(super) fn on_piece(&mut self, piece: &Handshake<'_>, limit: usize) {
        let offset = usize::try_from(piece.offset).unwrap_or(usize::MAX);
        let Some(end) = offset.checked_add(piece.bytes.len()).filter(|end| *end <= limit) else { return };
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
            self.filled.resize(end, false);
        }
        for (i, byte) in piece.bytes.iter().enumerate() {
            // The first to come stays: a forger cannot rewrite what was read.
            if !std::mem::replace(&mut self.filled[offset + i], true) {
                self.bytes[offset + i] = *byte;
            }
        }
        while self.filled.get(self.contiguous) == Some(&true) {
            self.contiguous += 1;
        }
    }

    /// Bytes kept, with and without gaps.
    #[cfg(test)]
    pub(super) const fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that arrived without a gap.
    pub(super) const fn contiguous(&self) -> u64 {
        self.contiguous as u64
    }

    /// The next whole TLS handshake message (RFC 8446 §4).
    ///
    /// Keys change between messages, so the TLS engine wants them one by one.
    pub(super) fn next_message(&mut self) -> Option<&[u8]> {
        let unread = &self.bytes[self.read..self.contiguous];
        let (header, _) = unread.split_first_chunk::<4>()?;
        let len = 4 + (usize::from(header[1]) << 16 | usize::from(header[2]) << 8 | usize::from(header[3]));
        let message = unread.get(..len)?;
        self.read += len;
        Some(message)
    }
}

/// TLS bytes in one datagram.
const PIECE: usize = MAX_DATAGRAM - MAX_OVERHEAD;
