//! What became of each packet, from what both ends wrote down.

use std::collections::BTreeMap;

use bondbox_bond::trace::{Recording, TraceEvent, TracedPath};
use bondbox_units::{Instant, LinkId};

/// When a trace tells all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) start: Instant,
    pub(super) end: Instant,
}

impl Times {
    pub(super) fn of(trace: &Recording) -> Option<Self> {
        let sent = |(at, event): &(Instant, TraceEvent)| matches!(event, TraceEvent::Sent { .. }).then_some(*at);
        let mut sent = trace.events.iter().filter_map(sent);
        let start = sent.next()?.max(trace.start);
        Some(Self { start, end: sent.next_back()? })
    }
}

/// A packet of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    /// On the clock of the end that sent it.
    pub(super) sent: Instant,
    /// On the other's; `None` when it was lost.
    pub(super) received: Option<Instant>,
    pub(super) size: u16,
}

impl Packet {
    /// From sent to received on two clocks, in microseconds.
    pub(super) fn relative(&self) -> Option<i64> {
        self.received.map(|received| received.micros_since(self.sent))
    }
}

/// All packets of one link, in the order of their sending.
#[derive(Clone, Debug)]
pub(super) struct Packets {
    pub(super) link: LinkId,
    pub(super) name: String,
    /// From the unit.
    pub(super) up: Vec<Packet>,
    /// To the unit; empty without a gateway's trace.
    pub(super) down: Vec<Packet>,
}

/// A path: the session's index and the path's id.
pub(super) type PathKey = (u32, u32);

impl Packets {
    /// Links on which anything arrived.
    pub(super) fn of_links(unit: &Recording, gateway: Option<&Recording>) -> Vec<Self> {
        let from_unit = direction(unit, gateway);
        let from_gateway = gateway.map(|gateway| direction(gateway, Some(unit))).unwrap_or_default();
        let mut links = BTreeMap::<LinkId, Self>::new();
        for path in paths(unit) {
            let key = (path.session, path.path);
            let link = links.entry(path.link).or_insert_with(|| Self {
                link: path.link,
                name: path.name.clone(),
                up: vec![],
                down: vec![],
            });
            link.up.extend(from_unit.get(&key).into_iter().flatten());
            link.down.extend(from_gateway.get(&key).into_iter().flatten());
        }
        let mut links: Vec<_> = links.into_values().collect();
        links.retain(|link| link.up.iter().any(|packet| packet.received.is_some()));
        for link in &mut links {
            link.up.sort_by_key(|packet| packet.sent);
            link.down.sort_by_key(|packet| packet.sent);
        }
        links
    }
}

/// All paths that a trace knows, in its header or its events, each once.
pub(super) fn paths(trace: &Recording) -> Vec<TracedPath> {
    trace.paths.clone()
}

/// Each event with the session that was open then.
pub(super) fn in_session(trace: &Recording) -> impl Iterator<Item = (Instant, u32, TraceEvent)> {
    // The oldest that is known, until another opens.
    let mut session = trace.paths.first().map_or(0, |path| path.session);
    trace.events.iter().map(move |(at, event)| {
        if let TraceEvent::SessionOpened { session: opened, .. } = event {
            session = *opened;
        }
        (*at, session, *event)
    })
}

/// The packets that `from` sent, by path.
fn direction(from: &Recording, to: Option<&Recording>) -> BTreeMap<PathKey, Vec<Packet>> {
    let mut arrived = BTreeMap::<(PathKey, u32), Instant>::new();
    for (at, session, event) in to.into_iter().flat_map(in_session) {
        if let TraceEvent::Received { path, pn, .. } = event {
            arrived.entry(((session, path), pn)).or_insert(at);
        }
    }
    for (_, session, event) in in_session(from) {
        if let TraceEvent::Acked { path, pn, received } = event {
            arrived.entry(((session, path), pn)).or_insert(received);
        }
    }
    let mut packets = BTreeMap::<PathKey, Vec<Packet>>::new();
    for (at, session, event) in in_session(from) {
        if let TraceEvent::Sent { path, pn, size } = event {
            let key = (session, path);
            let packet = Packet { sent: at, received: arrived.get(&(key, pn)).copied(), size };
            packets.entry(key).or_default().push(packet);
        }
    }
    packets
}

/// The gateway's clock less the unit's, in microseconds: of all links, the one whose least delay is least tells most. Where
/// nothing came back, half of nothing is taken for the way.
pub(super) fn clock_offset(links: &[Packets]) -> Option<i64> {
    let least = |packets: &[Packet]| packets.iter().filter_map(Packet::relative).min();
    let offset = |link: &Packets| {
        let up = least(&link.up)?;
        Some(least(&link.down).map_or((up, i64::MAX), |down| ((up - down) / 2, up + down)))
    };
    links.iter().filter_map(offset).min_by_key(|(_, round_trip)| *round_trip).map(|(offset, _)| offset)
}
