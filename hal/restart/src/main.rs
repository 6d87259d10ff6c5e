//! `bondbox-restart WORD` restarts the machine at once, with a word for its firmware.
//!
//! On a Raspberry Pi `0 tryboot` brings the other slot, once. The initramfs of that board runs it, where nothing is that would
//! have to be stopped first: file systems are to be unmounted before. `reboot(8)` of busybox can pass no word, and systemd is
//! not there yet.

use std::ffi::CString;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (Some(word), None) = (words.next(), words.next()) else {
        eprintln!("usage: bondbox-restart WORD");
        return ExitCode::from(2);
    };
    match restart(&word) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("bondbox-restart: the kernel refuses: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does not come back unless it failed.
fn restart(word: &str) -> io::Result<std::convert::Infallible> {
    let word = CString::new(word)?;
    // SAFETY: reboot(2) reads the word up to its end and keeps no pointer to it.
    #[allow(unsafe_code, reason = "no safe wrapper passes LINUX_REBOOT_CMD_RESTART2 its word")]
    unsafe {
        libc::syscall(
            libc::SYS_reboot,
            libc::LINUX_REBOOT_MAGIC1,
            libc::LINUX_REBOOT_MAGIC2,
            libc::LINUX_REBOOT_CMD_RESTART2,
            word.as_ptr(),
        );
    }
    Err(io::Error::last_os_error())
}
