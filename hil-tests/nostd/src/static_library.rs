//! What a program around the static library calls, and what it has to bring.
#![allow(unsafe_code, reason = "symbols by their names in C; ends when the language has safe ones")]

use core::fmt::Write;
use core::panic::PanicInfo;

// SAFETY: `start.c` defines them so.
unsafe extern "C" {
    /// Writes `len` bytes at `bytes` to standard error.
    fn complain(bytes: *const u8, len: usize);
    /// Ends the program.
    safe fn fail() -> !;
}

/// Returns when all is well.
// SAFETY: no other symbol of the program has this name.
#[unsafe(no_mangle)]
extern "C" fn bondbox_run() {
    crate::run();
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // It writes all that it is given.
    let _ = writeln!(Complaint, "{info}");
    fail()
}

struct Complaint;

impl Write for Complaint {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        // SAFETY: the bytes are the text's own, and they are only read.
        unsafe { complain(text.as_ptr(), text.len()) };
        Ok(())
    }
}
