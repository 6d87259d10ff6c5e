//! logind and systemd, played: the unit's services end and start again, and this machine stays as it is.

use std::sync::Arc;

use zbus::Connection;
use zbus::connection::Builder;

use super::{Desk, Wish};
use crate::console::say;

/// On the bus at this address, for as long as the connection lives.
pub(super) async fn serve(bus: &str, desk: Arc<Desk>) -> zbus::Result<Connection> {
    Builder::address(bus)
        .serve_at("/org/freedesktop/login1", Login(desk))
        .serve_at("/org/freedesktop/systemd1", Systemd)
        .name("org.freedesktop.login1")
        .name("org.freedesktop.systemd1")
        .build()
        .await
}

struct Login(Arc<Desk>);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Login {
    async fn power_off(&self, _interactive: bool, #[zbus(connection)] bus: &Connection) -> zbus::fdo::Result<()> {
        say("demo: the unit is switched off, which its services see and this machine does not");
        // As logind does it: before it answers.
        let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
        bus.emit_signal(None::<&str>, path, interface, "PrepareForShutdown", &true)
            .await
            .map_err(|error| zbus::fdo::Error::Failed(error.to_string()))?;
        self.0.wish(Wish::Off);
        Ok(())
    }
}

struct Systemd;

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn subscribe(&self) {}

    fn start_unit(&self, name: String, _mode: String) -> zbus::fdo::Result<zbus::OwnedObjectPath> {
        Err(zbus::fdo::Error::AccessDenied(format!("the demonstration starts no {name}")))
    }
}
