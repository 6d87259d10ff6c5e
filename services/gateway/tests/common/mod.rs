//! A unit and a gateway in one process, and how they are looked at from outside.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use bondbox_daemon::Shutdown;
use bondbox_daemon::bond::keys;
use bondbox_gateway::Gateway;
use bondbox_gateway::status::Status;
use bondbox_ipc::capture::{Counters, Picture, State};
use bondbox_ipc::media::{Codec, Track};
use bondbox_units::{Bitrate, TrackId};
use bondbox_uplink::Uplink;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// Where in a pair's folder the gateway records.
pub(crate) const RECORDINGS: &str = "recordings";

/// How a pair differs from the usual.
pub(crate) struct PairSettings {
    pub(crate) deliver: String,
    /// The gateway records into the pair's folder.
    pub(crate) record: bool,
    pub(crate) ipv6: bool,
    /// The gateway listens on both families, and the unit knows it by name.
    pub(crate) named: bool,
    /// Units come from a capture service, not from a socket.
    pub(crate) capture: bool,
    /// The emulator's control socket.
    pub(crate) demo: PathBuf,
    /// The gateway knows the unit.
    pub(crate) paired: bool,
    /// The unit knows the gateway.
    pub(crate) pinned: bool,
    /// Where the unit puts out what is talked back.
    pub(crate) talkback: String,
    /// The unit sends here instead.
    pub(crate) through: Option<SocketAddr>,
}

impl Default for PairSettings {
    fn default() -> Self {
        Self {
            deliver: String::new(),
            record: false,
            ipv6: false,
            named: false,
            capture: false,
            demo: PathBuf::new(),
            paired: true,
            pinned: true,
            talkback: String::new(),
            through: None,
        }
    }
}

/// Both services, open and not yet running.
pub(crate) struct Pair {
    pub(crate) uplink: Uplink,
    pub(crate) gateway: Gateway,
    pub(crate) bond: SocketAddr,
    pub(crate) http: SocketAddr,
    /// Where datagrams go in, where they do.
    pub(crate) ingest: SocketAddr,
    pub(crate) folder: TempDir,
}

impl Pair {
    pub(crate) fn open(settings: PairSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let unit = keys::generate(&file("unit.key"), false).unwrap().public();
        let own = keys::generate(&file("gateway.key"), false).unwrap().public();
        let stranger = bondbox_bond::Identity::generate().public();
        let gateway = Gateway::open(
            &bondbox_gateway::Settings {
                listen: match (settings.named, settings.ipv6) {
                    (true, _) => "[::]:0",
                    (false, true) => "[::1]:0",
                    (false, false) => "127.0.0.1:0",
                }
                .into(),
                identity: file("gateway.key"),
                units: file("units"),
                unit: vec![if settings.paired { unit } else { stranger }.to_string()],
                http: "127.0.0.1:0".into(),
                deliver: settings.deliver,
                record: if settings.record { file(RECORDINGS) } else { PathBuf::new() },
                talkback: if settings.talkback.is_empty() { vec![] } else { vec!["live=udp://127.0.0.1:0".into()] },
                demo: settings.demo,
                ..bondbox_gateway::Settings::default()
            },
            None,
        )
        .unwrap();
        let bond = gateway.address();
        let address = settings.through.unwrap_or(bond);
        let uplink = Uplink::open(
            &bondbox_uplink::Settings {
                gateway: if settings.named { format!("localhost:{}", address.port()) } else { address.to_string() },
                gateway_key: if settings.pinned { own } else { stranger }.to_string(),
                identity: file("unit.key"),
                link: vec!["lo".into()],
                talkback: settings.talkback,
                latency_ms: 200,
                ingest: if settings.capture { "" } else { "udp://127.0.0.1:0" }.into(),
                ..bondbox_uplink::Settings::default()
            },
            folder.path(),
        )
        .unwrap();
        let ingest = uplink.ingest_address().unwrap_or(bond);
        Self { http: gateway.http_address(), uplink, gateway, bond, ingest, folder }
    }

    /// Runs both for as long as `test` takes, and ends them as a signal would. What they wrote is in the folder then.
    pub(crate) async fn run_during(self, test: impl Future<Output = ()>) -> TempDir {
        let Self { mut uplink, mut gateway, folder, .. } = self;
        let end = Shutdown::manual();
        let test = async {
            test.await;
            end.trigger();
        };
        let ((), sent, received) = tokio::join!(test, uplink.run(&end), gateway.run(&end));
        sent.unwrap();
        received.unwrap();
        folder
    }
}

pub(crate) const PICTURE: TrackId = TrackId(0);
pub(crate) const SOUND: TrackId = TrackId(1);

/// What a capture service says that is on the air.
pub(crate) fn on_the_air() -> State {
    let track = |track, codec, label: &str, (width, height), rate, channels| Track {
        track,
        codec,
        label: label.into(),
        width,
        height,
        rate,
        channels,
    };
    State {
        source: "test".into(),
        picture: Picture::Live,
        meant_on_air: true,
        encoder: "x264enc".into(),
        target: Bitrate::from_kbps(1_000),
        actual: Bitrate::from_kbps(900),
        encode_delay_us: 7_000,
        tracks: vec![
            track(PICTURE, Codec::H264, "bars", (640, 360), 25_000, 0),
            track(SOUND, Codec::Aac, "tone", (0, 0), 48_000, 2),
        ],
        counters: Counters::default(),
    }
}

/// The status, once it is as wanted.
pub(crate) async fn wait_for(http: SocketAddr, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut events = in_time(Events::open(http)).await;
    in_time(async {
        loop {
            let status = events.next().await;
            if wanted(&status) {
                return status;
            }
        }
    })
    .await
}

/// Asks until it is true.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    in_time(async {
        while !condition().await {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    })
    .await;
}

/// Fails when it takes longer than anything here ever may.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it happens within 30 s")
}

pub(crate) async fn status(http: SocketAddr) -> Option<Status> {
    let (code, _, body) = get(http, "/api/status").await;
    (code == 200).then(|| serde_json::from_slice(&body).expect("a status"))
}

pub(crate) async fn rejected(http: SocketAddr, reason: &str) -> u64 {
    let (_, _, body) = get(http, "/metrics").await;
    let text = String::from_utf8(body).unwrap();
    let name = format!("bondbox_rejected_datagrams_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

/// `GET path`: the code, the head and the body.
pub(crate) async fn get(http: SocketAddr, path: &str) -> (u16, String, Vec<u8>) {
    request(http, "GET", path).await
}

pub(crate) async fn request(http: SocketAddr, method: &str, path: &str) -> (u16, String, Vec<u8>) {
    send(http, method, path, "").await
}

/// With a body in JSON, where it is not empty.
pub(crate) async fn send(http: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String, Vec<u8>) {
    in_time(async {
        let mut stream = TcpStream::connect(http).await.unwrap();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let len = body.len();
        let head = format!("{method} {path} HTTP/1.0\r\nHost: gateway\r\n{kind}Content-Length: {len}\r\n\r\n");
        let request = head + body;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, head, answer[end + 4..].to_vec())
    })
    .await
}

/// `GET /api/events`.
pub(crate) struct Events {
    stream: TcpStream,
    text: Vec<u8>,
}

impl Events {
    pub(crate) async fn open(http: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(http).await.unwrap();
        // HTTP/1.0: the body is not cut into chunks.
        stream.write_all(b"GET /api/events HTTP/1.0\r\nHost: gateway\r\n\r\n").await.unwrap();
        Self { stream, text: Vec::new() }
    }

    pub(crate) async fn next(&mut self) -> Status {
        loop {
            let end = self.text.windows(2).position(|window| window == b"\n\n");
            if let Some(end) = end {
                let event: Vec<u8> = self.text.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                if let Some(data) = event.split("data: ").nth(1) {
                    return serde_json::from_str(data).unwrap();
                }
                continue;
            }
            assert_ne!(self.stream.read_buf(&mut self.text).await.unwrap(), 0, "the events end");
        }
    }
}

/// So that asking does not keep the processor from what is asked about.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Stands between a unit and its gateway, and remembers what the unit sent.
pub(crate) struct Relay {
    inside: UdpSocket,
    outside: UdpSocket,
    gateway: OnceLock<SocketAddr>,
    heard: Mutex<Vec<Vec<u8>>>,
}

impl Relay {
    pub(crate) async fn open() -> Self {
        let inside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let outside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self { inside, outside, gateway: OnceLock::new(), heard: Mutex::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.inside.local_addr().unwrap()
    }

    pub(crate) fn lead_to(&self, gateway: SocketAddr) {
        self.gateway.set(gateway).unwrap();
    }

    /// Carries datagrams both ways, for ever.
    pub(crate) async fn run(&self) {
        let (mut up, mut down) = ([0; 2_048], [0; 2_048]);
        let mut unit = None;
        let gateway = *self.gateway.get().unwrap();
        loop {
            tokio::select! {
                Ok((len, from)) = self.inside.recv_from(&mut up) => {
                    unit = Some(from);
                    self.heard.lock().unwrap().push(up[..len].to_vec());
                    self.outside.send_to(&up[..len], gateway).await.unwrap();
                }
                Ok(len) = self.outside.recv(&mut down) => {
                    if let Some(unit) = unit {
                        self.inside.send_to(&down[..len], unit).await.unwrap();
                    }
                }
            }
        }
    }

    /// Sends everything that the unit sent once more.
    pub(crate) async fn replay(&self) {
        let heard = self.heard.lock().unwrap().clone();
        for datagram in heard {
            self.outside.send_to(&datagram, self.gateway.get().unwrap()).await.unwrap();
        }
    }
}
