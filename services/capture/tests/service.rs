//! The service as its clients see it: a real process, its socket, its units.

mod common;

use std::path::Path;
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use bondbox_capture::intent::{Kept, Moment, store};
use bondbox_capture::unit::{SOUND, VIDEO};
use bondbox_daemon::ipc::{Client, CommandError, Event, Peers, Unit, Want};
use bondbox_encoder::{CARDS, TraitCard};
use bondbox_ipc::Refusal;
use bondbox_ipc::capture::{Capture, Command, Done, Picture, State};
use bondbox_ipc::media::Codec;
use bondbox_units::{Bitrate, Priority};
use common::decode;
use tempfile::TempDir;

#[tokio::test]
async fn a_subscriber_gets_numbered_pictures_and_sound_in_step() {
    let service = Service::start(&[]);
    let mut client = service.client();
    let (mut video, mut sound) = (Vec::new(), Vec::new());
    while video.len() < 75 || sound.len() < 75 {
        let unit = media(&mut client).await;
        if unit.head.track == VIDEO { video.push(unit) } else { sound.push(unit) }
    }
    assert!(video[0].head.keyframe && video[0].head.priority == Priority::Reference);
    for pair in video.windows(2).chain(sound.windows(2)) {
        let [before, after] = [&pair[0].head, &pair[1].head];
        assert!(after.sequence > before.sequence && after.dts > before.dts);
        assert_eq!(after.discontinuity, after.sequence != before.sequence + 1);
    }
    assert!(video.windows(2).all(|pair| pair[1].head.pts.micros_since(pair[0].head.pts) % 40_000 == 0));
    assert!(sound.iter().all(|unit| unit.data[..2] == [0xff, 0xf1] && unit.head.track == SOUND));

    first_number(&video);
    // What is heard beside a picture was taken beside it: both carry the same clock.
    let apart = video[74].head.captured.micros_since(sound[74].head.captured);
    assert!(apart.abs() < 2_000_000, "{apart} us");
}

#[tokio::test]
async fn the_state_names_what_is_on_the_air() {
    let service = Service::start(&["--audio", "opus", "--size", "320x180", "--bitrate-kbps", "700"]);
    let mut client = service.client();
    let state = state(&mut client, |state| state.picture == Picture::Live && state.actual > Bitrate::ZERO).await;
    assert_eq!(state.source, "test");
    assert_eq!(state.target, Bitrate::from_kbps(700));
    assert_ne!(state.encoder, "");
    assert!(state.encode_delay_us > 0);
    let [video, sound] = state.tracks.as_slice() else { panic!("{:?}", state.tracks) };
    assert_eq!(
        (video.track, video.codec, video.width, video.height, video.rate),
        (VIDEO, Codec::H264, 320, 180, 25_000)
    );
    assert_eq!((sound.track, sound.codec, sound.rate, sound.channels), (SOUND, Codec::Opus, 48_000, 2));
}

#[tokio::test]
async fn a_bitrate_is_confirmed_with_what_was_measured() {
    let service = Service::start(&["--bitrate-kbps", "2000", "--source", &snow()]);
    let mut client = service.client();
    state(&mut client, |state| state.picture == Picture::Live && state.actual > Bitrate::from_kbps(1_500)).await;
    for target in [Bitrate::from_kbps(600), Bitrate::from_kbps(3_000)] {
        let done = client.command(Command::SetBitrate(target), LONG).await.unwrap();
        let Done::Bitrate { target: told, measured } = done else { panic!("{done:?}") };
        assert_eq!(told, target);
        assert!((target.scaled(0.5)..target.scaled(1.3)).contains(&measured), "told {target}, measured {measured}");
    }
    // Beyond its ceiling the encoder does what it can, and the answer says so.
    let done = client.command(Command::SetBitrate(Bitrate::from_kbps(60_000)), LONG).await;
    assert!(matches!(done, Ok(Done::Bitrate { target, .. }) if target == Bitrate::from_kbps(6_000)), "{done:?}");
    let refused = client.command(Command::SetBitrate(Bitrate::ZERO), LONG).await;
    assert!(matches!(refused, Err(CommandError::Refused(Refusal::Invalid(_)))), "{refused:?}");
}

#[tokio::test]
async fn a_bitrate_that_is_overtaken_says_so_and_the_last_one_counts() {
    let service = Service::start(&[]);
    let mut client = service.client();
    state(&mut client, |state| state.picture == Picture::Live).await;
    let (first, second) = tokio::join!(
        client.command(Command::SetBitrate(Bitrate::from_kbps(900)), LONG),
        client.command(Command::SetBitrate(Bitrate::from_kbps(800)), LONG),
    );
    assert!(matches!(first, Err(CommandError::Refused(Refusal::Unavailable(_)))), "{first:?}");
    assert!(matches!(second, Ok(Done::Bitrate { target, .. }) if target == Bitrate::from_kbps(800)), "{second:?}");
}

#[tokio::test]
async fn a_keyframe_is_confirmed_when_it_came_out() {
    let service = Service::start(&[]);
    let mut client = service.client();
    // Not the one that a new subscriber gets.
    while media(&mut client).await.head.sequence < 20 {}
    let done = client.command(Command::ForceKeyframe, LONG).await.unwrap();
    assert!(matches!(done, Done::Keyframe { .. }), "{done:?}");
}

#[tokio::test]
async fn sources_are_switched_and_the_numbers_go_on() {
    let service = Service::start(&["--frame-numbers", "always"]);
    let mut client = service.client();
    let mut video = Vec::new();
    collect(&mut client, &mut video, 20).await;
    let commander = client.commander();
    let file = snow();
    let switching = tokio::spawn(async move {
        for source in ["slate", &file, "test"] {
            commander.command(Command::SetSource(source.into()), LONG).await.unwrap();
        }
        let absent = commander.command(Command::SetSource("/no/such/file.mp4".into()), LONG).await;
        assert!(matches!(absent, Err(CommandError::Refused(Refusal::Invalid(_)))), "{absent:?}");
        let absent = commander.command(Command::SetSource("/dev/video4711".into()), LONG).await;
        assert!(matches!(absent, Err(CommandError::Refused(Refusal::Invalid(_)))), "{absent:?}");
    });
    while !switching.is_finished() {
        collect(&mut client, &mut video, 1).await;
    }
    switching.await.unwrap();
    first_number(&video);
}

#[tokio::test]
async fn what_the_source_brings_is_counted_on_the_air_and_off_it_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let late = folder.path().join("late.mkv");
    let service = Service::start(&[]);
    let mut client = service.client();
    state(&mut client, |state| state.picture == Picture::Live).await;
    for picture in [Picture::Live, Picture::Stopped] {
        if picture == Picture::Stopped {
            client.command(Command::Stop, LONG).await.unwrap();
        }
        let before = state(&mut client, |state| state.picture == picture).await;
        let done = client.command(Command::CountPictures, LONG).await.unwrap();
        let Done::Pictures { count, within_ms, rate } = done else { panic!("{done:?}") };
        assert!((2_000..4_000).contains(&within_ms) && count >= 20 && rate == 25, "{done:?}");
        let after = state(&mut service.client(), |_| true).await;
        assert_eq!((after.picture, after.counters.restarts), (picture, before.counters.restarts));
    }
    std::fs::write(&late, "no film").unwrap();
    let _ = client.command(Command::SetSource(late.display().to_string()), LONG).await;
    let refused = client.command(Command::CountPictures, LONG).await.unwrap_err().to_string();
    let said = format!("no effect seen: {} brought no picture in 2 s: ", late.display());
    assert!(refused.contains(&said) && !refused.ends_with(": "), "{refused}");
}

#[tokio::test]
async fn a_source_that_comes_and_goes_is_a_slate_while_it_is_gone() {
    let folder = TempDir::new().unwrap();
    let late = folder.path().join("late.mkv");
    let service = Service::start(&["--source", late.to_str().unwrap()]);
    let mut client = service.client();
    state(&mut client, |state| state.picture == Picture::Slate && state.counters.video_units > 10).await;
    let arrive = || {
        let whole = folder.path().join("whole.mkv");
        std::fs::copy(snow(), &whole).unwrap();
        std::fs::rename(whole, &late).unwrap();
    };
    arrive();
    state(&mut client, |state| state.picture == Picture::Live).await;
    std::fs::remove_file(&late).unwrap();
    let lost = state(&mut client, |state| state.picture == Picture::Slate).await;
    assert_eq!(lost.counters.source_lost, 1);
    arrive();
    let live = state(&mut client, |state| state.picture == Picture::Live).await;
    assert_eq!(live.counters.restarts, 0, "the encoder never noticed");
}

#[tokio::test]
async fn a_sound_card_that_is_not_there_is_silence_and_no_harm_to_the_picture() {
    let service = Service::start(&["--audio-source", "hw:99,9"]);
    let mut client = service.client();
    // Long enough for several attempts to open it.
    let later = state(&mut client, |state| state.counters.audio_units > 150).await;
    assert_eq!((later.picture, later.counters.source_lost), (Picture::Live, 0));
}

#[tokio::test]
async fn a_file_is_played_again_and_again_without_a_slate() {
    let service = Service::start(&["--source", &snow()]);
    let mut client = service.client();
    // The file lasts two seconds.
    let later = state(&mut client, |state| state.counters.video_units > 25 * 7).await;
    assert_eq!((later.picture, later.counters.source_lost), (Picture::Live, 0));
}

#[tokio::test]
async fn off_the_air_nothing_comes_and_on_the_air_it_comes_again() {
    let service = Service::start(&[]);
    let mut client = service.client();
    let mut video = Vec::new();
    collect(&mut client, &mut video, 5).await;
    assert_eq!(client.command(Command::Stop, LONG).await, Ok(Done::Now));
    let stopped = state(&mut client, |state| state.picture == Picture::Stopped).await;
    assert_eq!(stopped.tracks, []);
    let refused = client.command(Command::ForceKeyframe, LONG).await;
    assert!(matches!(refused, Err(CommandError::Refused(Refusal::Unavailable(_)))), "{refused:?}");
    assert_eq!(client.command(Command::Start, LONG).await, Ok(Done::Now));
    loop {
        let unit = media(&mut client).await;
        if unit.head.track == VIDEO && unit.head.discontinuity {
            assert!(unit.head.keyframe, "a new beginning can be decoded");
            break;
        }
    }
}

#[tokio::test]
async fn killed_and_started_again_the_numbers_and_the_clock_advance() {
    let mut service = Service::start(&[]);
    let mut client = service.client();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    collect(&mut client, &mut before, 30).await;
    service.kill_and_start();
    while !matches!(client.event().await, Event::Connected(_)) {}
    collect(&mut client, &mut after, 30).await;
    let (last, next) = (first_number(&before[..30]) + before[29].head.sequence, first_number(&after));
    assert!(next > last, "{next} after {last}");
    assert!(after[0].head.keyframe && after[0].head.discontinuity);
    assert!(after[0].head.captured > before[29].head.captured);
}

#[tokio::test]
async fn an_encoder_that_this_machine_lacks_ends_the_service() {
    gstreamer::init().unwrap();
    let lacks = |card: &&TraitCard| gstreamer::ElementFactory::find(card.factory).is_none();
    let Some(absent) = CARDS.iter().find(lacks) else {
        return eprintln!("every encoder we know is here: needs a machine that lacks one");
    };
    let mut service = Service::start(&["--encoder", absent.factory]);
    assert!(!service.wait().success());
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn stopped_on_purpose_it_tries_its_encoder_and_stays_off_the_air() {
    let mut service = Service::start(&[]);
    let mut client = service.client();
    media(&mut client).await;
    assert_eq!(client.command(Command::Stop, LONG).await, Ok(Done::Now));
    service.kill_and_start();
    let mut client = service.client();
    rehearsed(&mut client).await;
    assert_eq!(client.command(Command::Start, LONG).await, Ok(Done::Now));
    assert!(media(&mut client).await.head.keyframe);
    service.kill_and_start();
    assert!(media(&mut service.client()).await.head.keyframe, "started on purpose it goes on after a crash");
}

#[tokio::test]
async fn after_a_loss_of_power_on_the_air_it_goes_on_if_that_was_short() {
    let dark_for = |seconds: u64| {
        let folder = TempDir::new().unwrap();
        let kept = Kept { on_air: true, boot_id: "another".into(), at_s: Moment::now().at_s - seconds };
        store::keep(folder.path(), &kept).unwrap();
        Service::start_in(folder, &[])
    };
    let minute = dark_for(60);
    assert!(media(&mut minute.client()).await.head.keyframe);
    let hour = dark_for(3_600);
    rehearsed(&mut hour.client()).await;
    // Its clock began at the time of its build, and was put right.
    let years = dark_for(3 * 365 * 86_400);
    let first = tokio::time::timeout(LONG, media(&mut years.client())).await.expect("it stays off the air");
    assert!(first.head.keyframe);
}

#[tokio::test]
async fn suspended_it_is_off_the_air_and_meant_to_be_on_it() {
    let mut service = Service::start(&[]);
    let mut client = service.client();
    media(&mut client).await;
    assert_eq!(client.command(Command::Suspend, LONG).await, Ok(Done::Now));
    let stopped = state(&mut client, |state| state.picture == Picture::Stopped).await;
    assert!(stopped.meant_on_air);
    service.kill_and_start();
    media(&mut service.client()).await;
}

#[tokio::test]
async fn a_stop_that_cannot_be_kept_is_a_stop_and_is_counted() {
    let service = Service::start(&["--state-dir", "/proc/no/such/folder"]);
    let mut client = service.client();
    media(&mut client).await;
    assert_eq!(client.command(Command::Stop, LONG).await, Ok(Done::Now));
    let stopped = state(&mut client, |state| state.counters.intent_unkept == 1).await;
    assert_eq!((stopped.picture, stopped.meant_on_air), (Picture::Stopped, false));
}

/// Until it has tried its encoder and is off the air, without having served a unit.
async fn rehearsed(client: &mut Client<Capture>) {
    let stopped = tokio::time::timeout(LONG, async {
        loop {
            match client.event().await {
                Event::Media(unit) => panic!("it served {:?}", unit.head),
                Event::State(state) if state.picture == Picture::Stopped => return state,
                Event::State(state) => assert_eq!(state.picture, Picture::Starting),
                Event::Connected(_) | Event::Disconnected(_) => {}
            }
        }
    })
    .await
    .expect("it neither serves nor stops");
    assert!(stopped.counters.video_units >= 10 && !stopped.meant_on_air, "{stopped:?}");
}

/// A running service, killed with the test.
struct Service {
    child: Child,
    folder: TempDir,
    arguments: Vec<String>,
}

impl Service {
    fn start(arguments: &[&str]) -> Self {
        Self::start_in(TempDir::new().unwrap(), arguments)
    }

    /// In a folder where an earlier one may have left something.
    fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let mut arguments: Vec<String> = arguments.iter().map(|&argument| argument.into()).collect();
        if !arguments.iter().any(|argument| argument == "--state-dir") {
            arguments.extend(["--state-dir".into(), folder.path().display().to_string()]);
        }
        let child = run(folder.path(), &arguments);
        Self { child, folder, arguments }
    }

    fn client(&self) -> Client<Capture> {
        Client::connect(self.folder.path(), Peers::own(), Want::StateAndMedia)
    }

    fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.wait();
        self.child = run(self.folder.path(), &self.arguments);
    }

    fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(folder: &Path, arguments: &[String]) -> Child {
    Process::new(env!("CARGO_BIN_EXE_bondbox-capture"))
        .arg("--run-dir")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// The next unit.
async fn media(client: &mut Client<Capture>) -> Unit {
    loop {
        if let Event::Media(unit) = client.event().await {
            return unit;
        }
    }
}

/// More video units, so many.
async fn collect(client: &mut Client<Capture>, video: &mut Vec<Unit>, count: usize) {
    let wanted = video.len() + count;
    while video.len() < wanted {
        let unit = media(client).await;
        if unit.head.track == VIDEO {
            video.push(unit);
        }
    }
}

/// The first state that is as wanted.
async fn state(client: &mut Client<Capture>, wanted: impl Fn(&State) -> bool) -> State {
    loop {
        if let Event::State(state) = client.event().await
            && wanted(&state)
        {
            return state;
        }
    }
}

/// The number of the encoder's first frame: read from each picture, and the same by each, however many units a slow
/// test has missed between them.
fn first_number(video: &[Unit]) -> u32 {
    let numbers = decode(video.iter().map(|unit| unit.data.clone()));
    assert_eq!(numbers.len(), video.len());
    let first = |(number, unit): (Option<u32>, &Unit)| number.expect("a number").wrapping_sub(unit.head.sequence);
    let firsts: Vec<u32> = numbers.into_iter().zip(video).map(first).collect();
    assert!(firsts.iter().all(|&first| first == firsts[0]), "{firsts:?}");
    firsts[0]
}

/// Two seconds of a picture that no encoder can make small, in a file.
fn snow() -> String {
    static FILE: OnceLock<String> = OnceLock::new();
    let make = || {
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/snow.mkv");
        common::run_to_end(&format!(
            "videotestsrc num-buffers=50 pattern=snow ! video/x-raw,format=I420,width=640,height=360,framerate=25/1 \
             ! jpegenc ! matroskamux name=mux ! filesink location={path} \
             audiotestsrc num-buffers=94 ! audio/x-raw,rate=48000,channels=2 ! opusenc ! mux."
        ));
        path.to_owned()
    };
    FILE.get_or_init(make).clone()
}
