//! The program, as a shell runs it.

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn who_reads_no_further_ends_it_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_bondbox-sim"));
    let ended = command.args(["random", "--show", "1"]).stdout(writer).stderr(Stdio::piped());
    let ended = ended.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn the_folder_of_traces_is_made_and_one_that_cannot_be_is_named() {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/clean.toml");
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("traces");
    let _ = std::fs::remove_dir_all(&kept);
    let play = |folder: &Path| {
        let scenario = ["play", scenario.to_str().unwrap(), "--seconds", "1", "--seeds", "1", "--traces"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_bondbox-sim"));
        command.args(scenario).arg(folder).output().unwrap()
    };
    let folder = kept.join("of/today");
    assert!(play(&folder).status.success());
    let file = folder.join("clean-1-unit.trace");
    assert!(file.metadata().is_ok_and(|of| of.len() > 0), "{}", file.display());
    let refused = play(&file.join("below"));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("clean-1-unit.trace/below"), "{said}");
}
