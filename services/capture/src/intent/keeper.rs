//! Writes down what is meant while units go out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bondbox_units::Instant;
use tokio::sync::mpsc;

use super::{Kept, Moment, store};

/// What is meant now, and a task that writes it: a disk may take its time, and pictures must not wait for it.
pub struct Keeper {
    on_air: Option<bool>,
    /// When it was last written.
    kept_at: Instant,
    writes: mpsc::Sender<Write>,
    unkept: Arc<AtomicU64>,
}

/// To be written, and what waits for that.
struct Write {
    on_air: bool,
    then: Box<dyn FnOnce() + Send>,
}

impl Keeper {
    /// Reads what was meant when the service or the system ended, and says from now on what is. What counts no more is
    /// forgotten, so that a clock that goes back does not bring it back.
    pub fn start(now: Instant, folder: PathBuf, resume_within: Duration) -> Self {
        let (keeper, writing) = Self::open(now, folder, resume_within);
        tokio::spawn(writing);
        keeper
    }

    /// The same, and the task that writes, which ends when all is written and the keeper is dropped.
    fn open(now: Instant, folder: PathBuf, resume_within: Duration) -> (Self, impl Future<Output = ()> + Send) {
        let before = store::read(&folder);
        let on_air = before.as_ref().map(|kept| kept.resumes(&Moment::now(), resume_within));
        tracing::info!(?before, ?on_air, "meant before this start");
        let (writes, orders) = mpsc::channel(WAITING);
        let unkept = Arc::new(AtomicU64::new(0));
        let writing = write(folder, orders, unkept.clone());
        let mut keeper = Self { on_air: None, kept_at: now, writes, unkept };
        if let Some(on_air) = on_air {
            keeper.mean(now, on_air, || {});
        }
        (keeper, writing)
    }

    /// Whether the unit is meant to be on the air. One that nobody ever told is.
    pub fn on_air(&self) -> bool {
        self.on_air != Some(false)
    }

    /// Somebody decided. `then` is called when that outlives a loss of power, or cannot be kept, which is counted.
    pub fn mean(&mut self, now: Instant, on_air: bool, then: impl FnOnce() + Send + 'static) {
        self.on_air = Some(on_air);
        self.kept_at = now;
        if let Err(full) = self.writes.try_send(Write { on_air, then: Box::new(then) }) {
            tracing::error!("what is meant cannot be kept: the disk does not keep up");
            self.unkept.fetch_add(1, Ordering::Relaxed);
            (full.into_inner().then)();
        }
    }

    /// Says now and then that the unit is still meant to be on the air, so that the next start knows how long it was dark.
    pub fn look(&mut self, now: Instant) {
        if self.on_air == Some(true) && now.since(self.kept_at) >= ALIVE {
            self.mean(now, true, || {});
        }
    }

    /// How often it could not be kept.
    pub fn unkept(&self) -> u64 {
        self.unkept.load(Ordering::Relaxed)
    }
}

/// One after the other, until the keeper is dropped.
async fn write(folder: PathBuf, mut orders: mpsc::Receiver<Write>, unkept: Arc<AtomicU64>) {
    while let Some(Write { on_air, then }) = orders.recv().await {
        let Moment { boot_id, at_s } = Moment::now();
        let into = folder.clone();
        let kept = move || store::keep(&into, &Kept { on_air, boot_id, at_s });
        let kept = tokio::task::spawn_blocking(kept).await.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        if let Err(error) = kept {
            tracing::error!(%error, folder = %folder.display(), "what is meant cannot be kept");
            unkept.fetch_add(1, Ordering::Relaxed);
        }
        then();
    }
}

/// A third of the shortest time without power that is worth setting; some hundred small writes a day wear out no card.
const ALIVE: Duration = Duration::from_secs(180);
/// More than people decide in the time of one write.
const WAITING: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(600);

    async fn meant(keeper: &mut Keeper, now: Instant, on_air: bool) {
        let (done, kept) = tokio::sync::oneshot::channel();
        keeper.mean(now, on_air, || done.send(()).unwrap());
        kept.await.unwrap();
    }

    #[tokio::test]
    async fn what_was_said_is_meant_by_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let start = || Keeper::start(Instant::ZERO, folder.path().into(), TEN);
        let mut first = start();
        assert!(first.on_air() && store::read(folder.path()).is_none(), "nobody ever said anything");
        meant(&mut first, Instant::ZERO, false).await;
        let mut second = start();
        assert!(!second.on_air());
        meant(&mut second, Instant::ZERO, true).await;
        assert!(start().on_air());
    }

    #[tokio::test]
    async fn what_counts_no_more_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        store::keep(folder.path(), &Kept { on_air: true, boot_id: "another".into(), at_s: 7 }).unwrap();
        let (keeper, writing) = Keeper::open(Instant::ZERO, folder.path().into(), TEN);
        assert!(!keeper.on_air());
        drop(keeper);
        writing.await;
        assert!(!store::read(folder.path()).unwrap().on_air);
    }

    #[tokio::test]
    async fn it_says_every_three_minutes_that_it_is_still_so() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, writing) = Keeper::open(Instant::ZERO, folder.path().into(), TEN);
        let writing = tokio::spawn(writing);
        meant(&mut keeper, Instant::ZERO, true).await;
        std::fs::remove_file(folder.path().join("intent.toml")).unwrap();
        keeper.look(Instant::ZERO + (ALIVE - Duration::from_millis(1)));
        assert_eq!(keeper.writes.capacity(), WAITING, "not yet");
        keeper.look(Instant::ZERO + ALIVE);
        drop(keeper);
        writing.await.unwrap();
        assert!(folder.path().join("intent.toml").exists());
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_counted() {
        let mut keeper = Keeper::start(Instant::ZERO, "/proc/no/such/folder".into(), TEN);
        meant(&mut keeper, Instant::ZERO, false).await;
        assert_eq!((keeper.unkept(), keeper.on_air()), (1, false));
    }
}
