//! A clean end on SIGTERM or SIGINT.

use nix::sys::signal::{SigSet, Signal};
use tokio::sync::watch;

/// Tells every task that the service ends. Clones are the same token.
#[derive(Clone, Debug)]
pub struct Shutdown {
    ended: watch::Sender<bool>,
}

impl Shutdown {
    /// A token that only [`trigger`](Self::trigger) sets.
    pub fn manual() -> Self {
        Self { ended: watch::Sender::new(false) }
    }

    /// A token that SIGTERM and SIGINT set; the second signal ends the process at once.
    ///
    /// Call it before any other thread starts: it blocks both signals in the calling thread, whose children inherit
    /// that, and a thread of its own takes them. So a stuck reactor cannot keep a signal from its effect.
    ///
    /// # Errors
    /// When the system refuses the signal mask or the thread.
    pub(crate) fn on_signals() -> std::io::Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGTERM);
        signals.add(Signal::SIGINT);
        signals.thread_block()?;
        let token = Self::manual();
        let setter = token.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            if signals.wait().is_ok() {
                setter.trigger();
            }
            if let Ok(second) = signals.wait() {
                std::process::exit(128 + second as i32);
            }
        })?;
        Ok(token)
    }

    /// Ends the service.
    pub fn trigger(&self) {
        self.ended.send_replace(true);
    }

    /// Whether the service ends.
    pub fn is_set(&self) -> bool {
        *self.ended.borrow()
    }

    /// Returns when the service ends. May be called by many, any number of times, and dropped halfway.
    pub async fn wait(&self) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_who_waits_is_told_and_late_comers_too() {
        let token = Shutdown::manual();
        let waiter = tokio::spawn({
            let token = token.clone();
            async move { token.wait().await }
        });
        assert!(!token.is_set());
        token.trigger();
        waiter.await.unwrap();
        token.wait().await;
        assert!(token.is_set());
    }
}
