//! A stream into a file, by a thread of its own: a disk that stalls must not stall the packet path.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// The recording of one stream; finished when it is dropped.
pub(super) struct Recorder {
    pieces: Option<SyncSender<Bytes>>,
    thread: Option<JoinHandle<()>>,
    dropped: u64,
}

impl Recorder {
    /// Records into `FOLDER/NAME-SECONDS.ts`, the seconds of Unix time.
    pub(super) fn start(folder: &Path, name: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let path = folder.join(format!("{}-{seconds}.ts", file_name(name)));
        let file = File::options().append(true).create(true).open(&path)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            if let Err(error) = record(file, &receiver) {
                tracing::error!(path = %path.display(), %error, "the recording ends");
            }
        })?;
        Ok(Self { pieces: Some(sender), thread: Some(thread), dropped: 0 })
    }

    pub(super) fn write(&mut self, bytes: Bytes) {
        let taken = self.pieces.as_ref().is_some_and(|pieces| pieces.try_send(bytes).is_ok());
        self.dropped += u64::from(!taken);
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
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

fn record(mut file: File, pieces: &Receiver<Bytes>) -> io::Result<()> {
    while let Ok(bytes) = pieces.recv() {
        file.write_all(&bytes)?;
    }
    file.sync_all()
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
}
