//! The front panel on the screen: made devices like the kernel's for the real panel service, and a page that shows its lights and
//! has its keys pressed.

mod devices;
mod page;
mod system;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context;

use devices::Devices;

/// The panel's devices and its page, for as long as this process lives.
pub(crate) struct Panel {
    desk: Arc<Desk>,
    wishes: UnixDatagram,
}

/// What the whole unit is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Somebody presses the switch of a unit that is off.
    On,
    /// The panel service asked logind for it.
    Off,
}

/// Whether the unit's services run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// They do.
    On,
    /// They are being stopped.
    Ending,
    /// None runs.
    Off,
}

/// What the page, the bus and the supervisor share.
struct Desk {
    devices: Mutex<Devices>,
    power: AtomicU8,
    /// Wakes the supervisor.
    wish: UnixDatagram,
}

impl Panel {
    /// Makes the devices below `folder`, plays logind on `bus`, and serves the page on `port` of localhost.
    ///
    /// # Errors
    /// When one of these cannot be.
    pub(crate) fn start(folder: &Path, bus: &str, port: u16) -> anyhow::Result<Self> {
        let (wish, wishes) = UnixDatagram::pair()?;
        wishes.set_nonblocking(true)?;
        wish.set_nonblocking(true)?;
        let devices = Devices::make(folder).with_context(|| folder.display().to_string())?;
        let desk = Arc::new(Desk { devices: Mutex::new(devices), power: AtomicU8::new(Power::On as u8), wish });
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("port {port} for the panel"))?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Before the panel service starts, which looks for logind when it has to.
        let system = runtime.block_on(system::serve(bus, desk.clone())).context("logind and systemd on the bus")?;
        std::thread::spawn({
            let desk = desk.clone();
            move || {
                let served = runtime.block_on(page::serve(listener, desk));
                drop(system);
                served
            }
        });
        Ok(Self { desk, wishes })
    }

    /// What was wished for since the last time.
    pub(crate) fn take_wish(&self) -> Option<Wish> {
        let mut wish = None;
        let mut said = [0];
        while let Ok(1) = self.wishes.recv(&mut said) {
            wish = Some(if said[0] == 0 { Wish::Off } else { Wish::On });
        }
        wish
    }

    /// Shows whether the unit is on.
    ///
    /// # Errors
    /// When the lights of a unit that is off cannot be darkened.
    pub(crate) fn set_power(&self, power: Power) -> io::Result<()> {
        if self.desk.power.swap(power as u8, Ordering::Relaxed) != power as u8 && power == Power::Off {
            devices::lock(&self.desk.devices).power_off()?;
        }
        Ok(())
    }
}

impl AsFd for Panel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wishes.as_fd()
    }
}

impl Desk {
    fn wish(&self, wish: Wish) {
        // Full of wishes it is awake.
        let _ = self.wish.send(&[u8::from(wish == Wish::On)]);
    }

    fn power(&self) -> Power {
        match self.power.load(Ordering::Relaxed) {
            0 => Power::On,
            1 => Power::Ending,
            _ => Power::Off,
        }
    }
}
