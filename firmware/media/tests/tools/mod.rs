//! GStreamer and ffmpeg as the other side of a test. Debian: gstreamer1.0-tools, gstreamer1.0-plugins-{base,good,bad,ugly},
//! gstreamer1.0-libav, ffmpeg.

use std::path::Path;
use std::process::{Command, Output};

/// A packet as ffprobe sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    pub(crate) size: usize,
    pub(crate) keyframe: bool,
}

/// Runs a pipeline to its end. Paths in it must have no spaces.
pub(crate) fn pipeline(description: &str) {
    let mut command = Command::new("gst-launch-1.0");
    // Level 2 prints every warning of an element.
    command.env("GST_DEBUG", "2").env("GST_DEBUG_NO_COLOR", "1").arg("-q").args(description.split_whitespace());
    let output = run(&mut command);
    let errors: Vec<String> =
        text(&output).lines().filter(|line| line.starts_with("ERROR")).map(String::from).collect();
    assert!(output.status.success() && errors.is_empty(), "{description}: {} {errors:#?}", output.status);
    // Encoders and sources warn about this machine; what reads our stream must not.
    let complaints: Vec<String> =
        text(&output).lines().filter(|line| READERS.iter().any(|at| line.contains(at))).map(String::from).collect();
    assert!(complaints.is_empty(), "{description}: {complaints:#?}");
}

/// The packets of the first stream of a kind, `v` or `a`.
pub(crate) fn packets(file: &Path, kind: &str) -> Vec<Packet> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "warning", "-select_streams", &format!("{kind}:0"), "-of", "csv=p=0"]);
    command.args(["-show_entries", "packet=pts,dts,size,flags"]).arg(file);
    let output = run(&mut command);
    assert!(output.status.success() && output.stderr.is_empty(), "ffprobe {}: {}", file.display(), text(&output));
    let stdout = String::from_utf8(output.stdout).expect("ffprobe writes UTF-8");
    stdout.lines().filter(|line| !line.is_empty()).map(packet).collect()
}

/// Decodes everything; any complaint is a failure.
pub(crate) fn decodes(file: &Path) {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "warning", "-xerror", "-i"]).arg(file).args(["-map", "0", "-f", "null", "-"]);
    let output = run(&mut command);
    assert!(output.status.success() && output.stderr.is_empty(), "ffmpeg {}: {}", file.display(), text(&output));
}

/// How many pictures come out of the decoder, whatever it complains about.
pub(crate) fn decoded_pictures(file: &Path) -> usize {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "quiet", "-i"]).arg(file).args([
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-f",
        "framecrc",
        "-",
    ]);
    let output = run(&mut command);
    // One line a picture, behind comments.
    text(&output).lines().filter(|line| !line.starts_with('#')).count()
}

/// Makes a file with ffmpeg.
pub(crate) fn ffmpeg(arguments: &str) {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y"]).args(arguments.split_whitespace());
    let output = run(&mut command);
    assert!(output.status.success(), "ffmpeg {arguments}: {}", text(&output));
}

fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|error| panic!("{program}: {error}; is its Debian package installed?"))
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

fn packet(line: &str) -> Packet {
    let fields: Vec<&str> = line.split(',').collect();
    let number = |at: usize| fields[at].parse().unwrap_or_else(|_| panic!("field {at} of {line:?} from ffprobe"));
    Packet { pts: number(0), dts: number(1), size: number(2) as usize, keyframe: fields[3].starts_with('K') }
}

/// Elements whose complaints are about the stream.
const READERS: [&str; 6] = ["tsdemux", "mpegtspacketizer", "mpegtsbase", "h264parse", "h265parse", "avdec"];
