//! What the encoder is told: one command of a kind at a time, and of those that wait the newest.

use std::sync::Arc;
use std::time::Duration;

use bondbox_daemon::ipc::{CommandError, Commander};
use bondbox_ipc::capture::{Capture, Command};
use bondbox_units::Bitrate;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Sends commands to the capture service without making anybody wait.
pub(super) struct Steering {
    bitrate: watch::Sender<Option<Bitrate>>,
    keyframe: Arc<Notify>,
    /// End with it.
    _tasks: JoinSet<()>,
}

impl Steering {
    pub(super) fn start(commander: Commander<Capture>) -> Self {
        let bitrate = watch::Sender::new(None);
        let keyframe = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(tell_bitrates(commander.clone(), bitrate.subscribe()));
        tasks.spawn(force_keyframes(commander, keyframe.clone()));
        Self { bitrate, keyframe, _tasks: tasks }
    }

    pub(super) fn set_bitrate(&self, bitrate: Bitrate) {
        self.bitrate.send_replace(Some(bitrate));
    }

    /// Tells the last bitrate again.
    pub(super) fn repeat(&self) {
        self.bitrate.send_modify(|_| {});
    }

    pub(super) fn force_keyframe(&self) {
        self.keyframe.notify_one();
    }
}

async fn tell_bitrates(commander: Commander<Capture>, mut bitrates: watch::Receiver<Option<Bitrate>>) {
    while bitrates.changed().await.is_ok() {
        let Some(bitrate) = *bitrates.borrow_and_update() else { continue };
        match commander.command(Command::SetBitrate(bitrate), PATIENCE).await {
            Ok(done) => tracing::debug!(%bitrate, ?done, "the encoder follows"),
            // It is told again when it comes back.
            Err(CommandError::Disconnected) => {}
            Err(error) => tracing::warn!(%bitrate, %error, "the encoder does not follow"),
        }
    }
}

async fn force_keyframes(commander: Commander<Capture>, wanted: Arc<Notify>) {
    loop {
        wanted.notified().await;
        match commander.command(Command::ForceKeyframe, PATIENCE).await {
            Ok(_) | Err(CommandError::Disconnected) => {}
            Err(error) => tracing::warn!(%error, "no keyframe"),
        }
    }
}

/// The service itself gives up before that.
const PATIENCE: Duration = Duration::from_secs(5);
