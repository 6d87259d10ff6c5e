//! Datagrams from elsewhere, sent as they are.

use std::io;
use std::net::SocketAddr;

use anyhow::Context as _;
use bondbox_bond::Sender;
use bondbox_bond::sender::{TrackInfo, Unit};
use bondbox_daemon::bond::listen::{LARGEST, listen};
use bondbox_daemon::bond::udp::{Inbox, Port};
use bondbox_daemon::bond::watch::Watch;
use bondbox_media::ts::Classifier;
use bondbox_units::TrackId;
use bondbox_wire::frame::TrackKind;
use bytes::Bytes;

/// The ingest socket.
pub(crate) struct Ingest {
    port: Port,
    address: SocketAddr,
    inbox: Inbox,
    classifier: Classifier,
}

impl Ingest {
    /// Listens at `address`; joins it where it is a multicast group. It is watched under this number.
    pub(crate) fn open(address: SocketAddr, sender: &mut Sender, watch: &Watch, number: u64) -> anyhow::Result<Self> {
        let (port, address) = listen(address).with_context(|| format!("udp://{address}"))?;
        watch.add(&port, number)?;
        sender.set_track(TrackInfo {
            track: TRACK,
            kind: TrackKind::Opaque,
            width: 0,
            height: 0,
            rate: 0,
            channels: 0,
            label: format!("udp://{address}"),
        });
        Ok(Self { port, address, inbox: Inbox::new(LARGEST), classifier: Classifier::new() })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the engine what came, each at the time that it did. How many these were, and whether more may wait.
    pub(crate) fn feed(&mut self, sender: &mut Sender) -> io::Result<(u32, bool)> {
        let Self { port, inbox, classifier, .. } = self;
        let mut count = 0;
        let more = inbox.drain(port, |came, _, datagram| {
            count += 1;
            let priority = classifier.classify(datagram);
            let payload = Bytes::copy_from_slice(datagram);
            sender.push(came, Unit::datagram(TRACK, priority, payload));
        })?;
        Ok((count, more))
    }
}

const TRACK: TrackId = TrackId(0);
