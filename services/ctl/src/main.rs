//! `bondboxctl`: every command of every socket from a shell, and what each service says.
//!
//! `bondboxctl status` says in a few lines how the unit is, `bondboxctl top` goes on saying it. Whatever has no verb of its own is
//! said as it travels: `bondboxctl send uplink '{"RemoveLink":"wwan1"}'`. With `--json` every answer is one JSON value.

mod ask;
mod done;
mod install;
mod modems;
mod selftest;
mod show;
mod support;
mod top;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bondbox_ipc::capture::{self, Capture};
use bondbox_ipc::modems::Modems;
use bondbox_ipc::panel::{self, Action, Key, Panel};
use bondbox_ipc::uplink::{self, Uplink};
use bondbox_units::Bitrate;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use serde_json::Value;

use ask::{Ask, Service};
use done::Done;

/// Says what the services of this unit do, and has them do things.
#[derive(Parser)]
#[command(name = "bondboxctl", version)]
struct Command {
    #[command(flatten)]
    how: How,
    #[command(subcommand)]
    verb: Verb,
}

/// How it is asked and told.
#[derive(Args, Clone, Debug)]
struct How {
    /// Answer with one JSON value.
    #[arg(long, global = true)]
    json: bool,
    /// Where the sockets of the services live.
    #[arg(long, global = true, value_name = "DIR", default_value = "/run/bondbox")]
    run_dir: PathBuf,
    /// How long an effect is waited for: 30 seconds, five minutes for pairing, and half an hour for bands that are spread.
    #[arg(long, global = true, value_name = "SECONDS")]
    patience_s: Option<u64>,
}

impl How {
    fn patience(&self, verb: &Verb) -> Duration {
        let usual = match verb {
            Verb::Modems(verb) => verb.patience_s(),
            // The unit says itself when it gives up.
            Verb::Uplink(UplinkVerb::Pair { .. }) | Verb::Panel(PanelVerb::Do { action: PanelAction::Pair }) => 310,
            _ => 30,
        };
        Duration::from_secs(self.patience_s.unwrap_or(usual))
    }
}

#[derive(Subcommand)]
enum Verb {
    /// How the unit is, in a few lines.
    Status,
    /// The same, again and again.
    Top(top::Top),
    /// Every link, and what it carries.
    Links,
    /// The bond's sending end.
    #[command(subcommand)]
    Uplink(UplinkVerb),
    /// Camera and encoder.
    #[command(subcommand)]
    Capture(CaptureVerb),
    /// Lights and keys.
    #[command(subcommand)]
    Panel(PanelVerb),
    /// The pack, and how long it lasts.
    Battery,
    /// Whether an update may be installed now, which RAUC asks before each; fails where not.
    MayInstall,
    /// Modems and every interface.
    Modems(modems::Verb),
    /// Have a service do what it understands, said in JSON as it travels: send capture '"ForceKeyframe"'.
    Send { service: Service, command: String },
    /// Walks through everything that can be tried without harm, and says what does not work.
    Selftest(selftest::Selftest),
    /// Packs what somebody needs who shall find out what went wrong. Keys and passwords are left out.
    Support(support::Support),
}

#[derive(Subcommand)]
enum UplinkVerb {
    /// What it does now.
    Status,
    /// Send over this interface, too.
    AddLink { interface: String },
    /// Send over this interface no more.
    RemoveLink { interface: String },
    /// Belong to the gateway that knows this code, too, and wait until a session with it is open: five minutes at most.
    Pair {
        /// As the gateway's page shows it; without one, the code on the unit's label, which somebody types in there.
        code: Option<String>,
        /// HOST:PORT of the gateway, where the unit's settings name none.
        #[arg(long, value_name = "HOST:PORT")]
        gateway: Option<String>,
    },
    /// Belong to no gateway any more, or give up looking for one.
    Unpair,
}

#[derive(Subcommand)]
enum CaptureVerb {
    /// What it does now.
    Status,
    /// Go on the air.
    Start,
    /// Go off the air on purpose, also for the next start.
    Stop,
    /// Go off the air because power goes, to be on it again when it is back.
    Suspend,
    /// Encode video at this rate, or at the encoder's ceiling where that is less; the answer says which.
    Bitrate {
        /// In kbit/s.
        #[arg(value_parser = value_parser!(u64).range(100..=50_000))]
        kbps: u64,
    },
    /// Make the next picture a keyframe.
    Keyframe,
    /// Take the picture from there: test, slate, /dev/videoN or a file.
    Source { source: String },
}

#[derive(Subcommand)]
enum PanelVerb {
    /// What it shows and knows.
    Status,
    /// Does what a key would, and waits until the effect was seen.
    Do { action: PanelAction },
    /// Presses a key for as long as a finger would.
    Press {
        key: PanelKey,
        /// Longer is a hold.
        #[arg(long, default_value_t = 150)]
        ms: u64,
    },
    /// Says that an update is being installed, or no longer.
    Updating {
        /// true or false.
        #[arg(action = clap::ArgAction::Set)]
        updating: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum PanelAction {
    Start,
    Stop,
    Profile,
    Pair,
    /// Blink for half a minute from now.
    Identify,
    /// Blink no more.
    Found,
    PowerOff,
    FactoryReset,
}

#[derive(Clone, Copy, ValueEnum)]
enum PanelKey {
    Start,
    Select,
}

fn main() -> ExitCode {
    let command = Command::parse();
    let reactor = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(reactor) => reactor,
        Err(error) => return failed(&error.into()),
    };
    match reactor.block_on(run(command)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("bondboxctl: {error:#}");
    ExitCode::FAILURE
}

async fn run(Command { how, verb }: Command) -> anyhow::Result<ExitCode> {
    let ask = Ask::new(&how.run_dir, how.patience(&verb));
    let json = how.json;
    match verb {
        Verb::Status => show::print(json, &ask.all().await, show::status),
        Verb::Top(top) => top.run(&ask, json).await?,
        Verb::Links | Verb::Uplink(UplinkVerb::Status) => {
            show::print(json, &ask.state::<Uplink>().await?, show::uplink);
        }
        Verb::Uplink(UplinkVerb::AddLink { interface }) => {
            done(json, &ask.command::<Uplink>(uplink::Command::AddLink(interface)).await?);
        }
        Verb::Uplink(UplinkVerb::RemoveLink { interface }) => {
            done(json, &ask.command::<Uplink>(uplink::Command::RemoveLink(interface)).await?);
        }
        Verb::Uplink(UplinkVerb::Pair { code, gateway }) => {
            let (gateway, code) = (gateway.unwrap_or_default(), code.unwrap_or_default());
            done(json, &ask.command::<Uplink>(uplink::Command::Pair { gateway, code }).await?);
        }
        Verb::Uplink(UplinkVerb::Unpair) => done(json, &ask.command::<Uplink>(uplink::Command::Unpair).await?),
        Verb::Capture(verb) => {
            let command = match verb {
                CaptureVerb::Status => {
                    show::print(json, &ask.state::<Capture>().await?, show::capture);
                    return Ok(ExitCode::SUCCESS);
                }
                CaptureVerb::Start => capture::Command::Start,
                CaptureVerb::Stop => capture::Command::Stop,
                CaptureVerb::Suspend => capture::Command::Suspend,
                CaptureVerb::Bitrate { kbps } => capture::Command::SetBitrate(Bitrate::from_kbps(kbps)),
                CaptureVerb::Keyframe => capture::Command::ForceKeyframe,
                CaptureVerb::Source { source } => capture::Command::SetSource(source),
            };
            done(json, &ask.command::<Capture>(command).await?);
        }
        Verb::Panel(verb) => panel(&ask, json, verb).await?,
        Verb::Battery => {
            let state = ask.state::<Panel>().await?;
            show::print(json, &show::Power::of(&state), show::battery);
        }
        Verb::MayInstall => return Ok(install::judge(ask.state::<Panel>().await).tell(json)),
        Verb::Modems(verb) => match verb.command(&ask).await? {
            None => show::print(json, &ask.state::<Modems>().await?, show::modems),
            Some(command) => done(json, &ask.command::<Modems>(command).await?),
        },
        // It answers as it was asked.
        Verb::Send { service, command } => show::print(true, &ask.send(service, &command).await?, Value::to_string),
        Verb::Selftest(selftest) => return Ok(selftest.run(&ask, json).await),
        Verb::Support(support) => support.run(&ask, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn panel(ask: &Ask, json: bool, verb: PanelVerb) -> anyhow::Result<()> {
    let command = match verb {
        PanelVerb::Status => {
            show::print(json, &ask.state::<Panel>().await?, show::panel);
            return Ok(());
        }
        PanelVerb::Do { action } => panel::Command::Do(match action {
            PanelAction::Start => Action::Start,
            PanelAction::Stop => Action::Stop,
            PanelAction::Profile => Action::Profile,
            PanelAction::Pair => Action::Pair,
            PanelAction::Identify => Action::Identify,
            PanelAction::Found => Action::Found,
            PanelAction::PowerOff => Action::PowerOff,
            PanelAction::FactoryReset => Action::FactoryReset,
        }),
        PanelVerb::Press { key, ms } => {
            let key = match key {
                PanelKey::Start => Key::Start,
                PanelKey::Select => Key::Select,
            };
            ask.command::<Panel>(panel::Command::Down(key)).await?;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            panel::Command::Up(key)
        }
        PanelVerb::Updating { updating } => panel::Command::Updating(updating),
    };
    done(json, &ask.command::<Panel>(command).await?);
    Ok(())
}

fn done<D: serde::Serialize + Done>(json: bool, done: &D) {
    show::print(json, done, Done::words);
}
