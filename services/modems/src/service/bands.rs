//! Bands given to modems, as [`crate::spread`] has it.

use bondbox_daemon::ipc::Responder;
use bondbox_ipc::Refusal;
use bondbox_ipc::modems::{Done, LinkState};
use bondbox_modem::{Action, Manager, Modem, ModemError};
use bondbox_netlink::Network;
use bondbox_system::Leases;
use bondbox_udev::{Devices, Port};
use bondbox_units::Instant;

use super::Service;
use super::show::bands;
use crate::spread::{Next, Spreading, View, plan};

/// Bands that are being spread, and who asked for it.
pub(super) struct Underway {
    spreading: Spreading,
    responder: Responder<Done>,
}

impl Underway {
    pub(super) fn is_at(&self, port: &Port) -> bool {
        self.spreading.is_at(port)
    }
}

impl<N: Network, D: Devices, M: Manager, L: Leases> Service<N, D, M, L> {
    pub(super) fn spread_bands(&mut self, responder: Responder<Done>) {
        let now = (self.now)();
        let there = self.book.entries().iter().filter(|(_, entry)| entry.gone.is_none());
        let changes = plan(there.map(|(port, entry)| (port, &entry.modem, entry.radio.reading(now).sinr)));
        let refusal = match changes {
            _ if self.version.is_none() => "ModemManager is not there",
            _ if self.underway.is_some() || self.bands_awaited() => "bands are being set already",
            None => "no two modems are served by one operator, with bands to share between them",
            Some(changes) => {
                tracing::info!(?changes, "bands are spread");
                self.underway = Some(Underway { spreading: Spreading::new(changes), responder });
                return;
            }
        };
        responder.refuse(Refusal::Unavailable(refusal.into()));
    }

    /// Looks at what has become of it, and does what is next.
    pub(super) async fn go_on_spreading(&mut self) {
        let Some(mut underway) = self.underway.take() else { return };
        let now = (self.now)();
        let next = underway.spreading.look(now, &Seen { service: self, now });
        match next {
            Next::Wait => self.underway = Some(underway),
            Next::Set(port, path, bands) => {
                self.underway = Some(underway);
                self.act(port, path, Action::Bands(bands), None).await;
            }
            Next::Done => {
                let there = self.book.entries().iter().filter(|(_, entry)| entry.gone.is_none());
                let each = there.map(|(port, entry)| (port.to_string(), bands(&entry.modem.bands_allowed)));
                underway.responder.done(Done::Spread(each.collect()));
            }
            Next::Failed(failure) => {
                self.counters.spreads_failed += 1;
                tracing::warn!(%failure, "bands are not spread");
                underway.responder.refuse(Refusal::NoEffect(failure.to_string()));
            }
        }
    }

    /// A modem was told to use these bands, and this became of it.
    pub(super) fn bands_answered(&mut self, port: &Port, bands: &[u32], result: &Result<(), ModemError>) {
        if let Some(underway) = &mut self.underway {
            let error = result.as_ref().err().map(ToString::to_string);
            underway.spreading.answered((self.now)(), port, bands, error.as_deref().map_or(Ok(()), Err));
        }
    }

    /// Whether the link of this port carries data. While the uplink tells of none at all, those that are ready count.
    fn works(&self, now: Instant, port: &Port) -> bool {
        let link = self.inventory.links().get(port);
        link.is_some_and(|link| self.is_ready(now, port) && self.proof.carries(&link.interface.name) != Some(false))
    }

    fn is_ready(&self, now: Instant, port: &Port) -> bool {
        self.inventory.links().get(port).is_some_and(|link| self.link_state(now, link) == LinkState::Ready)
    }
}

struct Seen<'a, N, D, M, L> {
    service: &'a Service<N, D, M, L>,
    now: Instant,
}

impl<N: Network, D: Devices, M: Manager, L: Leases> View for Seen<'_, N, D, M, L> {
    fn modem(&self, port: &Port) -> Option<&Modem> {
        let entry = self.service.book.entries().get(port).filter(|entry| entry.gone.is_none())?;
        Some(&entry.modem)
    }

    fn is_spare(&self, port: &Port) -> bool {
        // A bearer's link is on the port of its modem. One that carries nothing just now may do so in a moment.
        let mut others = self.service.inventory.present().map(|(other, _)| other).filter(|other| *other != port);
        !self.service.is_ready(self.now, port) || others.any(|other| self.service.works(self.now, other))
    }
}
