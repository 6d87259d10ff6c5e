//! What systemd has in mind with services: the properties `ActiveState` and `SubState` of their units, and when they change.

use std::collections::HashMap;
use std::convert::Infallible;
use std::num::NonZeroUsize;

use futures_util::stream::StreamExt as _;
use zbus::connection::Connection;
use zbus::{MatchRule, MessageStream, OwnedObjectPath, OwnedVariant};

use super::{QUEUE, SYSTEMD, Systemd, call, refusal};
use crate::{Services, Standing, SystemError};

impl Services for Systemd {
    async fn watch(&self, units: &[&str], mut tell: impl FnMut(usize, Standing) + Send) -> SystemError {
        match self.follow(units, &mut tell).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }
}

impl Systemd {
    async fn follow(
        &self,
        units: &[&str],
        tell: &mut (impl FnMut(usize, Standing) + Send),
    ) -> Result<Infallible, SystemError> {
        let bus = self.connect().await?;
        let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(SYSTEMD.name);
        let rule = rule.path_namespace(UNITS).interface(PROPERTIES).member("PropertiesChanged").arg(0, UNIT);
        let rule = rule.build().map_err(refusal)?;
        // Before anything is asked: what changes meanwhile is told.
        let mut changes = MessageStream::for_match_rule(rule, &bus, NonZeroUsize::new(QUEUE)).await.map_err(refusal)?;
        // Else it tells of its units to nobody.
        call::<_, ()>(&bus, &SYSTEMD, "Subscribe", &()).await?;
        let mut known = Vec::with_capacity(units.len());
        for (number, unit) in units.iter().enumerate() {
            let path: OwnedObjectPath = call(&bus, &SYSTEMD, "LoadUnit", unit).await?;
            let standing = standing(&bus, path.as_str()).await?;
            tell(number, standing.clone());
            known.push((path, standing));
        }
        loop {
            let change = changes.next().await.ok_or_else(|| SystemError::NoService("the bus is gone".into()))?;
            let change = change.map_err(refusal)?;
            let header = change.header();
            let of_change = |path: &OwnedObjectPath| header.path().is_some_and(|of| of.as_str() == path.as_str());
            let Some(number) = known.iter().position(|(path, _)| of_change(path)) else { continue };
            let (path, before) = &mut known[number];
            let now = standing(&bus, path.as_str()).await?;
            if now != *before {
                before.clone_from(&now);
                tell(number, now);
            }
        }
    }
}

async fn standing(bus: &Connection, path: &str) -> Result<Standing, SystemError> {
    let unit = properties(bus, path, UNIT).await?;
    Ok(match (text(&unit, "ActiveState"), text(&unit, "SubState")) {
        // One that is about to be started again may be called so on the way, with another word beside it.
        ("failed", "failed") => {
            let service = properties(bus, path, SERVICE).await?;
            Standing::GivenUp(text(&service, "Result").to_owned())
        }
        ("inactive" | "deactivating", _) => Standing::Off,
        (_, _) => Standing::On,
    })
}

async fn properties(bus: &Connection, path: &str, interface: &str) -> Result<Properties, SystemError> {
    let answer = bus.call_method(Some(SYSTEMD.name), path, Some(PROPERTIES), "GetAll", &interface).await;
    super::read(&answer.map_err(refusal)?)
}

fn text<'a>(properties: &'a Properties, name: &str) -> &'a str {
    properties.get(name).and_then(|value| value.downcast_ref::<&str>().ok()).unwrap_or_default()
}

type Properties = HashMap<String, OwnedVariant>;

const UNITS: &str = "/org/freedesktop/systemd1/unit";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
