//! RAUC, over D-Bus: which slot runs, and what the boot loader is told.

use std::collections::HashMap;

use anyhow::{Context, bail};
use zbus::{Connection, OwnedVariant};

use crate::bus::{self, Peer};

/// One slot as RAUC sees it.
pub(crate) struct Slot {
    name: String,
    booted: bool,
    /// As the boot loader's own environment says now: RAUC reads it anew for each question.
    good: bool,
}

/// RAUC's installer.
pub(crate) struct Rauc {
    bus: Connection,
    installer: Peer,
}

impl Rauc {
    pub(crate) async fn connect() -> anyhow::Result<Self> {
        Ok(Self::on(bus::system().await?))
    }

    fn on(bus: Connection) -> Self {
        let installer =
            Peer { service: "de.pengutronix.rauc", path: "/".into(), interface: "de.pengutronix.rauc.Installer" };
        Self { bus, installer }
    }

    /// The name that the boot loader has for the slot that runs.
    pub(crate) async fn boot_slot(&self) -> anyhow::Result<String> {
        self.installer.property(&self.bus, "BootSlot").await.context("RAUC does not say which slot runs")
    }

    async fn slots(&self) -> anyhow::Result<Vec<Slot>> {
        let listed: Vec<(String, HashMap<String, OwnedVariant>)> =
            self.installer.call(&self.bus, "GetSlotStatus", &()).await?;
        let mut slots = Vec::new();
        for (name, values) in listed {
            let text = |key: &str| values.get(key).and_then(|value| value.downcast_ref::<&str>().ok());
            // Boot slots hang on their roots: what can be started is what has a name for the boot loader.
            if text("bootname").is_none() {
                continue;
            }
            slots.push(Slot {
                booted: text("state") == Some("booted"),
                good: text("boot-status") == Some("good"),
                name,
            });
        }
        Ok(slots)
    }

    /// Whether another slot would be started if this one were not.
    pub(crate) async fn other_is_good(&self) -> anyhow::Result<bool> {
        Ok(self.slots().await?.iter().any(|slot| !slot.booted && slot.good))
    }

    /// Marks the slot that runs as good, and reads back whether the boot loader's environment says so.
    pub(crate) async fn mark_good(&self) -> anyhow::Result<String> {
        let (marked, _): (String, String) =
            self.installer.call(&self.bus, "Mark", &("good", "booted")).await.context("RAUC cannot mark the slot")?;
        let slots = self.slots().await.context("the boot loader's environment cannot be read back")?;
        match slots.iter().find(|slot| slot.booted) {
            Some(slot) if slot.good => Ok(marked),
            Some(slot) => bail!("{} was marked good, and the boot loader's environment says that it is not", slot.name),
            None => bail!("RAUC knows no slot that runs"),
        }
    }
}

#[cfg(test)]
#[path = "../../../hal/resolver/tests/bus/mod.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod test_bus;

#[cfg(test)]
mod tests {
    use zbus::connection::Builder;

    use super::*;

    /// RAUC, as it is played: what it says after it was told to mark the slot.
    struct Installer(&'static str);

    #[zbus::interface(name = "de.pengutronix.rauc.Installer")]
    impl Installer {
        async fn mark(&self, state: String, slot: String) -> zbus::fdo::Result<(String, String)> {
            assert_eq!((state.as_str(), slot.as_str()), ("good", "booted"));
            match self.0 {
                "refused" => Err(zbus::fdo::Error::Failed("the environment cannot be written".into())),
                _ => Ok(("rootfs.0".into(), "marked".into())),
            }
        }

        async fn get_slot_status(&self) -> Vec<(String, HashMap<String, OwnedVariant>)> {
            let slot = |name: &str, values: &[(&str, &'static str)]| {
                let values = values.iter().map(|(key, value)| ((*key).to_owned(), zbus::Variant::from(*value)));
                let owned = values.map(|(key, value)| (key, OwnedVariant::try_from(value).unwrap()));
                (name.to_owned(), owned.collect())
            };
            vec![
                slot("rootfs.0", &[("bootname", "A"), ("state", "booted"), ("boot-status", self.0)]),
                slot("rootfs.1", &[("bootname", "B"), ("state", "inactive"), ("boot-status", "good")]),
                slot("boot.0", &[("state", "active")]),
            ]
        }
    }

    async fn marking(then: &'static str) -> anyhow::Result<String> {
        let bus = test_bus::Bus::start();
        let built = Builder::address(bus.address.as_str()).serve_at("/", Installer(then)).name("de.pengutronix.rauc");
        let _rauc = built.build().await.unwrap();
        Rauc::on(Builder::address(bus.address.as_str()).build().await.unwrap()).mark_good().await
    }

    #[tokio::test]
    async fn a_slot_is_marked_only_where_the_boot_loaders_environment_says_so() {
        assert_eq!(marking("good").await.unwrap(), "rootfs.0");
        let unwritten = marking("bad").await.unwrap_err().to_string();
        assert!(unwritten.contains("rootfs.0 was marked good, and the boot loader's environment says"), "{unwritten}");
        let refused = format!("{:#}", marking("refused").await.unwrap_err());
        assert!(refused.contains("cannot be written"), "{refused}");
    }
}
