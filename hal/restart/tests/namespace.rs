//! A restart inside a PID namespace ends that namespace and nothing else, which tells what was asked for.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bondbox-restart");

#[test]
fn it_asks_for_a_restart_and_not_for_a_halt() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root may make a PID namespace");
        return;
    }
    // pid_namespaces(7): the namespace's init gets SIGHUP for a restart, with or without a word, and SIGINT for a halt. The
    // shell goes first in the namespace, so that it is that init and the program is not.
    let script = format!("trap - HUP; {PROGRAM} '0 tryboot'; sleep 10");
    let ended = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "sh", "-c", &script])
        .status()
        .expect("unshare is there");
    let signal = ended.signal().or(ended.code().and_then(|code| code.checked_sub(128)));
    assert_eq!(signal, Some(nix::libc::SIGHUP), "{ended}");
}

#[test]
fn it_restarts_nothing_without_a_word() {
    let ended = Command::new(PROGRAM).status().expect("it runs");
    assert_eq!(ended.code(), Some(2));
}
