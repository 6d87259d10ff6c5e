//! Frames of messages, byte for byte as the first build wrote them: units lag gateways by months, so neither the envelope of
//! a message nor what was said in it may ever come to mean something else.

use bondbox_units::TrackId;
use bondbox_wire::Writer;
use bondbox_wire::frame::{Channel, Frame, Frames, Message, MessageAck, UnitsAck};

fn frames() -> Vec<(&'static [u8], Frame<'static>)> {
    let message = Message {
        channel: Channel::Telemetry,
        origin: 0x0102_0304,
        id: 5,
        offset: 0,
        total: 2,
        expires_ms: 1_000,
        bytes: b"hi",
    };
    vec![
        (include_bytes!("golden/telemetry"), Frame::Message(message)),
        (
            include_bytes!("golden/command_piece"),
            Frame::Message(Message { channel: Channel::Command, id: 70_000, offset: 800, total: 65_536, ..message }),
        ),
        (
            include_bytes!("golden/message_ack"),
            Frame::MessageAck(MessageAck::new(
                Channel::Telemetry,
                0x0102_0304,
                6,
                [(0, 800), (1_600, 2_400)].into_iter(),
            )),
        ),
        (
            include_bytes!("golden/units_ack"),
            Frame::UnitsAck(UnitsAck { track: TrackId(3), next: 70, before: 0xffff_fffe }),
        ),
    ]
}

#[test]
fn what_the_first_build_wrote_is_read_and_written_the_same() {
    for (golden, frame) in frames() {
        let mut buffer = [0; 200];
        let mut writer = Writer::new(&mut buffer);
        frame.encode(&mut writer).unwrap();
        assert_eq!(writer.written(), golden, "{frame:?}");
        assert_eq!(Frames::new(golden).collect::<Vec<_>>(), [Ok(frame)]);
    }
}

#[test]
fn a_message_longer_than_it_says_or_than_any_may_be_is_refused() {
    let whole = include_bytes!("golden/telemetry");
    // The total, behind kind, length, origin, id and offset.
    for total in [1, 0] {
        let mut wrong = *whole;
        wrong[8] = total;
        assert!(matches!(Frames::new(&wrong).next(), Some(Err(_))), "{total}");
    }
}
