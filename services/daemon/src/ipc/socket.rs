//! `SOCK_SEQPACKET` on the reactor.

use std::io::{self, IoSlice, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::socket::sockopt::PeerCredentials;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// One end of a connection.
pub(super) struct SeqPacket {
    fd: AsyncFd<Socket>,
}

impl SeqPacket {
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        let socket = new_socket()?;
        socket.connect(&SockAddr::unix(path)?)?;
        Self::from_socket(socket)
    }

    /// Two ends that are connected to each other.
    #[cfg(test)]
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
        a.set_nonblocking(true)?;
        b.set_nonblocking(true)?;
        Ok((Self::from_socket(a)?, Self::from_socket(b)?))
    }

    fn from_socket(socket: Socket) -> io::Result<Self> {
        Ok(Self { fd: on_reactor(socket)? })
    }

    /// The user at the other end when it connected, or listened.
    pub(super) fn peer_uid(&self) -> io::Result<u32> {
        Ok(nix::sys::socket::getsockopt(self.fd.get_ref(), PeerCredentials)?.uid())
    }

    /// The length of the next packet, cut to `buffer`; 0 at the end. Loses nothing when dropped halfway.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fd.async_io(Interest::READABLE, |mut socket| (&mut socket).read(buffer)).await
    }

    /// Sends `head` and `tail` as one packet, when there is room.
    pub(super) async fn send(&self, head: &[u8], tail: &[u8]) -> io::Result<()> {
        let parts = [IoSlice::new(head), IoSlice::new(tail)];
        self.fd.async_io(Interest::WRITABLE, |socket| socket.send_vectored(&parts)).await.map(drop)
    }
}

/// A bound and listening socket; its file goes when this is dropped.
pub(super) struct Listener {
    fd: AsyncFd<Socket>,
    path: PathBuf,
    inode: u64,
}

impl Listener {
    /// Listens at `path`, in place of a socket that nobody serves any more.
    ///
    /// # Errors
    /// `AddrInUse` when somebody serves it, `AlreadyExists` when the file is no socket.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        refuse_living(path)?;
        // Made beside and moved into place, so that there is never a socket with the wrong mode, and the old one is
        // replaced in one step.
        let beside = path.with_extension(format!("sock.{}", std::process::id()));
        let _ = std::fs::remove_file(&beside);
        let socket = new_socket()?;
        socket.bind(&SockAddr::unix(&beside)?)?;
        // Who may connect is decided by credentials; the mode keeps out whoever is not even in the group.
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o660))?;
        socket.listen(BACKLOG)?;
        std::fs::rename(&beside, path)?;
        let inode = std::fs::metadata(path)?.ino();
        Ok(Self { fd: on_reactor(socket)?, path: path.to_path_buf(), inode })
    }

    pub(super) async fn accept(&self) -> io::Result<SeqPacket> {
        let (socket, _) = self.fd.async_io(Interest::READABLE, Socket::accept).await?;
        socket.set_nonblocking(true)?;
        SeqPacket::from_socket(socket)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Another server may have taken the place since.
        if std::fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn new_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[allow(unsafe_code, reason = "tokio has no safe way in for sockets it does not know")]
fn on_reactor(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a `Socket` owns one descriptor, which it neither closes nor exchanges before it is dropped, and the
    // `AsyncFd` owns the `Socket` and hands out shared references to it only.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

fn refuse_living(path: &Path) -> io::Result<()> {
    let Ok(file) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !file.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is not a socket"));
    }
    match new_socket()?.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // Connected, or its backlog is full: somebody listens.
        Ok(()) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process serves it")),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another process serves it"))
        }
        Err(error) => Err(error),
    }
}

/// Connections that wait to be accepted; the reactor takes them within milliseconds.
const BACKLOG: i32 = 16;
