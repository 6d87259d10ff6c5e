//! A capture service, its unit and a gateway: access units in, a transport stream out.

mod common;

use std::net::SocketAddr;
use std::path::Path;

use bondbox_daemon::clock;
use bondbox_daemon::ipc::{Commands, Media, Peers, Server, Unit};
use bondbox_gateway::status::{Kind, Session};
use bondbox_ipc::capture::{Capture, Command, Done};
use bondbox_ipc::media::Piece;
use bondbox_media::ts::{Event, Reader};
use bondbox_units::{Bitrate, Priority};
use bytes::Bytes;
use common::{PICTURE, Pair, PairSettings, in_time, on_the_air, wait_for};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the uplink sees of a capture service, over its real socket.
struct Studio {
    server: Server<Capture>,
    commands: Commands<Capture>,
    sequence: u32,
}

impl Studio {
    async fn open(run_dir: &Path) -> Self {
        // The socket of one that was dropped goes when its tasks had their turn.
        let (server, commands) = in_time(async {
            loop {
                match Server::bind(run_dir, Peers::own()) {
                    Ok(bound) => return bound,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        })
        .await;
        server.set_state(on_the_air());
        Self { server, commands, sequence: 0 }
    }

    fn media(&self) -> Media {
        self.server.media()
    }

    /// Follows the next bitrate it is told; keyframes may be asked for at any time.
    async fn follow_bitrate(&mut self) -> Bitrate {
        loop {
            let (command, responder) = in_time(self.commands.next()).await;
            match command {
                Command::SetBitrate(told) => {
                    responder.done(Done::Bitrate { target: told, measured: told });
                    return told;
                }
                Command::ForceKeyframe => responder.done(Done::Keyframe { after_ms: 1 }),
                other => panic!("{other:?}"),
            }
        }
    }

    /// A picture; its first slice bytes carry `number`.
    fn push(&mut self, number: u8, keyframe: bool) {
        let now = clock::now();
        let mut data = vec![0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }, 0x88, 0x80 | number];
        data.extend([0x55; 2_000]);
        let priority = if keyframe { Priority::Reference } else { Priority::Standard };
        let head = Piece {
            track: PICTURE,
            sequence: self.sequence,
            offset: 0,
            total: 0,
            pts: now,
            dts: now,
            captured: now,
            priority,
            keyframe,
            discontinuity: self.sequence == 0,
        };
        self.sequence += 1;
        self.media().push(Unit { head, data: Bytes::from(data) }).unwrap();
    }
}

/// Somebody who watches the live stream.
struct Watcher {
    stream: TcpStream,
    reader: Reader,
}

impl Watcher {
    async fn open(http: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(http).await.unwrap();
        stream.write_all(b"GET /live/live.ts HTTP/1.0\r\nHost: gateway\r\n\r\n").await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.0 200") && head.contains("content-type: video/mp2t"), "{head}");
        Self { stream, reader: Reader::new() }
    }

    /// The next picture: its number, and whether it is a keyframe.
    async fn picture(&mut self) -> (u8, bool) {
        loop {
            while let Some(event) = self.reader.poll() {
                if let Event::Unit(unit) = event {
                    let at = unit.data.windows(2).position(|bytes| bytes[0] & 0x1f != 9 && bytes[1] == 0x88).unwrap();
                    return (unit.data[at + 2] & 0x7f, unit.contents.keyframe);
                }
            }
            let mut bytes = [0; 4_096];
            let len = self.stream.read(&mut bytes).await.unwrap();
            assert_ne!(len, 0, "the stream ends");
            self.reader.push(&bytes[..len]);
        }
    }
}

#[tokio::test]
async fn a_viewer_sees_pictures_from_a_keyframe_on() {
    let pair = Pair::open(PairSettings { capture: true, ..PairSettings::default() });
    let http = pair.http;
    let mut studio = Studio::open(pair.folder.path()).await;
    let test = async {
        wait_for(http, |status| status.streams.len() == 1).await;
        in_time(studio.media().keyframe_wanted()).await;
        for number in 0..6 {
            studio.push(number, number == 0 || number == 3);
        }
        let status = wait_for(http, |status| status.streams[0].totals.delivered == 6).await;
        let stream = &status.streams[0];
        let kinds: Vec<_> = stream.tracks.iter().map(|track| (track.kind, &*track.codec, &*track.label)).collect();
        assert_eq!(kinds, [(Kind::Video, "H.264", "bars")]);
        assert_eq!(stream.delay.encode_ms, 7.0);
        assert!((stream.delay.total_ms - 207.0).abs() < 100.0, "{:?}", stream.delay);
        assert!(stream.encoder.is_some());
        // The last group of pictures first; the one under way is whole when the next begins.
        let mut watcher = in_time(Watcher::open(http)).await;
        for number in 6..8 {
            studio.push(number, false);
        }
        for number in 3..7 {
            assert_eq!(in_time(watcher.picture()).await, (number, number == 3));
        }
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn capture_may_go_and_come_back_and_the_session_goes_on() {
    let pair = Pair::open(PairSettings { capture: true, ..PairSettings::default() });
    let http = pair.http;
    let run_dir = pair.folder.path().to_owned();
    let test = async {
        let mut studio = Studio::open(&run_dir).await;
        wait_for(http, |status| status.streams.len() == 1).await;
        assert!(studio.follow_bitrate().await > Bitrate::ZERO);
        in_time(studio.media().keyframe_wanted()).await;
        studio.push(0, true);
        let status = wait_for(http, |status| status.streams[0].totals.delivered == 1).await;
        let before = status.streams[0].uptime_s;
        drop(studio);

        let mut studio = Studio::open(&run_dir).await;
        // The one that comes back does not know what its predecessor was told.
        assert!(studio.follow_bitrate().await > Bitrate::ZERO);
        in_time(studio.media().keyframe_wanted()).await;
        studio.push(1, true);
        let status = wait_for(http, |status| status.streams[0].totals.delivered == 2).await;
        assert_eq!(status.streams[0].session, Session::Open);
        assert!(status.streams[0].uptime_s > before);
    };
    pair.run_during(test).await;
}
