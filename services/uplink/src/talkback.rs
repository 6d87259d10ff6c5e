//! What the gateway sends back, as datagrams for another program: a headset, a monitor.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use bondbox_bond::receiver::Delivered;
use bondbox_daemon::bond::listen::connect;

/// Sends, and never waits.
pub(crate) struct Talkback {
    socket: UdpSocket,
    /// Told once, until something is sent again.
    complaint: Option<io::ErrorKind>,
}

impl Talkback {
    /// # Errors
    /// When the system has no socket.
    pub(crate) fn open(to: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: connect(to)?, complaint: None })
    }

    /// Sends a unit as it came in at the gateway.
    pub(crate) fn put_out(&mut self, unit: &Delivered) {
        match self.socket.send(&unit.payload) {
            Ok(_) => self.complaint = None,
            // Nobody listens there yet: every second datagram says so of the one before.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                if self.complaint.replace(error.kind()) != Some(error.kind()) {
                    tracing::warn!(%error, "talkback cannot be put out");
                }
            }
        }
    }
}
