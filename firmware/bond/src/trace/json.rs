//! Events in words: a JSON object a line, named as in qlog where it has a name.

use std::fmt::{self, Write};

use bondbox_units::Instant;
use bondbox_wire::frame::LinkState;

use super::{Fate, Recording, Side, TraceEvent, Why};

impl Recording {
    /// Writes a line about the trace, one a path, and one an event. Times are milliseconds on the clock of the end that
    /// recorded them.
    ///
    /// # Errors
    /// When `out` has one.
    pub fn write_json_lines(&self, out: &mut impl Write) -> fmt::Result {
        let vantage = match self.side {
            Side::Unit => "client",
            Side::Gateway => "server",
        };
        let start = Millis(self.start);
        writeln!(out, r#"{{"qlog_format":"JSON-SEQ","title":"bond","vantage_point":"{vantage}","start":{start}}}"#)?;
        for path in &self.paths {
            let name = Text(&path.name);
            writeln!(
                out,
                r#"{{"session":{},"path":{},"link":{},"name":{name}}}"#,
                path.session, path.path, path.link.0
            )?;
        }
        self.events.iter().try_for_each(|(at, event)| write_event(*at, event, out))
    }
}

fn write_event(at: Instant, event: &TraceEvent, out: &mut impl Write) -> fmt::Result {
    write!(out, r#"{{"time":{},"name":"{}","data":{{"#, Millis(at), name(event))?;
    match *event {
        TraceEvent::SessionOpened { session, latency } => {
            write!(out, r#""session":{session},"latency_ms":{}"#, latency.as_millis())?;
        }
        TraceEvent::SessionClosed | TraceEvent::Dark | TraceEvent::Back | TraceEvent::HandshakeFailed => {}
        TraceEvent::PathOpened { session, path, link } => {
            write!(out, r#""session":{session},"path":{path},"link":{}"#, link.0)?;
        }
        TraceEvent::PathClosed { path } => write!(out, r#""path":{path}"#)?,
        TraceEvent::Sent { path, pn, size } | TraceEvent::Received { path, pn, size } => {
            write!(out, r#""path":{path},"packet_number":{pn},"length":{size}"#)?;
        }
        TraceEvent::Acked { path, pn, received } => {
            write!(out, r#""path":{path},"packet_number":{pn},"received":{}"#, Millis(received))?;
        }
        TraceEvent::Lost { path, pn } => write!(out, r#""path":{path},"packet_number":{pn}"#)?,
        TraceEvent::Health { link, state } => {
            let state = match state {
                LinkState::Absent => "absent",
                LinkState::Joining => "joining",
                LinkState::Up => "up",
                LinkState::Suspect => "suspect",
                LinkState::Silent => "silent",
            };
            write!(out, r#""link":{},"state":"{state}""#, link.0)?;
        }
        TraceEvent::Path { path, capacity, pace, rtt, base_us, queue, in_flight } => write!(
            out,
            r#""path":{path},"capacity_bps":{},"pace_bps":{},"rtt_us":{},"base_us":{base_us},"queue_us":{},"bytes_in_flight":{in_flight}"#,
            capacity.as_bps(),
            pace.as_bps(),
            rtt.as_micros(),
            queue.as_micros()
        )?,
        TraceEvent::Stream { target, actual, backlog, units } => write!(
            out,
            r#""target_bps":{},"actual_bps":{},"backlog_bytes":{backlog},"units":{units}"#,
            target.as_bps(),
            actual.as_bps()
        )?,
        TraceEvent::Shed { units, why } => write!(out, r#""units":{units},"reason":"{}""#, reason(why))?,
        TraceEvent::Again { path, bytes, why } => {
            write!(out, r#""path":{path},"bytes":{bytes},"reason":"{}""#, reason(why))?;
        }
        TraceEvent::Target { rate } => write!(out, r#""target_bps":{}"#, rate.as_bps())?,
        TraceEvent::KeyframeWanted { track } => write!(out, r#""track":{}"#, track.0)?,
        TraceEvent::Unit { track, unit, fate, lateness } => {
            let fate = match fate {
                Fate::Delivered => "delivered",
                Fate::Late => "late",
                Fate::Lost => "lost",
            };
            let late = lateness.as_micros();
            write!(out, r#""track":{},"unit":{unit},"fate":"{fate}","lateness_us":{late}"#, track.0)?;
        }
        TraceEvent::Track { track, delivered, late, lost, latest } => write!(
            out,
            r#""track":{},"delivered":{delivered},"late":{late},"lost":{lost},"latest_us":{}"#,
            track.0,
            latest.as_micros()
        )?,
    }
    out.write_str("}}\n")
}

const fn name(event: &TraceEvent) -> &'static str {
    match event {
        TraceEvent::SessionOpened { .. } => "connectivity:connection_started",
        TraceEvent::SessionClosed => "connectivity:connection_closed",
        TraceEvent::Dark => "connectivity:dark",
        TraceEvent::Back => "connectivity:back",
        TraceEvent::HandshakeFailed => "security:handshake_failed",
        TraceEvent::PathOpened { .. } => "connectivity:path_assigned",
        TraceEvent::PathClosed { .. } => "connectivity:path_closed",
        TraceEvent::Sent { .. } => "transport:packet_sent",
        TraceEvent::Received { .. } => "transport:packet_received",
        TraceEvent::Acked { .. } => "transport:packet_acked",
        TraceEvent::Lost { .. } => "recovery:packet_lost",
        TraceEvent::Health { .. } => "connectivity:link_state",
        TraceEvent::Path { .. } => "recovery:metrics_updated",
        TraceEvent::Stream { .. } => "media:stream",
        TraceEvent::Shed { .. } => "media:shed",
        TraceEvent::Again { .. } => "recovery:marked_for_retransmit",
        TraceEvent::Target { .. } => "media:encoder_target",
        TraceEvent::KeyframeWanted { .. } => "media:keyframe_wanted",
        TraceEvent::Unit { .. } => "media:unit",
        TraceEvent::Track { .. } => "media:track",
    }
}

const fn reason(why: Why) -> &'static str {
    match why {
        Why::Backlog => "backlog",
        Why::Expired => "expired",
        Why::Lost => "lost",
        Why::Silent => "silent",
        Why::Deadline => "deadline",
        Why::Duplicate => "duplicate",
        Why::Coded => "coded",
    }
}

/// Milliseconds with microseconds behind the point.
struct Millis(Instant);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03}", micros / 1_000, micros % 1_000)
    }
}

/// A JSON string (RFC 8259 §7).
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                control if control.is_control() => write!(f, "\\u{:04x}", control as u32)?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use bondbox_units::LinkId;

    use super::super::{Trace, TracedPath};
    use super::*;

    #[test]
    fn a_trace_is_told_in_lines() {
        let mut trace = Trace::new(Instant::from_millis(5), Side::Unit, 64 << 10);
        let at = Instant::from_micros(1_234_567);
        trace.open_path(at, TracedPath { session: 9, path: 1, link: LinkId(0), name: "a\"b\n".into() });
        trace.record(at, &TraceEvent::Sent { path: 1, pn: 7, size: 1_200 });
        let mut text = String::new();
        Recording::read(&trace.save()).unwrap().write_json_lines(&mut text).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"qlog_format":"JSON-SEQ","title":"bond","vantage_point":"client","start":5.000}"#,
                r#"{"session":9,"path":1,"link":0,"name":"a\"b\u000a"}"#,
                r#"{"time":1234.567,"name":"connectivity:path_assigned","data":{"session":9,"path":1,"link":0}}"#,
                r#"{"time":1234.567,"name":"transport:packet_sent","data":{"path":1,"packet_number":7,"length":1200}}"#,
            ]
        );
    }
}
