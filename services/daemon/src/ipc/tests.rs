//! Servers and clients over real sockets, on one reactor whose time moves only when nothing else does.

use std::time::Duration;

use bondbox_ipc::media::MAX_UNIT;
use bondbox_ipc::{Hello, MAX_PACKET, Protocol, Refusal, Request, Response};
use bytes::Bytes;
use postcard_schema::Schema;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::greeting::greet;
use super::media::tests::unit;
use super::packet::{self, Buffer, Ended};
use super::socket::{Listener, SeqPacket};
use super::*;

/// A service that counts.
struct Counting;

impl Protocol for Counting {
    const NAME: &'static str = "counting";
    type State = u32;
    type Command = Command;
    type Done = u32;
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Schema)]
enum Command {
    Add(u32),
}

/// The same service from another build.
struct CountingFurther;

impl Protocol for CountingFurther {
    const NAME: &'static str = "counting";
    type State = u64;
    type Command = Command;
    type Done = u32;
}

const SOON: Duration = Duration::from_secs(1);

fn run_dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn serve(dir: &TempDir) -> (Server<Counting>, Commands<Counting>) {
    Server::bind(dir.path(), Peers::own()).unwrap()
}

fn client(dir: &TempDir, want: Want) -> Client<Counting> {
    Client::connect(dir.path(), Peers::own(), want)
}

async fn connected(dir: &TempDir, want: Want) -> Client<Counting> {
    let mut client = client(dir, want);
    assert!(matches!(client.event().await, Event::Connected(_)));
    client
}

/// A client that does only what the test says, after the hello.
async fn by_hand(dir: &TempDir) -> (SeqPacket, Buffer) {
    let socket = SeqPacket::connect(&dir.path().join("counting.sock")).unwrap();
    let mut buffer = Buffer::new();
    greet::<Counting>(&socket, &mut buffer).await.unwrap();
    (socket, buffer)
}

fn request(request: Request<Command>) -> Vec<u8> {
    packet::encode(&request)
}

async fn next_response(socket: &SeqPacket, buffer: &mut Buffer) -> (Response<u32, u32>, Vec<u8>) {
    let (response, rest) = packet::decode(buffer.receive(socket).await.unwrap()).unwrap();
    (response, rest.to_vec())
}

/// Lets every task run until none can.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_the_state_and_each_change_once() {
    let dir = run_dir();
    let (server, _commands) = serve(&dir);
    let mut client = connected(&dir, Want::State).await;
    for state in [7, 7, 8] {
        server.set_state(state);
        settle().await;
    }
    assert!(matches!(client.event().await, Event::State(8)), "7 was overtaken");
    server.set_state(8);
    assert!(tokio::time::timeout(SOON, client.event()).await.is_err(), "8 again is no change");
}

#[tokio::test(start_paused = true)]
async fn a_command_is_answered_by_its_effect_or_its_refusal() {
    let dir = run_dir();
    let (_server, mut commands) = serve(&dir);
    let client = connected(&dir, Want::State).await;
    let service = async {
        let (Command::Add(n), responder) = commands.next().await;
        responder.done(n + 1);
        let (_, responder) = commands.next().await;
        responder.refuse(Refusal::Invalid("too much".into()));
        drop(commands.next().await);
    };
    let asker = async {
        assert_eq!(client.command(Command::Add(41), SOON).await, Ok(42));
        let refused = client.command(Command::Add(1), SOON).await;
        assert_eq!(refused, Err(CommandError::Refused(Refusal::Invalid("too much".into()))));
        let dropped = client.command(Command::Add(1), SOON).await;
        assert_eq!(dropped, Err(CommandError::Refused(Refusal::Unavailable("the service gave no answer".into()))));
    };
    tokio::join!(service, asker);
}

#[tokio::test(start_paused = true)]
async fn a_command_without_an_answer_times_out_and_the_next_is_not_confused() {
    let dir = run_dir();
    let (_server, mut commands) = serve(&dir);
    let client = connected(&dir, Want::State).await;
    assert_eq!(client.command(Command::Add(1), SOON).await, Err(CommandError::TimedOut(SOON)));
    let (_, late) = commands.next().await;
    late.done(1);
    let (answer, ()) = tokio::join!(client.command(Command::Add(2), SOON), async {
        commands.next().await.1.done(2);
    });
    assert_eq!(answer, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_command_to_nobody_says_so() {
    let dir = run_dir();
    let client = client(&dir, Want::State);
    assert_eq!(client.command(Command::Add(1), SOON).await, Err(CommandError::Disconnected));
    let (server, mut commands) = serve(&dir);
    let client = connected(&dir, Want::State).await;
    let (answer, ()) = tokio::join!(client.command(Command::Add(1), SOON), async {
        let _unanswered = commands.next().await;
        drop(server);
        settle().await;
    });
    assert_eq!(answer, Err(CommandError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_names_both_sides_on_both_sides() {
    let (ours, theirs) = SeqPacket::pair().unwrap();
    let (mut a, mut b) = (Buffer::new(), Buffer::new());
    let (here, there) = tokio::join!(greet::<Counting>(&ours, &mut a), greet::<CountingFurther>(&theirs, &mut b));
    for side in [here, there] {
        let Err(Ended::Garbage(Garbage::Mismatch, detail)) = side else { panic!("accepted: {side:?}") };
        for hello in [Hello::of::<Counting>(""), Hello::of::<CountingFurther>("")] {
            let schema = format!("counting schema {:016x}", u64::from_be_bytes(hello.schema));
            assert!(detail.contains(&schema), "{detail} lacks {schema}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_build_is_refused_and_told_why() {
    let dir = run_dir();
    let (server, _commands) = serve(&dir);
    let mut client = Client::<CountingFurther>::connect(dir.path(), Peers::own(), Want::State);
    let Event::Disconnected(reason) = client.event().await else { panic!("accepted") };
    assert!(reason.contains("this side speaks counting schema"), "{reason}");
    assert_eq!(server.counters().count(Garbage::Mismatch), 1);
    assert_eq!(client.counters().count(Garbage::Mismatch), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_skips_to_the_newest() {
    let dir = run_dir();
    let (server, _commands) = serve(&dir);
    let (socket, mut buffer) = by_hand(&dir).await;
    packet::send(&socket, request(Request::Watch), &[]).await.unwrap();
    settle().await;
    for state in 0..=10_000 {
        server.set_state(state);
        tokio::task::yield_now().await;
    }
    let (mut seen, mut count) = (0, 0);
    while seen < 10_000 {
        let (Response::State(state), _) = next_response(&socket, &mut buffer).await else { panic!("no state") };
        assert!(state > seen || count == 0, "{state} after {seen}");
        (seen, count) = (state, count + 1);
    }
    assert!(count < 2_000, "{count} states were kept for a reader that did not read");
}

#[tokio::test(start_paused = true)]
async fn garbage_of_every_kind_is_counted_by_name_and_hurts_nobody_else() {
    let dir = run_dir();
    let (server, mut commands) = serve(&dir);
    let unhurt = connected(&dir, Want::State).await;
    let path = dir.path().join("counting.sock");

    let silent = SeqPacket::connect(&path).unwrap();
    tokio::time::sleep(2 * SOON).await;
    drop(silent);

    let hello = packet::encode(&Hello::of::<Counting>("test"));
    let mut trailing_hello = hello.clone();
    trailing_hello.push(0);
    for first in [vec![0xff; 64], hello[..hello.len() - 3].to_vec(), trailing_hello] {
        let socket = SeqPacket::connect(&path).unwrap();
        socket.send(&first, &[]).await.unwrap();
        settle().await;
    }

    let mut trailing = request(Request::Watch);
    trailing.push(0);
    let command = request(Request::Command { id: 1_000_000, command: Command::Add(1_000_000) });
    for later in [vec![0xff; 9], command[..command.len() - 1].to_vec(), trailing, hello] {
        let (socket, _) = by_hand(&dir).await;
        socket.send(&later, &[]).await.unwrap();
        settle().await;
    }
    let (socket, _) = by_hand(&dir).await;
    socket.send(&vec![0; MAX_PACKET + 1], &[]).await.unwrap();
    settle().await;

    let (flooding, _) = by_hand(&dir).await;
    for id in 0..65 {
        let sent = flooding.send(&request(Request::Command { id, command: Command::Add(0) }), &[]).await;
        assert!(sent.is_ok() || id > 63, "cut off after {id}");
    }
    settle().await;

    let counted: Vec<_> = server.counters().named().collect();
    let expected = [("no_hello", 1), ("bad_hello", 3), ("oversized", 1), ("malformed", 4), ("flood", 1)];
    assert_eq!(counted, expected);
    let (answer, ()) = tokio::join!(unhurt.command(Command::Add(1), SOON), async {
        loop {
            let (Command::Add(n), responder) = commands.next().await;
            responder.done(n);
            if n == 1 {
                break;
            }
        }
    });
    assert_eq!(answer, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn random_packets_never_do_more_than_end_their_connection() {
    let dir = run_dir();
    let (server, mut commands) = serve(&dir);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..500 {
        let (socket, _) = by_hand(&dir).await;
        let bytes: Vec<u8> = (0..1 + random() % 40).map(|_| random() as u8).collect();
        socket.send(&bytes, &[]).await.unwrap();
        settle().await;
        // A few are commands by chance.
        while tokio::time::timeout(Duration::ZERO, commands.next()).await.is_ok() {}
    }
    assert!(server.counters().count(Garbage::Malformed) > 100);
    assert!(connected(&dir, Want::State).await.counters().named().next().is_none());
}

#[tokio::test(start_paused = true)]
async fn one_client_too_many_is_turned_away() {
    let dir = run_dir();
    let (server, _commands) = serve(&dir);
    let mut clients = Vec::new();
    for _ in 0..32 {
        clients.push(connected(&dir, Want::State).await);
    }
    let mut turned_away = client(&dir, Want::State);
    assert!(matches!(turned_away.event().await, Event::Disconnected(_)));
    assert!(server.counters().count(Garbage::TooManyClients) >= 1);
    clients.pop();
    assert!(matches!(turned_away.event().await, Event::Connected(_)));
}

#[tokio::test(start_paused = true)]
async fn a_large_unit_passes_intact() {
    let dir = run_dir();
    let (server, _commands) = serve(&dir);
    let media = server.media();
    let mut client = connected(&dir, Want::StateAndMedia).await;
    media.keyframe_wanted().await;
    let data: Bytes = (0..600_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    media.push(Unit { data: data.clone(), ..unit(0, 5, 40, true) }).unwrap();
    media.push(unit(1, 0, 45, true)).unwrap();
    let (Event::Media(video), Event::Media(sound)) = (client.event().await, client.event().await) else {
        panic!("no unit")
    };
    assert_eq!((video.head.sequence, video.head.total), (5, 600_000));
    assert!(video.data == data, "bytes differ");
    assert_eq!(sound.data, unit(1, 0, 45, true).data);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_subscriber_loses_whole_units_with_what_depends_on_them() {
    let dir = run_dir();
    let (server, _commands) = serve(&dir);
    let media = server.media();
    let (socket, mut buffer) = by_hand(&dir).await;
    packet::send(&socket, request(Request::Media), &[]).await.unwrap();
    media.keyframe_wanted().await;
    let mut other = connected(&dir, Want::StateAndMedia).await;
    media.keyframe_wanted().await;

    // 60 frames of 40 ms in groups of 10, each far more than a packet; nobody reads the first socket.
    let frame = |n: u32| Unit { data: vec![n as u8; 100_000].into(), ..unit(0, n, 40 * n, n.is_multiple_of(10)) };
    for n in 0..60 {
        media.push(frame(n)).unwrap();
        let Event::Media(got) = other.event().await else { panic!("no unit") };
        assert_eq!((got.head.sequence, got.head.discontinuity), (n, false));
    }
    assert!(media.dropped_units() > 0);

    // It reads again: what was queued, then from the next keyframe on.
    let mut reassembly = reassembly::Reassembly::default();
    let mut got = Vec::new();
    for n in 60..80 {
        while let Ok((Response::Media(piece), data)) =
            tokio::time::timeout(Duration::from_millis(5), next_response(&socket, &mut buffer)).await
        {
            if let Some(unit) = reassembly.push(piece, &data).unwrap() {
                assert!(unit.data == frame(unit.head.sequence).data, "unit {} is damaged", unit.head.sequence);
                got.push(unit.head);
            }
        }
        media.push(frame(n)).unwrap();
    }
    let gaps: Vec<_> = got.windows(2).filter(|pair| pair[0].sequence + 1 != pair[1].sequence).collect();
    assert_eq!(gaps.len(), 1, "one stall is one gap");
    assert_eq!(gaps[0][1].sequence, 60, "the next keyframe");
    assert!(gaps[0][1].discontinuity && gaps[0][1].keyframe);
    assert_eq!(media.dropped_units() as usize + got.len(), 79, "the 80th is not read yet");
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_owner_was_slow_asks_for_a_keyframe() {
    let dir = run_dir();
    let (server, _commands) = serve(&dir);
    let media = server.media();
    let mut client = connected(&dir, Want::StateAndMedia).await;
    media.keyframe_wanted().await;
    for n in 0..20 {
        media.push(unit(0, n, 40 * n, n == 0)).unwrap();
        settle().await;
    }
    assert_eq!((media.dropped_units(), client.dropped_units()), (0, 12));
    for n in 0..8 {
        let Event::Media(unit) = client.event().await else { panic!("no unit") };
        assert_eq!(unit.head.sequence, n);
    }
    let slow_again = async { while !matches!(client.event().await, Event::Media(_)) {} };
    tokio::join!(slow_again, async {
        media.keyframe_wanted().await;
        media.push(unit(0, 20, 800, true)).unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn a_client_comes_back_by_itself_and_marks_the_gap() {
    let dir = run_dir();
    let (server, commands) = serve(&dir);
    let mut client = connected(&dir, Want::StateAndMedia).await;
    let media = server.media();
    media.keyframe_wanted().await;
    media.push(unit(0, 0, 0, true)).unwrap();
    assert!(matches!(client.event().await, Event::Media(_)));
    drop((server, commands));
    assert!(matches!(client.event().await, Event::Disconnected(_)));
    let (server, _commands) = serve(&dir);
    server.set_state(3);
    loop {
        match client.event().await {
            Event::Connected(hello) => break assert_eq!(hello.service, "counting"),
            Event::Disconnected(_) => {}
            Event::State(_) | Event::Media(_) => panic!("from nobody"),
        }
    }
    assert!(matches!(client.event().await, Event::State(3)));
    let media = server.media();
    media.keyframe_wanted().await;
    media.push(unit(0, 0, 0, true)).unwrap();
    let Event::Media(first) = client.event().await else { panic!("no unit") };
    assert!(first.head.discontinuity);
}

#[tokio::test(start_paused = true)]
async fn garbage_from_a_server_is_counted_and_the_client_comes_back() {
    let piece = |unit: Unit| packet::encode(&Response::<u32, u32>::Media(unit.head));
    let mut too_large = unit(0, 0, 0, true);
    too_large.head.total = MAX_UNIT + 1;
    let mut in_the_middle = unit(0, 0, 0, true);
    in_the_middle.head.offset = 3;
    let kinds = [
        (vec![0xff; 30], Garbage::Malformed),
        (vec![0; MAX_PACKET + 1], Garbage::Oversized),
        (piece(too_large), Garbage::TooLarge),
        (piece(in_the_middle), Garbage::WrongOrder),
    ];
    let dir = run_dir();
    let listener = Listener::bind(&dir.path().join("counting.sock")).unwrap();
    let mut client = client(&dir, Want::StateAndMedia);
    for (packet, garbage) in kinds {
        let socket = listener.accept().await.unwrap();
        greet::<Counting>(&socket, &mut Buffer::new()).await.unwrap();
        assert!(matches!(client.event().await, Event::Connected(_)));
        socket.send(&packet, &[]).await.unwrap();
        assert!(matches!(client.event().await, Event::Disconnected(_)));
        assert_eq!(client.counters().count(garbage), 1, "{garbage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let dir = run_dir();
    let path = dir.path().join("counting.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "as after a crash");
    let (server, commands) = serve(&dir);
    let refused = Server::<Counting>::bind(dir.path(), Peers::own()).err().unwrap();
    assert_eq!(refused.to_string(), format!("{}: another process serves it", path.display()));
    connected(&dir, Want::State).await;
    drop((server, commands));
    settle().await;
    assert!(!path.exists(), "a clean end leaves nothing");
    std::fs::write(&path, "precious").unwrap();
    assert!(Server::<Counting>::bind(dir.path(), Peers::own()).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}
