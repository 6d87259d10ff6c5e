//! Where the gateway is: addresses, and names that the system's resolver is asked about.
//!
//! A name is asked about in the background until there is an answer, and again by [`Gateway::doubt`]: what stands behind
//! a name may move while the unit is in a tunnel.

mod endpoint;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use endpoint::{Endpoint, EndpointError, list};

/// The addresses, the one to be preferred first.
pub(crate) struct Gateway {
    /// Of each endpoint.
    found: watch::Receiver<Vec<Vec<SocketAddr>>>,
    names: Vec<Followed>,
}

/// A name that is asked about, for as long as this is there.
struct Followed {
    doubted: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Looks for it, on the current reactor.
    pub(crate) fn find(endpoints: Vec<Endpoint>) -> Self {
        Self::find_with(
            endpoints,
            |host, port| async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) },
        )
    }

    fn find_with<L, F>(endpoints: Vec<Endpoint>, lookup: L) -> Self
    where
        L: Fn(String, u16) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let known = |endpoint: &Endpoint| match endpoint {
            Endpoint::Address(address) => vec![*address],
            Endpoint::Name(..) => Vec::new(),
        };
        let (tell, found) = watch::channel(endpoints.iter().map(known).collect::<Vec<_>>());
        let tell = Arc::new(tell);
        let names = endpoints.iter().enumerate().filter_map(|(place, endpoint)| {
            let Endpoint::Name(host, port) = endpoint else { return None };
            let (host, port, lookup, tell) = (host.clone(), *port, lookup.clone(), tell.clone());
            let found = move |addresses: &[SocketAddr]| {
                tell.send_if_modified(|known| {
                    let changed = known[place] != addresses;
                    known[place] = addresses.to_vec();
                    changed
                })
            };
            let doubted = Arc::<Notify>::default();
            let name = host.clone();
            let task = tokio::spawn(follow(name, move || lookup(host.clone(), port), found, doubted.clone()));
            Some(Followed { doubted, task })
        });
        Self { names: names.collect(), found }
    }

    /// What is known now, in the order of the settings; nothing before the first answer.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let mut all: Vec<SocketAddr> = Vec::new();
        for address in self.found.borrow().iter().flatten() {
            if !all.contains(address) && all.len() < MOST {
                all.push(*address);
            }
        }
        all
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
        for name in &self.names {
            name.doubted.notify_one();
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks until there is an answer, and again when that is doubted. What was known holds until something else is; `found`
/// says whether it is.
async fn follow<L, F>(name: String, lookup: L, found: impl Fn(&[SocketAddr]) -> bool, doubted: Arc<Notify>)
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
                if found(&addresses) {
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

/// More addresses than these are not tried: each takes seconds where it does not answer.
const MOST: usize = 8;
/// The resolver itself asks for a few seconds before it gives up.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_is_asked_about_until_it_answers_and_again_when_doubted() {
        let first: SocketAddr = "198.51.100.7:7000".parse().unwrap();
        let second: SocketAddr = "[2001:db8::7]:7000".parse().unwrap();
        let fixed: SocketAddr = "198.51.100.9:7000".parse().unwrap();
        let no_answer = || Err(io::Error::other("no answer"));
        let answers = [no_answer(), Ok(vec![]), Ok(vec![first]), no_answer(), Ok(vec![first]), Ok(vec![second, first])];
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let start = tokio::time::Instant::now();
        let times = asked.clone();
        let lookup = move |_, _| {
            times.lock().unwrap().push(start.elapsed().as_secs());
            let answer = answers.lock().unwrap().next().unwrap();
            async move { answer }
        };
        // What is known already is there from the start, and keeps its place.
        let name = Endpoint::Name("gateway".into(), 7_000);
        let mut gateway = Gateway::find_with(vec![name, Endpoint::Address(fixed)], lookup);
        assert_eq!(gateway.addresses(), [fixed]);
        gateway.moved().await;
        assert_eq!(gateway.addresses(), [first, fixed]);
        // One doubt leads to a lookup that fails, and to another that finds what was known.
        gateway.doubt();
        assert!(tokio::time::timeout(Duration::from_secs(60), gateway.moved()).await.is_err());
        assert_eq!(gateway.addresses(), [first, fixed]);
        gateway.doubt();
        gateway.moved().await;
        assert_eq!(gateway.addresses(), [second, first, fixed]);
        assert_eq!(*asked.lock().unwrap(), [0, 1, 3, 3, 4, 63]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_needs_nobody_and_does_not_move() {
        let address: SocketAddr = "198.51.100.7:7000".parse().unwrap();
        let mut gateway = Gateway::find(vec![Endpoint::Address(address)]);
        assert_eq!(gateway.addresses(), [address]);
        gateway.doubt();
        assert!(tokio::time::timeout(Duration::from_secs(60), gateway.moved()).await.is_err());
    }
}
