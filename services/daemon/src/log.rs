//! Where log lines go.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Logs to the journal, fields and all, where systemd connected stderr to it; else to stderr, one line each.
///
/// # Errors
/// When `level` is not a filter such as `info` or `info,bondbox_bond=debug`.
pub(crate) fn start(level: &str) -> Result<(), String> {
    let filter = EnvFilter::builder().parse(level).map_err(|error| format!("--log is {level}: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let journal = stderr_is_journal().then(tracing_journald::layer).and_then(Result::ok);
    // A second start in one process, as in tests, keeps the first subscriber.
    let _ = if let Some(journal) = journal {
        registry.with(journal).try_init()
    } else {
        let lines =
            tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
        registry.with(lines).try_init()
    };
    Ok(())
}

/// systemd names the journal's end of stderr as `DEVICE:INODE`; a redirected stderr has other numbers (systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    stream == format!("{}:{}", stderr.dev(), stderr.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_level_is_refused_by_value() {
        let error = start("info,bondbox=loudest").unwrap_err();
        assert!(error.starts_with("--log is info,bondbox=loudest: "), "{error}");
        assert_eq!(start("info"), Ok(()));
    }
}
