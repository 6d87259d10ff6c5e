//! What the service shows of itself on its socket.

use std::time::Duration;

use bondbox_bond::Rejected;
use bondbox_bond::sender::{LinkStatus, NoSession, SenderStatus, SessionState};
use bondbox_ipc::uplink::{Complaint, Counters, Link, LinkState, Reason, Session, State};
use bondbox_units::LinkId;
use bondbox_wire::frame;

use crate::pairing::Pairing;
use crate::{command, links};

/// Counts of links that have left: the engine forgets them, totals must not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gone {
    bytes_sent: u64,
    bytes_repaired: u64,
}

impl Gone {
    /// Keeps the counts of a link that is about to leave.
    pub(crate) fn keep(&mut self, status: &SenderStatus, link: LinkId) {
        if let Some(status) = status.links.iter().find(|status| status.link == link) {
            self.bytes_sent += status.bytes_sent;
            self.bytes_repaired += status.bytes_repaired;
        }
    }
}

/// The state now, with all links of the settings.
pub(crate) fn state(
    pairing: &Pairing,
    status: &SenderStatus,
    links: &[links::Link],
    gone: &Gone,
    rejected: &Rejected,
    orders: command::Counters,
    complaint: Option<&NoSession>,
) -> State {
    let of = |id: LinkId| status.links.iter().find(|status| status.link == id);
    let counters = Counters {
        units_in: status.units_in,
        units_acknowledged: status.units_acknowledged,
        units_shed: status.units_expired,
        bytes_sent: gone.bytes_sent + status.links.iter().map(|link| link.bytes_sent).sum::<u64>(),
        bytes_repaired: gone.bytes_repaired + status.links.iter().map(|link| link.bytes_repaired).sum::<u64>(),
        sessions: status.sessions,
        rejected_datagrams: rejected.by_name().map(|(_, count)| count).sum(),
        orders_done: orders.done,
        orders_failed: orders.failed,
        orders_unreadable: orders.unreadable,
    };
    State {
        gateway: pairing.address().into(),
        session: pairing.without_gateway().unwrap_or(match status.session {
            SessionState::Connecting => Session::Connecting,
            SessionState::Open => Session::Open,
            SessionState::Dark => Session::Dark,
        }),
        complaint: complaint.map(show_complaint),
        target: status.target,
        actual: status.actual,
        backlog_bytes: status.backlog,
        links: links.iter().map(|link| show_link(link.id, &link.name, of(link.id))).collect(),
        counters,
    }
}

fn show_complaint(why: &NoSession) -> Complaint {
    let reason = match why {
        NoSession::NoAnswer => Reason::NoAnswer,
        NoSession::NotLetIn => Reason::NotLetIn,
        NoSession::UnknownUnit => Reason::UnknownUnit,
        NoSession::UsedCode => Reason::UsedCode,
        NoSession::OtherKey => Reason::OtherKey,
        NoSession::UnknownCode => Reason::UnknownCode,
        NoSession::OtherVersion(_) => Reason::OtherVersion,
        NoSession::Garbage(_) => Reason::Garbage,
    };
    Complaint { reason, words: why.to_string() }
}

fn show_link(id: LinkId, name: &str, status: Option<&LinkStatus>) -> Link {
    let Some(status) = status else { return Link::unmeasured(id, name, LinkState::Absent) };
    Link {
        id,
        name: name.into(),
        state: match status.state {
            frame::LinkState::Absent => LinkState::Absent,
            frame::LinkState::Joining => LinkState::Joining,
            frame::LinkState::Up => LinkState::Up,
            frame::LinkState::Suspect => LinkState::Suspect,
            frame::LinkState::Silent => LinkState::Silent,
        },
        capacity: status.capacity,
        rate: status.rate,
        rtt_us: micros(status.rtt),
        queue_us: micros(status.queue),
        jitter_us: micros(status.jitter),
        packets_sent: status.packets_sent,
        packets_delivered: status.packets_delivered,
        loss_ppm: (status.loss * 1e6) as u32,
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
