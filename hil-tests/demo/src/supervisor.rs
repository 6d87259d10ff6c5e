//! The loop: waits for one thing, tells every service, until all are over.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Uid;

use crate::Arguments;
use crate::bus::Bus;
use crate::console::{say, show};
use crate::forward::Door;
use crate::life::State;
use crate::modems::Modems;
use crate::network::Network;
use crate::panel::{Panel, Power, Wish};
use crate::plan::{PAGE, Plan, STREAM, prepare};
use crate::report::Report;
use crate::service::Service;

/// Runs the demonstration until it is ended.
///
/// # Errors
/// When something cannot be started, or a service ends for good.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    anyhow::ensure!(Uid::effective().is_root(), "network namespaces need root: run it with sudo");
    let _only = claim(&arguments.name)?;
    // Before any thread starts, so that none of them takes a signal.
    let signals = Signals::new()?;
    let plan = Plan::new(arguments)?;
    let door = Door::open(arguments.port).with_context(|| format!("port {} for the page", arguments.port))?;
    prepare(&plan)?;
    let bus = Bus::start(&plan)?;
    let panel = Panel::start(&plan.devices, &plan.bus(), plan.panel_port)?;
    let network = Network::start(&plan)?;
    let modems = plan.modems.then(|| Modems::start(&plan)).transpose()?;
    let result = supervise(arguments, &plan, &signals, network, door, Beside { bus, panel, modems });
    std::fs::remove_dir_all(&plan.run_dir)?;
    result
}

fn supervise(
    arguments: &Arguments,
    plan: &Plan,
    signals: &Signals,
    mut network: Network,
    door: Door,
    mut beside: Beside,
) -> anyhow::Result<()> {
    let services = plan.services(arguments)?.into_iter();
    let now = Instant::now();
    let services: Result<Vec<_>, _> =
        services.map(|service| Service::new(service, &plan.run_dir, &plan.logs, now)).collect();
    let mut services = services?;
    door.lead_to(&plan.gateway_netns, PAGE)?;
    let mut story = Story::new(arguments, plan, network.pid());
    let mut ending = None;
    let mut power = Power::On;
    loop {
        let now = Instant::now();
        power = switch(power, beside.panel.take_wish(), &mut services, now)?;
        beside.panel.set_power(power)?;
        for service in &mut services {
            service.tick(now).with_context(|| service.name())?;
        }
        if let Some(modems) = &mut beside.modems {
            modems.look()?;
        }
        story.tell(&services, beside.pids())?;
        let lost = if network.is_running()? {
            let meant = |service: &Service| power != Power::On && service.is_of_unit();
            services.iter().find(|service| service.state() == State::Over && !meant(service)).map(Service::name)
        } else {
            Some("linksim")
        };
        if let (Some(name), None) = (lost, &ending) {
            ending = Some(Err(anyhow::anyhow!("{name} ended for good, see {}/{name}.log", plan.logs.display())));
            stop(&mut services)?;
        }
        if services.iter().all(|service| service.state() == State::Over) {
            break;
        }
        wait(signals, &beside.panel, &services, now)?;
        match (signals.take_end()?, &ending) {
            (false, _) => {}
            (true, None) => {
                say("demo: ending");
                ending = Some(Ok(()));
                stop(&mut services)?;
            }
            // Asked twice: dropping the services kills them.
            (true, Some(_)) => break,
        }
    }
    drop(services);
    network.stop()?;
    ending.unwrap_or(Ok(()))
}

/// What runs beside network and services.
struct Beside {
    bus: Bus,
    panel: Panel,
    modems: Option<Modems>,
}

impl Beside {
    fn pids(&self) -> BTreeMap<String, u32> {
        let mut pids = self.modems.as_ref().map(Modems::pids).unwrap_or_default();
        pids.insert("bus".into(), self.bus.pid());
        pids
    }
}

/// Has the services of the unit stop or start, as somebody wishes.
fn switch(power: Power, wish: Option<Wish>, services: &mut [Service], now: Instant) -> io::Result<Power> {
    let mut of_unit = services.iter_mut().filter(|service| service.is_of_unit());
    match (power, wish) {
        (Power::On, Some(Wish::Off)) => {
            of_unit.try_for_each(|service| service.stop(now))?;
            Ok(Power::Ending)
        }
        (Power::Ending, _) if of_unit.all(|service| service.state() == State::Over) => Ok(Power::Off),
        (Power::Off, Some(Wish::On)) => {
            of_unit.for_each(|service| service.start_again(now));
            Ok(Power::On)
        }
        (power, _) => Ok(power),
    }
}

/// Holds the name until this process ends, however it ends.
fn claim(name: &str) -> anyhow::Result<UnixListener> {
    let address = SocketAddr::from_abstract_name(format!("bondbox-demo-{name}"))?;
    UnixListener::bind_addr(&address).with_context(|| format!("a demonstration named {name} runs already"))
}

fn stop(services: &mut [Service]) -> io::Result<()> {
    let now = Instant::now();
    services.iter_mut().try_for_each(|service| service.stop(now))
}

/// Until a signal, a word from a service, or the next deadline.
fn wait(signals: &Signals, panel: &Panel, services: &[Service], now: Instant) -> anyhow::Result<()> {
    let deadline = services.iter().filter_map(Service::deadline).min();
    let time = deadline.map_or(LONGEST_WAIT, |deadline| deadline.saturating_duration_since(now).min(LONGEST_WAIT));
    // Rounded up, so that the deadline has passed when we return.
    let time = PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    let sources =
        services.iter().map(|service| service.notifications().as_fd()).chain([signals.as_fd(), panel.as_fd()]);
    let mut sources: Vec<_> = sources.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match poll(&mut sources, time) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error).context("poll"),
    }
}

/// SIGINT, SIGTERM and SIGHUP end the demonstration; SIGCHLD wakes the loop.
struct Signals {
    fd: SignalFd,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD] {
            signals.add(signal);
        }
        signals.thread_block()?;
        Ok(Self { fd: SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)? })
    }

    /// Whether one that came asks for the end.
    fn take_end(&self) -> anyhow::Result<bool> {
        let mut end = false;
        while let Some(signal) = self.fd.read_signal()? {
            end |= signal.ssi_signo != Signal::SIGCHLD as u32;
        }
        Ok(end)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What people and tests are told.
struct Story<'a> {
    plan: &'a Plan,
    page: String,
    panel: String,
    stream: String,
    linksim_pid: u32,
    told: Option<serde_json::Value>,
    welcomed: bool,
}

impl<'a> Story<'a> {
    fn new(arguments: &Arguments, plan: &'a Plan, linksim_pid: u32) -> Self {
        let page = format!("http://localhost:{}/", arguments.port);
        let stream = format!("{page}live/{STREAM}.ts");
        let panel = format!("http://localhost:{}/", plan.panel_port);
        Self { plan, page, panel, stream, linksim_pid, told: None, welcomed: false }
    }

    /// Writes `demo.json` when something changed, and once, when all is ready, where to look.
    fn tell(&mut self, services: &[Service], helpers: BTreeMap<String, u32>) -> anyhow::Result<()> {
        let report = Report {
            page: &self.page,
            panel: &self.panel,
            helpers,
            stream: &self.stream,
            logs: &self.plan.logs,
            run_dir: &self.plan.run_dir,
            unit_netns: &self.plan.unit_netns,
            gateway_netns: &self.plan.gateway_netns,
            linksim_control: &self.plan.linksim_control,
            linksim_pid: self.linksim_pid,
            links: &self.plan.links,
            services: services.iter().map(|service| (service.name(), service.into())).collect(),
        };
        let now = Some(serde_json::to_value(&report)?);
        if self.told != now {
            report.write(&self.plan.run_dir)?;
            self.told = now;
        }
        if !self.welcomed && services.iter().all(|service| matches!(service.state(), State::Ready { .. })) {
            self.welcomed = true;
            self.welcome();
        }
        Ok(())
    }

    fn welcome(&self) {
        let (page, panel, stream, links) = (&self.page, &self.panel, &self.stream, self.plan.links.join(", "));
        let (scenario, logs) = (self.plan.scenario.display(), self.plan.logs.display());
        let report = self.plan.run_dir.join("demo.json");
        let report = report.display();
        show(format_args!(
            "
  Picture, sound and links   {page}
  The unit's front panel     {panel}
  Stream for VLC or ffplay   {stream}
  Links                      {links} ({scenario})
  Logs                       {logs}
  What runs, for tests       {report}
  Ctrl-C ends it.
"
        ));
    }
}

/// Only bounds the wait; every event wakes the loop.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
