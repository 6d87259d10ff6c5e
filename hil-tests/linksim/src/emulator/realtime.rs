//! Being on time: packets move when they are due, whatever else wants the processor.

use std::io;

/// Puts this thread before all ordinary ones. What it starts later is ordinary again.
#[allow(unsafe_code, reason = "no safe wrapper sets a scheduling policy")]
pub(super) fn claim() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: the parameters outlive the call, and 0 is the calling thread.
    let result =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Above ordinary threads, below what the kernel runs for itself at 50.
const PRIORITY: libc::c_int = 10;
