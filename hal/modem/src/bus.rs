//! Questions over D-Bus, and what comes back.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant, Type, fdo};

use crate::ModemError;
use crate::known::PROPERTIES;

pub(crate) type Values = HashMap<String, OwnedVariant>;
/// Objects, their interfaces, and the properties of these.
pub(crate) type Objects = HashMap<OwnedObjectPath, HashMap<String, Values>>;

pub(crate) async fn call<A, T>(
    bus: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    arguments: &A,
) -> Result<T, ModemError>
where
    A: Serialize + DynamicType,
    T: DeserializeOwned + Type,
{
    ask(bus, path, interface, method, arguments).await.map(|(_, answer)| answer)
}

/// The same, with the name on the bus of who answers.
pub(crate) async fn ask<A, T>(
    bus: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    arguments: &A,
) -> Result<(String, T), ModemError>
where
    A: Serialize + DynamicType,
    T: DeserializeOwned + Type,
{
    let answer = bus.call_method(Some(SERVICE), path, Some(interface), method, arguments).await.map_err(refusal)?;
    let said = answer.body().deserialize().map_err(|error| ModemError::Refused(format!("{method}: {error}")))?;
    Ok((answer.header().sender().map(ToString::to_string).unwrap_or_default(), said))
}

pub(crate) async fn properties(bus: &Connection, path: &str, interface: &str) -> Result<Values, ModemError> {
    call(bus, path, PROPERTIES, "GetAll", &interface).await
}

fn refusal(error: zbus::Error) -> ModemError {
    match &error {
        zbus::Error::InputOutput(_) => ModemError::NoManager(error.to_string()),
        zbus::Error::FDO(said) => match &**said {
            fdo::Error::ServiceUnknown(said) | fdo::Error::NameHasNoOwner(said) | fdo::Error::NoReply(said) => {
                ModemError::NoManager(said.clone())
            }
            fdo::Error::UnknownMethod(_) | fdo::Error::UnknownObject(_) | fdo::Error::UnknownInterface(_) => {
                ModemError::Gone
            }
            other => ModemError::Refused(other.to_string()),
        },
        zbus::Error::MethodError(name, text, _) => {
            let said = text.clone().unwrap_or_else(|| name.to_string());
            match name.rsplit('.').next() {
                Some("Unsupported" | "NotAllowed") => ModemError::Unsupported(said),
                _ => ModemError::Refused(said),
            }
        }
        other => ModemError::Refused(other.to_string()),
    }
}

pub(crate) fn text(values: &Values, key: &str) -> String {
    values.get(key).and_then(|value| value.downcast_ref::<&str>().ok()).unwrap_or_default().to_owned()
}

pub(crate) fn number(values: &Values, key: &str) -> Option<u32> {
    values.get(key)?.downcast_ref::<u32>().ok()
}

pub(crate) fn path(values: &Values, key: &str) -> Option<String> {
    let path = values.get(key)?.downcast_ref::<&zbus::ObjectPath<'_>>().ok()?;
    (path.as_str() != "/").then(|| path.as_str().to_owned())
}

/// A value of a type that has no borrowed form.
pub(crate) fn owned<T: TryFrom<OwnedVariant>>(values: &Values, key: &str) -> Option<T> {
    T::try_from(values.get(key)?.try_clone().ok()?).ok()
}

pub(crate) const SERVICE: &str = "org.freedesktop.ModemManager1";
pub(crate) const ROOT: &str = "/org/freedesktop/ModemManager1";
