//! One unit's session at the gateway: its paths and their acknowledgements, around the receiver of its media.

mod transmit;
mod ways;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bondbox_units::{Instant, LinkId, TrackId};
use bondbox_wire::ReplayWindow;
use bondbox_wire::envelope::Sealed;
use bondbox_wire::frame::{Bitrate, Clock, Frame, Frames, LinkJoin, LinkReport, LinkState, Media};

use super::succession::Outgone;
use super::{GatewayEvent, Route, SessionId, StreamKey};
use crate::channel::Channels;
use crate::coding::CodingReceiver;
use crate::counters::Rejected;
use crate::crypto::{SessionKeys, Tokens};
use crate::handshake::Accepted;
use crate::receiver::{AckState, OutputId, Receiver, TrackCounters};
use crate::return_track::ReturnSender;
use crate::sender::{LinkName, TrackInfo};
use crate::trace::{self, Side, Trace, TraceEvent, TracedPath};
use crate::window::WindowSum;
use ways::Ways;

/// A session of one unit.
pub(super) struct Session {
    keys: SessionKeys,
    pub(super) stream: StreamKey,
    pub(super) opened: Instant,
    /// It has been told to those who drain events.
    pub(super) announced: bool,
    /// Of the unit: sessions of one life count units alike and read one clock.
    pub(super) life: [u8; 8],
    /// It has joined, and begins when this one is over.
    pub(super) after: Option<SessionId>,
    /// It has begun; its outputs beside the live one go on when this one is over.
    pub(super) behind: Option<SessionId>,
    /// Another replaces it.
    pub(super) outgone: Option<Outgone>,
    /// The unit has closed it: it puts out what it has.
    pub(super) ending: bool,
    /// Its trace and messages are with the stream already.
    pub(super) kept: bool,
    /// It replaces one of another life: its tracks do not go on where they were.
    pub(super) broken: bool,
    /// Tracks of which something came out, at each output.
    pub(super) begun: BTreeSet<(OutputId, TrackId)>,
    pub(super) paths: BTreeMap<u32, Path>,
    /// Path ids that were opened: a second life would start packet numbers anew under the same keys.
    used_paths: ReplayWindow,
    pub(super) receiver: Receiver,
    pub(super) coding: CodingReceiver,
    pub(super) reports: BTreeMap<LinkId, Report>,
    pub(super) encoder: Option<Bitrate>,
    pub(super) tracks: BTreeMap<TrackId, TrackInfo>,
    pub(super) clocked: bool,
    horizon_at: Instant,
    /// The path whose news rode along with another's acknowledgement last.
    rode_along: u32,
    outbox: VecDeque<(u32, Outgoing)>,
    /// Of datagrams that go to two addresses: what the other is still to be sent.
    copies: VecDeque<(Route, Vec<u8>)>,
    tokens: Tokens,
    pub(super) received: WindowSum<10>,
    pub(super) received_bytes: u64,
    pub(super) received_packets: u64,
    last_arrival: Instant,
    pub(super) trace: Trace,
    pub(super) index: u32,
    sampled: Instant,
    pub(super) channels: Channels,
    /// Each datagram of messages goes another way than the one before.
    message_turn: u32,
    /// No messages before this.
    messages_at: Instant,
    pub(super) returned: ReturnSender,
}

/// One link's way here.
pub(super) struct Path {
    peer_index: Option<u32>,
    own_index: u32,
    ways: Ways,
    replay: ReplayWindow,
    next_pn: u64,
    pub(super) ack: AckState,
    /// The answer to a PING, which goes with the next acknowledgement.
    pong: Option<u64>,
    pub(super) received: WindowSum<10>,
    pub(super) packets: u64,
}

/// The unit's word on one of its links.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) name: LinkName,
    pub(super) path: u32,
    pub(super) state: LinkState,
    pub(super) numbers: Numbers,
    pub(super) at: Instant,
}

/// The numbers of a [`LinkReport`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) capacity_bps: u64,
    pub(super) rtt_us: u64,
    pub(super) delay_us: u64,
    pub(super) queue_us: u64,
    pub(super) loss_ppm: u64,
    pub(super) packets_sent: u64,
    pub(super) packets_lost: u64,
    pub(super) bytes_repaired: u64,
}

enum Outgoing {
    Accept { join_sent: Instant, received: Instant },
    Keyframe(TrackId),
    Close,
}

/// What a frame meant for those above.
pub(super) enum Arrival {
    Taken,
    /// A message, or the word on one of ours.
    OnChannel,
    Track(TrackInfo),
    /// The index of a path that is no more.
    Left(u32),
    Closed,
    Rejected(Count),
}

/// Counts a datagram that was not taken.
pub(super) type Count = fn(&mut Rejected);

impl Path {
    /// When an acknowledgement is due; never while the unit has not said what it wants to be called by.
    fn ack_due(&self) -> Option<Instant> {
        self.peer_index.and(self.ack.due())
    }

    /// Bytes of a datagram that may be sent over it; none before the unit has named it, and none that are worth it where it is
    /// not proven and has sent too little to be answered.
    fn room(&self, now: Instant) -> Option<usize> {
        self.peer_index?;
        Some(self.ways.room(now)).filter(|room| *room >= SMALLEST)
    }
}

/// A datagram with less room is not worth sending.
const SMALLEST: usize = 64;

impl Session {
    /// `index` is what the unit calls the session by, `origin` what our messages are known by.
    pub(super) fn new(
        now: Instant,
        index: u32,
        origin: u32,
        stream: StreamKey,
        receiver: Receiver,
        Accepted { params, keys, .. }: Accepted,
    ) -> Self {
        Self {
            keys,
            stream,
            opened: now,
            announced: false,
            life: params.life,
            after: None,
            behind: None,
            outgone: None,
            ending: false,
            kept: false,
            broken: false,
            begun: BTreeSet::new(),
            paths: BTreeMap::new(),
            used_paths: ReplayWindow::new(),
            receiver,
            coding: CodingReceiver::default(),
            reports: BTreeMap::new(),
            encoder: None,
            tracks: BTreeMap::new(),
            clocked: false,
            horizon_at: now,
            rode_along: 0,
            outbox: VecDeque::new(),
            copies: VecDeque::new(),
            tokens: Tokens::new(),
            received: WindowSum::default(),
            received_bytes: 0,
            received_packets: 0,
            last_arrival: now,
            trace: Trace::new(now, Side::Gateway, trace::STREAM_BYTES),
            index,
            sampled: now,
            channels: Channels::new(now, origin),
            message_turn: 0,
            messages_at: now,
            returned: ReturnSender::new(params.return_latency),
        }
    }

    pub(super) const fn last_arrival(&self) -> Instant {
        self.last_arrival
    }

    /// Whether a path has proven that the unit is there.
    pub(super) fn is_joined(&self) -> bool {
        self.paths.values().any(|path| path.peer_index.is_some())
    }

    /// Makes room for another path: gives the index of one that nothing came on for long, whose leaving was not heard.
    pub(super) fn drop_stale_path(&mut self, now: Instant) -> Option<u32> {
        if self.paths.len() < MAX_PATHS {
            return None;
        }
        let (id, path) = self.paths.iter().min_by_key(|(_, path)| path.ack.last_arrival())?;
        if now - path.ack.last_arrival() < STALE_AFTER {
            return None;
        }
        let (id, index) = (*id, path.own_index);
        self.paths.remove(&id);
        Some(index)
    }

    /// Opens a JOIN datagram; the path begins with the first whose tag holds. Gives whether it did now.
    pub(super) fn open_path<'a>(
        &mut self,
        now: Instant,
        route: Route,
        path: u32,
        own_index: u32,
        sealed: Sealed,
        datagram: &'a mut [u8],
    ) -> Result<(&'a [u8], bool), Count> {
        if self.paths.contains_key(&path) {
            return self.open(now, route, path, sealed, datagram).map(|plain| (plain, false));
        }
        if path == 0 || self.paths.len() >= MAX_PATHS {
            return Err(|rejected| rejected.unexpected_join += 1);
        }
        if !self.used_paths.is_new(path.into()) {
            return Err(|rejected| rejected.replayed += 1);
        }
        let fresh = Path {
            peer_index: None,
            own_index,
            ways: Ways::new(now, path, route),
            replay: ReplayWindow::new(),
            next_pn: 0,
            ack: AckState::default(),
            pong: None,
            received: WindowSum::default(),
            packets: 0,
        };
        self.paths.insert(path, fresh);
        let opened = self.open(now, route, path, sealed, datagram).map(|plain| (plain, true));
        if opened.is_ok() {
            self.used_paths.accept(path.into());
        } else {
            self.paths.remove(&path);
        }
        opened
    }

    /// Opens a datagram of a path and takes note of it.
    pub(super) fn open<'a>(
        &mut self,
        now: Instant,
        route: Route,
        path_id: u32,
        sealed: Sealed,
        datagram: &'a mut [u8],
    ) -> Result<&'a [u8], Count> {
        let Some(path) = self.paths.get_mut(&path_id) else { return Err(|rejected| rejected.unknown_index += 1) };
        let pn = sealed.packet_number(path.replay.expected());
        let size = datagram.len() as u64;
        let (header, payload) = datagram.split_at_mut(sealed.header_len);
        if !path.replay.is_new(pn) {
            // Seen before, it may have been overtaken by a copy of itself: then where it came from matters.
            let fresh = path.replay.expected() - pn <= COPIED_WITHIN;
            if fresh
                && path.ways.wants_copy(now, route)
                && self.keys.open(now, sealed.phase, path_id, pn, header, payload).is_some()
            {
                path.ways.on_copy(now, route, pn, size as usize);
            }
            return Err(|rejected| rejected.replayed += 1);
        }
        let Some(len) = self.keys.open(now, sealed.phase, path_id, pn, header, payload) else {
            return Err(|rejected| rejected.bad_tag += 1);
        };
        path.ways.on_packet(now, route, pn, pn >= path.replay.expected(), size as usize);
        path.replay.accept(pn);
        path.ack.on_packet(now, pn);
        path.packets += 1;
        path.received.add(now, size);
        self.received.add(now, size);
        self.received_bytes += size;
        self.received_packets += 1;
        self.last_arrival = now;
        self.trace.record(now, &TraceEvent::Received { path: path_id, pn: pn as u32, size: size as u16 });
        self.coding.on_source(now, path_id, pn, &payload[..len]);
        self.take_recovered(now);
        Ok(&payload[..len])
    }

    /// Forgets the keys of the phase before when nothing can come under them any more.
    pub(super) fn retire_keys(&mut self, now: Instant) {
        self.keys.retire(now, self.paths.keys().copied());
    }

    /// As if enough had been sealed to rotate the keys.
    #[cfg(test)]
    pub(super) const fn wear_out_keys(&mut self) {
        self.keys.wear_out();
    }

    /// The unit wants the path answered.
    pub(super) fn on_join(&mut self, now: Instant, path_id: u32, join: &LinkJoin<'_>) {
        let Some(path) = self.paths.get_mut(&path_id) else { return };
        path.peer_index = Some(join.index);
        let traced = TracedPath { session: self.index, path: path_id, link: join.link, name: join.name.to_owned() };
        self.trace.open_path(now, traced);
        if !self.clocked {
            // A first guess, late by one way: the unit's word follows within a round trip.
            self.clocked = true;
            self.receiver.guess_clock(Clock { sender: join.sent, receiver: now, drift_ppb: 0 });
        }
        self.send(path_id, Outgoing::Accept { join_sent: join.sent, received: now });
    }

    /// Takes in a frame that came on an open path.
    pub(super) fn on_frame(&mut self, now: Instant, path: u32, frame: &Frame<'_>) -> Arrival {
        match frame {
            Frame::Media(media) => {
                let taken = self.receiver.on_media(now, media);
                return taken.map_or(Arrival::Rejected(|rejected| rejected.out_of_bounds += 1), |()| Arrival::Taken);
            }
            Frame::Repair(repair) => {
                self.coding.on_repair(now, repair);
                self.take_recovered(now);
            }
            Frame::Clock(clock) => self.receiver.on_clock(now, *clock),
            Frame::LinkReport(report) => self.on_report(now, report),
            Frame::Bitrate(encoder) => self.encoder = Some(*encoder),
            Frame::Ping(token) => {
                if let Some(path) = self.paths.get_mut(&path) {
                    path.ack.on_ping(now);
                    path.pong = Some(*token);
                }
            }
            Frame::Pong(token) => {
                if let Some(path) = self.paths.get_mut(&path) {
                    path.ways.on_pong(now, &self.tokens, *token);
                }
            }
            Frame::Track(track) => return self.on_track(track),
            Frame::LinkLeave { path } => {
                let Some(left) = self.paths.remove(path) else { return Arrival::Taken };
                self.trace.record(now, &TraceEvent::PathClosed { path: *path });
                self.reports.retain(|_, report| report.path != *path);
                return Arrival::Left(left.own_index);
            }
            Frame::Close { .. } => return Arrival::Closed,
            Frame::Message(message) => {
                let taken = self.channels.on_message(now, message);
                return taken.map_or(Arrival::Rejected(|rejected| rejected.bad_message += 1), |()| Arrival::OnChannel);
            }
            Frame::MessageAck(ack) => {
                self.channels.on_ack(ack);
                return Arrival::OnChannel;
            }
            Frame::UnitsAck(ack) => self.returned.on_ack(ack),
            Frame::Unknown { .. } => return Arrival::Rejected(|rejected| rejected.unknown_frame += 1),
            // Padding carries nothing, and the rest is said by gateways only.
            _ => {}
        }
        Arrival::Taken
    }

    /// What happened on its channels.
    pub(super) fn channel_events(&mut self) -> Vec<GatewayEvent> {
        super::kept::events(&self.stream, &mut self.channels)
    }

    /// Counts of the tracks, now and then.
    pub(super) fn sample(&mut self, now: Instant) {
        if now - self.sampled < SAMPLE_INTERVAL {
            return;
        }
        self.sampled = now;
        for (track, counters) in self.receiver.counters(OutputId::LIVE) {
            let TrackCounters { delivered, late, lost, latest, .. } = counters;
            self.trace.record(now, &TraceEvent::Track { track, delivered, late, lost, latest });
        }
    }

    /// Media of packets that were worked out counts as if it had come again; nothing else of them is believed.
    fn take_recovered(&mut self, now: Instant) {
        while let Some(plain) = self.coding.poll() {
            for frame in Frames::new(&plain) {
                if let Ok(Frame::Media(media)) = frame {
                    // What is out of bounds now was so when it was sent.
                    let _ = self.receiver.on_media(now, &Media { again: true, ..media });
                }
            }
            self.coding.recycle(plain);
        }
    }

    fn on_track(&mut self, track: &bondbox_wire::frame::Track<'_>) -> Arrival {
        let info = TrackInfo {
            track: track.track,
            kind: track.kind,
            width: track.width,
            height: track.height,
            rate: track.rate,
            channels: track.channels,
            label: track.label.to_owned(),
        };
        if self.tracks.get(&info.track) == Some(&info)
            || (self.tracks.len() >= MAX_TRACKS && !self.tracks.contains_key(&info.track))
        {
            return Arrival::Taken;
        }
        if info.kind.is_picture() {
            self.receiver.set_pictures(info.track);
        }
        self.tracks.insert(info.track, info.clone());
        Arrival::Track(info)
    }

    fn on_report(&mut self, now: Instant, report: &LinkReport<'_>) {
        if self.reports.len() >= MAX_PATHS && !self.reports.contains_key(&report.link) {
            return;
        }
        let numbers = Numbers {
            capacity_bps: report.capacity_bps,
            rtt_us: report.rtt_us,
            delay_us: report.delay_us,
            queue_us: report.queue_us,
            loss_ppm: report.loss_ppm,
            packets_sent: report.packets_sent,
            packets_lost: report.packets_lost,
            bytes_repaired: report.bytes_repaired,
        };
        let report = (
            report.link,
            Report {
                name: report.name.parse().unwrap_or_default(),
                path: report.path,
                state: report.state,
                numbers,
                at: now,
            },
        );
        self.reports.insert(report.0, report.1);
    }
}

/// A hundredth of what packets take.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// Links of a unit, and paths of those that left and rejoined.
const MAX_PATHS: usize = 32;
/// A programme with several sounds and captions.
const MAX_TRACKS: usize = 16;
/// What is older was captured and is replayed, and tells nothing of where the unit is.
const COPIED_WITHIN: u64 = 256;
/// Ten times as long as a path that is there stays quiet.
const STALE_AFTER: Duration = Duration::from_secs(10);
