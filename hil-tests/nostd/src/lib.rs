//! What a microcontroller links: the cores that need neither std nor an allocator.
//!
//! [`run`] has each of them do some of its work. `make check-arm64` makes a static library of this, in which nothing
//! allocates, links it with `start.c`, and with nothing else, and runs it.
#![no_std]

#[cfg(feature = "static-library")]
mod static_library;

use core::cell::Cell;
use core::pin::pin;
use core::task::{Context, Waker};
use core::time::Duration;

use bondbox_ipc::Request;
use bondbox_ipc::media::Piece;
use bondbox_ipc::panel::{self, Action, Key};
use bondbox_panel_core::tasks::{Time, Wires, decide};
use bondbox_panel_core::world::{Capture, Uplink};
use bondbox_panel_core::{Input, Output, Panel};
use bondbox_units::{Bitrate, Instant, Priority, TrackId};
use bondbox_wire::envelope::{Address, Envelope, TAG_LEN, encode_header};
use bondbox_wire::frame::{Channel, Frame, Frames, Message};
use bondbox_wire::{MIN_DATAGRAM, ReplayWindow, Writer};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;

/// # Panics
///
/// When one of the cores did not do what it does elsewhere.
pub fn run() {
    quantities();
    datagram();
    messages();
    front_panel();
}

fn quantities() {
    let start = Instant::from_millis(1_000);
    let rate = Bitrate::from_kbps(8_000).scaled(0.5);
    assert_eq!((start + rate.time_for(250_000)).since(start), Duration::from_millis(500));
}

/// A datagram with a message in it, as the other end reads it. What is between header and tag is not sealed.
fn datagram() {
    const PN: u64 = 70_000;
    let message = Frame::Message(Message {
        channel: Channel::Telemetry,
        origin: 7,
        id: 5,
        offset: 0,
        total: 2,
        expires_ms: 1_000,
        bytes: b"hi",
    });
    let mut buffer = [0; MIN_DATAGRAM];
    let mut writer = Writer::new(&mut buffer);
    encode_header(Address::Path(9), true, PN, Some(PN - 3), &mut writer).expect("a header fits");
    message.encode(&mut writer).expect("so does a short message");
    writer.bytes(&[0; TAG_LEN]).expect("and the tag");

    let written = writer.written();
    let Ok(Envelope::Data { index: 9, sealed }) = Envelope::decode(written) else { panic!("no datagram for path 9") };
    let mut seen = ReplayWindow::new();
    assert!(seen.accept(PN - 1));
    let pn = sealed.packet_number(seen.expected());
    assert!(pn == PN && seen.accept(pn) && !seen.accept(pn), "packet {pn}");
    let mut frames = Frames::new(&written[sealed.header_len..written.len() - TAG_LEN]);
    assert_eq!((frames.next(), frames.next()), (Some(Ok(message)), None));
}

/// A request and the head of a piece of media, written and read.
fn messages() {
    let request = Request::Command { id: 3, command: panel::Command::Do(Action::Start) };
    let mut buffer = [0; 64];
    let written = postcard::to_slice(&request, &mut buffer).expect("a command fits");
    assert_eq!(postcard::from_bytes(written), Ok(request));

    let piece = Piece {
        track: TrackId(1),
        sequence: 70_000,
        offset: 0,
        total: 12_000,
        pts: Instant::from_millis(80),
        dts: Instant::from_millis(40),
        captured: Instant::from_millis(39),
        priority: Priority::Reference,
        keyframe: true,
        discontinuity: false,
    };
    let written = postcard::to_slice(&piece, &mut buffer).expect("a head fits");
    assert_eq!(postcard::from_bytes(written), Ok(piece));
}

/// A click on start, through the task that a microcontroller's executor runs.
fn front_panel() {
    let edge = |down, ms| Input::Edge { key: Key::Start, down, at: Instant::from_millis(ms) };
    let story = [
        (0, Input::Capture(Capture::Stopped)),
        (0, Input::Uplink(Uplink::Open { up: 1, present: 1, arrived: 0 })),
        (100, edge(true, 100)),
        (200, edge(false, 200)),
    ];
    let clock = Clock(Cell::new(Instant::ZERO));
    let wires = Wires::<NoopRawMutex>::new();
    let mut deciding = pin!(decide(&wires, &clock, Panel::new(Instant::ZERO)));
    let mut context = Context::from_waker(Waker::noop());
    let (mut lit, mut started) = (0, None);
    for ms in 0..1_000 {
        clock.0.set(Instant::from_millis(ms));
        for (_, input) in story.iter().filter(|(at, _)| *at == ms) {
            wires.inputs.try_send(*input).expect("there is room for a few inputs");
        }
        assert!(deciding.as_mut().poll(&mut context).is_pending());
        while let Ok(output) = wires.outputs.try_receive() {
            match output {
                Output::Lights(_) => lit += 1,
                Output::Do(action) => started = Some((ms, action)),
                _ => {}
            }
        }
    }
    assert_eq!(started, Some((210, Action::Start)));
    assert!(lit >= 2, "no light answered the press");
}

/// Moved by hand.
struct Clock(Cell<Instant>);

impl Time for Clock {
    fn now(&self) -> Instant {
        self.0.get()
    }

    async fn until(&self, at: Option<Instant>) {
        let is_over = || at.is_some_and(|at| self.0.get() >= at);
        core::future::poll_fn(|_| if is_over() { core::task::Poll::Ready(()) } else { core::task::Poll::Pending })
            .await;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cores_work_here_too() {
        super::run();
    }
}
