//! A byte stream cut into access units.
//!
//! What differs between H.264 and H.265 is the [`Role`] of a NAL unit; the rest is here.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

use crate::MAX_UNIT;
use crate::annexb::START_CODE;

/// Cuts a byte stream, given in pieces of any size, into access units.
///
/// A unit is known to be whole when the next one begins: it comes out one unit late, or at [`flush`](Self::flush).
/// Bytes before the first start code are left out, and units above [`MAX_UNIT`] are dropped and counted.
pub struct AccessUnitSplitter {
    role: fn(&[u8]) -> Role,
    /// Bytes of a NAL unit that `role` wants to see.
    lead: usize,
    buffer: BytesMut,
    /// No start code begins before this offset, but for those already handled.
    scanned: usize,
    /// The first start code was seen.
    started: bool,
    /// The unit at the head of the buffer has a slice.
    has_picture: bool,
    /// Where the unit would end if the next slice turns out to begin a picture.
    prefix_at: Option<usize>,
    /// The head of the buffer's unit was thrown away.
    oversized: bool,
    dropped: u64,
    ready: VecDeque<Bytes>,
}

impl AccessUnitSplitter {
    pub(crate) fn new(role: fn(&[u8]) -> Role, lead: usize) -> Self {
        Self {
            role,
            lead,
            buffer: BytesMut::new(),
            scanned: 0,
            started: false,
            has_picture: false,
            prefix_at: None,
            oversized: false,
            dropped: 0,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.advance(self.lead);
        self.bound();
    }

    /// The stream has ended: what is left is the last unit. The next bytes begin a new stream.
    pub fn flush(&mut self) {
        self.advance(0);
        if self.started && !self.buffer.is_empty() {
            self.cut(self.buffer.len());
        }
        self.buffer.clear();
        (self.scanned, self.started, self.has_picture, self.prefix_at) = (0, false, false, None);
    }

    /// The next whole unit.
    pub fn poll(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// Units dropped because they were too large.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn advance(&mut self, lead: usize) {
        while let Some(found) = memmem::find(&self.buffer[self.scanned..], &START_CODE) {
            let code = self.scanned + found;
            let nal = code + START_CODE.len();
            if self.buffer.len() < nal + lead {
                self.scanned = code;
                return;
            }
            self.scanned = nal;
            let role = (self.role)(&self.buffer[nal..]);
            // The zero of a four-byte start code goes with it.
            self.on_nal(if code > 0 && self.buffer[code - 1] == 0 { code - 1 } else { code }, role);
        }
        // The last two bytes may be the head of a start code.
        self.scanned = self.scanned.max(self.buffer.len().saturating_sub(START_CODE.len() - 1));
    }

    fn on_nal(&mut self, begin: usize, role: Role) {
        if !self.started {
            self.started = true;
            self.discard(begin);
            self.has_picture = matches!(role, Role::FirstSlice | Role::Slice);
            return;
        }
        match role {
            Role::Opens if self.has_picture => self.cut(self.prefix_at.unwrap_or(begin)),
            Role::Prefixes if self.has_picture => self.prefix_at = self.prefix_at.or(Some(begin)),
            Role::FirstSlice => {
                if self.has_picture {
                    self.cut(self.prefix_at.unwrap_or(begin));
                }
                self.has_picture = true;
            }
            Role::Slice => {
                self.has_picture = true;
                self.prefix_at = None;
            }
            Role::Opens | Role::Prefixes | Role::Follows => {}
        }
    }

    /// Ends the unit at the head of the buffer.
    fn cut(&mut self, at: usize) {
        let unit = self.buffer.split_to(at).freeze();
        self.scanned = self.scanned.saturating_sub(at);
        self.has_picture = false;
        self.prefix_at = None;
        if core::mem::take(&mut self.oversized) || unit.len() > MAX_UNIT {
            self.dropped += 1;
        } else {
            self.ready.push_back(unit);
        }
    }

    fn discard(&mut self, count: usize) {
        self.buffer.advance(count);
        self.scanned = self.scanned.saturating_sub(count);
    }

    /// Throws away what can be part of no unit, or only of one too large to keep.
    fn bound(&mut self) {
        let keep = START_CODE.len() + 1 + self.lead;
        if !self.started {
            self.discard(self.buffer.len().saturating_sub(keep));
        } else if self.buffer.len() > MAX_UNIT + keep {
            self.oversized = true;
            self.prefix_at = self.prefix_at.map(|_| 0);
            self.discard(self.buffer.len() - keep);
        }
    }
}

/// What a NAL unit means for where an access unit begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// After a picture, it begins the next unit.
    Opens,
    /// It goes with the slice after it.
    Prefixes,
    /// The first slice of a picture.
    FirstSlice,
    /// Another slice of the same picture.
    Slice,
    /// It stays with what came before.
    Follows,
}
