//! What every [`Resolver`] promises, asked of the fake, and of systemd-resolved as a bus of our own knows it.

mod bus;

use std::collections::HashMap;
use std::net::IpAddr;

use bondbox_resolver::{Answer, Fake, LookupError, Resolved, Resolver};
use bus::Bus;
use zbus::connection::{Builder, Connection};

const NAME: &str = "gateway.example.net";
const ONE: u32 = 11;
const OTHER: u32 = 12;
/// Without name servers.
const BARE: u32 = 13;
/// Whose name servers do not answer.
const DEAD: u32 = 14;

fn addresses(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|address| address.parse().unwrap()).collect()
}

fn known() -> HashMap<u32, Vec<IpAddr>> {
    HashMap::from([(ONE, addresses(&["2001:db8::7", "198.51.100.7"])), (OTHER, addresses(&["64:ff9b::c633:6407"]))])
}

async fn keeps_the_contract(resolver: &impl Resolver) {
    for (link, expected) in known() {
        assert_eq!(resolver.lookup(Some(link), NAME).await, Ok(expected), "link {link}");
    }
    for (link, name) in [(BARE, NAME), (ONE, "elsewhere.example.net")] {
        let asked = resolver.lookup(Some(link), name).await;
        assert!(matches!(asked, Err(LookupError::NoAnswer(_))), "{name}: {asked:?}");
    }
    // One that waits for ever keeps nobody else waiting, and may be given up.
    tokio::select! {
        biased;
        asked = resolver.lookup(Some(DEAD), NAME) => panic!("{asked:?}"),
        asked = resolver.lookup(Some(ONE), NAME) => assert_eq!(asked, Ok(known()[&ONE].clone())),
    }
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    let fake = Fake::default();
    for (link, addresses) in known() {
        fake.set(Some(link), NAME, Answer::Addresses(addresses));
    }
    fake.set(Some(DEAD), NAME, Answer::Silence);
    keeps_the_contract(&fake).await;
}

#[tokio::test]
async fn resolved_keeps_the_contract_and_may_be_restarted() {
    let bus = Bus::start();
    let resolved = Resolved::at(&bus.address);
    let asked = resolved.lookup(Some(ONE), NAME).await;
    assert!(matches!(asked, Err(LookupError::NoService(_))), "before it is there: {asked:?}");
    let service = serve(&bus, known()).await;
    keeps_the_contract(&resolved).await;
    service.close().await.unwrap();
    let asked = resolved.lookup(Some(ONE), NAME).await;
    assert!(matches!(asked, Err(LookupError::NoService(_))), "while it is restarted: {asked:?}");
    let moved = addresses(&["198.51.100.8"]);
    let _service = serve(&bus, HashMap::from([(ONE, moved.clone())])).await;
    assert_eq!(resolved.lookup(Some(ONE), NAME).await, Ok(moved));
}

#[tokio::test]
async fn a_bus_that_was_restarted_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = Bus::start_in(folder);
    let resolved = Resolved::at(&first.address);
    let service = serve(&first, known()).await;
    assert_eq!(resolved.lookup(Some(ONE), NAME).await, Ok(known()[&ONE].clone()));
    drop(service);
    let second = Bus::start_in(first.stop());
    let _service = serve(&second, known()).await;
    // The first question may be the one that finds the old connection broken.
    let again = [resolved.lookup(Some(ONE), NAME).await, resolved.lookup(Some(ONE), NAME).await];
    assert_eq!(again[1], Ok(known()[&ONE].clone()), "{again:?}");
}

/// Has a systemd-resolved on it that knows this of the name, by link.
async fn serve(bus: &Bus, known: HashMap<u32, Vec<IpAddr>>) -> Connection {
    let builder = Builder::address(bus.address.as_str()).serve_at("/org/freedesktop/resolve1", Manager { known });
    builder.name("org.freedesktop.resolve1").build().await.unwrap()
}

struct Manager {
    known: HashMap<u32, Vec<IpAddr>>,
}

/// As systemd-resolved names them.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.resolve1")]
enum Refusal {
    #[zbus(error)]
    Bus(zbus::Error),
    NoNameServers(String),
    NoSuchRR(String),
}

#[zbus::interface(name = "org.freedesktop.resolve1.Manager")]
impl Manager {
    #[zbus(out_args("addresses", "canonical", "flags"))]
    async fn resolve_hostname(
        &self,
        index: i32,
        name: String,
        family: i32,
        _flags: u64,
    ) -> Result<(Vec<(i32, i32, Vec<u8>)>, String, u64), Refusal> {
        assert_eq!(family, 0, "of either family");
        if index == DEAD as i32 {
            std::future::pending::<()>().await;
        }
        let known = self
            .known
            .get(&(index as u32))
            .ok_or_else(|| Refusal::NoNameServers("No appropriate name servers or networks for name found".into()))?;
        if name != NAME {
            return Err(Refusal::NoSuchRR(format!("'{name}' does not have any RR of the requested type")));
        }
        let found = known.iter().map(|address| match address {
            IpAddr::V4(address) => (index, 2, address.octets().to_vec()),
            IpAddr::V6(address) => (index, 10, address.octets().to_vec()),
        });
        Ok((found.collect(), name, 1))
    }
}
