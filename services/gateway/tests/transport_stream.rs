//! A transport stream from elsewhere, as datagrams: it comes out untouched, and can be watched and recorded as well.

mod common;

use std::path::Path;
use std::process::Command;

use bondbox_gateway::status::Kind;
use bondbox_media::ts::{Event, PACKET_LEN, Reader};
use common::{Pair, PairSettings, RECORDINGS, in_time, wait_for};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// Two seconds, a keyframe every half.
const PICTURES: u64 = 50;

#[tokio::test]
async fn it_comes_out_as_it_went_in_and_is_watched_and_recorded() {
    let output = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let deliver = format!("udp://{}", output.local_addr().unwrap());
    let pair = Pair::open(PairSettings { deliver, record: true, ..PairSettings::default() });
    let (ingest, http) = (pair.ingest, pair.http);
    let stream = generate(pair.folder.path());
    let test = async {
        wait_for(http, |status| !status.streams.is_empty()).await;
        let mut watcher = TcpStream::connect(http).await.unwrap();
        watcher.write_all(b"GET /live/live.ts HTTP/1.0\r\nHost: gateway\r\n\r\n").await.unwrap();
        let input = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = vec![0; 65_536];
        let datagrams: Vec<_> = stream.chunks(7 * PACKET_LEN).collect();
        assert!(datagrams.len() > 400, "more of them wait for the recording at the end than leave in one turn");
        for burst in datagrams.chunks(20) {
            for datagram in burst {
                input.send_to(datagram, ingest).await.unwrap();
            }
            // The next burst goes in when this one is out, so that nothing depends on how fast this machine is.
            for datagram in burst {
                let len = in_time(output.recv(&mut buffer)).await.unwrap();
                assert!(buffer[..len] == **datagram, "a datagram of {} bytes came as {len}", datagram.len());
            }
        }
        let status = wait_for(http, |status| status.streams[0].tracks[0].label.contains("MPEG-TS")).await;
        let track = &status.streams[0].tracks[0];
        assert_eq!(track.kind, Kind::Opaque);
        assert_eq!(track.label, format!("udp://{ingest}: MPEG-TS with H.264 and AAC"));
        let keyframe = in_time(first_picture(&mut watcher)).await;
        assert!(keyframe, "a viewer starts with a keyframe");
    };
    let folder = pair.run_during(test).await;
    let recordings: Vec<_> = std::fs::read_dir(folder.path().join(RECORDINGS)).unwrap().collect();
    let [Ok(recording)] = &recordings[..] else { panic!("{recordings:?}") };
    assert_eq!(decode(&recording.path()), PICTURES);
}

/// H.264 and AAC, as an encoder in the field would send them.
fn generate(folder: &Path) -> Vec<u8> {
    let file = folder.join("source.ts");
    let pipeline = format!(
        "mpegtsmux name=mux ! filesink location={} \
         videotestsrc num-buffers={PICTURES} pattern=snow ! video/x-raw,width=320,height=180,framerate=25/1 \
         ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=12 bitrate=4000 ! h264parse ! mux. \
         audiotestsrc num-buffers=94 ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! aacparse ! mux.",
        file.display()
    );
    let done = Command::new("gst-launch-1.0").arg("-q").args(pipeline.split_whitespace()).status();
    assert!(done.expect("gst-launch-1.0 is installed").success());
    std::fs::read(file).unwrap()
}

/// Whether the first picture of the live stream is a keyframe.
async fn first_picture(watcher: &mut TcpStream) -> bool {
    let mut reader = Reader::new();
    let mut bytes = [0; 4_096];
    loop {
        let len = watcher.read(&mut bytes).await.unwrap();
        assert_ne!(len, 0, "the stream ends");
        reader.push(&bytes[..len]);
        while let Some(event) = reader.poll() {
            if let Event::Unit(unit) = event
                && unit.codec.is_video()
            {
                return unit.contents.keyframe;
            }
        }
    }
}

/// Pictures that ffmpeg decodes without a complaint.
fn decode(file: &Path) -> u64 {
    let show = ["-count_frames", "-select_streams", "v:0", "-show_entries", "stream=nb_read_frames"];
    let run = Command::new("ffprobe").args(["-v", "warning", "-of", "csv=p=0"]).args(show).arg(file).output();
    let output = run.expect("ffprobe is installed");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    // Once for the programme, once for the stream.
    String::from_utf8(output.stdout).unwrap().lines().next().unwrap().trim_end_matches(',').parse().unwrap()
}
