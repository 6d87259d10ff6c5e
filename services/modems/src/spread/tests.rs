use bondbox_modem::Network;

use super::*;

/// An older band, B3, B7 and B20.
const ALL: [u32; 4] = [6, 33, 37, 50];
/// What the first and the second of two modems get of them.
const FIRST: [u32; 3] = [6, 33, 50];
const SECOND: [u32; 2] = [6, 37];

struct World {
    modems: BTreeMap<Port, Modem>,
    /// Whether other links work.
    spare: bool,
}

impl View for World {
    fn modem(&self, port: &Port) -> Option<&Modem> {
        self.modems.get(port)
    }

    fn is_spare(&self, _: &Port) -> bool {
        self.spare
    }
}

impl World {
    fn of(ports: &[&str]) -> Self {
        let modem = |port: &&str| {
            let modem = Modem {
                path: format!("/modem/{port}"),
                equipment: format!("IMEI of {port}"),
                state: State::Connected,
                network: Network { code: "26201".into(), ..Network::default() },
                bands: ALL.to_vec(),
                bands_allowed: ALL.to_vec(),
                ..Modem::default()
            };
            (Port::named(port), modem)
        };
        Self { modems: ports.iter().map(modem).collect(), spare: true }
    }

    fn plan(&self) -> Option<Vec<Lock>> {
        plan(self.modems.iter().map(|(port, modem)| (port, modem, None)))
    }

    fn spreading(&self) -> Spreading {
        Spreading::new(self.plan().unwrap())
    }

    fn modem_in(&mut self, port: &str) -> &mut Modem {
        self.modems.get_mut(&Port::named(port)).unwrap()
    }

    fn becomes(&mut self, port: &str, state: State, bands: &[u32]) {
        let modem = self.modem_in(port);
        (modem.state, modem.bands_allowed) = (state, bands.to_vec());
    }

    /// The first modem is told at 0 and has its bands, and the second is told at 11.
    fn first_has_its_bands(&mut self) -> Spreading {
        let mut spreading = self.spreading();
        assert_eq!(spreading.look(at(0), self), set("a", &FIRST));
        spreading.answered(at(1), &Port::named("a"), &FIRST, Ok(()));
        self.becomes("a", State::Connected, &FIRST);
        assert_eq!(spreading.look(at(1), self), Next::Wait);
        assert_eq!(spreading.look(at(11), self), set("b", &SECOND));
        spreading
    }
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(1_000_000 + seconds * 1_000)
}

fn set(port: &str, bands: &[u32]) -> Next {
    Next::Set(Port::named(port), format!("/modem/{port}"), bands.to_vec())
}

fn failed(port: &str, why: Why, left: &[(&str, Why)]) -> Next {
    let left = left.iter().map(|(port, why)| (Port::named(port), why.clone())).collect();
    Next::Failed(Failure { port: Port::named(port), why, left })
}

fn refused(error: &str) -> Why {
    Why::Refused(error.into())
}

#[test]
fn modems_get_their_bands_one_after_the_other_each_when_the_one_before_is_served() {
    let mut world = World::of(&["a", "b"]);
    let mut spreading = world.spreading();
    assert_eq!(spreading.look(at(0), &world), set("a", &FIRST));
    assert!(spreading.is_at(&Port::named("a")) && !spreading.is_at(&Port::named("b")));
    world.becomes("a", State::Searching, &FIRST);
    assert_eq!(spreading.look(at(20), &world), Next::Wait);
    world.becomes("a", State::Registered, &FIRST);
    assert_eq!([21, 30].map(|second| spreading.look(at(second), &world)), [Next::Wait, Next::Wait]);
    assert_eq!(spreading.look(at(31), &world), set("b", &SECOND));
    assert!(spreading.is_at(&Port::named("b")) && !spreading.is_at(&Port::named("a")));
    world.becomes("b", State::Connected, &[37, 6]);
    assert_eq!(spreading.look(at(32), &world), Next::Wait);
    assert_eq!(spreading.look(at(42), &world), Next::Done);
    assert_eq!(world.plan(), Some(vec![]), "whoever asks again changes nothing");
}

#[test]
fn a_modem_that_no_network_takes_in_sends_all_back_to_their_old_bands() {
    let mut world = World::of(&["a", "b"]);
    let mut spreading = world.first_has_its_bands();
    spreading.answered(at(12), &Port::named("b"), &SECOND, Ok(()));
    world.becomes("b", State::Searching, &SECOND);
    assert_eq!(spreading.look(at(100), &world), Next::Wait);
    assert_eq!(spreading.look(at(101), &world), set("b", &ALL));
    spreading.answered(at(102), &Port::named("b"), &ALL, Ok(()));
    assert_eq!(spreading.look(at(102), &world), Next::Wait);
    world.becomes("b", State::Searching, &ALL);
    assert_eq!(spreading.look(at(103), &world), set("a", &ALL));
    world.becomes("a", State::Searching, &ALL);
    assert_eq!(spreading.look(at(104), &world), Next::Wait, "it has not said that it is done");
    spreading.answered(at(105), &Port::named("a"), &ALL, Ok(()));
    let end = spreading.look(at(105), &world);
    assert_eq!(end, failed("b", Why::NotServed, &[]));
    let Next::Failed(failure) = end else { unreachable!() };
    assert_eq!(failure.to_string(), "b: no network took it in with them; every modem has the bands that it had");
}

#[test]
fn a_service_that_flickers_is_none() {
    let mut world = World::of(&["a", "b"]);
    let mut spreading = world.spreading();
    spreading.look(at(0), &world);
    for second in 1..90 {
        let state = if second % 8 == 0 { State::Searching } else { State::Registered };
        world.becomes("a", state, &FIRST);
        assert_eq!(spreading.look(at(second), &world), Next::Wait);
    }
    world.becomes("a", State::Searching, &FIRST);
    assert_eq!(spreading.look(at(90), &world), set("a", &ALL));
}

#[test]
fn one_refusal_sends_all_back() {
    let mut world = World::of(&["a", "b"]);
    let mut spreading = world.first_has_its_bands();
    spreading.answered(at(12), &Port::named("a"), &FIRST, Err("of before"));
    spreading.answered(at(12), &Port::named("b"), &[33], Err("of another command"));
    assert_eq!(spreading.look(at(12), &world), Next::Wait);
    spreading.answered(at(13), &Port::named("b"), &SECOND, Err("invalid bands"));
    // The second still has its old bands, and nothing is under way with it.
    assert_eq!(spreading.look(at(13), &world), set("a", &ALL));
    spreading.answered(at(14), &Port::named("a"), &ALL, Ok(()));
    world.becomes("a", State::Connected, &ALL);
    assert_eq!(spreading.look(at(14), &world), failed("b", refused("invalid bands"), &[]));
}

#[test]
fn what_is_not_taken_back_is_said_and_the_others_are_taken_back_all_the_same() {
    let mut world = World::of(&["a", "b", "c"]);
    world.modems.values_mut().for_each(|modem| modem.bands = vec![33, 37, 50]);
    world.modems.values_mut().for_each(|modem| modem.bands_allowed = vec![256]);
    let mut spreading = world.spreading();
    for (second, port, band) in [(0, "a", 33), (20, "b", 37), (40, "c", 50)] {
        assert_eq!(spreading.look(at(second), &world), set(port, &[band]));
        spreading.answered(at(second), &Port::named(port), &[band], Ok(()));
        world.becomes(port, if port == "c" { State::Searching } else { State::Connected }, &[band]);
        assert_eq!(spreading.look(at(second + 1), &world), Next::Wait);
    }
    let any = [33, 37, 50];
    assert_eq!(spreading.look(at(130), &world), set("c", &any));
    // One shows its old ones never, one refuses them, one has them.
    spreading.answered(at(131), &Port::named("c"), &any, Ok(()));
    assert_eq!(spreading.look(at(189), &world), Next::Wait);
    assert_eq!(spreading.look(at(190), &world), set("b", &any));
    spreading.answered(at(191), &Port::named("b"), &any, Err("timed out"));
    assert_eq!([191, 194].map(|second| spreading.look(at(second), &world)), [Next::Wait, Next::Wait]);
    assert_eq!(spreading.look(at(195), &world), set("b", &any), "it may have been busy");
    spreading.answered(at(249), &Port::named("b"), &any, Err("timed out"));
    assert_eq!(spreading.look(at(250), &world), set("a", &any));
    spreading.answered(at(251), &Port::named("a"), &any, Ok(()));
    world.becomes("a", State::Connected, &[256]);
    let end = spreading.look(at(251), &world);
    assert_eq!(end, failed("c", Why::NotServed, &[("c", Why::NotTaken), ("b", refused("timed out"))]));
    let Next::Failed(failure) = end else { unreachable!() };
    assert!(failure.to_string().ends_with("that it had: c: it did not take them, b: refused (timed out)"), "{failure}");
}

#[test]
fn bands_that_are_accepted_and_never_shown_are_not_taken() {
    let world = World::of(&["a", "b"]);
    let mut spreading = world.spreading();
    spreading.look(at(0), &world);
    // What it was told is still under way: it is told its old ones lest that comes true late.
    assert_eq!(spreading.look(at(90), &world), set("a", &ALL));
    spreading.answered(at(91), &Port::named("a"), &FIRST, Err("of before"));
    assert_eq!(spreading.look(at(91), &world), Next::Wait);
    spreading.answered(at(92), &Port::named("a"), &ALL, Ok(()));
    assert_eq!(spreading.look(at(92), &world), failed("a", Why::NotTaken, &[]));
}

#[test]
fn a_modem_that_appears_anew_for_its_bands_is_waited_for() {
    let mut world = World::of(&["a", "b"]);
    let mut spreading = world.spreading();
    spreading.look(at(0), &world);
    let mut modem = world.modems.remove(&Port::named("a")).unwrap();
    assert_eq!(spreading.look(at(1), &world), Next::Wait);
    (modem.path, modem.bands_allowed) = ("/modem/9".into(), FIRST.to_vec());
    world.modems.insert(Port::named("a"), modem);
    assert_eq!(spreading.look(at(60), &world), Next::Wait);
    assert_eq!(spreading.look(at(70), &world), set("b", &SECOND));
}

#[test]
fn a_modem_that_vanishes_midway_is_said_and_the_others_are_taken_back() {
    let mut world = World::of(&["a", "b"]);
    let mut spreading = world.first_has_its_bands();
    world.modems.remove(&Port::named("b"));
    assert_eq!(spreading.look(at(100), &world), Next::Wait);
    assert_eq!(spreading.look(at(101), &world), Next::Wait, "it may come back, and have them");
    // Another modem in its port is not told anything.
    let other = Modem { equipment: "another".into(), ..World::of(&["b"]).modem_in("b").clone() };
    world.modems.insert(Port::named("b"), other);
    assert_eq!(spreading.look(at(160), &world), Next::Wait);
    assert_eq!(spreading.look(at(161), &world), set("a", &ALL));
    spreading.answered(at(162), &Port::named("a"), &ALL, Ok(()));
    world.becomes("a", State::Connected, &ALL);
    assert_eq!(spreading.look(at(162), &world), failed("b", Why::Gone, &[("b", Why::Gone)]));
}

#[test]
fn a_modem_that_is_gone_when_its_turn_comes_is_said() {
    let mut world = World::of(&["a", "b"]);
    let mut spreading = world.spreading();
    world.modems.clear();
    assert_eq!(spreading.look(at(0), &world), failed("a", Why::Gone, &[]));
}

#[test]
fn the_last_link_that_works_is_waited_for_and_never_touched() {
    let mut world = World { spare: false, ..World::of(&["a", "b"]) };
    let mut spreading = world.spreading();
    assert_eq!([0, 59].map(|second| spreading.look(at(second), &world)), [Next::Wait, Next::Wait]);
    assert!(!spreading.is_at(&Port::named("a")));
    assert_eq!(spreading.look(at(60), &world), failed("a", Why::OnlyLink, &[]));
    let mut spreading = world.spreading();
    assert_eq!(spreading.look(at(0), &world), Next::Wait);
    world.spare = true;
    assert_eq!(spreading.look(at(5), &world), set("a", &FIRST));
}

#[test]
fn the_last_link_that_works_is_not_touched_to_be_given_its_old_bands() {
    let mut world = World::of(&["a", "b"]);
    let mut spreading = world.first_has_its_bands();
    spreading.answered(at(12), &Port::named("b"), &SECOND, Err("invalid bands"));
    world.spare = false;
    assert_eq!(spreading.look(at(12), &world), Next::Wait);
    assert_eq!(spreading.look(at(71), &world), Next::Wait);
    let left = [("a", Why::OnlyLink)];
    assert_eq!(spreading.look(at(72), &world), failed("b", refused("invalid bands"), &left));
}

#[test]
fn each_keeps_its_older_bands_as_they_are() {
    let mut world = World::of(&["a", "b"]);
    world.modem_in("a").bands_allowed = vec![33, 37, 50];
    assert_eq!(world.plan().unwrap(), [(Port::named("a"), vec![33, 50]), (Port::named("b"), SECOND.to_vec())]);
}

#[test]
fn operators_do_not_share_and_who_is_in_no_network_takes_no_part() {
    let mut world = World::of(&["a", "b"]);
    world.modem_in("b").network.code = "26202".into();
    assert_eq!(world.plan(), None);
    let mut world = World::of(&["a", "b"]);
    world.becomes("b", State::Searching, &ALL);
    assert_eq!(world.plan(), None);
    let mut world = World::of(&["a", "b"]);
    world.modems.values_mut().for_each(|modem| modem.bands = vec![0]);
    assert_eq!(world.plan(), None, "nothing is known of their bands");
}
