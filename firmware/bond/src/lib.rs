//! The bonding engine: live media over several bad links at once, without sockets, threads or clocks.
//!
//! A *unit* (the field box) cuts *units* of media (frames of a track, or datagrams of an opaque one) into packets and
//! spreads them over its *links*; a *gateway* puts them together again and lets each out a fixed latency after it went in.
//! [`Sender`] is the one end, [`Gateway`] the other, for any number of units. What travels is specified in `bondbox_wire`.
//!
//! Both ends are driven alike: datagrams, units and the time go in; [`Sender::poll_transmit`] and [`Sender::poll_event`] (or
//! the gateway's) are drained after each input; [`Sender::deadline`] says when to come back. So a minute of network plays in
//! a second of processor, and the same seed plays the same run.
//!
//! # Who feeds whom
//!
//! ```text
//!  push ─► sender::store ──► schedule ──► session::transmit ─► packet (seal) ─► a link's socket
//!            ▲     ▲           ▲  which bytes, which link
//!            │     │           └── path: pacing · rate · delay · liveness · mtu      one a link and session
//!            │     └ again ────────── lost, or on a link that fell silent ◄┐
//!            └ done ───────────────── acknowledged ◄──── session::receive ─┴──────── a link's socket
//!  encoder ◄─ what the links proved
//!
//!  the socket ─► gateway::endpoint ─► gateway::session ─► receiver::ack ──► acknowledgements go back
//!                  handshake, join        opens, counts └► receiver::playout ► assembly ─► Delivered
//! ```
//!
//! # The rules of sending
//!
//! - *One detector.* The receiver asks for nothing. It acknowledges with arrival times; the sender concludes.
//! - *Schedule*: each packet goes where it would arrive first, given what is queued there and for how long the link's proof is
//!   overdue; a link that would not deliver it sooner than a busy one carries nothing. First what was lost, then what a silent
//!   link holds if it is much nearer to its time, then first copies. What no link would bring in time is given up before it
//!   makes the next unit late too. [`sender::Policy`] and [`sender::LinkUse`] bend this to what the operator wants.
//! - *Pace*: every byte leaves at a rate, a little above what is proven on an empty queue and below it on a full one. A path
//!   begins, and now and then goes on, by doubling, with padding where media does not fill it.
//! - *Capacity* is what was delivered over at least 100 ms and 20 packets. Samples of a path that had too little to send
//!   only raise it; unproven, it decays to half within a minute.
//! - *Delay* above the least seen is the standing queue. The least rises only after a stretch of calm in which it falls no more;
//!   where a queue stands though less goes in than comes out, calm is made (`sender::drain`).
//! - *Liveness* is the time since proof of delivery: *suspect* takes no new media, *silent* has what it holds sent elsewhere.
//!   Both are asked now and then, and are back at the first proof. What is in flight on a link in doubt goes out elsewhere
//!   when that is the last moment to be in time, for at most 5 % of the media.
//! - *Repair*: what a later packet overtook is lost and goes out again, at once, where it arrives first and is least likely to
//!   be lost once more. A path that proved this wrong gets more patience, up to a quarter of a round trip.
//! - *Coded repair*: on links where a repair would come too late, sums over the last packets go along, over another link where that
//!   is in time, and never more than is spare. Everywhere else nothing is coded (`coding` has the figures).
//! - *Shedding*: a keyframe, or what else much hangs on, that would be late behind what waits before it finds room: of that,
//!   units of which nothing was sent go, disposable ones and then the newest first. What is hopeless goes in any case.
//! - *Encoder*: down at once, up slowly, to what the links proved less the headroom.
//!
//! # The rules of receiving
//!
//! - A unit is due at its ingest time on our clock plus the latency. It leaves then, in order, whole, or not at all.
//! - Complete later than that is *late*, and never is *lost*: each unit is counted once, as delivered, damaged, late or lost.
//!   *Damaged* are only units with holes that go out all the same, on tracks where that is asked for.
//! - What builds on a picture that is missing is flagged, up to the next keyframe; it is repaired all the same. A keyframe is asked
//!   for at most once a second, and not while one is on its way or due within a second.
//! - The map of the clocks is a line that the sender draws from all paths' delays there and back (`sender::clock` says how,
//!   and why there) and states in CLOCK frames; the receiver follows it by 1 ms/s. No link that comes, goes or moves steps it.
//! - Acknowledgements repeat what arrived in the last 120 ms, so that a lost one costs nothing.
//! - A path is answered where its newest packet came from; who does not answer a PING there is left again.
//! - A newer session of a stream replaces the older one when its first link has joined, not before, and goes on with what
//!   the older one has; what a unit said before it was started anew comes out first. A session that its unit closes puts out
//!   what it has.
//! - The latency changes while units flow, by 50 ms/s, when the gateway is told to; it says so in LATENCY frames.
//! - A session can have further *outputs* that wait longer, such as a recording. They share what arrives, and each puts out
//!   whole units, in order, once. The sender goes on with what the live output will not have, from what is to spare, and in the
//!   place of padding (`sender::session::late`).
//!
//! # Who trusts whom
//!
//! Each end has the other's key pinned, and TLS 1.3 shows that it is held. Two that do not know each other are *paired*: both are told
//! a [`PairingCode`], and in the handshake of their first session each vouches with it for its own key ([`sender::Trust`],
//! [`Gateway::open_pairing`]). From then on the keys are pinned, and the code serves nobody else.
//!
//! # Beside the media
//!
//! - *Messages* ([`channel`]) go both ways, reliable, in order and each once, within 2 % of what the links proved. They and
//!   their order outlive sessions.
//! - *Return tracks* ([`return_track`]) go from the gateway to the unit: talkback, a programme's sound.
//! - *Traces* ([`trace`]): each end keeps what happened to it lately.
//!
//! # What a peer cannot do
//!
//! Bytes from strangers are counted in [`Rejected`] and change nothing. A peer with keys may send what it likes: what it makes
//! us hold, send or compute is bounded, and other sessions notice nothing (`hostile` plays this). Where a bound is met, what
//! exceeds it is refused and counted.
//!
//! # Where this departs from the design
//!
//! - Each acknowledgement tells what arrived on one other path in the last 60 ms too, by turns, not only when that path's own
//!   way back is quiet: a way back that holds everything for a second must not make a link look dead, and at that moment it
//!   is too late to find out.
//! - What a link has proven is halved on its return only after 300 ms of silence: shorter ones are mostly a matter of lost
//!   acknowledgements.
//! - The map of the clocks takes no link's least delay for what it is: the line goes through the middle of delays there and
//!   back, each path against its own bias. Through the least delays alone it would step with every handover.
//! - Bytes that go out again travel as a frame kind of their own, MEDIA_AGAIN, so that the gateway can tell what was repaired.
//! - The rescue of what a silent link holds has no budget in percent, and neither has repair: they share the links' pace with
//!   first copies, in the order above, and what is hopeless is given up.
//! - Shedding has no threshold: a backlog of any length is left alone while what much hangs on is in time. With one (from 0.6 of
//!   the latency down to 0.3, the least important and oldest first) the tunnel lost 0.7 points more on time and twice the
//!   frames, and of frames at a quarter more than the links carry none could ever be shown, for each keyframe was late.
//! - Shedding drops single units, not the dependants of what it dropped. Dropping those too shows 3 % more frames where there is far
//!   too much and loses 0.4 to 1.9 points on time where the latency is too short for keyframes.
//! - The target of the standing queue is 40 ms, whatever a path's jitter, but how far a delay swings widely by itself is no queue: see
//!   `sender::delay`.
//! - Only critical units get duplicates.
//! - Twelve large datagrams lost in a row, not three, make a path go back to small ones: buffers that overflow drop so many.
//!
//! # What is not there yet
//!
//! Links that share a bottleneck are not told apart, and the suite's case of three in one cell holds without that.
//!
//! While nothing at all comes back, on any link, no media is sent: a stream whose ways back die for seconds stops, though its
//! ways there may work. Sending on at the rates last proven was tried, with what happens then kept out of all measurements
//! (constant streams, 600 ms, seeds 1..4; one driving link, 2.5 Mbit/s, 1..7):
//!
//! | on time, % | stopping | sending on |
//! |---|---|---|
//! | only the ways back of all three LTE links dead, twice 4 s in a minute | 86.2 | 99.4 |
//! | `tunnel`: dark both ways for 2 s | 96.3 | 97.1 |
//! | all three hold everything for 3 s | 94.6 | 93.3 |
//! | one driving link | 96.4 | 95.6 |
//!
//! What modems have held and let go of late keeps the new waiting. Nothing tells a lost way back from that while it lasts. A bound
//! on what is sent makes it worse: what is old fills the queue, and what would still be in time is not behind it. On 111 drawn
//! networks of one link, a bound of what a link takes in one latency, and nothing once it was seen to hold, lost 0.29 ± 0.29 points
//! more than stopping; sending on without bound lost 0.23 ± 0.60 less.
#![forbid(unsafe_code)]

pub mod channel;
mod coding;
mod counters;
mod crypto;
pub mod gateway;
mod handshake;
#[cfg(test)]
mod hostile;
mod ordered;
mod packet;
#[cfg(test)]
mod pair;
mod ranges;
pub mod receiver;
pub mod return_track;
pub mod sender;
pub mod trace;
mod window;

pub use coding::CodingCounters;
pub use counters::Rejected;
pub use crypto::{BadCode, BadKey, Identity, PairingCode, PairingSecret, PublicKey};
pub use gateway::Gateway;
pub use handshake::is_stream_name;
pub use sender::Sender;
