//! Opening a session, and another one beside it when the old one has gone silent or the gateway forgot it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bondbox_units::{Instant, LinkId};
use bondbox_wire::Writer;
use bondbox_wire::handshake::Handshake;
use rand_chacha::rand_core::Rng;

use super::super::{Sender, SenderConfig, SenderEvent, Transmit, Trust};
use super::Session;
use crate::crypto::End;
use crate::handshake::{Expected, NoSession, Step, UnitHandshake, UnitParams, open_refusal};

/// A session in the making.
pub(crate) enum Opening {
    /// None is needed.
    Idle,
    /// One is needed, not before this.
    Waiting {
        /// See above.
        until: Instant,
    },
    /// Under way.
    Attempt(Box<Attempt>),
    /// None is wanted any more.
    Closed,
}

pub(crate) struct Attempt {
    handshake: UnitHandshake,
    /// Pieces that wait to be sent on each link.
    pieces: BTreeMap<LinkId, VecDeque<usize>>,
    /// There when the gateway has proven itself and the first link is yet to be accepted.
    session: Option<Session>,
    /// Somebody has answered in this version of the protocol, and may be nobody.
    other_version: Option<u8>,
    progress: Instant,
}

impl Opening {
    /// The session that waits for its first link.
    pub(crate) fn session(&mut self) -> Option<&mut Session> {
        match self {
            Self::Attempt(attempt) => attempt.session.as_mut(),
            Self::Idle | Self::Waiting { .. } | Self::Closed => None,
        }
    }
}

impl Sender {
    /// A link was added: an attempt that is under way need not wait to use it.
    pub(in super::super) fn hurry_opening(&mut self, now: Instant) {
        if let Opening::Attempt(attempt) = &mut self.opening {
            attempt.handshake.hurry(now);
        }
    }

    /// Begins, repeats and gives up attempts.
    pub(in super::super) fn drive_opening(&mut self, now: Instant) {
        match &mut self.opening {
            Opening::Idle if self.session.is_none() || self.dark => self.opening = Opening::Waiting { until: now },
            Opening::Idle | Opening::Closed => {}
            Opening::Waiting { until } if now >= *until => self.begin(now),
            Opening::Waiting { .. } => {}
            Opening::Attempt(attempt) if now - attempt.progress >= GIVE_UP => {
                let why = match (&attempt.session, attempt.other_version) {
                    (Some(_), _) => NoSession::NotLetIn,
                    (None, Some(version)) => NoSession::OtherVersion(version),
                    (None, None) => NoSession::NoAnswer,
                };
                // Without a link nobody was asked.
                if !self.links.is_empty() {
                    self.events.push_back(SenderEvent::HandshakeFailed(why));
                }
                self.begin(now);
            }
            Opening::Attempt(attempt) => {
                if now >= attempt.handshake.deadline() {
                    let pieces: VecDeque<_> = attempt.handshake.send(now).into();
                    attempt.pieces = self.links.keys().map(|link| (*link, pieces.clone())).collect();
                }
            }
        }
    }

    /// A link that is no more takes no pieces.
    pub(in super::super) fn forget_pieces(&mut self, link: LinkId) {
        if let Opening::Attempt(attempt) = &mut self.opening {
            attempt.pieces.remove(&link);
        }
    }

    /// The old session lives after all, unless the gateway has said that it knows it no more.
    pub(super) fn on_old_session_alive(&mut self) {
        if self.dark && matches!(&self.opening, Opening::Attempt(_) | Opening::Waiting { .. }) {
            self.opening = Opening::Idle;
        }
        // Were it still taken for dark, the next tick would begin another.
        self.tell_darkness(false);
    }

    /// The gateway does not know a path of ours.
    pub(in super::super) fn on_reset(&mut self, now: Instant, index: u32) {
        let known = |session: &Session| {
            session.index == index || session.paths.values().any(|path| path.peer_index == Some(index))
        };
        if !self.session.as_ref().is_some_and(known) {
            self.rejected.stray_reset += 1;
        } else if matches!(self.opening, Opening::Idle) && self.reset_at.is_none_or(|at| now - at >= RESET_HOLD) {
            self.reset_at = Some(now);
            self.begin(now);
        }
    }

    /// Takes in the gateway's part of a handshake.
    pub(in super::super) fn on_handshake(&mut self, now: Instant, link: LinkId, piece: &Handshake<'_>) {
        let Opening::Attempt(attempt) = &mut self.opening else { return };
        match attempt.handshake.handle(now, link, piece) {
            Ok(Step::Wait) => {}
            Ok(Step::Again(pieces)) => {
                if self.links.contains_key(&link) {
                    attempt.pieces.insert(link, pieces.into());
                }
            }
            Ok(Step::Proven(proven)) => {
                let (keys, params) = *proven;
                self.vouched = attempt.handshake.gateway();
                let mut session = Session::new(now, keys, params, self.config.latency);
                for link in self.links.keys() {
                    let usage = self.usage.get(link).copied().unwrap_or_default();
                    session.join(now, *link, usage, &mut self.rng);
                }
                attempt.session = Some(session);
                attempt.progress = now;
                self.next_tick = now;
            }
            Ok(Step::Refused(message)) => {
                let keys = attempt.session.as_mut().map(|session| &mut session.keys);
                let said = keys.and_then(|keys| open_refusal(keys, now, &message));
                let forged = || NoSession::Garbage("somebody refuses in the gateway's name".into());
                self.fail_opening(now, said.unwrap_or_else(forged));
            }
            Err(why) => self.fail_opening(now, why),
        }
    }

    /// Somebody does not speak our version. Anyone can say so: it counts where nobody else answers.
    pub(in super::super) fn on_other_version(&mut self, version: u8) {
        if let Opening::Attempt(attempt) = &mut self.opening {
            attempt.other_version = Some(version);
        }
    }

    fn fail_opening(&mut self, now: Instant, why: NoSession) {
        match why {
            NoSession::OtherKey | NoSession::UnknownCode => self.rejected.wrong_gateway += 1,
            NoSession::UnknownUnit | NoSession::UsedCode | NoSession::NotLetIn => self.rejected.refused += 1,
            NoSession::Garbage(_) | NoSession::NoAnswer | NoSession::OtherVersion(_) => {
                self.rejected.failed_handshake += 1;
            }
        }
        self.events.push_back(SenderEvent::HandshakeFailed(why));
        self.opening = Opening::Waiting { until: now + RETRY };
    }

    /// Writes what an attempt has to send.
    pub(in super::super) fn transmit_opening(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let Opening::Attempt(attempt) = &mut self.opening else { return None };
        for (link, pieces) in &mut attempt.pieces {
            let Some(piece) = pieces.pop_front() else { continue };
            let mut writer = Writer::new(buffer);
            attempt.handshake.encode(*link, piece, &mut writer).ok()?;
            let len = writer.len();
            if let Some(link) = self.links.get_mut(link) {
                link.on_sent(len);
            }
            return Some(Transmit { link: *link, len });
        }
        attempt.session.as_mut().and_then(|session| session.transmit_join(now, &mut self.links, buffer))
    }

    /// The first link of a new session was accepted: it takes over.
    pub(super) fn promote(&mut self, now: Instant) {
        let Opening::Attempt(attempt) = std::mem::replace(&mut self.opening, Opening::Idle) else { return };
        let Some(session) = attempt.session else { return };
        self.sessions += 1;
        self.dark = false;
        self.store.restart();
        self.channels.begin_session();
        if let (Trust::Code(_), Some(gateway)) = (&self.config.gateway, self.vouched) {
            self.config.gateway = Trust::Pinned(gateway);
            self.events.push_back(SenderEvent::Paired { gateway });
        }
        self.events.push_back(SenderEvent::SessionOpened { latency: session.latency });
        let pictures = self.tracks.values().filter(|info| info.kind.is_picture());
        self.events.extend(pictures.map(|info| SenderEvent::KeyframeWanted(info.track)));
        self.session = Some(session);
        self.next_tick = now;
    }

    fn begin(&mut self, now: Instant) {
        // Who was vouched for stays expected: the gateway takes the code once, and may have taken it.
        let (expected, code) = match (&self.config.gateway, self.vouched) {
            (Trust::Nobody, _) => return,
            (Trust::Pinned(gateway), _) => (Expected::Key(*gateway), None),
            (Trust::Code(code), Some(gateway)) => (Expected::Key(gateway), Some(code)),
            (Trust::Code(code), None) => (Expected::Code(code.clone()), Some(code)),
        };
        let pairing = code.map(|code| code.prove(End::Unit, self.config.identity.public()));
        let mut id = [0; 8];
        self.rng.fill_bytes(&mut id);
        let SenderConfig { stream, latency, return_latency, .. } = &self.config;
        let (latency, return_latency) = (*latency, *return_latency);
        let params = UnitParams { stream: stream.clone(), latency, return_latency, life: self.life, pairing };
        let handshake = UnitHandshake::new(now, id, &self.config.identity, expected, &params);
        let attempt = Attempt { handshake, pieces: BTreeMap::new(), session: None, other_version: None, progress: now };
        self.opening = Opening::Attempt(Box::new(attempt));
        self.next_tick = now;
    }
}

/// As long as the gateway keeps a half-open handshake.
const GIVE_UP: Duration = Duration::from_secs(3);

/// Anyone who sees our datagrams can forge a RESET, and each one that is believed sends all that waits once more. A gateway
/// that dies twice within this is found by its silence.
const RESET_HOLD: Duration = Duration::from_secs(5);

/// Between attempts that were refused.
const RETRY: Duration = Duration::from_secs(1);
