//! Who may do what to a bond, and what they cannot.
//!
//! Tests are named with their crate's module; `make fuzz` plays the drawn ones for long.
//!
//! # What is to be kept
//!
//! The picture on the air (nobody stops, delays or replaces it), its secrecy until then, the secrecy of keys, the gateway's
//! other units, and the peace of third parties whose addresses someone may borrow.
//!
//! # A stranger beside the way
//!
//! Sends what they like from where they like, in anybody's name, and sees nothing.
//!
//! * *Fill the gateway with handshakes.* 64 places for everyone, then a cookie and nothing kept, 16 places for each network
//!   that brings it back, all for three seconds: `bond::hostile::strangers::strangers_fill_64_places_…`,
//!   `a_unit_with_several_links_opens_its_session_through_a_flood_of_strangers`, `one_address_has_sixteen_places_…`.
//! * *Have the gateway flood a third party.* At most thrice the bytes that came from an address that has proven nothing, a
//!   cookie, a RESET and a word of our version never more than came: `rough_handshakes_…`, `pieces_up_to_and_past_eight_kilobytes_…`,
//!   `unknown_indices_are_answered_a_hundred_times_a_second_and_never_with_more`,
//!   `bond::hostile::refusals::a_handshake_of_another_version_is_answered_with_two_bytes_and_never_with_more`.
//! * *Inject or change media.* They have no keys: the tag fails, which is counted. `bond::crypto::keys` gives up a session
//!   at the cipher's integrity limit. Indices and handshake ids are drawn, but nothing rests on their secrecy.
//! * *Feed a decoder what it does not expect.* Every decoder is total: `wire/tests/properties.rs`, `bond::handshake::params`,
//!   `media/tests/properties.rs`, `ipc/tests/fuzz.rs`.
//! * *Spend the gateway's RESETs* (a hundred a second for all): a unit whose session is gone finds out by a second of silence.
//!
//! # Who listens on the way
//!
//! * *Learns* addresses, sizes, times, which units (their public keys) talk to which gateway, and the streams' names: TLS 1.3
//!   as in QUIC hides certificates, but transport parameters of the first flight are plain. It learns no frame. What is
//!   recorded today stays closed when long-term keys leak, and, by the hybrid key exchange, when a quantum computer comes.
//! * *Replays.* A window for each path refuses it, path ids are used once: `wire::ReplayWindow`,
//!   `a_captured_join_does_not_open_its_path_a_second_time`, `sim/tests/sessions.rs`: `a_replayed_capture_does_nothing`.
//! * *Forges a RESET.* It is not authenticated, so all that follows is a session beside the old one, at most once in five
//!   seconds, and no unit of media is lost: `a_storm_of_forged_resets_opens_one_session_in_five_seconds`,
//!   `bond::hostile::replaced::a_forged_reset_costs_a_handshake_and_no_media`.
//! * *Sends copies, faster than the originals, from elsewhere.* Addresses are asked with tokens that nobody can guess, and
//!   the one that was there is told everything meanwhile: `bond::hostile::elsewhere`.
//! * *Tells a unit in the gateway's name that it is not let in*, or that another version is spoken: the first is sealed, so that
//!   nobody else can say it; the second is shown where nothing else was heard, and changes nothing:
//!   `bond::hostile::refusals::a_refusal_is_read_with_the_keys_of_its_own_handshake_and_no_others`.
//! * *Spoils a handshake* by sending bytes in its place: the attempt fails, and the unit begins anew within seconds, on all
//!   links. Who can do so on every link at once keeps the unit off the air; so does cutting the links.
//!
//! # Who holds the way
//!
//! Delays, drops, reorders, changes. Dropping is what bad links do, and what the bond is for: one link less. Holding all links
//! is holding the unit's air. Nothing that is changed opens, nothing that is old is taken, and no media is shown later than
//! its time. Packets held over a change of keys still open: `packets_that_a_modem_held_for_three_seconds_…`. Who relays
//! both ways of a path faster than it is *is* the path.
//!
//! # A paired unit that is hostile
//!
//! Holds keys of its own, and may send any frame at any time.
//!
//! * *Make the gateway hold or compute without bound*: 32 MiB, 16 tracks and 32 paths a session, 8 sessions, answers in
//!   proportion: `bond::hostile::unit_side`, `a_rogue_unit_may_do_anything`, `media_that_is_never_due_takes_a_bounded_room`.
//! * *Harm another unit*: `a_rogue_unit_harms_no_other`. Streams are named by the unit's key first, so that it can neither
//!   replace nor name another's.
//! * *Show what it likes in its own stream*: it is its own.
//!
//! # A hostile gateway, or one whose key was stolen
//!
//! It is the pinned one, so it sees and may drop all media of its units. It cannot make a unit panic, spin, hold or send
//! without bound, or ask its encoder for more than two keyframes a second: `bond::hostile::gateway_side`. It may have the
//! unit blink; the panel is told once for all who ask at a time, sixteen at most: `uplink::panel::search`. Another gateway
//! is refused and named: `a_gateway_with_another_key_gets_no_session_and_is_named`.
//!
//! # Who meddles with pairing
//!
//! A unit and a gateway that do not know each other are told one code of 80 bits. Inside the handshake that shows that it holds
//! its key, each says an HMAC of that key under the code (`bond::crypto::pairing`).
//!
//! * *Take the gateway's place*: the unit gives up before it has shown its key to anybody who does not prove the code:
//!   `bond::hostile::pairing::a_gateway_that_does_not_know_the_code_never_sees_the_units_key`. A proof that was heard is of
//!   another's key: `a_gateway_cannot_use_what_another_says_of_its_own_key`.
//! * *Be let in without the code*: `an_open_code_lets_nobody_in_who_does_not_know_it`, `a_proof_of_another_code_or_of_another_units_key_lets_nobody_in`.
//!   A code serves once, for ten minutes, and four at a time are open.
//! * *Find the code out* from a proof that was heard, by trying: 2^80 HMACs, and it is of use for minutes. Codes on labels are for
//!   good: who reads a label can pair that unit, with a gateway whose address it has, as who presses its key can.
//!
//! # A stolen unit
//!
//! Its key is on it and opens sessions in its name until it is revoked, which ends them at once:
//! `a_revoked_unit_is_off_at_once_and_stays_off`. It opens nothing that was recorded of earlier sessions. In a running
//! process long-term keys are overwritten when they go, and are in no text: `bond::crypto::identity`.
//!
//! # What is not covered
//!
//! Hiding who talks to whom, when and how much. Who holds every link at once. Reading memory or storage of a running unit;
//! keys that lie on its disk are guarded by the disk. Who sees a pairing code before the unit that it is meant for has used it. Who
//! may read the gateway's outputs and use its page, which lets units in and takes them out. Secrets that rustls
//! moves on its own stack; what it and aws-lc keep on the heap they overwrite themselves.
