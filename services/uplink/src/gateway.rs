//! Where the gateway is: an address, or a name that the system's resolver is asked about.
//!
//! A name is asked about in the background until there is an answer, and again by [`Gateway::doubt`]: what stands behind
//! a name may move while the unit is in a tunnel.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// As an operator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Nobody has to be asked.
    Address(SocketAddr),
    /// What the system's resolver knows.
    Name(String, u16),
}

/// What of it is wrong; reads on after "must be HOST:PORT".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// Nothing says which port.
    NoPort,
    /// No number from 1 to 65535.
    Port,
    /// Neither an address of a host nor a name.
    Host,
}

/// The addresses, the one to be preferred first.
pub(crate) struct Gateway {
    found: watch::Receiver<Vec<SocketAddr>>,
    doubted: Arc<Notify>,
    task: Option<JoinHandle<()>>,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.parse::<IpAddr>().is_ok() {
            return Err(EndpointError::NoPort);
        }
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError::NoPort)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(EndpointError::Port)?;
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_unspecified() => Err(EndpointError::Host),
            Ok(address) => Ok(Self::Address(address)),
            Err(_) if is_name(host) => Ok(Self::Name(host.into(), port)),
            Err(_) => Err(EndpointError::Host),
        }
    }
}

impl std::fmt::Display for EndpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoPort => "HOST:PORT, and the port is missing",
            Self::Port => "HOST:PORT with a port of 1 to 65535",
            Self::Host => "HOST:PORT, where the host is a name, ADDRESS or [ADDRESS]",
        })
    }
}

impl Gateway {
    /// Looks for it, on the current reactor.
    pub(crate) fn find(endpoint: Endpoint) -> Self {
        let doubted = Arc::<Notify>::default();
        match endpoint {
            Endpoint::Address(address) => {
                let (_, found) = watch::channel(vec![address]);
                Self { found, doubted, task: None }
            }
            Endpoint::Name(host, port) => {
                let (tell, found) = watch::channel(Vec::new());
                let name = host.clone();
                let lookup = move || {
                    let host = host.clone();
                    async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }
                };
                let task = tokio::spawn(follow(name, lookup, tell, doubted.clone()));
                Self { found, doubted, task: Some(task) }
            }
        }
    }

    /// What is known now; nothing before the first answer.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.found.borrow().clone()
    }

    /// Returns when it has moved. May be dropped halfway.
    pub(crate) async fn moved(&mut self) {
        // An address does not move, and nobody is there who would say so.
        if self.found.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// It may have moved: asks again, unless that is being done.
    pub(crate) fn doubt(&self) {
        self.doubted.notify_one();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Asks until there is an answer, and again when that is doubted. What was known holds until something else is.
async fn follow<L, F>(name: String, lookup: L, found: watch::Sender<Vec<SocketAddr>>, doubted: Arc<Notify>)
where
    L: Fn() -> F,
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let mut wait = FIRST_WAIT;
    let mut complaint = String::new();
    loop {
        let failed = match lookup().await {
            Ok(addresses) if addresses.is_empty() => "it has no address".into(),
            Ok(addresses) => {
                let changed = found.send_if_modified(|known| {
                    let changed = *known != addresses;
                    known.clone_from(&addresses);
                    changed
                });
                if changed {
                    tracing::info!(gateway = name, ?addresses, "the gateway's name is resolved");
                }
                wait = FIRST_WAIT;
                complaint.clear();
                doubted.notified().await;
                continue;
            }
            Err(error) => error.to_string(),
        };
        if complaint != failed {
            tracing::warn!(gateway = name, error = failed, "the gateway's name is not resolved; asked for again");
            complaint = failed;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// RFC 1123 §2.1, and the underscores that people use. A last label of digits alone is an address gone wrong.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = host.strip_suffix('.').unwrap_or(host);
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    host.len() <= 253 && labels.split('.').all(is_label) && !labels.rsplit('.').next().is_some_and(is_number)
}

/// The resolver itself asks for a few seconds before it gives up.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name_and_needs_a_port() {
        let name = |host: &str, port| Ok(Endpoint::Name(host.into(), port));
        let address = |text: &str| Ok(Endpoint::Address(text.parse().unwrap()));
        let cases = [
            ("198.51.100.7:7000", address("198.51.100.7:7000")),
            ("[2001:db8::7]:443", address("[2001:db8::7]:443")),
            ("gateway.example.net:7000", name("gateway.example.net", 7_000)),
            ("localhost:1", name("localhost", 1)),
            ("198.51.100.7", Err(EndpointError::NoPort)),
            ("2001:db8::7", Err(EndpointError::NoPort)),
            ("gateway.example.net", Err(EndpointError::NoPort)),
            ("gateway.example.net:", Err(EndpointError::Port)),
            ("gateway.example.net:0", Err(EndpointError::Port)),
            ("198.51.100.7:70000", Err(EndpointError::Port)),
            ("0.0.0.0:7000", Err(EndpointError::Host)),
            ("198.51.100:7000", Err(EndpointError::Host)),
            ("2001:db8::gateway:7000", Err(EndpointError::Host)),
            ("a..b:7000", Err(EndpointError::Host)),
            ("-a.b:7000", Err(EndpointError::Host)),
            ("a b:7000", Err(EndpointError::Host)),
            (":7000", Err(EndpointError::Host)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Endpoint>(), expected, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_asked_about_until_it_answers_and_again_when_doubted() {
        let first: SocketAddr = "198.51.100.7:7000".parse().unwrap();
        let second: SocketAddr = "[2001:db8::7]:7000".parse().unwrap();
        let no_answer = || Err(io::Error::other("no answer"));
        let answers = [no_answer(), Ok(vec![]), Ok(vec![first]), no_answer(), Ok(vec![first]), Ok(vec![second])];
        let mut answers = answers.into_iter();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let start = tokio::time::Instant::now();
        let (tell, found) = watch::channel(Vec::new());
        let doubted = Arc::<Notify>::default();
        let times = asked.clone();
        let next = Mutex::new(move || answers.next().unwrap());
        let lookup = move || {
            times.lock().unwrap().push(start.elapsed().as_secs());
            let answer = next.lock().unwrap()();
            async move { answer }
        };
        let task = tokio::spawn(follow("gateway".into(), lookup, tell, doubted.clone()));
        let mut gateway = Gateway { found, doubted, task: Some(task) };
        assert_eq!(gateway.addresses(), []);
        gateway.moved().await;
        assert_eq!(gateway.addresses(), [first]);
        // One doubt leads to a lookup that fails, and to another that finds what was known.
        gateway.doubt();
        assert!(tokio::time::timeout(Duration::from_secs(60), gateway.moved()).await.is_err());
        assert_eq!(gateway.addresses(), [first]);
        gateway.doubt();
        gateway.moved().await;
        assert_eq!(gateway.addresses(), [second]);
        assert_eq!(*asked.lock().unwrap(), [0, 1, 3, 3, 4, 63]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_needs_nobody_and_does_not_move() {
        let address: SocketAddr = "198.51.100.7:7000".parse().unwrap();
        let mut gateway = Gateway::find(Endpoint::Address(address));
        assert_eq!(gateway.addresses(), [address]);
        gateway.doubt();
        assert!(tokio::time::timeout(Duration::from_secs(60), gateway.moved()).await.is_err());
    }
}
