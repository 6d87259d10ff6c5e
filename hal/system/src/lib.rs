//! What can be asked of the whole unit: to switch off, to start as from the factory, to lease addresses, and to say which of its
//! services it keeps running.
//!
//! [`Systemd`] asks logind and systemd over D-Bus, as whoever polkit lets; [`Fake`] behaves like them as a test wants it. Done is
//! what the system said that it does, not what it was asked for.

mod fake;
mod systemd;

pub use fake::{Fake, Mood};
pub use systemd::Systemd;

/// The unit as a whole.
pub trait System: Send + Sync + 'static {
    /// Switches off. Returns when the system says that it goes down.
    ///
    /// # Errors
    /// [`SystemError`].
    fn power_off(&self) -> impl Future<Output = Result<(), SystemError>> + Send;

    /// Has the next start forget everything that was set up, and restarts. Returns when that is kept and the system says that it
    /// restarts.
    ///
    /// # Errors
    /// [`SystemError`].
    fn factory_reset(&self) -> impl Future<Output = Result<(), SystemError>> + Send;
}

/// Who gets addresses for interfaces whose networks lease them.
pub trait Leases: Send + Sync + 'static {
    /// Has an interface lease its addresses from now on, or be as it was when it was plugged in. Returns when that is so.
    ///
    /// # Errors
    /// [`SystemError`].
    fn lease(&self, interface: &str, leases: bool) -> impl Future<Output = Result<(), SystemError>> + Send;
}

/// Who starts services, and starts them again.
pub trait Services: Send + Sync + 'static {
    /// Tells what is meant with each of these units, by its place among them, now and when that changes. Returns when nobody
    /// tells it any more, with the reason.
    fn watch(
        &self,
        units: &[&str],
        tell: impl FnMut(usize, Standing) + Send,
    ) -> impl Future<Output = SystemError> + Send;
}

/// What is meant with a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not to run, or there is no such service.
    Off,
    /// It runs, or is about to, also once more after it has failed.
    On,
    /// It has failed and is not started again; in systemd's word for how.
    GivenUp(String),
}

/// Why the unit stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SystemError {
    /// There is nobody to ask.
    #[error("the system does not answer: {0}")]
    NoService(String),
    /// Not by us.
    #[error("this service may not ask for it: {0}")]
    Denied(String),
    /// It was asked, and this is what came of it.
    #[error("the system refuses: {0}")]
    Refused(String),
    /// It agreed, and did not say in time that it does it.
    #[error("the system agreed, and does not say that it does it")]
    NoEffect,
}
