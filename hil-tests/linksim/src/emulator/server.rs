//! The control socket: who is connected, and lines of theirs that are complete.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::control::{Reply, Request};

/// Listens at a path, which goes with it.
#[derive(Debug)]
pub(super) struct Server {
    listener: UnixListener,
    path: PathBuf,
    peers: Vec<Peer>,
}

#[derive(Debug)]
struct Peer {
    stream: UnixStream,
    partial: Vec<u8>,
}

impl Server {
    /// Takes the path over from a run that crashed.
    pub(super) fn listen(path: &Path) -> anyhow::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", path.display()));
            }
            _ => {}
        }
        let listener = UnixListener::bind(path).with_context(|| format!("listen at {}", path.display()))?;
        listener.set_nonblocking(true).context("control socket")?;
        Ok(Self { listener, path: path.to_owned(), peers: Vec::new() })
    }

    /// What to wait on.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.listener.as_fd()).chain(self.peers.iter().map(|peer| peer.stream.as_fd()))
    }

    /// Answers every complete line, and forgets peers that left, flood, or do not read.
    pub(super) fn serve(&mut self, mut answer: impl FnMut(Request) -> Reply) {
        while let Ok((stream, _)) = self.listener.accept() {
            // One too many is hung up on: left waiting, it would keep waking us.
            if self.peers.len() < MAX_PEERS && stream.set_nonblocking(true).is_ok() {
                self.peers.push(Peer { stream, partial: Vec::new() });
            }
        }
        self.peers.retain_mut(|peer| peer.serve(&mut answer).is_ok());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already means somebody tidied up for us.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Peer {
    fn serve(&mut self, answer: &mut impl FnMut(Request) -> Reply) -> io::Result<()> {
        let mut chunk = [0; MAX_LINE_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => self.partial.extend_from_slice(&chunk[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        while let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let reply = match serde_json::from_slice(&line) {
                Ok(request) => answer(request),
                Err(error) => Reply::Error { error: format!("no command: {error}") },
            };
            // Never waits: who has not read the answers before is not worth a late packet.
            self.stream.write_all((serde_json::to_string(&reply)? + "\n").as_bytes())?;
        }
        if self.partial.len() > MAX_LINE_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    }
}

const MAX_LINE_BYTES: usize = 4_096;
const MAX_PEERS: usize = 32;
