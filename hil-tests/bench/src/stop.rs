//! Ctrl-C: what waits is told, and takes down what it built.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{SigSet, Signal};

/// The only way to wait here.
pub(crate) struct Stop {
    signals: Receiver<Signal>,
}

impl Stop {
    /// Takes SIGINT and SIGTERM of this process. Called before any thread is started, for they inherit it.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        set.thread_block().context("block signals")?;
        let (sender, signals) = channel();
        std::thread::spawn(move || while set.wait().is_ok_and(|signal| sender.send(signal).is_ok()) {});
        Ok(Self { signals })
    }

    /// Waits.
    ///
    /// # Errors
    /// When somebody wants an end before that.
    pub(crate) fn wait(&self, time: Duration) -> anyhow::Result<()> {
        match self.signals.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(signal) => anyhow::bail!("ended by {signal}"),
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("signals are not heard any more"),
        }
    }
}
