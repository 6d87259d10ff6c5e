//! A door from the host to the gateway's page.
//!
//! The gateway lives in a network namespace without any way out. A browser on the host connects here, and each
//! connection is carried on from inside that namespace: no address, route or device is added on either side, and
//! nothing is left when this process ends.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sched::{CloneFlags, setns};

/// The door; whoever connects before it leads anywhere waits.
pub(crate) struct Door {
    listeners: Vec<TcpListener>,
}

impl Door {
    /// Takes `port` of localhost.
    ///
    /// # Errors
    /// When somebody else has it.
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        let mut listeners = vec![TcpListener::bind((Ipv4Addr::LOCALHOST, port))?];
        // Browsers try this one first where the host has it.
        listeners.extend(TcpListener::bind((Ipv6Addr::LOCALHOST, port)));
        Ok(Self { listeners })
    }

    /// Carries every connection on to `target` in `netns`, for as long as this process lives.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub(crate) fn lead_to(self, netns: &str, target: SocketAddr) -> io::Result<()> {
        let netns = Arc::new(File::open(crate::child::netns_path(netns))?);
        for listener in self.listeners {
            accept(listener, netns.clone(), target);
        }
        Ok(())
    }
}

fn accept(listener: TcpListener, netns: Arc<File>, target: SocketAddr) {
    let open = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if open.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let (netns, open) = (netns.clone(), open.clone());
            std::thread::spawn(move || {
                // While the gateway restarts the client sees its connection close, as it would without us.
                let _ = carry(&client, &netns, target);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

fn carry(client: &TcpStream, netns: &File, target: SocketAddr) -> io::Result<()> {
    // Of this thread only; the socket made next belongs to that namespace for good.
    setns(netns, CloneFlags::CLONE_NEWNET)?;
    let gateway = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    gateway.set_nodelay(true)?;
    std::thread::scope(|scope| {
        scope.spawn(|| copy(client, &gateway));
        copy(&gateway, client);
    });
    Ok(())
}

/// Until one side ends; then neither waits for the other.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

/// Some tabs of browsers, some players.
const MAX_CONNECTIONS: usize = 64;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn both_ways_pass_and_the_end_is_passed_on() {
        if !nix::unistd::Uid::effective().is_root() {
            eprintln!("not run: entering a network namespace, even one's own, needs root");
            return;
        }
        let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (inside, outside) = (gateway.local_addr().unwrap(), door.local_addr().unwrap());
        let netns = Arc::new(File::open("/proc/self/ns/net").unwrap());
        accept(door, netns, inside);

        let mut browser = TcpStream::connect(outside).unwrap();
        browser.write_all(b"GET /").unwrap();
        browser.shutdown(Shutdown::Write).unwrap();
        let (mut server, _) = gateway.accept().unwrap();
        let mut request = String::new();
        server.read_to_string(&mut request).unwrap();
        assert_eq!(request, "GET /");
        server.write_all(b"a page").unwrap();
        drop(server);
        let mut page = String::new();
        browser.read_to_string(&mut page).unwrap();
        assert_eq!(page, "a page");
    }

    #[test]
    fn a_gateway_that_is_not_there_ends_the_connection() {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let outside = door.local_addr().unwrap();
        let nowhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        accept(door, Arc::new(File::open("/proc/self/ns/net").unwrap()), nowhere);
        let mut browser = TcpStream::connect(outside).unwrap();
        assert_eq!(browser.read_to_string(&mut String::new()).unwrap(), 0);
    }
}
