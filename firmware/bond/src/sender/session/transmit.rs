//! What goes to the gateway in a session.

use std::collections::BTreeMap;

use bondbox_units::{Instant, LinkId};
use bondbox_wire::Writer;
use bondbox_wire::envelope::Address;
use bondbox_wire::frame::{Bitrate, Clock, Frame, LinkJoin, Media, Track};
use std::time::Duration;

use super::super::link::Link;
use super::super::liveness::Health;
use super::super::path::{Chunks, Content, Path};
use super::super::policy::Policy;
use super::super::schedule::{CopyPick, Hopeless, Pick, Rules, Source, in_order, pick, pick_for_copy};
use super::super::store::{Chunk, Store};
use super::super::{Feature, Sender, TrackInfo, Transmit};
use super::{GETTING_TO_KNOW, MAX_JOIN_INTERVAL, MAX_LINKS, Session};
use crate::packet::{Heading, seal};
use crate::trace::{TraceEvent, Why};

impl Sender {
    /// Writes the next datagram of the open session.
    pub(in super::super) fn transmit_session(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let session = self.session.as_mut()?;
        if let Some(closing) = &mut session.closing {
            let Some(link) = closing.pop() else {
                self.session = None;
                return None;
            };
            return session.transmit(now, link, &mut self.links, buffer, |_, writer| {
                Frame::Close { reason: 0 }.encode(writer).ok().map(|()| Content::default())
            });
        }
        session
            .transmit_join(now, &mut self.links, buffer)
            .or_else(|| self.transmit_pong(now, buffer))
            .or_else(|| self.transmit_report(now, buffer))
            .or_else(|| self.transmit_units_ack(now, buffer))
            .or_else(|| self.transmit_messages(now, buffer))
            .or_else(|| self.transmit_probe(now, buffer))
            .or_else(|| self.transmit_urgent_repair(now, buffer))
            .or_else(|| self.transmit_media(now, buffer))
            .or_else(|| self.transmit_repair(now, buffer))
            .or_else(|| self.transmit_copy(now, buffer))
            .or_else(|| self.transmit_late(now, buffer))
            .or_else(|| self.transmit_filler(now, buffer))
    }

    fn transmit_pong(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let session = self.session.as_mut()?;
        let (link, token) = session.pongs.pop()?;
        session.transmit(now, link, &mut self.links, buffer, |_, writer| {
            Frame::Pong(token).encode(writer).ok().map(|()| Content::default())
        })
    }

    /// Clock, encoder, links and tracks, on the link that delivers first.
    fn transmit_report(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let session = self.session.as_ref()?;
        let (report, clock) = (now >= session.report_at, now >= session.clock_at);
        let tracks = !session.tracks_told && !self.tracks.is_empty() && now >= session.tracks_at;
        if !(report || clock || tracks) {
            return None;
        }
        let (link, line) = (session.quickest(now)?, *session.clocks.line()?);
        let encoder = Bitrate {
            target_bps: self.encoder.target().as_bps(),
            actual_bps: self.produced.rate(now).as_bps(),
            encode_delay_us: self.encode_delay.as_micros() as u64,
        };
        // Most of these packets carry the clock alone.
        let reported = self.links.iter().filter(|_| report);
        let reports = reported.map(|(id, link)| (self.link_status(now, *id, link), self.path_id(*id)));
        let links: heapless::Vec<_, MAX_LINKS> = reports.take(MAX_LINKS).collect();
        let session = self.session.as_mut()?;
        session.clock_at = now + CLOCK_INTERVAL;
        if report {
            session.report_at = now + REPORT_INTERVAL;
        }
        if tracks {
            session.tracks_at = now + TRACKS_INTERVAL;
        }
        let infos = &self.tracks;
        let mut left = std::mem::take(&mut session.left);
        let sent = session.transmit(now, link, &mut self.links, buffer, |_, writer| {
            // What finds no room waits for the next report.
            let mut put = |frame: Frame<'_>| frame.encode(writer).is_ok();
            let receiver = now.offset_micros(line.offset(now));
            put(Frame::Clock(Clock { sender: now, receiver, drift_ppb: line.drift_ppb() }));
            let told = tracks && infos.values().all(|info| put(Frame::Track(track_frame(info))));
            if report {
                put(Frame::Bitrate(encoder));
                for (path, _) in &left {
                    put(Frame::LinkLeave { path: *path });
                }
                for (link, path) in &links {
                    put(Frame::LinkReport(link.report(*path)));
                }
            }
            Some(Content { tracks: told, ..Content::default() })
        });
        if report {
            left.retain_mut(|(_, times)| {
                *times -= 1;
                *times > 0
            });
        }
        session.left = left;
        sent
    }

    fn path_id(&self, link: LinkId) -> u32 {
        self.session.as_ref().and_then(|session| session.paths.get(&link)).map_or(0, |path| path.id)
    }

    /// One packet now and then on links that are overdue or idle, and one that finds out how large packets may be.
    fn transmit_probe(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let session = self.session.as_mut()?;
        let dark = session.paths.values().all(|path| !path.is_usable());
        let silent_probe = if dark { DARK_PROBE } else { SILENT_PROBE };
        let searches = self.config.features.has(Feature::MtuSearch);
        let due = session.paths.iter_mut().find_map(|(link, path)| {
            path.peer_index?;
            let idle = now - path.last_sent;
            let health = path.liveness.health();
            if searches
                && health == Health::Up
                && let Some(size) = path.mtu.probe(now)
            {
                return Some((*link, Probe::Mtu(size)));
            }
            match health {
                Health::Up if idle >= KEEP_ALIVE => Some((*link, Probe::Ping)),
                Health::Up if idle >= DOUBT_PROBE && path.is_overdue(now) => Some((*link, Probe::Ping)),
                Health::Suspect if idle >= SUSPECT_PROBE => Some((*link, Probe::Useful)),
                Health::Silent if idle >= silent_probe => Some((*link, Probe::Ping)),
                Health::Up | Health::Suspect | Health::Silent => None,
            }
        });
        let (link, probe) = due?;
        let store = &self.store;
        let limit = if let Probe::Mtu(size) = probe { size } else { session.paths[&link].mtu.datagram() };
        let buffer = &mut buffer[..limit];
        session.transmit_any(now, link, &mut self.links, buffer, |_, writer| {
            let mut content = Content { mtu_probe: matches!(probe, Probe::Mtu(_)), ..Content::default() };
            Frame::Ping(now.as_micros()).encode(writer).ok()?;
            match probe {
                Probe::Mtu(_) => Frame::Padding.encode(writer).ok()?,
                // A copy: the bytes keep their place in the queue, for this link may be dead.
                Probe::Useful => {
                    if let Some((_, chunk)) = in_order(store).next() {
                        put_chunk(store, chunk, true, writer, &mut content);
                    }
                }
                Probe::Ping => {}
            }
            Some(content)
        })
    }

    fn transmit_media(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        if self.store.is_idle() {
            return None;
        }
        let session = self.session.as_mut()?;
        let mut candidates = session.candidates(now, !self.store.waiting_again().is_empty());
        let mut hopeless = Hopeless::new();
        let rules = Rules { policy: self.config.policy, ahead: self.config.features.has(Feature::LookAhead) };
        // What links do in their first seconds is mostly a guess.
        let known = now - session.opened >= GETTING_TO_KNOW;
        let picked = pick(now, &mut candidates, &self.store, rules, known.then_some(&mut hopeless));
        let store = &mut self.store;
        if !hopeless.is_empty() {
            let before = store.missed_live;
            store.give_up_all(&hopeless);
            if store.missed_live > before {
                return self.transmit_media(now, buffer);
            }
        }
        let picked = picked?;
        let mut again = 0;
        let mut precious = Chunks::new();
        let first = matches!(picked.source, Source::First(_));
        let all = self.config.policy == Policy::Redundant;
        let duplicates = self.config.features.has(Feature::Duplicates);
        let limit = session.media_limit(picked.link)?;
        let mut coding = std::mem::take(&mut session.coding);
        let sent = session.transmit_any(now, picked.link, &mut self.links, &mut buffer[..limit], |path, writer| {
            let (content, repaired) = take(store, picked, writer);
            again = repaired;
            if first && (all || duplicates && content.chunks.iter().any(|chunk| store.is_critical(chunk))) {
                precious.extend(content.chunks.iter().cloned());
            }
            coding.on_sent(now, picked.link, path, store, &content, writer.written());
            Some(content)
        });
        session.coding = coding;
        precious.iter().for_each(|chunk| self.store.copy_later(picked.link, chunk));
        if let Some(link) = self.links.get_mut(&picked.link).filter(|_| again > 0) {
            link.bytes_repaired += again;
            let path = session.paths.get(&picked.link).map_or(0, |path| path.id);
            self.trace.record(now, &TraceEvent::Again { path, bytes: again as u32, why: Why::Lost });
        }
        sent
    }

    /// A copy of what is precious over a second link, when nothing else waits.
    fn transmit_copy(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        self.store.next_copy()?;
        let session = self.session.as_mut()?;
        let candidates = session.candidates(now, false);
        let (link, repeat) = loop {
            match pick_for_copy(now, &candidates, self.store.next_copy()?) {
                CopyPick::Over(link) => break (link, self.store.take_copy()?),
                CopyPick::TooLate => drop(self.store.take_copy()),
                CopyPick::Later => return None,
            }
        };
        let store = &self.store;
        let sent = session.transmit(now, link, &mut self.links, buffer, |_, writer| {
            let mut content = Content::default();
            put_chunk(store, &repeat.chunk, true, writer, &mut content);
            Some(content)
        })?;
        if let Some(link) = self.links.get_mut(&sent.link) {
            link.bytes_repaired += u64::from(repeat.chunk.range.end - repeat.chunk.range.start);
        }
        Some(sent)
    }

    /// What is late, or else padding, on a link that is finding out what it can do.
    fn transmit_filler(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let session = self.session.as_mut()?;
        let wanted = session.wanted.max(self.config.encoder_start);
        let mut ready = session.paths.iter_mut().filter(|(_, path)| path.ready_at(now) <= now);
        let link = *ready.find_map(|(link, path)| path.wants_filler(now, wanted).then_some(link))?;
        let store = &mut self.store;
        let mut again = 0;
        let sent = session.transmit(now, link, &mut self.links, buffer, |_, writer| {
            let mut content = Content::default();
            again = put_late(store, writer, &mut content);
            Frame::Padding.encode(writer).ok().map(|()| content)
        })?;
        if let Some(path) = session.paths.get_mut(&link) {
            path.take_filler(sent.len);
        }
        if let Some(link) = self.links.get_mut(&link) {
            link.bytes_repaired += again;
        }
        Some(sent)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// A datagram of so many bytes.
    Mtu(usize),
    Ping,
    Useful,
}

impl Session {
    /// Asks the gateway to accept a link.
    pub(super) fn transmit_join(
        &mut self,
        now: Instant,
        links: &mut BTreeMap<LinkId, Link>,
        buffer: &mut [u8],
    ) -> Option<Transmit> {
        let (link, join) = self.joins.iter_mut().find(|(_, join)| now >= join.at)?;
        let link = *link;
        join.at = now + join.interval;
        join.interval = join.interval.mul_f64(1.5).min(MAX_JOIN_INTERVAL);
        let name = links.get(&link)?.name.clone();
        self.transmit_any(now, link, links, buffer, |path, writer| {
            let join = LinkJoin { index: path.own_index, sent: now, link, name: &name };
            Frame::LinkJoin(join).encode(writer).ok().map(|()| Content::default())
        })
    }

    /// Sends a packet within what is known to pass.
    pub(in super::super) fn transmit(
        &mut self,
        now: Instant,
        link: LinkId,
        links: &mut BTreeMap<LinkId, Link>,
        buffer: &mut [u8],
        fill: impl FnOnce(&Path, &mut Writer<'_>) -> Option<Content>,
    ) -> Option<Transmit> {
        let limit = self.paths.get(&link)?.mtu.datagram();
        self.transmit_any(now, link, links, &mut buffer[..limit], fill)
    }

    fn transmit_any(
        &mut self,
        now: Instant,
        link: LinkId,
        links: &mut BTreeMap<LinkId, Link>,
        buffer: &mut [u8],
        fill: impl FnOnce(&Path, &mut Writer<'_>) -> Option<Content>,
    ) -> Option<Transmit> {
        let path = self.paths.get_mut(&link)?;
        let to = match path.peer_index {
            Some(index) => Address::Path(index),
            None => Address::NewPath { session: self.index, path: path.id },
        };
        let heading = Heading { path: path.id, to, pn: path.next_pn(), acknowledged: path.largest_acknowledged() };
        let mut content = None;
        let len = seal(now, &mut self.keys, heading, buffer, |writer| content = fill(path, writer));
        path.on_sent(now, len, content.unwrap_or_default());
        self.spare.on_sent(now, len);
        if let Some(link) = links.get_mut(&link) {
            link.on_sent(len);
        }
        Some(Transmit { link, len })
    }
}

/// Moves bytes from the queues into a packet: those picked, then what follows them while there is room.
/// Gives how many go out for the second time, too.
fn take(store: &mut Store, picked: Pick, writer: &mut Writer<'_>) -> (Content, u64) {
    let mut content = Content::default();
    let mut repaired = 0;
    let (mut source, mut from) = (picked.source, Some(picked.from));
    loop {
        let waiting = match source {
            Source::Again(i) => store.waiting_again().get(i).map(|waiting| &waiting.chunk),
            Source::First(i) => store.waiting_first().get(i),
        };
        let Some(mut chunk) = waiting.cloned() else { break };
        chunk.range.start = from.take().unwrap_or(chunk.range.start);
        let again = matches!(source, Source::Again(_));
        let before = content.chunks.len();
        put_chunk(store, &chunk, again, writer, &mut content);
        let Some(sent) = content.chunks.get(before).map(|sent| sent.range.clone()) else { break };
        let whole = sent.end == chunk.range.end;
        match source {
            Source::Again(i) => {
                repaired += u64::from(sent.end - sent.start);
                store.take_again(i, &sent);
            }
            Source::First(i) => {
                let split = store.waiting_first().get(i).is_some_and(|waiting| waiting.range.start < sent.start);
                store.take_first(i, &sent);
                source = Source::First(i + usize::from(split));
            }
        }
        if !whole || content.chunks.is_full() || writer.room() < MIN_USEFUL {
            break;
        }
    }
    (content, repaired)
}

/// Writes what outputs have a use for that wait longer, as much as finds room; gives how many bytes of media that is.
pub(super) fn put_late(store: &mut Store, writer: &mut Writer<'_>, content: &mut Content) -> u64 {
    let mut bytes = 0;
    while !content.chunks.is_full()
        && writer.room() >= MIN_USEFUL
        && let Some(chunk) = store.next_late()
    {
        let before = content.chunks.len();
        put_chunk(store, &chunk, true, writer, content);
        let Some(sent) = content.chunks.get(before) else { break };
        bytes += u64::from(sent.range.end - sent.range.start);
        store.take_late(sent.range.end);
    }
    bytes
}

/// Writes as much of `chunk` as finds room, and notes it in `content`.
fn put_chunk(store: &Store, chunk: &Chunk, again: bool, writer: &mut Writer<'_>, content: &mut Content) {
    let Some(unit) = store.unit(chunk) else { return };
    let header = (chunk.range.start == 0).then_some(&unit.header);
    let left = (chunk.range.end - chunk.range.start) as usize;
    let overhead = Media::overhead(chunk.unit as u32, chunk.range.start, header, left.min(writer.room()));
    // The frame that ends a packet needs no length; the two bytes that saves are not worth another round.
    let Some(room) = writer.room().checked_sub(overhead) else { return };
    if room == 0 && left > 0 {
        return;
    }
    let end = chunk.range.start + left.min(room) as u32;
    let media = Media {
        track: chunk.track,
        unit: chunk.unit as u32,
        offset: chunk.range.start,
        last: end == unit.len(),
        again,
        header: header.copied(),
        bytes: &unit.payload[chunk.range.start as usize..end as usize],
    };
    if media.encode(writer).is_ok() {
        let _ = content.chunks.push(Chunk { range: chunk.range.start..end, ..chunk.clone() });
    }
}

fn track_frame(info: &TrackInfo) -> Track<'_> {
    Track {
        track: info.track,
        kind: info.kind,
        width: info.width,
        height: info.height,
        rate: info.rate,
        channels: info.channels,
        label: &info.label,
    }
}

/// Less room is not worth another frame.
const MIN_USEFUL: usize = 64;

/// What people watch is redrawn a few times a second.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);
/// The receiver follows the map by 1 ms/s: a fifth of that between two words.
const CLOCK_INTERVAL: Duration = Duration::from_millis(200);
/// Until the gateway has acknowledged them.
const TRACKS_INTERVAL: Duration = Duration::from_millis(200);
/// Carrier NATs forget a binding after a few seconds without traffic.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Media goes elsewhere at once; a path whose last few packets were lost in a row must be able to show it.
const DOUBT_PROBE: Duration = Duration::from_millis(10);
/// A suspect path is cleared or given up within a few of these.
const SUSPECT_PROBE: Duration = Duration::from_millis(20);
/// A path that comes back is noticed this soon, for 10 kbit/s.
const SILENT_PROBE: Duration = Duration::from_millis(80);
/// While no path delivers, each moment counts, and nothing else wants the links: a burst of losses is outlived by packets.
const DARK_PROBE: Duration = Duration::from_millis(10);
