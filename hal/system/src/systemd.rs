//! logind and systemd, over D-Bus (org.freedesktop.login1(5), org.freedesktop.systemd1(5)).

mod watch;

use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::stream::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::connection::{Builder, Connection};
use zbus::{DynamicType, MatchRule, Message, MessageStream, OwnedObjectPath, Type, fdo};

use crate::{Leases, System, SystemError};

/// The system that this machine runs.
#[derive(Debug)]
pub struct Systemd {
    /// Of the bus; that of the system, where there is none.
    address: Option<String>,
    patience: Duration,
}

impl Default for Systemd {
    fn default() -> Self {
        Self { address: None, patience: PATIENCE }
    }
}

impl Systemd {
    /// By the bus at this address, in D-Bus's spelling, and with this patience for what was agreed. [`Systemd::default`] takes the
    /// system's, which `DBUS_SYSTEM_BUS_ADDRESS` may name.
    pub fn at(address: &str, patience: Duration) -> Self {
        Self { address: Some(address.into()), patience }
    }

    async fn connect(&self) -> Result<Connection, SystemError> {
        let builder = self.address.as_deref().map_or_else(Builder::system, Builder::address);
        builder.build().await.map_err(|error| SystemError::NoService(error.to_string()))
    }

    /// A connection for one question: it is seldom asked, and an open one would be told of every job.
    async fn ask(&self, service: &'static Service) -> Result<Asked, SystemError> {
        let bus = self.connect().await?;
        let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(service.name);
        let rule = rule.interface(service.interface).build().map_err(refusal)?;
        // Before anything is asked: what is said may come before the answer.
        let says = MessageStream::for_match_rule(rule, &bus, NonZeroUsize::new(QUEUE)).await.map_err(refusal)?;
        Ok(Asked { service, bus, says })
    }

    /// Has systemd start a unit, and gives the job that does it.
    async fn start(&self, unit: &str) -> Result<(Asked, OwnedObjectPath), SystemError> {
        let systemd = self.ask(&SYSTEMD).await?;
        // Else it tells of its jobs to nobody.
        systemd.call::<_, ()>("Subscribe", &()).await?;
        let job = systemd.call("StartUnit", &(unit, "replace")).await?;
        Ok((systemd, job))
    }

    async fn in_time(&self, effect: impl Future<Output = Result<(), SystemError>>) -> Result<(), SystemError> {
        tokio::time::timeout(self.patience, effect).await.unwrap_or(Err(SystemError::NoEffect))
    }
}

impl System for Systemd {
    async fn power_off(&self) -> Result<(), SystemError> {
        let mut login = self.ask(&LOGIN).await?;
        let nobody_is_asked_for_a_password = false;
        login.call::<_, ()>("PowerOff", &nobody_is_asked_for_a_password).await?;
        self.in_time(async {
            loop {
                let (member, message) = login.next().await?;
                if member == "PrepareForShutdown" && read::<bool>(&message)? {
                    return Ok(());
                }
            }
        })
        .await
    }

    async fn factory_reset(&self) -> Result<(), SystemError> {
        let (mut systemd, job) = self.start(RESET).await?;
        self.in_time(async {
            let (mut kept, mut restarts) = (false, false);
            while !(kept && restarts) {
                let (member, message) = systemd.next().await?;
                match member.as_str() {
                    "JobRemoved" => kept |= is_done(&message, &job)?,
                    "JobNew" => {
                        let (_, _, unit): (u32, OwnedObjectPath, String) = read(&message)?;
                        restarts |= unit == "reboot.target";
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

impl Leases for Systemd {
    async fn lease(&self, interface: &str, leases: bool) -> Result<(), SystemError> {
        let (mut systemd, job) =
            self.start(&format!("{}@{interface}.service", if leases { LEASE } else { LINK })).await?;
        self.in_time(async {
            loop {
                let (member, message) = systemd.next().await?;
                if member == "JobRemoved" && is_done(&message, &job)? {
                    return Ok(());
                }
            }
        })
        .await
    }
}

/// Whether this is the job, which came to a good end.
fn is_done(removed: &Message, job: &OwnedObjectPath) -> Result<bool, SystemError> {
    let (_, removed, unit, result): (u32, OwnedObjectPath, String, String) = read(removed)?;
    if removed == *job && result != "done" {
        return Err(SystemError::Refused(format!("{unit} ended with {result}")));
    }
    Ok(removed == *job)
}

/// Something on the bus that is asked.
struct Service {
    name: &'static str,
    path: &'static str,
    interface: &'static str,
}

/// It, and what it says meanwhile.
struct Asked {
    service: &'static Service,
    bus: Connection,
    says: MessageStream,
}

impl Asked {
    async fn call<A, T>(&self, method: &str, arguments: &A) -> Result<T, SystemError>
    where
        A: Serialize + DynamicType,
        T: DeserializeOwned + Type,
    {
        call(&self.bus, self.service, method, arguments).await
    }

    /// The next signal, and its name.
    async fn next(&mut self) -> Result<(String, Message), SystemError> {
        loop {
            let said = self.says.next().await.ok_or_else(|| SystemError::NoService("the bus is gone".into()))?;
            let said = said.map_err(refusal)?;
            let member = said.header().member().map(|member| member.to_string());
            if let Some(member) = member {
                return Ok((member, said));
            }
        }
    }
}

async fn call<A, T>(bus: &Connection, service: &Service, method: &str, arguments: &A) -> Result<T, SystemError>
where
    A: Serialize + DynamicType,
    T: DeserializeOwned + Type,
{
    let Service { name, path, interface } = *service;
    let answer = bus.call_method(Some(name), path, Some(interface), method, arguments).await;
    read(&answer.map_err(refusal)?)
}

fn read<T: DeserializeOwned + Type>(message: &Message) -> Result<T, SystemError> {
    message.body().deserialize().map_err(|error| SystemError::Refused(format!("its answer cannot be read: {error}")))
}

fn refusal(error: zbus::Error) -> SystemError {
    match &error {
        zbus::Error::InputOutput(_) => SystemError::NoService(error.to_string()),
        zbus::Error::FDO(said) => match &**said {
            fdo::Error::ServiceUnknown(said) | fdo::Error::NameHasNoOwner(said) | fdo::Error::NoReply(said) => {
                SystemError::NoService(said.clone())
            }
            fdo::Error::AccessDenied(said) | fdo::Error::InteractiveAuthorizationRequired(said) => {
                SystemError::Denied(said.clone())
            }
            other => SystemError::Refused(other.to_string()),
        },
        zbus::Error::MethodError(name, said, _) => {
            SystemError::Refused(said.clone().unwrap_or_else(|| name.to_string()))
        }
        other => SystemError::Refused(other.to_string()),
    }
}

const LOGIN: Service = Service {
    name: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
};
const SYSTEMD: Service = Service {
    name: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};
/// Restarts the unit when it has succeeded (`SuccessAction=`).
const RESET: &str = "bondbox-factory-reset.service";
/// Has networkd lease on an interface.
const LEASE: &str = "bondbox-lease";
/// Has networkd treat it as when it was plugged in.
const LINK: &str = "bondbox-link";
/// logind waits for those who hold it up for 5 s (`InhibitDelayMaxSec=`) after it said so; a mark on the disk is written in less.
const PATIENCE: Duration = Duration::from_secs(10);
/// More jobs than a unit that stands still begins and ends meanwhile.
const QUEUE: usize = 256;
