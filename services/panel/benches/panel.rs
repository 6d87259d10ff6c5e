//! How long somebody in front of the panel waits: from a press to the lights that answer it, and from the death of the service to
//! lights and a socket that are right again.
//!
//! The service is a process, as on a unit: a key is an event as the kernel writes it, a light is what stands in the files of the
//! kernel's `leds` class, and who restarts the service waits as long as its unit file says. The design allows a press 50 ms, of
//! which the debounce takes 10, and a service that was killed two seconds.

#[path = "../tests/unit/mod.rs"]
mod unit;

use std::time::{Duration, Instant};

use bondbox_daemon::ipc::Event;
use bondbox_ipc::capture::Picture;
use bondbox_ipc::panel::{Answer, Lights, Meaning};
use bondbox_panel_core::lights;
use unit::{PROFILES, SELECT, Unit, ended, in_time, start};

const PRESSES: usize = 200;
const KILLS: usize = 20;
/// RestartSec= of overlay/usr/lib/systemd/system/bondbox-panel.service.
const RESTART: Duration = Duration::from_millis(200);

fn main() {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a reactor");
    reactor.block_on(async {
        print(build, "from a press to its light", &presses().await);
        print(build, "from kill -9 to lights and a state that are right", &kills().await);
    });
}

/// Each is a click that has the unit blink to be found, or not any more: its lights change by nothing but that.
async fn presses() -> Vec<Duration> {
    let mut unit = Unit::new(Picture::Stopped).await;
    unit.until_meaning(Meaning::Ready).await;
    let mut took = Vec::with_capacity(PRESSES);
    for number in 0..PRESSES {
        let answered = lights::answer(Answer::Heard, unit.lights());
        let pressed = Instant::now();
        unit.key(SELECT, 1);
        took.push(until_shown(&unit, answered, pressed));
        unit.key(SELECT, 0);
        unit.until_meaning(if number % 2 == 0 { Meaning::Identify } else { Meaning::Ready }).await;
        // So that no two presses meet the service's own clocks alike.
        tokio::time::sleep(Duration::from_millis(number as u64 * 7 % 40)).await;
    }
    took
}

/// On the air; meanwhile the lights say that the service has failed, as its unit file has them.
async fn kills() -> Vec<Duration> {
    let mut unit = Unit::new(Picture::Live).await;
    unit.until_meaning(Meaning::OnAir).await;
    let mut took = Vec::with_capacity(KILLS);
    for _ in 0..KILLS {
        let killed = Instant::now();
        unit.service.kill().expect("it runs");
        unit.service.wait().expect("it ran");
        ended(&unit, PROFILES, "signal");
        std::thread::sleep(RESTART);
        unit.service = start(unit.folder.path(), &unit.system.address);
        in_time(async { while !matches!(unit.panel.event().await, Event::Disconnected(_)) {} }).await;
        unit.until_meaning(Meaning::OnAir).await;
        took.push(until_shown(&unit, lights::of(Meaning::OnAir, true), killed));
    }
    took
}

/// How long after `since` all three lights say this.
fn until_shown(unit: &Unit, wanted: Lights, since: Instant) -> Duration {
    while unit.lights_now() != Some(wanted) {
        assert!(since.elapsed() < Duration::from_secs(60), "it hangs: {:?} are lit", unit.lights_now());
        std::thread::sleep(LOOK);
    }
    since.elapsed()
}

/// Well below what is measured.
const LOOK: Duration = Duration::from_micros(100);

fn print(build: &str, what: &str, took: &[Duration]) {
    let mut sorted = took.to_vec();
    sorted.sort();
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    let (median, worst) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    println!(
        "{what}: {:.1} ms in the median, {:.1} ms the worst of {} ({build} build)",
        ms(median),
        ms(worst),
        took.len()
    );
}
