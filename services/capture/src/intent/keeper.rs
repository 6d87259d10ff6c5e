//! Writes down what is meant while units go out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bondbox_units::Instant;
use tokio::sync::mpsc;

use super::wall::{Doubt, Wall};
use super::{Kept, Moment, store};

/// What is meant now, and a task that writes it: a disk may take its time, and pictures must not wait for it.
pub struct Keeper {
    on_air: Option<bool>,
    /// When it was last written.
    kept_at: Instant,
    wall: Wall,
    /// Whether it stays off the air by its clock alone.
    doubt: Option<Doubt>,
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
        let (keeper, writing) = Self::open(now, Moment::now(), folder, resume_within);
        tokio::spawn(writing);
        keeper
    }

    /// The same of a start at `began`, and the task that writes, which ends when all is written and the keeper is dropped.
    fn open(
        now: Instant,
        began: Moment,
        folder: PathBuf,
        resume_within: Duration,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let before = store::read(&folder);
        let on_air = before.as_ref().map(|kept| kept.resumes(&began, resume_within));
        tracing::info!(?before, ?on_air, "meant before this start");
        let (writes, orders) = mpsc::channel(WAITING);
        let unkept = Arc::new(AtomicU64::new(0));
        let writing = write(folder, orders, unkept.clone());
        let wall = Wall::new(now, began.at_s);
        let mut keeper = Self { on_air: None, kept_at: now, wall, doubt: None, writes, unkept };
        if let Some(on_air) = on_air {
            keeper.mean(now, on_air, || {});
        }
        if let (Some(kept), Some(false)) = (before, on_air) {
            keeper.doubt = Some(Doubt::new(now, kept, began, resume_within));
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
        self.doubt = None;
        if let Err(full) = self.writes.try_send(Write { on_air, then: Box::new(then) }) {
            tracing::error!("what is meant cannot be kept: the disk does not keep up");
            self.unkept.fetch_add(1, Ordering::Relaxed);
            (full.into_inner().then)();
        }
    }

    /// Says now and then that the unit is still meant to be on the air, so that the next start knows how long it was dark, and
    /// at once when the wall clock, which reads `at_s`, was set. Whether the unit turns out to be meant to go on the air: it
    /// stayed off it because of a clock that was wrong.
    pub fn look(&mut self, now: Instant, at_s: u64) -> bool {
        let was_set = self.wall.was_set(now, at_s);
        let doubt = self.doubt.take_if(|doubt| !doubt.stands(now) || (was_set && doubt.resumes(now, at_s)));
        if let Some(doubt) = doubt
            && doubt.resumes(now, at_s)
        {
            self.mean(now, true, || {});
            return true;
        }
        if self.on_air == Some(true) && (was_set || now.since(self.kept_at) >= ALIVE) {
            self.mean(now, true, || {});
        }
        false
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
        let (keeper, writing) = Keeper::open(Instant::ZERO, dark_for(601), folder.path().into(), TEN);
        assert!(!keeper.on_air());
        drop(keeper);
        writing.await;
        assert!(!store::read(folder.path()).unwrap().on_air);
    }

    /// A start after so long without power since second 7.
    fn dark_for(seconds: u64) -> Moment {
        Moment { boot_id: "this".into(), at_s: 7 + seconds }
    }

    #[tokio::test]
    async fn a_clock_that_was_months_off_is_put_right_and_the_unit_goes_on_the_air() {
        let folder = tempfile::tempdir().unwrap();
        let at = |seconds: u64| Instant::from_millis(seconds * 1_000);
        let start = |clock_ahead_s: u64| {
            store::keep(folder.path(), &Kept { on_air: true, boot_id: "another".into(), at_s: 7 }).unwrap();
            Keeper::open(at(20), dark_for(60 + clock_ahead_s), folder.path().into(), TEN)
        };
        let off = 90 * 86_400;
        let (mut keeper, _writing) = start(off);
        assert!(!keeper.on_air() && !keeper.look(at(30), 7 + 70 + off), "it goes as it did");
        assert!(keeper.look(at(31), 7 + 71) && keeper.on_air());
        assert!(!keeper.look(at(32), 7 + 72), "once");

        let (mut keeper, _writing) = start(off);
        keeper.mean(at(25), false, || {});
        assert!(!keeper.look(at(31), 7 + 71) && !keeper.on_air(), "somebody decided meanwhile");
    }

    #[tokio::test]
    async fn a_clock_that_is_set_on_the_air_is_what_counts_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, _writing) = Keeper::open(Instant::ZERO, dark_for(0), folder.path().into(), TEN);
        keeper.mean(Instant::ZERO, true, || {});
        let second = Instant::from_millis(1_000);
        assert!(!keeper.look(second, 8));
        assert_eq!(keeper.writes.capacity(), WAITING - 1, "nothing new");
        assert!(!keeper.look(second, 1_700_000_000));
        assert_eq!(keeper.writes.capacity(), WAITING - 2, "as the clock now says");
    }

    #[tokio::test]
    async fn it_says_every_three_minutes_that_it_is_still_so() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, writing) = Keeper::open(Instant::ZERO, dark_for(0), folder.path().into(), TEN);
        let writing = tokio::spawn(writing);
        meant(&mut keeper, Instant::ZERO, true).await;
        std::fs::remove_file(folder.path().join("intent.toml")).unwrap();
        keeper.look(Instant::ZERO + (ALIVE - Duration::from_millis(1)), 7 + 179);
        assert_eq!(keeper.writes.capacity(), WAITING, "not yet");
        keeper.look(Instant::ZERO + ALIVE, 7 + 180);
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
