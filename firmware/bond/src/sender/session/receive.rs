//! What comes from the gateway in a session.

use std::time::Duration;

use bondbox_units::{Instant, LinkId, TrackId};
use bondbox_wire::envelope::Sealed;
use bondbox_wire::frame::{Ack, Frame, Frames, Latency, LinkAccept};

use super::super::delay::relative_delay;
use super::super::path::Verdict;
use super::super::store::Again;
use super::super::{Feature, Sender, SenderEvent};
use super::{Opening, Session};
use crate::handshake::MAX_LATENCY;
use crate::trace::TraceEvent;

impl Sender {
    /// Opens a datagram and takes in its frames.
    pub(in super::super) fn on_data(
        &mut self,
        now: Instant,
        link: LinkId,
        index: u32,
        sealed: Sealed,
        datagram: &mut [u8],
    ) {
        let ours = |session: &Session| session.paths.get(&link).is_some_and(|path| path.own_index == index);
        let new = self.opening.session().is_some_and(|session| ours(session));
        let session = if new { self.opening.session() } else { self.session.as_mut().filter(|session| ours(session)) };
        let Some(session) = session else {
            self.rejected.unknown_index += 1;
            return;
        };
        let Some(path) = session.paths.get_mut(&link) else { return };
        let pn = sealed.packet_number(path.replay.expected());
        if !path.replay.is_new(pn) {
            self.rejected.replayed += 1;
            return;
        }
        let size = datagram.len();
        let (header, payload) = datagram.split_at_mut(sealed.header_len);
        let Some(len) = session.keys.open(now, sealed.phase, path.id, pn, header, payload) else {
            self.rejected.bad_tag += 1;
            return;
        };
        path.replay.accept(pn);
        self.trace.record(now, &TraceEvent::Received { path: path.id, pn: pn as u32, size: size as u16 });
        for frame in Frames::new(&payload[..len]) {
            match frame {
                Ok(frame) => self.on_frame(now, link, new, &frame),
                Err(error) => self.rejected.on_frame_error(error),
            }
        }
    }

    fn on_frame(&mut self, now: Instant, link: LinkId, new: bool, frame: &Frame<'_>) {
        match frame {
            Frame::LinkAccept(accept) => self.on_accept(now, link, new, accept),
            // Path ids begin anew in each session: what the next one says must not be taken for this one's.
            _ if new && self.opening.session().is_some() => {}
            Frame::Ack(ack) => self.on_ack(now, link, ack),
            Frame::Ping(token) => {
                if let Some(session) = &mut self.session
                    && session.pongs.len() < MAX_PONGS
                {
                    session.pongs.push((link, *token));
                }
            }
            Frame::Keyframe { track } => self.on_keyframe_wanted(now, *track),
            Frame::Media(media) => self.on_returned(now, media),
            Frame::Horizon { track, unit } => self.store.on_horizon(*track, *unit),
            Frame::Latency(latency) => self.on_latency(*latency),
            Frame::Close { .. } => {
                self.session = None;
                if !matches!(self.opening, Opening::Closed) {
                    self.opening = Opening::Waiting { until: now + REOPEN };
                }
                self.next_tick = now;
            }
            Frame::Message(message) => {
                self.rejected.bad_message += u64::from(self.channels.on_message(now, message).is_err());
            }
            Frame::MessageAck(ack) => self.channels.on_ack(ack),
            Frame::Unknown { .. } => self.rejected.unknown_frame += 1,
            // Padding carries nothing, and the rest is said by units only.
            _ => {}
        }
    }

    /// How long units wait from now on; those that are on their way keep the deadline they have.
    fn on_latency(&mut self, latency: Latency) {
        let Some(session) = &mut self.session else { return };
        let of = |ms: u32| Duration::from_millis(ms.into()).min(MAX_LATENCY);
        let (now, target) = (of(latency.now_ms), of(latency.target_ms));
        // A unit that goes in now comes out a latency later, when there may be less of it.
        session.latency_told = true;
        session.latency = if target < now { target.max(now - now / SHRINKS) } else { now };
        session.paths.values_mut().for_each(|path| path.set_latency(session.latency));
        let longer = of(latency.longest_ms).saturating_sub(session.latency);
        self.store.set_longer(if self.config.features.has(Feature::LateRepair) { longer } else { Duration::ZERO });
        if std::mem::replace(&mut session.latency_target, target) != target {
            self.events.push_back(SenderEvent::LatencyChanged { latency: target });
        }
    }

    /// An encoder bears so many keyframes, whatever a gateway asks for.
    fn on_keyframe_wanted(&mut self, now: Instant, track: TrackId) {
        let asked = self.tracks.contains_key(&track).then(|| self.keyframes.insert(track, now));
        match asked {
            Some(Some(before)) if now - before < KEYFRAME_INTERVAL => {
                self.keyframes.insert(track, before);
            }
            Some(_) => self.events.push_back(SenderEvent::KeyframeWanted(track)),
            None => {}
        }
    }

    fn on_accept(&mut self, now: Instant, link: LinkId, new: bool, accept: &LinkAccept) {
        let session = if new { self.opening.session() } else { self.session.as_mut() };
        let Some((session, path)) = session.and_then(|session| {
            let path = session.paths.remove(&link)?;
            Some((session, path))
        }) else {
            return;
        };
        let mut path = path;
        // An answer to a join of another life would give a round trip of ages.
        let rtt = (now - accept.join_sent).min(MAX_ROUND_TRIP);
        path.delay.on_round_trip(rtt);
        path.peer_index.get_or_insert(accept.index);
        let relative = relative_delay(accept.join_sent, accept.received);
        path.clock.on_arrival(accept.join_sent, relative);
        path.clock.on_answer(accept.join_sent, relative, rtt);
        let drifted = path.clock.drifted(accept.join_sent);
        path.delay.on_sample(now, accept.join_sent, accept.received.offset_micros(-drifted));
        let _ = path.liveness.on_progress(now, None);
        session.paths.insert(link, path);
        session.joins.remove(&link);
        session.progress = now;
        if new {
            self.promote(now);
        }
        self.next_tick = now;
    }

    fn on_ack(&mut self, now: Instant, link: LinkId, ack: &Ack<'_>) {
        let features = self.config.features;
        let Some(session) = &mut self.session else { return };
        let of_path = session.paths.iter_mut().find(|(_, path)| path.id == ack.path);
        let Some((acknowledged, path)) = of_path.map(|(id, path)| (*id, path)) else { return };
        if acknowledged != link && !features.has(Feature::OtherWays) {
            return;
        }
        let Some(stats) = self.links.get_mut(&acknowledged) else { return };
        let progress = path.on_ack(now, ack, acknowledged == link, &mut self.verdicts, &mut self.trace);
        let repair = features.has(Feature::Repair);
        for verdict in self.verdicts.drain(..) {
            match verdict {
                Verdict::Arrived(content) => {
                    stats.packets_delivered += 1;
                    session.tracks_told |= content.tracks;
                    content.chunks.iter().for_each(|chunk| self.store.on_acknowledged(chunk));
                }
                Verdict::Lost(content) => {
                    stats.packets_lost += 1;
                    if repair {
                        content
                            .chunks
                            .iter()
                            .for_each(|chunk| self.store.send_again(Again::Repair, Some(acknowledged), chunk));
                    }
                }
            }
        }
        if progress.is_some() {
            session.progress = now;
            self.on_old_session_alive();
        }
    }
}

/// An answer that took longer says nothing about the link.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(10);
/// A latency shrinks by one part in so many of the time that passes, and as much again for what is under way.
const SHRINKS: u32 = 16;
/// One a link.
const MAX_PONGS: usize = 16;
/// Half of what a gateway that keeps to the rules lets pass.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// A gateway that closes a session has a reason that seldom goes away at once.
const REOPEN: Duration = Duration::from_secs(2);
