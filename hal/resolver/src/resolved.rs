//! systemd-resolved, over D-Bus (org.freedesktop.resolve1(5)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::sync::Mutex;
use zbus::connection::{Builder, Connection};
use zbus::fdo;

use crate::{LookupError, Resolver};

/// The machine's resolvers: systemd-resolved for single links, and the C library's for all.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Of the bus; that of the system, where there is none.
    address: Option<String>,
    /// Made when first needed, and again when the bus was restarted.
    connection: Mutex<Option<Connection>>,
}

impl Resolved {
    /// By the bus at this address, in D-Bus's spelling. [`Resolved::default`] takes the system's, which `DBUS_SYSTEM_BUS_ADDRESS`
    /// may name.
    pub fn at(address: &str) -> Self {
        Self { address: Some(address.into()), connection: Mutex::default() }
    }

    async fn connection(&self) -> Result<Connection, LookupError> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let builder = self.address.as_deref().map_or_else(Builder::system, Builder::address);
        let made = builder.build().await.map_err(|error| LookupError::NoService(error.to_string()))?;
        Ok(held.insert(made).clone())
    }

    async fn ask(&self, index: u32, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let index =
            i32::try_from(index).map_err(|_| LookupError::NoAnswer(format!("no interface has index {index}")))?;
        let question = (index, name, EITHER_FAMILY, AS_USUAL);
        let connection = self.connection().await?;
        let answer = connection.call_method(Some(SERVICE), PATH, Some(INTERFACE), "ResolveHostname", &question).await;
        if let Err(zbus::Error::InputOutput(_)) = &answer {
            // The bus has gone. The next question looks for it again.
            *self.connection.lock().await = None;
        }
        let answer = answer.map_err(refusal)?;
        let read = answer.body().deserialize::<(Vec<Found>, String, u64)>();
        let (found, ..) = read.map_err(|error| LookupError::NoAnswer(error.to_string()))?;
        let addresses: Vec<IpAddr> = found.iter().filter_map(|(_, _, bytes)| address(bytes)).collect();
        if addresses.is_empty() { Err(no_address(name)) } else { Ok(addresses) }
    }
}

impl Resolver for Resolved {
    async fn lookup(&self, through: Option<u32>, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let Some(index) = through else {
            // Its ports are none of our business here.
            let found = tokio::net::lookup_host((name, 0)).await;
            let found = found.map_err(|error| LookupError::NoAnswer(error.to_string()))?;
            let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            addresses.dedup();
            return if addresses.is_empty() { Err(no_address(name)) } else { Ok(addresses) };
        };
        self.ask(index, name).await
    }
}

fn no_address(name: &str) -> LookupError {
    LookupError::NoAnswer(format!("{name} has no address"))
}

/// Interface, family and address.
type Found = (i32, i32, Vec<u8>);

/// The length tells the family.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

/// A service that was not there, or an answer of one that was.
fn refusal(error: zbus::Error) -> LookupError {
    match &error {
        zbus::Error::InputOutput(_) => LookupError::NoService(error.to_string()),
        zbus::Error::FDO(said) => match &**said {
            fdo::Error::ServiceUnknown(said) | fdo::Error::NameHasNoOwner(said) => LookupError::NoService(said.clone()),
            // On its way to an answer it was restarted.
            other => LookupError::NoAnswer(other.to_string()),
        },
        zbus::Error::MethodError(_, Some(text), _) => LookupError::NoAnswer(text.clone()),
        other => LookupError::NoAnswer(other.to_string()),
    }
}

const SERVICE: &str = "org.freedesktop.resolve1";
const PATH: &str = "/org/freedesktop/resolve1";
const INTERFACE: &str = "org.freedesktop.resolve1.Manager";
/// AF_UNSPEC.
const EITHER_FAMILY: i32 = 0;
/// No flags: every protocol that the system is set to, and its cache.
const AS_USUAL: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_four_or_sixteen_bytes() {
        assert_eq!(address(&[198, 51, 100, 7]), Some("198.51.100.7".parse().unwrap()));
        let mut six = [0; 16];
        six[15] = 1;
        assert_eq!(address(&six), Some("::1".parse().unwrap()));
        assert_eq!([address(&[]), address(&[1; 5]), address(&[1; 17])], [None; 3]);
    }

    #[tokio::test]
    async fn without_a_bus_nobody_asks_through_links() {
        let resolved = Resolved::at("unix:path=/nonexistent/bus");
        let asked = resolved.lookup(Some(1), "gateway.example").await;
        assert!(matches!(asked, Err(LookupError::NoService(_))), "{asked:?}");
    }

    #[tokio::test]
    async fn the_system_knows_its_own_name() {
        let known = Resolved::at("unix:path=/nonexistent/bus").lookup(None, "localhost").await.unwrap();
        assert!(known.iter().all(IpAddr::is_loopback), "{known:?}");
    }
}
