//! When a session takes the place of another of its stream.
//!
//! A unit that hears nothing for a second, or a RESET, which anyone can forge, opens a new session beside the old one. Both
//! are of one *life* of the unit: they count units alike and read one clock. So the new session takes the old one's receiver
//! over, with all that arrived, and nothing is lost, doubled or out of order; for a second longer the old session hands on
//! what still comes in it, for the unit may not know yet that the new one is open.
//!
//! A unit that was started anew counts from the start, on another clock. Then the old session puts out what it has, and the
//! new one waits for that, output by output: the live one begins when the old live output is through, however much the old
//! session still has for a recording. The first units at each are marked as a discontinuity.
//!
//! A session that its unit has closed puts out what it has, too.

use std::time::Duration;

use bondbox_units::Instant;

use super::session::Session;
use super::{CloseReason, Gateway, GatewayEvent, SessionId};
use crate::handshake::MAX_LATENCY;

/// What is left of a session that another has replaced, or will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outgone {
    /// It hands on what comes in it.
    To {
        /// The one that has its receiver.
        heir: SessionId,
        /// It ends then.
        until: Instant,
    },
    /// It puts out what it has.
    Drains {
        /// At the latest then it ends.
        until: Instant,
    },
}

impl Gateway {
    /// The first path of a session has proven that its unit is there: now it replaces the older one of its stream.
    pub(super) fn announce(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id).filter(|session| session.is_new() && session.is_joined()) else {
            return;
        };
        let stream = session.stream.clone();
        let rival = |session: &Session| session.stream == stream && !session.is_new() && !session.is_heired();
        // A join held back on the way must not bring an older session back over a newer one.
        if self.sessions.range(id..).any(|(other, newer)| *other != id && rival(newer)) {
            return self.close(id, CloseReason::Replaced);
        }
        let older = self.sessions.range(..id).rev().find(|(_, older)| rival(older)).map(|(older, _)| *older);
        match older {
            Some(older) => self.succeed(now, older, id),
            None => self.tell(id, None, false),
        }
    }

    fn succeed(&mut self, now: Instant, older: SessionId, id: SessionId) {
        let Some(mut old) = self.sessions.remove(&older) else { return };
        let Some(new) = self.sessions.get_mut(&id) else { return };
        let (announced, after) = (old.announced, old.after.take());
        if old.life == new.life {
            new.inherit(&mut old);
            // One that is itself waiting hands its turn on.
            new.after = after;
            new.behind = old.behind.take();
            if announced && !old.kept {
                self.keep(&mut old);
            }
            (old.announced, old.outgone) = (false, Some(Outgone::To { heir: id, until: now + HANDS_ON_FOR }));
            self.sessions.insert(older, old);
            if announced {
                self.events.push_back(GatewayEvent::SessionClosed { session: older, reason: CloseReason::Replaced });
                self.tell(id, Some(older), true);
            }
        } else if announced {
            new.after = Some(older);
            old.outgone = Some(Outgone::Drains { until: now + MAX_LATENCY });
            self.sessions.insert(older, old);
            self.settle(now);
        } else {
            // It never began: what it waits for, the new one waits for.
            new.after = after;
            self.sessions.insert(older, old);
            self.close(older, CloseReason::Replaced);
        }
    }

    /// The unit has closed the session: it ends when it has put out what it has.
    pub(super) fn end(&mut self, id: SessionId) {
        match self.sessions.get_mut(&id) {
            Some(session) if session.announced => session.ending = true,
            _ => self.close(id, CloseReason::ByUnit),
        }
    }

    /// Ends sessions that have nothing left to hand on or to put out, and lets those begin that waited for them.
    pub(super) fn settle(&mut self, now: Instant) {
        let over = |session: &Session| match session.outgone {
            Some(Outgone::To { until, .. }) => (now >= until).then_some(CloseReason::Replaced),
            Some(Outgone::Drains { until }) => {
                (now >= until || !session.receiver.is_waiting()).then_some(CloseReason::Replaced)
            }
            None => (session.ending && !session.receiver.is_waiting()).then_some(CloseReason::ByUnit),
        };
        let over: Vec<_> = self.sessions.iter().filter_map(|(id, session)| Some((*id, over(session)?))).collect();
        over.into_iter().for_each(|(id, reason)| self.close(id, reason));
        let waits = self.sessions.iter().filter_map(|(id, session)| Some((*id, session.after?)));
        let through = |id: &SessionId| {
            let old = self.sessions.get(id);
            old.is_none_or(|old| old.outgone.is_some() && old.announced && !old.receiver.is_live_waiting())
        };
        let begin: Vec<_> = waits.filter(|(_, old)| through(old)).collect();
        for (id, old) in begin {
            self.tell(id, Some(old), false);
        }
    }

    /// A session is gone: who waited for it begins, or goes on with its other outputs.
    pub(super) fn release(&mut self, gone: SessionId, behind: Option<SessionId>) {
        let waits = self.sessions.iter().find(|(_, session)| session.after == Some(gone)).map(|(id, _)| *id);
        if let Some(id) = waits {
            self.tell(id, Some(gone), false);
        }
        for session in self.sessions.values_mut().filter(|session| session.behind == Some(gone)) {
            session.behind = behind;
            session.receiver.hold_back(behind.is_some());
        }
    }

    fn tell(&mut self, id: SessionId, replaces: Option<SessionId>, continues: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        (session.announced, session.after) = (true, None);
        session.broken = replaces.is_some() && !continues;
        if !continues && let Some(mut old) = replaces.and_then(|old| self.sessions.remove(&old)) {
            // It still has something for an output that waits longer.
            if !old.kept {
                self.keep(&mut old);
            }
            self.sessions.extend(replaces.map(|id| (id, old)));
            if let Some(session) = self.sessions.get_mut(&id) {
                session.behind = replaces;
                session.receiver.hold_back(true);
            }
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (stream, latency, now) = (session.stream.clone(), session.receiver.latency(), session.last_arrival());
        self.resume(now, id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        self.events.push_back(GatewayEvent::SessionOpened { session: id, stream, replaces, continues, latency });
        let told = session.tracks.values().cloned();
        let told = told.map(|info| GatewayEvent::Track { session: id, info });
        if !continues {
            self.events.extend(told.collect::<Vec<_>>());
        }
    }

    /// Lends the receiver of the session that has inherited it to the one that hands on, or takes it back.
    pub(super) fn lend(&mut self, id: SessionId) {
        let Some(Outgone::To { heir, .. }) = self.sessions.get(&id).and_then(|session| session.outgone) else { return };
        let Some(mut old) = self.sessions.remove(&id) else { return };
        if let Some(heir) = self.sessions.get_mut(&heir) {
            std::mem::swap(&mut old.receiver, &mut heir.receiver);
        }
        self.sessions.insert(id, old);
    }
}

impl Session {
    /// No link has joined it.
    fn is_new(&self) -> bool {
        !self.announced && self.after.is_none() && self.outgone.is_none()
    }

    /// Another has all that it had.
    fn is_heired(&self) -> bool {
        matches!(self.outgone, Some(Outgone::To { .. }))
    }

    /// Goes on where `old` was.
    fn inherit(&mut self, old: &mut Self) {
        std::mem::swap(&mut self.receiver, &mut old.receiver);
        self.tracks = std::mem::take(&mut old.tracks);
        self.encoder = old.encoder;
        self.clocked = true;
    }
}

/// Longer than a round trip of most links, and than the unit keeps both sessions.
const HANDS_ON_FOR: Duration = Duration::from_secs(1);
