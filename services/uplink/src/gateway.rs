//! Where the gateway is: addresses, and names that are asked about through each link.
//!
//! A name is asked about in the background until there is an answer, and again when that is doubted: what stands behind a
//! name may move while the unit is in a tunnel. Each link has its own answer, as its network gives it, and those of the others
//! besides; the system's own resolver is asked, too, and is all there is where nobody asks through single links.

mod book;
mod endpoint;

use std::sync::Arc;
use std::time::Duration;

use bondbox_resolver::{LookupError, Resolver};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use book::Book;
pub use endpoint::{Endpoint, EndpointError, list};

/// What is known of it.
pub(crate) struct Gateway<R> {
    endpoints: Vec<Endpoint>,
    resolver: Arc<R>,
    book: Arc<watch::Sender<Book>>,
    changes: watch::Receiver<Book>,
    questions: Vec<Question>,
}

/// A name that is asked about, for as long as this is there.
struct Question {
    through: Option<Through>,
    doubted: Arc<Notify>,
    task: JoinHandle<()>,
}

/// A link, by its interface's name, and by the index that is another one when the device comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Through {
    pub(crate) link: String,
    pub(crate) index: u32,
}

impl<R: Resolver> Gateway<R> {
    /// Looks for it, on the current reactor.
    pub(crate) fn find(endpoints: Vec<Endpoint>, resolver: R) -> Self {
        let (book, changes) = watch::channel(Book::default());
        let mut gateway =
            Self { endpoints, resolver: resolver.into(), book: book.into(), changes, questions: Vec::new() };
        gateway.ask(None);
        gateway
    }

    /// Names are asked about through these links from now on, and through no other.
    pub(crate) fn ask_through(&mut self, links: Vec<Through>) {
        let there = |through: &Option<Through>| through.as_ref().is_none_or(|through| links.contains(through));
        self.questions.retain(|question| there(&question.through));
        for link in links {
            if !self.questions.iter().any(|question| question.through.as_ref() == Some(&link)) {
                self.ask(Some(link));
            }
        }
    }

    /// Where a link may find it, the most likely first; nothing before the first answer.
    pub(crate) fn addresses(&self, link: &str) -> Vec<std::net::SocketAddr> {
        self.book.borrow().addresses(&self.endpoints, link)
    }

    /// Returns when it may be elsewhere. May be dropped halfway.
    pub(crate) async fn moved(&mut self) {
        // We hold the sender.
        let _ = self.changes.changed().await;
    }

    /// It may have moved: asks again, unless that is being done.
    pub(crate) fn doubt(&self) {
        self.questions.iter().for_each(|question| question.doubted.notify_one());
    }

    /// The same for what this link was told.
    pub(crate) fn doubt_through(&self, link: &str) {
        let of_link = |question: &&Question| question.through.as_ref().is_some_and(|through| through.link == link);
        self.questions.iter().filter(of_link).for_each(|question| question.doubted.notify_one());
    }

    fn ask(&mut self, through: Option<Through>) {
        let names = self.endpoints.iter().filter_map(|endpoint| match endpoint {
            Endpoint::Name(name, _) => Some(name.clone()),
            Endpoint::Address(_) => None,
        });
        for name in names {
            let doubted = Arc::<Notify>::default();
            let (resolver, book) = (self.resolver.clone(), self.book.clone());
            let task = tokio::spawn(follow(name, through.clone(), resolver, book, doubted.clone()));
            self.questions.push(Question { through: through.clone(), doubted, task });
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks until there is an answer, and again when that is doubted. What was known holds until something else is.
async fn follow<R: Resolver>(
    name: String,
    through: Option<Through>,
    resolver: Arc<R>,
    book: Arc<watch::Sender<Book>>,
    doubted: Arc<Notify>,
) {
    let index = through.as_ref().map(|through| through.index);
    let link = through.as_ref().map(|through| through.link.as_str());
    let mut wait = FIRST_WAIT;
    let mut complaint = String::new();
    loop {
        let asked = tokio::time::timeout(PATIENCE, resolver.lookup(index, &name)).await;
        match asked.unwrap_or_else(|_| Err(LookupError::NoAnswer("the name servers do not answer".into()))) {
            Ok(addresses) => {
                if book.send_if_modified(|book| book.learn(&name, link, &addresses)) {
                    tracing::info!(gateway = name, link, ?addresses, "the gateway's name is resolved");
                }
                wait = FIRST_WAIT;
                complaint.clear();
                doubted.notified().await;
                continue;
            }
            Err(error) if complaint == error.to_string() => {}
            Err(error) => {
                complaint = error.to_string();
                match error {
                    // Not every machine has somebody who does, and the system is asked besides.
                    LookupError::NoService(_) => {
                        tracing::debug!(gateway = name, link, complaint, "not asked through links")
                    }
                    LookupError::NoAnswer(_) => {
                        tracing::warn!(
                            gateway = name,
                            link,
                            complaint,
                            "the gateway's name is not resolved; asked for again"
                        );
                    }
                }
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Name servers that have not answered after two rounds of a resolver's own do not, and it would ask for minutes.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use bondbox_resolver::{Answer, Fake};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const NAME: &str = "gateway.example";

    fn gateway(fake: Fake) -> Gateway<Fake> {
        Gateway::find(list("gateway.example:7000").unwrap(), fake)
    }

    fn through(link: &str, index: u32) -> Through {
        Through { link: link.into(), index }
    }

    fn says(addresses: &str) -> Answer {
        Answer::Addresses(addresses.split_whitespace().map(|address| address.parse().unwrap()).collect())
    }

    fn known(gateway: &Gateway<Fake>, link: &str) -> Vec<String> {
        gateway.addresses(link).iter().map(ToString::to_string).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_asked_about_until_it_answers_and_again_when_doubted() {
        let mut gateway = gateway(Fake::default());
        let start = Instant::now();
        assert_eq!(known(&gateway, "wwan0"), [""; 0]);
        sleep(Duration::from_secs(2)).await;
        gateway.resolver.set(None, NAME, says("198.51.100.7"));
        gateway.moved().await;
        assert_eq!(
            (known(&gateway, "wwan0"), start.elapsed()),
            (vec!["198.51.100.7:7000".into()], Duration::from_secs(3))
        );
        // At 0, 1 and 3 s. One doubt leads to a lookup that fails, and to another that finds what was known.
        assert_eq!(gateway.resolver.take_asked(), [None; 3]);
        gateway.resolver.set(None, NAME, says(""));
        gateway.doubt();
        sleep(Duration::from_millis(1)).await;
        gateway.resolver.set(None, NAME, says("198.51.100.7"));
        assert!(timeout(Duration::from_secs(60), gateway.moved()).await.is_err());
        assert_eq!(gateway.resolver.take_asked(), [None; 2]);
        gateway.resolver.set(None, NAME, says("2001:db8::7"));
        gateway.doubt();
        gateway.moved().await;
        assert_eq!(known(&gateway, "wwan0"), ["[2001:db8::7]:7000"]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_link_has_its_own_answer_and_one_with_dead_name_servers_that_of_another() {
        let fake = Fake::default();
        fake.set(Some(1), NAME, says("2001:db8::7 198.51.100.7"));
        fake.set(Some(2), NAME, says("64:ff9b::7"));
        fake.set(Some(3), NAME, Answer::Silence);
        let mut gateway = gateway(fake);
        gateway.ask_through(vec![through("wwan0", 1), through("wwan1", 2), through("wwan2", 3)]);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(known(&gateway, "wwan0"), ["[2001:db8::7]:7000", "198.51.100.7:7000", "[64:ff9b::7]:7000"]);
        assert_eq!(known(&gateway, "wwan1")[0], "[64:ff9b::7]:7000");
        assert_eq!(known(&gateway, "wwan2").len(), 3);
        // It is asked on, and believed when it answers at last.
        gateway.resolver.set(Some(3), NAME, says("198.51.100.9"));
        sleep(Duration::from_secs(30)).await;
        assert_eq!(known(&gateway, "wwan2")[0], "198.51.100.9:7000");
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_is_asked_when_it_comes_when_it_is_doubted_and_never_when_it_has_left() {
        let fake = Fake::default();
        fake.set(Some(1), NAME, says("198.51.100.7"));
        fake.set(Some(9), NAME, says("198.51.100.8"));
        let mut gateway = gateway(fake);
        let a_while = || sleep(Duration::from_millis(100));
        for (there, expected) in [(vec![through("wwan0", 1)], 1), (vec![through("wwan0", 1)], 0)] {
            gateway.ask_through(there);
            a_while().await;
            let asked = gateway.resolver.take_asked();
            assert_eq!(asked.iter().filter(|asked| asked.is_some()).count(), expected, "{asked:?}");
        }
        gateway.doubt_through("wwan0");
        gateway.doubt_through("wwan1");
        a_while().await;
        assert_eq!(gateway.resolver.take_asked(), [Some(1)]);
        // The stick was pulled; what it has learned is kept until it comes back elsewhere.
        gateway.ask_through(vec![]);
        gateway.doubt();
        sleep(Duration::from_secs(120)).await;
        assert!(gateway.resolver.take_asked().iter().all(Option::is_none));
        assert_eq!(known(&gateway, "wwan0"), ["198.51.100.7:7000"]);
        gateway.ask_through(vec![through("wwan0", 9)]);
        a_while().await;
        assert_eq!(known(&gateway, "wwan0"), ["198.51.100.8:7000"]);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_asks_through_links_the_system_is_believed() {
        let fake = Fake::default();
        fake.set(None, NAME, says("198.51.100.7"));
        fake.set(Some(1), NAME, Answer::NoService);
        let mut gateway = gateway(fake);
        gateway.ask_through(vec![through("eth0", 1)]);
        gateway.moved().await;
        assert_eq!(known(&gateway, "eth0"), ["198.51.100.7:7000"]);
        // One that starts later is found.
        gateway.resolver.set(Some(1), NAME, says("198.51.100.8"));
        timeout(Duration::from_secs(60), gateway.moved()).await.unwrap();
        assert_eq!(known(&gateway, "eth0"), ["198.51.100.8:7000", "198.51.100.7:7000"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_needs_nobody_and_does_not_move() {
        let mut gateway = Gateway::find(list("198.51.100.7:7000").unwrap(), Fake::default());
        gateway.ask_through(vec![through("wwan0", 1)]);
        assert_eq!(known(&gateway, "wwan0"), ["198.51.100.7:7000"]);
        gateway.doubt();
        assert!(timeout(Duration::from_secs(60), gateway.moved()).await.is_err());
        assert_eq!(gateway.resolver.take_asked(), []);
    }
}
