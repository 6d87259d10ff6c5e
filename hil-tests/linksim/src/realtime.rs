//! Being on time: a thread that runs before all ordinary ones.

use std::io;

/// Gives this thread a fixed real-time priority, 1 to 99. What it starts later is ordinary again.
#[allow(unsafe_code, reason = "no safe wrapper sets a scheduling policy")]
pub fn claim(priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameters outlive the call, and 0 is the calling thread.
    let result =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
