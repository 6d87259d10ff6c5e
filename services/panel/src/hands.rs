//! Does what was decided.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bondbox_daemon::ipc::Commander;
use bondbox_ipc::Protocol;
use bondbox_ipc::capture::{self, Command};
use bondbox_ipc::panel::Action;
use bondbox_ipc::uplink;
use bondbox_panel_core::tasks::Hands;
use bondbox_panel_core::{Failure, Output};
use bondbox_panel_devices::thermal::Fan;
use bondbox_system::System;
use tokio::sync::mpsc;

use crate::devices::Lamps;
use crate::service::{Desk, name_of};
use crate::settings::Settings;

/// Lights, fan, and those who do the rest.
pub(crate) struct Crew<S> {
    pub(crate) settings: Rc<Settings>,
    pub(crate) desk: Rc<Desk>,
    pub(crate) lamps: Rc<RefCell<Lamps>>,
    pub(crate) fan: Option<Box<dyn Fan>>,
    pub(crate) capture: Commander<capture::Capture>,
    pub(crate) uplink: Commander<uplink::Uplink>,
    /// The whole unit.
    pub(crate) system: Arc<S>,
    /// What came of actions, where nothing else shows it.
    pub(crate) told: mpsc::UnboundedSender<(Action, Result<(), String>)>,
}

impl<S: System> Hands for Crew<S> {
    async fn carry_out(&mut self, output: Output) {
        match output {
            Output::Lights(lights) => self.lamps.borrow_mut().show(lights, &self.desk),
            Output::Fan(percent) => {
                if let Some(fan) = &mut self.fan {
                    match fan.turn(percent) {
                        Ok(()) => self.desk.works("fan"),
                        Err(error) => self.desk.fails("fan", &error),
                    }
                }
            }
            Output::Suspend => {
                tracing::info!("capture is suspended: power does not last");
                let capture = self.capture.clone();
                tokio::spawn(async move {
                    if let Err(error) = capture.command(Command::Suspend, PATIENCE).await {
                        tracing::error!(%error, "the stream is not ended cleanly");
                    }
                });
            }
            Output::Do(action) => {
                tracing::info!(?action, "asked for");
                self.have_done(action);
            }
            Output::Fault(service, Some(trouble)) => {
                let why = self.desk.why(service, trouble);
                tracing::error!(service = name_of(service), why, "a service is gone and does not come back");
            }
            Output::Fault(service, None) => tracing::info!(service = name_of(service), "the service is back"),
            Output::Ended(action, failure) => {
                tracing::info!(?action, ?failure, "ended");
                self.desk.ended(action, failure.map(|failure| in_words(action, failure)));
            }
        }
    }
}

impl<S: System> Crew<S> {
    fn have_done(&self, action: Action) {
        match action {
            Action::Start => self.tell_capture(action, Command::Start),
            Action::Stop => self.tell_capture(action, Command::Stop),
            Action::Profile => match self.desk.next_profile(&self.settings.profile) {
                Some(profile) => self.tell_capture(action, Command::SetSource(profile.source.clone())),
                None => self.refuse(action, "panel.toml has no profiles to choose from"),
            },
            // With the code on its label, and the gateway of its settings.
            Action::Pair => {
                let (gateway, code) = (String::new(), String::new());
                self.tell(action, "uplink", &self.uplink, uplink::Command::Pair { gateway, code }, PAIRING);
            }
            Action::PowerOff | Action::FactoryReset => {
                let (system, told) = (self.system.clone(), self.told.clone());
                tokio::spawn(async move {
                    let done = match action {
                        Action::FactoryReset => system.factory_reset().await,
                        _ => system.power_off().await,
                    };
                    let _ = told.send((action, done.map_err(|error| error.to_string())));
                });
            }
            // Light is all there is to it.
            Action::Identify | Action::Found | Action::Test(_) | Action::EndTest => {}
        }
    }

    fn tell_capture(&self, action: Action, command: Command) {
        self.tell(action, "capture", &self.capture, command, PATIENCE);
    }

    fn tell<P>(&self, action: Action, name: &'static str, to: &Commander<P>, command: P::Command, patience: Duration)
    where
        P: Protocol + 'static,
        P::Command: Send + 'static,
    {
        let (to, told) = (to.clone(), self.told.clone());
        tokio::spawn(async move {
            // Its effect is seen in the other's state.
            if let Err(error) = to.command(command, patience).await {
                // Who asked may be gone.
                let _ = told.send((action, Err(format!("{name}: {error}"))));
            }
        });
    }

    fn refuse(&self, action: Action, why: &str) {
        let _ = self.told.send((action, Err(why.into())));
    }
}

fn in_words(action: Action, failure: Failure) -> String {
    let words = match failure {
        Failure::NotNow if matches!(action, Action::Test(_)) => {
            "lights and keys are tried off the air, with nothing under way and no finger on a key"
        }
        Failure::NoEffect if matches!(action, Action::Test(_)) => "it was not pressed and let go in time",
        Failure::OtherKey => "the other key was pressed",
        Failure::NotNow => "not now: hold to stop; resetting is for a unit off the air",
        Failure::Refused => "refused",
        Failure::NoEffect => "nothing came of it in time",
        Failure::CalledOff => "called off",
        Failure::Replaced => "something else was asked for",
    };
    words.into()
}

/// As long as the decision waits.
const PATIENCE: Duration = Duration::from_secs(15);
const PAIRING: Duration = Duration::from_secs(305);
