//! Datagrams of other programs that go back to a unit: a producer's voice, a programme's sound.

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use bondbox_bond::Gateway;
use bondbox_bond::sender::Unit;
use bondbox_daemon::bond::listen::{LARGEST, listen};
use bondbox_daemon::bond::udp::{Inbox, Port};
use bondbox_daemon::bond::watch::Watch;
use bondbox_units::{Priority, TrackId};
use bytes::Bytes;

use crate::streams::Streams;

/// What the settings say of one: `STREAM=udp://ADDRESS:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TalkbackSetting {
    /// The stream's name in addresses.
    pub(crate) stream: String,
    /// Where its datagrams come in.
    pub(crate) address: SocketAddr,
}

impl FromStr for TalkbackSetting {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (stream, url) = text.split_once('=').ok_or(())?;
        let address = url.strip_prefix("udp://").and_then(|address| address.parse().ok()).ok_or(())?;
        let named = bondbox_bond::is_stream_name(stream);
        named.then(|| Self { stream: stream.into(), address }).ok_or(())
    }
}

/// One such socket.
pub(crate) struct Talkback {
    stream: String,
    port: Port,
    address: SocketAddr,
    inbox: Inbox,
    /// Datagrams that the engine did not take.
    refused: u64,
}

impl Talkback {
    /// Listens; the socket is watched under this number.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn open(setting: TalkbackSetting, watch: &Watch, number: u64) -> io::Result<Self> {
        let (port, address) = listen(setting.address)?;
        watch.add(&port, number)?;
        Ok(Self { stream: setting.stream, port, address, inbox: Inbox::new(LARGEST), refused: 0 })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Gives the engine what came, each at the time that it did. Whether more may wait.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn feed(&mut self, engine: &mut Gateway, streams: &Streams) -> io::Result<bool> {
        let Self { stream, port, inbox, refused, .. } = self;
        let key = streams.key_of(stream);
        inbox.drain(port, |came, _, datagram| {
            let unit = Unit::datagram(TRACK, Priority::Reference, Bytes::copy_from_slice(datagram));
            *refused += u64::from(key.is_none_or(|key| engine.push(came, key, unit).is_err()));
        })
    }
}

const TRACK: TrackId = TrackId(0);
