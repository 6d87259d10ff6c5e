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
        let installer =
            Peer { service: "de.pengutronix.rauc", path: "/".into(), interface: "de.pengutronix.rauc.Installer" };
        Ok(Self { bus: bus::system().await?, installer })
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
