//! Which of some sockets can be read, at the price of one system call for all of them.
//!
//! The reactor is woken when something comes, or not at all: while datagrams flow, being woken for each costs more than
//! handling it, and who looks at every [`super::beat::Beat`] needs no waking.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::task::{Context, Poll, ready};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::unix::AsyncFd;

/// Sockets that are watched together, each under a number of its owner's.
pub struct Watch {
    epoll: Epoll,
    /// There while the reactor is to be woken.
    waking: Option<AsyncFd<Descriptor>>,
}

/// Of the epoll that a [`Watch`] owns.
struct Descriptor(RawFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Watch {
    /// Without sockets.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?, waking: None })
    }

    /// Watches a socket too, until it is closed.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&self, socket: &impl AsFd, number: u64) -> io::Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, number))?)
    }

    /// Returns when something can be read. May be dropped halfway; the reactor goes on to be woken until [`Watch::rest`].
    ///
    /// # Errors
    /// When the reactor is gone.
    pub async fn readable(&mut self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_readable(context)).await
    }

    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let waking = match self.waking.take() {
            Some(waking) => waking,
            None => on_reactor(Descriptor(self.epoll.0.as_raw_fd()))?,
        };
        let waking = self.waking.insert(waking);
        ready!(waking.poll_read_ready(context))?.clear_ready();
        Poll::Ready(Ok(()))
    }

    /// The reactor is woken no more.
    pub fn rest(&mut self) {
        self.waking = None;
    }

    /// The numbers of those that can be read now, or have an error to tell.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn look(&self) -> io::Result<impl Iterator<Item = u64> + use<>> {
        let mut events = [EpollEvent::empty(); MAX_TOLD];
        let told = self.epoll.wait(&mut events, EpollTimeout::ZERO)?;
        Ok(events.into_iter().take(told).map(|event| event.data()))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Before the descriptor that it tells the reactor of.
        self.waking = None;
    }
}

#[allow(unsafe_code, reason = "tokio has no safe way in for descriptors it does not know")]
fn on_reactor(epoll: Descriptor) -> io::Result<AsyncFd<Descriptor>> {
    // SAFETY: the descriptor is that of the `Epoll` beside which the `AsyncFd` is kept. It is neither closed nor exchanged
    // before the `Watch` is dropped, which drops the `AsyncFd` first.
    Ok(unsafe { AsyncFd::register(epoll) }?)
}

/// The rest is told at the next look: more than a unit has links.
const MAX_TOLD: usize = 32;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn pair(watch: &Watch, number: u64) -> (UdpSocket, UdpSocket) {
        let [here, there] = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        there.connect(here.local_addr().unwrap()).unwrap();
        watch.add(&here, number).unwrap();
        (here, there)
    }

    #[tokio::test]
    async fn it_wakes_and_tells_which_until_that_was_read() {
        let mut watch = Watch::new().unwrap();
        let (one, _other) = (pair(&watch, 1), pair(&watch, 2));
        for _ in 0..2 {
            assert_eq!(watch.look().unwrap().count(), 0);
            one.1.send(b"x").unwrap();
            watch.readable().await.unwrap();
            assert_eq!(watch.look().unwrap().collect::<Vec<_>>(), [1]);
            one.0.recv(&mut [0]).unwrap();
            watch.rest();
        }
    }

    #[tokio::test]
    async fn what_came_while_it_rested_wakes_as_soon_as_it_may() {
        let mut watch = Watch::new().unwrap();
        let one = pair(&watch, 1);
        one.1.send(b"x").unwrap();
        watch.readable().await.unwrap();
    }

    #[test]
    fn a_socket_that_is_closed_is_watched_no_more() {
        let watch = Watch::new().unwrap();
        let (here, there) = pair(&watch, 1);
        there.send(b"x").unwrap();
        assert_eq!(watch.look().unwrap().count(), 1);
        drop(here);
        assert_eq!(watch.look().unwrap().count(), 0);
    }
}
