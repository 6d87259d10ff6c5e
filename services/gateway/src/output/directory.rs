//! Live streams by name, for those who come to watch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Live;

/// Shared between the packet path, which writes it, and the web server, which reads it.
#[derive(Default)]
pub(crate) struct Directory {
    streams: Mutex<BTreeMap<String, Arc<Live>>>,
    changed: Notify,
}

impl Directory {
    pub(crate) fn insert(&self, name: &str, live: Arc<Live>) {
        self.streams().insert(name.into(), live);
        self.changed.notify_waiters();
    }

    pub(crate) fn remove(&self, name: &str) {
        self.streams().remove(name);
    }

    /// The stream of this name; waited for a moment, since players come back faster than units after a restart.
    pub(crate) async fn find(&self, name: &str, patience: Duration) -> Option<Arc<Live>> {
        let found = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if let Some(live) = self.streams().get(name).cloned() {
                    return live;
                }
                changed.await;
            }
        };
        tokio::time::timeout(patience, found).await.ok()
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Live>>> {
        // Every change is one step, so a panic elsewhere leaves it whole.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
