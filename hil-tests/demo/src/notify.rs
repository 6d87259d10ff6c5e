//! What a service tells its supervisor (sd_notify(3)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::life::Event;

/// The socket of one service.
pub(crate) struct Notifications {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Notifications {
    /// # Errors
    /// When the socket cannot be made.
    pub(crate) fn bind(path: PathBuf) -> io::Result<Self> {
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path })
    }

    /// For `NOTIFY_SOCKET`.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What has come.
    pub(crate) fn drain(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut message = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut message) {
            events.extend(String::from_utf8_lossy(&message[..length]).lines().filter_map(event));
        }
        events
    }
}

impl AsFd for Notifications {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn event(line: &str) -> Option<Event> {
    match line {
        "READY=1" => Some(Event::Ready),
        "WATCHDOG=1" => Some(Event::Fed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_and_food_are_heard_in_order_among_other_things() {
        let dir = tempfile::tempdir().unwrap();
        let notifications = Notifications::bind(dir.path().join("notify")).unwrap();
        let service = UnixDatagram::unbound().unwrap();
        for message in ["READY=1\nSTATUS=on the air\n", "WATCHDOG=1\n", "\u{0}junk", "STOPPING=1\n"] {
            service.send_to(message.as_bytes(), notifications.path()).unwrap();
        }
        assert_eq!(notifications.drain(), [Event::Ready, Event::Fed]);
        assert_eq!(notifications.drain(), []);
    }
}
