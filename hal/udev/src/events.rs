//! What udev tells.

use std::io;
use std::path::Path;

use futures_util::FutureExt as _;
use futures_util::stream::StreamExt as _;
use tokio_udev::{AsyncMonitorSocket, MonitorBuilder};

/// Events of udev where it runs, of some kinds of devices. A network namespace of a test they do not reach.
pub struct Events {
    socket: Option<AsyncMonitorSocket>,
}

/// A kind of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All of a subsystem.
    Subsystem(&'static str),
    /// Those of one type in it.
    Type(&'static str, &'static str),
}

impl Events {
    /// Listens, on the current reactor.
    pub fn of(kinds: &[Of]) -> Self {
        let socket = open(kinds);
        if let Err(error) = &socket {
            tracing::warn!(%error, ?kinds, "no events of udev");
        }
        Self { socket: socket.ok() }
    }

    /// Where nobody tells anything.
    pub const fn none() -> Self {
        Self { socket: None }
    }

    /// Whether there is somebody who tells.
    pub const fn come(&self) -> bool {
        self.socket.is_some()
    }

    /// Returns when something was told, and once more when nothing will be; a burst counts once. Never where nobody tells. May be
    /// dropped halfway.
    pub async fn next(&mut self) {
        let Some(socket) = &mut self.socket else { return std::future::pending().await };
        match socket.next().await {
            Some(Ok(_)) => while let Some(Some(Ok(_))) = socket.next().now_or_never() {},
            failed => {
                let reason =
                    failed.and_then(Result::err).map_or_else(|| "it has ended".into(), |error| error.to_string());
                tracing::warn!(reason, "no more events of udev");
                self.socket = None;
            }
        }
    }
}

fn open(kinds: &[Of]) -> io::Result<AsyncMonitorSocket> {
    // Without udev libudev listens all the same, to nobody.
    if !Path::new(CONTROL).exists() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("udev does not run: there is no {CONTROL}")));
    }
    let mut builder = MonitorBuilder::new()?;
    for kind in kinds {
        builder = match kind {
            Of::Subsystem(subsystem) => builder.match_subsystem(subsystem)?,
            Of::Type(subsystem, devtype) => builder.match_subsystem_devtype(subsystem, devtype)?,
        };
    }
    AsyncMonitorSocket::new(builder.listen()?)
}

const CONTROL: &str = "/run/udev/control";
