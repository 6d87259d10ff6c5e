//! What a name stands for, asked through one link.
//!
//! Networks differ in what they say: one has NAT64 and makes up addresses of IPv6, one answers everything with its own
//! login page, one answers nothing. So each link is asked by itself. [`Resolved`] does that by systemd-resolved, which knows
//! the name servers of each link; [`Fake`] behaves like it with answers made up by a test.

mod fake;
mod resolved;

pub use fake::{Answer, Fake};
pub use resolved::Resolved;

use std::net::IpAddr;

/// Who is asked about names.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of `name`, the one to be preferred first: as the name servers of the interface with this index say, or,
    /// without one, as the system does for every program. Never an empty list. It takes as long as they take, which may be
    /// minutes; a future that is dropped is a question withdrawn.
    ///
    /// # Errors
    /// [`LookupError`].
    fn lookup(&self, through: Option<u32>, name: &str)
    -> impl Future<Output = Result<Vec<IpAddr>, LookupError>> + Send;
}

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Nobody here asks through single links.
    #[error("no systemd-resolved: {0}")]
    NoService(String),
    /// Somebody was asked, and this is what came of it.
    #[error("{0}")]
    NoAnswer(String),
}
