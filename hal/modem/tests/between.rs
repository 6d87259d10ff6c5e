//! What changes between the moment in which somebody begins to listen to ModemManager and the one in which it has said what is.

#[path = "../../resolver/tests/bus/mod.rs"]
#[allow(dead_code, reason = "each user takes its part")]
mod bus;

use std::collections::HashMap;
use std::time::Duration;

use bondbox_modem::{Manager, ModemManager, News, State};
use bus::Bus;
use zbus::connection::Builder;
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant};

type Values = HashMap<String, OwnedVariant>;

fn state(state: i32) -> Values {
    HashMap::from([("State".to_owned(), Variant::from(state).try_to_owned().unwrap())])
}

fn device() -> Values {
    HashMap::from([("Device".to_owned(), Variant::from("/sys/devices/usb1").try_to_owned().unwrap())])
}

/// ModemManager with one modem, which is registered (8) when all is asked for, and disabled (3) before the next question.
struct Objects;

#[zbus::interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Objects {
    fn get_managed_objects(&self) -> HashMap<OwnedObjectPath, HashMap<String, Values>> {
        let modem = state(8).into_iter().chain(device()).collect();
        HashMap::from([(OwnedObjectPath::try_from(PATH).unwrap(), HashMap::from([(MODEM.to_owned(), modem)]))])
    }
}

struct Version;

#[zbus::interface(name = "org.freedesktop.ModemManager1")]
impl Version {
    #[zbus(property)]
    async fn version(&self, #[zbus(connection)] bus: &Connection) -> String {
        let body = (MODEM, state(3), Vec::<String>::new());
        bus.emit_signal(None::<&str>, PATH, PROPERTIES, "PropertiesChanged", &body).await.unwrap();
        "1.24".into()
    }
}

#[tokio::test]
async fn a_change_between_the_list_and_the_end_of_the_first_look_is_not_lost() {
    let bus = Bus::start();
    let builder = Builder::address(bus.address.as_str()).serve_at(ROOT, Objects).serve_at(ROOT, Version);
    let _served = builder.name("org.freedesktop.ModemManager1").build().await.unwrap();
    let mut manager = ModemManager::at(Some(bus.address.clone()));
    let (version, modems) = manager.look().await.unwrap();
    assert_eq!((version.as_str(), modems[0].state), ("1.24", State::Registered), "as it was when it was asked");
    let told = tokio::time::timeout(Duration::from_secs(20), manager.changed()).await.expect("nothing is told");
    assert_eq!(told, News::Modems);
    assert_eq!(manager.look().await.unwrap().1[0].state, State::Disabled);
}

const ROOT: &str = "/org/freedesktop/ModemManager1";
const PATH: &str = "/org/freedesktop/ModemManager1/Modem/0";
const MODEM: &str = "org.freedesktop.ModemManager1.Modem";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
