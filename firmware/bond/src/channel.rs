//! Messages between unit and gateway: reliable, in order on their channel, and each once.
//!
//! Both ends hold [`Channels`], which outlive sessions: what the other end has not acknowledged goes out again in the next
//! one. A message that has expired is given up, and the next one takes its turn. One message of a channel is on the way at
//! a time, in pieces that are acknowledged and repeated each by itself.
//!
//! Delivered means that the other end's program has been handed the message. Whether anything came of it is for that
//! program to say, with a message of its own. Expired means that nobody knows: the acknowledgement may be what was lost.

mod allowance;
mod inbox;
mod outbox;

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_units::{Bitrate, Instant};
use bondbox_wire::Writer;
use bondbox_wire::frame::{Frame, Message, MessageAck};
use bytes::Bytes;

pub use bondbox_wire::frame::Channel;

use crate::packet::{ENVELOPE, IP_UDP};
use allowance::Allowance;
use inbox::Inbox;
use outbox::Outbox;

/// A message of one channel; ids count up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Longer than [`bondbox_wire::frame::MAX_MESSAGE`], or a unit longer than [`crate::return_track::MAX_UNIT`].
    #[error("it has {0} bytes, at most 65536 are taken")]
    TooLong(usize),
    /// Too many wait, or they are too long together.
    #[error("too much waits")]
    Full,
    /// There is no such stream.
    #[error("there is no such stream")]
    NoStream,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFate {
    /// The other end has it.
    Delivered,
    /// Nobody said so in time.
    Expired,
}

/// What happened on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// A message came.
    Message {
        /// On this channel.
        channel: Channel,
        /// Its id, of the other end's counting.
        id: MessageId,
        /// What it says.
        body: Bytes,
    },
    /// One of ours is over.
    Done {
        /// On this channel.
        channel: Channel,
        /// Which.
        id: MessageId,
        /// How it ended.
        fate: MessageFate,
    },
}

/// All channels of one end.
#[derive(Debug)]
pub(crate) struct Channels {
    origin: u32,
    outboxes: [Outbox; Channel::ALL.len()],
    inboxes: [Inbox; Channel::ALL.len()],
    allowance: Allowance,
    events: VecDeque<ChannelEvent>,
}

/// A frame that says what no honest end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadMessage;

impl Channels {
    /// `origin` differs from that of any other life of this end.
    pub(crate) fn new(now: Instant, origin: u32) -> Self {
        Self {
            origin,
            outboxes: Default::default(),
            inboxes: Default::default(),
            allowance: Allowance::new(now),
            events: VecDeque::new(),
        }
    }

    /// Queues a message, which is given up after `expiry`.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        channel: Channel,
        body: Bytes,
        expiry: Duration,
    ) -> Result<MessageId, Refused> {
        self.outboxes[channel as usize].push(now + expiry, body)
    }

    /// A session opened: what was on the way in another goes again, and the other end may be a new one.
    pub(crate) fn begin_session(&mut self) {
        self.outboxes.iter_mut().for_each(Outbox::begin_session);
        self.inboxes.iter_mut().for_each(Inbox::begin_session);
    }

    /// Takes in a piece of a message.
    pub(crate) fn on_message(&mut self, now: Instant, message: &Message<'_>) -> Result<(), BadMessage> {
        if let Some(body) = self.inboxes[message.channel as usize].on_piece(now, message)? {
            let (channel, id) = (message.channel, MessageId(message.id));
            self.events.push_back(ChannelEvent::Message { channel, id, body });
        }
        Ok(())
    }

    /// Takes in what the other end says of our messages.
    pub(crate) fn on_ack(&mut self, ack: &MessageAck) {
        if ack.origin == self.origin {
            let done = self.outboxes[ack.channel as usize].on_ack(ack);
            self.tell_done(ack.channel, done, MessageFate::Delivered);
        }
    }

    /// Looks at the clock: gives up what has expired.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for channel in Channel::ALL {
            while let Some(id) = self.outboxes[channel as usize].expire(now) {
                self.tell_done(channel, Some(id), MessageFate::Expired);
            }
        }
    }

    /// The end of this end: whatever waits has expired.
    pub(crate) fn give_up(&mut self) {
        self.handle_timeout(Instant::FAR_FUTURE);
    }

    /// Whether [`Channels::write`] has something to write.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.deadline(now).is_some_and(|deadline| deadline <= now)
    }

    /// When to write next.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.inboxes.iter().any(Inbox::owes_word) {
            return Some(now);
        }
        let piece = self.outboxes.iter().filter_map(Outbox::deadline).min()?;
        Some(piece.max(self.allowance.free_at()))
    }

    /// Writes what is due into a datagram; a piece is repeated when it is not acknowledged within `patience`. `proven` is
    /// what the links carry, and decides how much of it messages may take.
    pub(crate) fn write(&mut self, now: Instant, patience: Duration, proven: Bitrate, writer: &mut Writer<'_>) {
        let before = writer.len();
        for (channel, inbox) in Channel::ALL.into_iter().zip(&mut self.inboxes) {
            if let Some(ack) = inbox.take_word(channel) {
                let _ = Frame::MessageAck(ack).encode(writer);
            }
        }
        if self.allowance.free_at() <= now {
            for (channel, outbox) in Channel::ALL.into_iter().zip(&mut self.outboxes) {
                outbox.write(now, channel, self.origin, patience, writer);
            }
        }
        self.allowance.take(now, proven, writer.len() - before + AROUND);
    }

    /// The next thing that happened.
    pub(crate) fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// Bytes held for both ways.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        let inboxes: usize = self.inboxes.iter().map(Inbox::held).sum();
        inboxes + self.outboxes.iter().map(Outbox::held).sum::<usize>()
    }

    fn tell_done(&mut self, channel: Channel, done: Option<u64>, fate: MessageFate) {
        self.events.extend(done.map(|id| ChannelEvent::Done { channel, id: MessageId(id), fate }));
    }
}

/// Bytes of IP, UDP and envelope around what is written.
const AROUND: usize = IP_UDP + ENVELOPE;

#[cfg(test)]
mod tests;
