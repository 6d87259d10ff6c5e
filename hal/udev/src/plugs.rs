//! Tells when something was plugged in or pulled out.

use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::StreamExt as _;
use tokio_udev::{AsyncMonitorSocket, MonitorBuilder};

/// Events of udev where it runs, and a look now and then where it does not: in a container, or in a network namespace of a
/// test, which the events do not reach.
pub struct Plugs {
    socket: Option<AsyncMonitorSocket>,
}

impl Plugs {
    /// Listens, on the current reactor.
    pub fn listen() -> Self {
        let socket = open();
        if let Err(error) = &socket {
            tracing::warn!(%error, "no events of udev: devices are looked for every {} s", POLL.as_secs());
        }
        Self { socket: socket.ok() }
    }

    /// Returns when it is worth looking; a burst of events may count once. May be dropped halfway.
    pub async fn changed(&mut self) {
        let Some(socket) = &mut self.socket else { return tokio::time::sleep(POLL).await };
        match tokio::time::timeout(SELDOM, socket.next()).await {
            Ok(Some(Ok(_))) => while let Some(Some(Ok(_))) = socket.next().now_or_never() {},
            // Nothing for long: an event may have been lost, which no program is told.
            Err(_) => {}
            Ok(failed) => {
                let reason =
                    failed.and_then(Result::err).map_or_else(|| "it has ended".into(), |error| error.to_string());
                tracing::warn!(reason, "no more events of udev: devices are looked for every {} s", POLL.as_secs());
                self.socket = None;
            }
        }
    }
}

fn open() -> io::Result<AsyncMonitorSocket> {
    let socket =
        MonitorBuilder::new()?.match_subsystem("net")?.match_subsystem_devtype("usb", "usb_device")?.listen()?;
    AsyncMonitorSocket::new(socket)
}

/// Where nobody tells.
const POLL: Duration = Duration::from_secs(2);
/// Where somebody does.
const SELDOM: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_events_it_is_worth_looking_now_and_then() {
        let mut plugs = Plugs { socket: None };
        let start = tokio::time::Instant::now();
        plugs.changed().await;
        plugs.changed().await;
        assert_eq!(start.elapsed(), POLL * 2);
    }
}
