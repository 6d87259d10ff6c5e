//! What goes to the unit: answers, acknowledgements, and on which of its paths.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};
use bondbox_wire::envelope::Address;
use bondbox_wire::frame::{Frame, LinkAccept};
use bondbox_wire::{MIN_DATAGRAM, Writer};

use super::super::Route;
use super::{MAX_TRACKS, Numbers, Outgoing, Path, Session};
use crate::channel::Channels;
use crate::packet::{Heading, seal};
use crate::return_track::ReturnSender;
use crate::trace::TraceEvent;

impl Session {
    pub(super) fn send(&mut self, path: u32, outgoing: Outgoing) {
        // The newest answer says all: a datagram full of pings is answered once.
        let same = |(to, other): &(u32, Outgoing)| {
            let kind = std::mem::discriminant(other) == std::mem::discriminant(&outgoing);
            *to == path && kind && !matches!(outgoing, Outgoing::Keyframe(_))
        };
        if let Some(waiting) = self.outbox.iter_mut().find(|waiting| same(waiting)) {
            waiting.1 = outgoing;
        } else if self.outbox.len() < MAX_OUTBOX {
            self.outbox.push_back((path, outgoing));
        }
    }

    /// Writes the next datagram of this session.
    pub(in super::super) fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Route, usize)> {
        if let Some((route, datagram)) = self.copies.pop_front() {
            buffer[..datagram.len()].copy_from_slice(&datagram);
            return Some((route, datagram.len()));
        }
        if self.ending {
            // Nobody listens any more.
            return None;
        }
        self.ask_for_keyframe(now);
        while let Some((path, outgoing)) = self.outbox.pop_front() {
            let sent = self.transmit(now, path, buffer, |own_index, writer| {
                let frame = match outgoing {
                    Outgoing::Accept { join_sent, received } => {
                        Frame::LinkAccept(LinkAccept { index: own_index, join_sent, received })
                    }
                    Outgoing::Keyframe(track) => Frame::Keyframe { track },
                    Outgoing::Close => Frame::Close { reason: 0 },
                };
                let _ = frame.encode(writer);
            });
            if sent.is_some() {
                return sent;
            }
        }
        self.transmit_pings(now, buffer)
            .or_else(|| self.transmit_returned(now, buffer))
            .or_else(|| self.transmit_messages(now, buffer))
            .or_else(|| self.transmit_ack(now, buffer))
            .or_else(|| self.transmit_ack_copy(now, buffer))
    }

    /// When to poll again: a unit or an acknowledgement is due.
    pub(in super::super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let media = if self.announced { self.receiver.deadline(now) } else { None };
        if self.ending {
            return media.into_iter().chain((!self.copies.is_empty()).then_some(now)).min();
        }
        let acks = self.paths.values().flat_map(|path| [path.ack_due(), path.ack.copy_due()]).flatten().min();
        let outbox = (!self.outbox.is_empty() || !self.copies.is_empty()).then_some(now);
        let pings = self.paths.values().filter_map(|path| path.peer_index.and(path.ways.deadline())).min();
        let messages =
            self.freshest(now, None).and_then(|_| self.channels.deadline(now)).map(|at| at.max(self.messages_at));
        let returned = self.returned.deadline();
        [acks, outbox, pings, messages, returned, media].into_iter().flatten().min()
    }

    /// The last word to a unit.
    pub(in super::super) fn farewell(mut self) -> Vec<(Route, Vec<u8>)> {
        let paths: Vec<_> = self.paths.keys().copied().collect();
        paths.iter().for_each(|path| self.send(*path, Outgoing::Close));
        let mut buffer = [0; MIN_DATAGRAM];
        let now = self.last_arrival;
        let mut datagrams = vec![];
        while !self.outbox.is_empty() {
            let Some((route, len)) = self.poll_transmit(now, &mut buffer) else { break };
            datagrams.push((route, buffer[..len].to_vec()));
        }
        datagrams
    }

    /// Messages by turns over the path that is surely alive, and over each of the others.
    fn transmit_messages(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Route, usize)> {
        if now < self.messages_at || !self.channels.is_due(now) {
            return None;
        }
        let freshest = self.freshest(now, None)?;
        self.message_turn = self.message_turn.wrapping_add(1);
        let turn = self.message_turn;
        let detour = || self.other(now, freshest, turn / 2);
        let path = if turn.is_multiple_of(2) { freshest } else { detour().unwrap_or(freshest) };
        let rtt = self.reports.values().map(|report| report.numbers.rtt_us.saturating_add(report.numbers.queue_us));
        let patience =
            Duration::from_micros(rtt.max().unwrap_or(0)).saturating_mul(2).clamp(MIN_PATIENCE, MAX_PATIENCE);
        // What is proven is the way here; half of its share is left to acknowledgements.
        let proven = self.received.rate(now).scaled(0.5);
        let mut channels = std::mem::replace(&mut self.channels, Channels::new(now, 0));
        let sent = self.transmit(now, path, buffer, |_, writer| channels.write(now, patience, proven, writer));
        self.channels = channels;
        if sent.is_none() {
            // The path may not be used as long as nobody knows who is there.
            self.messages_at = now + MIN_PATIENCE;
        }
        sent
    }

    /// Units of return tracks, over a path that lives.
    fn transmit_returned(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Route, usize)> {
        self.returned.expire(now);
        if !self.returned.is_due(now) {
            return None;
        }
        let of = |id| self.reports.values().find(move |report| report.path == id).map(|report| report.numbers);
        let lives = |path: &Path| path.peer_index.is_some() && now - path.ack.last_arrival() <= KEPT_ALIVE;
        let alive = self.paths.iter().filter(|(_, path)| lives(path));
        let paths = alive.map(|(id, _)| (*id, of(*id).map_or(MIN_PATIENCE, |numbers| answered_in(&numbers))));
        let Some(path) = self.returned.pick(now, paths) else {
            self.returned.wait_until(now + GRAIN);
            return None;
        };
        let patience = of(path).map_or(MIN_PATIENCE, |numbers| answered_in(&numbers) + GRAIN).min(MAX_PATIENCE);
        let mut returned = std::mem::replace(&mut self.returned, ReturnSender::new(Duration::ZERO));
        let sent = self.transmit(now, path, buffer, |_, writer| returned.write(now, path, patience, writer));
        if sent.is_none() {
            // The path may not be used as long as nobody knows who is there.
            returned.wait_until(now + GRAIN);
        }
        self.returned = returned;
        sent
    }

    fn ask_for_keyframe(&mut self, now: Instant) {
        while let Some(track) = self.receiver.keyframe_wanted(now) {
            let picture = self.tracks.get(&track).is_some_and(|info| info.kind.is_picture());
            if let Some(path) = self.freshest(now, None).filter(|_| picture) {
                self.send(path, Outgoing::Keyframe(track));
            }
        }
    }

    fn transmit_ack(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Route, usize)> {
        let due = |path: &Path| path.ack_due().is_some_and(|due| due <= now);
        let due = self.paths.iter().find(|(_, path)| due(path));
        let (id, detour) = due.map(|(id, path)| (*id, path.ack.detour(now)))?;
        // By turns over the path that is surely alive, and over each of the others.
        let over = match detour {
            Some(turn) if turn % 2 == 0 => self.freshest(now, Some(id)),
            Some(turn) => self.other(now, id, turn / 2),
            None => None,
        };
        let over = over.unwrap_or(id);
        self.transmit_ack_of(now, id, over, buffer)
    }

    /// A link that has gone quiet may have lost its last acknowledgement: it is told again over another.
    fn transmit_ack_copy(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Route, usize)> {
        let due = |path: &Path| path.ack.copy_due().is_some_and(|due| due <= now);
        // A path that the unit has not named yet may have nobody to tell; it must not keep the others from theirs.
        while let Some(id) = self.paths.iter().find(|(_, path)| due(path)).map(|(id, _)| *id) {
            let over = self.freshest(now, Some(id)).unwrap_or(id);
            let sent = self.transmit_ack_of(now, id, over, buffer);
            if sent.is_some() {
                return sent;
            }
        }
        None
    }

    fn transmit_ack_of(&mut self, now: Instant, of: u32, over: u32, buffer: &mut [u8]) -> Option<(Route, usize)> {
        let mut ack = std::mem::take(&mut self.paths.get_mut(&of)?.ack);
        let news = now >= self.horizon_at;
        let due = if news { MAX_TRACKS } else { 0 };
        let horizons: heapless::Vec<_, MAX_TRACKS> = self.receiver.horizons().take(due).collect();
        let latency = if news { self.receiver.news_of_latency() } else { None };
        if !horizons.is_empty() || latency.is_some() {
            self.horizon_at = now + HORIZON_INTERVAL;
        }
        // What arrived over another path rides along, each in its turn: a way back that fails silences no link.
        let beside = self.beside(now, of);
        let mut news = beside.and_then(|id| Some((id, std::mem::take(&mut self.paths.get_mut(&id)?.ack))));
        let pong = self.paths.get_mut(&over)?.pong.take();
        let sent = self.transmit(now, over, buffer, |_, writer| {
            let _ = ack.encode(now, of, writer);
            let _ = pong.map(|token| Frame::Pong(token).encode(writer));
            if let Some((id, news)) = &mut news {
                let _ = news.encode_news(now, *id, writer);
            }
            for (track, unit) in horizons {
                let _ = Frame::Horizon { track, unit }.encode(writer);
            }
            let _ = latency.map(|latency| Frame::Latency(latency).encode(writer));
        });
        if sent.is_none() {
            // Without a way to say it there is nothing to wait for.
            ack.forget_due();
        } else if over != of {
            ack.on_carried(now);
        }
        if let Some((id, news)) = news
            && let Some(path) = self.paths.get_mut(&id)
        {
            path.ack = news;
        }
        self.paths.get_mut(&of)?.ack = ack;
        sent
    }

    /// The path whose news ride along with an acknowledgement of `of`.
    fn beside(&mut self, now: Instant, of: u32) -> Option<u32> {
        let others = self.paths.iter().filter(|(id, path)| **id != of && path.ack.has_news(now));
        let ids = others.map(|(id, _)| *id);
        let next = ids.clone().find(|id| *id > self.rode_along).or_else(|| ids.clone().next())?;
        self.rode_along = next;
        Some(next)
    }

    /// Another path that lives, each in its turn: two busy links that detour over each other could fall silent together.
    fn other(&self, now: Instant, but: u32, turn: u32) -> Option<u32> {
        let lives = |path: &Path| {
            let quiet = now - path.ack.last_arrival();
            // One that was busy and has stopped may be dead; one that nobody uses is kept alive once a second.
            let idle = path.received.rate(now) <= IDLE;
            path.room(now).is_some() && (quiet <= PAUSE || quiet <= KEPT_ALIVE && idle)
        };
        let mut others = self.paths.iter().filter(|(id, path)| **id != but && lives(path));
        let count = others.clone().count().max(1);
        others.nth(turn as usize % count).map(|(id, _)| *id)
    }

    /// The path that something arrived on last.
    fn freshest(&self, now: Instant, but: Option<u32>) -> Option<u32> {
        let open = self.paths.iter().filter(|(id, path)| Some(**id) != but && path.room(now).is_some());
        open.max_by_key(|(_, path)| path.ack.last_arrival()).map(|(id, _)| *id)
    }

    /// Asks who is where, of all paths that are in doubt.
    fn transmit_pings(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Route, usize)> {
        let due = |path: &Path| path.peer_index.is_some() && path.ways.deadline().is_some_and(|due| due <= now);
        while let Some(id) = self.paths.iter().find(|(_, path)| due(path)).map(|(id, _)| *id) {
            for (route, token) in self.paths.get_mut(&id)?.ways.pings(now, &self.tokens) {
                let len = self.seal(now, id, &mut buffer[..MIN_DATAGRAM], |_, writer| {
                    let _ = Frame::Ping(token).encode(writer);
                })?;
                if self.paths.get_mut(&id)?.ways.spend(route, len) {
                    self.copies.push_back((route, buffer[..len].to_vec()));
                }
            }
            if let Some((route, datagram)) = self.copies.pop_front() {
                buffer[..datagram.len()].copy_from_slice(&datagram);
                return Some((route, datagram.len()));
            }
        }
        None
    }

    fn transmit(
        &mut self,
        now: Instant,
        path_id: u32,
        buffer: &mut [u8],
        fill: impl FnOnce(u32, &mut Writer<'_>),
    ) -> Option<(Route, usize)> {
        let room = self.paths.get(&path_id)?.room(now)?.min(MIN_DATAGRAM);
        let len = self.seal(now, path_id, &mut buffer[..room], fill)?;
        let mut targets = self.paths.get_mut(&path_id)?.ways.targets(now, len);
        let first = targets.pop()?;
        if self.copies.len() < MAX_OUTBOX {
            self.copies.extend(targets.pop().map(|other| (other, buffer[..len].to_vec())));
        }
        Some((first, len))
    }

    /// Seals what `fill` writes, knowing what the unit is to call us by on this path; gives the datagram's length.
    fn seal(
        &mut self,
        now: Instant,
        path_id: u32,
        buffer: &mut [u8],
        fill: impl FnOnce(u32, &mut Writer<'_>),
    ) -> Option<usize> {
        let path = self.paths.get_mut(&path_id)?;
        let to = Address::Path(path.peer_index?);
        // Return packets are not acknowledged, so their numbers travel as if nothing was.
        let heading =
            Heading { path: path_id, to, pn: path.next_pn, acknowledged: path.next_pn.checked_sub(ASSUMED_KNOWN) };
        path.next_pn += 1;
        let own_index = path.own_index;
        let len = seal(now, &mut self.keys, heading, buffer, |writer| fill(own_index, writer));
        let pn = heading.pn as u32;
        self.trace.record(now, &TraceEvent::Sent { path: path_id, pn, size: len as u16 });
        Some(len)
    }
}

/// What the unit has measured, its queue included: the answer comes that way.
fn answered_in(numbers: &Numbers) -> Duration {
    Duration::from_micros(numbers.rtt_us.saturating_add(numbers.queue_us))
}

/// Of timers at both ends.
const GRAIN: Duration = Duration::from_millis(20);
/// An answer takes a round trip that the unit has measured, and a little; nobody who says he measured years is waited for.
const MIN_PATIENCE: Duration = Duration::from_millis(150);
const MAX_PATIENCE: Duration = Duration::from_secs(1);
/// Answers that wait for the socket, of all paths; more than one of each kind and path never wait.
const MAX_OUTBOX: usize = 64;
/// Often enough that a unit drops what is past within a few frames.
const HORIZON_INTERVAL: Duration = Duration::from_millis(100);
/// Makes numbers travel as two bytes: a unit reads them right until it missed 32,768 in a row, minutes of them.
const ASSUMED_KNOWN: u64 = 4_000;
const PAUSE: Duration = Duration::from_millis(100);
const KEPT_ALIVE: Duration = Duration::from_secs(2);
/// More than reports and probes, less than any media.
const IDLE: Bitrate = Bitrate::from_kbps(20);
