//! A stream into a file, by a thread of its own: a disk that stalls must not stall the packet path.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// The recording of one stream; finished when it is dropped. Of a stream that brought nothing there is none.
pub(super) struct Recorder {
    pieces: Option<SyncSender<Bytes>>,
    thread: Option<JoinHandle<()>>,
    state: Arc<State>,
}

/// What the thread has to say.
#[derive(Default)]
struct State {
    dropped: AtomicU64,
    /// Why the last piece is not in the file.
    failing: Mutex<Option<String>>,
}

impl Recorder {
    /// Records into `FOLDER/NAME-SECONDS.ts`, the seconds of Unix time.
    pub(super) fn start(folder: &Path, name: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let path = folder.join(format!("{}-{seconds}.ts", file_name(name)));
        let file = File::options().append(true).create(true).open(&path)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let state = Arc::<State>::default();
        let told = state.clone();
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            record(file, &path, &receiver, &told);
            leave_no_empty(&path);
        })?;
        Ok(Self { pieces: Some(sender), thread: Some(thread), state })
    }

    pub(super) fn write(&mut self, bytes: Bytes) {
        let taken = self.pieces.as_ref().is_some_and(|pieces| pieces.try_send(bytes).is_ok());
        self.state.dropped.fetch_add(u64::from(!taken), Ordering::Relaxed);
    }

    /// Pieces that are not in the file.
    pub(super) fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }

    /// Why nothing is written now, where that is so.
    pub(super) fn failing(&self) -> Option<String> {
        self.state.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    /// Why the last piece could not be written, if so; gives whether the one before could not.
    fn fails(&self, why: Option<String>) -> bool {
        std::mem::replace(&mut *self.failing.lock().unwrap_or_else(PoisonError::into_inner), why).is_some()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The thread writes what is queued and ends.
        self.pieces = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes whole pieces. What the disk does not take is counted, and the recording goes on once there is room again.
fn record(mut file: File, path: &Path, pieces: &Receiver<Bytes>, state: &State) {
    let path = path.display();
    let mut whole = file.metadata().map_or(0, |metadata| metadata.len());
    while let Ok(bytes) = pieces.recv() {
        match file.write_all(&bytes) {
            Ok(()) => {
                whole += bytes.len() as u64;
                if state.fails(None) {
                    tracing::warn!(%path, "the recording goes on, with a hole");
                }
            }
            Err(error) => {
                state.dropped.fetch_add(1, Ordering::Relaxed);
                // Half a packet would take the next one with it. Where this fails, too, a reader has to find its way.
                let _ = file.set_len(whole);
                if !state.fails(Some(error.to_string())) {
                    tracing::error!(%path, %error, "nothing is recorded");
                }
            }
        }
    }
    if let Err(error) = file.sync_all() {
        tracing::error!(%path, %error, "the recording may not be whole");
    }
}

/// No player opens a film of nothing, and whoever looks for a fault would suspect one.
fn leave_no_empty(path: &Path) {
    let is_empty = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0);
    if is_empty && let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "an empty recording stays");
    }
}

/// Stream names come from units: only what is harmless in a file name stays.
fn file_name(name: &str) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    name.chars().map(harmless).collect()
}

/// Units: about 5 s of picture and sound.
const QUEUE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_in_the_file_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::start(&folder.path().join("new"), "../van 3").unwrap();
        recorder.write(Bytes::from_static(b"abc"));
        recorder.write(Bytes::from_static(b"def"));
        assert_eq!(recorder.dropped(), 0);
        drop(recorder);
        let file = std::fs::read_dir(folder.path().join("new")).unwrap().next().unwrap().unwrap();
        assert!(file.file_name().to_str().unwrap().starts_with("___van_3-"), "{file:?}");
        assert_eq!(std::fs::read(file.path()).unwrap(), b"abcdef");
    }

    #[test]
    fn a_stream_that_brings_nothing_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        drop(Recorder::start(folder.path(), "van 3").unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted_and_ends_nothing() {
        let path = Path::new("/dev/full");
        let file = File::options().append(true).open(path).unwrap();
        let (sender, receiver) = sync_channel(QUEUE);
        for _ in 0..3 {
            sender.send(Bytes::from_static(b"abc")).unwrap();
        }
        drop(sender);
        let state = State::default();
        record(file, path, &receiver, &state);
        assert_eq!(state.dropped.into_inner(), 3);
        let failing = state.failing.into_inner().unwrap().unwrap();
        assert!(failing.contains("No space left"), "{failing}");
    }
}
