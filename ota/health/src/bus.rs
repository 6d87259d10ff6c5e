//! Questions over D-Bus.

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::zvariant::DynamicType;
use zbus::{Connection, OwnedVariant};

/// Something on the bus that answers.
pub(crate) struct Peer {
    pub(crate) service: &'static str,
    pub(crate) path: String,
    pub(crate) interface: &'static str,
}

/// The system's bus.
pub(crate) async fn system() -> anyhow::Result<Connection> {
    Connection::system().await.context("no bus")
}

impl Peer {
    pub(crate) async fn call<A, T>(&self, bus: &Connection, method: &str, arguments: &A) -> anyhow::Result<T>
    where
        A: Serialize + DynamicType,
        T: DeserializeOwned + zbus::zvariant::Type,
    {
        let answer =
            bus.call_method(Some(self.service), self.path.as_str(), Some(self.interface), method, arguments).await;
        let answer = answer.with_context(|| format!("{method} of {}", self.service))?;
        Ok(answer.body().deserialize()?)
    }

    pub(crate) async fn property<T>(&self, bus: &Connection, name: &str) -> anyhow::Result<T>
    where
        T: TryFrom<OwnedVariant, Error: std::error::Error + Send + Sync + 'static>,
    {
        let properties = Self { service: self.service, path: self.path.clone(), interface: PROPERTIES };
        let value: OwnedVariant = properties.call(bus, "Get", &(self.interface, name)).await?;
        T::try_from(value).with_context(|| format!("{name} of {}", self.service))
    }
}

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
