//! Which services of the unit are gone and do not come back.
//!
//! Two know something of that. A service's socket shows that it answers: one that crashes again and again, or hangs, does not.
//! systemd knows whether it is meant to run, and of one that it has given up it is clear at once that waiting is in vain.

use core::time::Duration;

use bondbox_ipc::panel::Service;
use bondbox_units::Instant;

use crate::world::Since;

/// What systemd has in mind with a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nobody says.
    #[default]
    Unknown,
    /// It is not to run.
    Off,
    /// It is to run.
    On,
    /// It has failed, and is not started again.
    GivenUp,
}

/// What is wrong with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// systemd does not start it again.
    GivenUp,
    /// It does not answer.
    Silent,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Services {
    each: [Known; 3],
}

/// What is known of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    answers: Since<bool>,
    /// It did, at some time.
    was_heard: bool,
    standing: Since<Standing>,
}

impl Services {
    pub(crate) fn new(now: Instant) -> Self {
        let nothing = Known {
            answers: Since { is: false, since: now },
            was_heard: false,
            standing: Since { is: Standing::Unknown, since: now },
        };
        Self { each: [nothing; 3] }
    }

    /// Whether it answers on its socket.
    pub(crate) fn set_answers(&mut self, now: Instant, service: Service, answers: bool) {
        let known = &mut self.each[service as usize];
        known.was_heard |= answers;
        known.answers.set(now, answers);
    }

    /// What systemd has in mind with it.
    pub(crate) fn set_standing(&mut self, now: Instant, service: Service, standing: Standing) {
        self.each[service as usize].standing.set(now, standing);
    }

    /// Whether all of these said anything since this panel is there.
    pub(crate) fn were_heard(&self, services: &[Service]) -> bool {
        services.iter().all(|service| self.each[*service as usize].was_heard)
    }

    /// What is wrong with each.
    pub(crate) fn troubles(&self, now: Instant) -> [Option<Trouble>; 3] {
        ALL.map(|service| self.each[service as usize].trouble(service, now))
    }

    /// When one that does not answer has not for too long.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let each = ALL.map(|service| self.each[service as usize].overdue(service));
        each.into_iter().flatten().filter(|at| *at > now).min()
    }
}

impl Known {
    fn trouble(&self, service: Service, now: Instant) -> Option<Trouble> {
        if self.answers.is {
            return None;
        }
        if self.standing.is == Standing::GivenUp {
            return Some(Trouble::GivenUp);
        }
        self.overdue(service).filter(|at| now >= *at).map(|_| Trouble::Silent)
    }

    /// When it has not answered for too long, where it should.
    fn overdue(&self, service: Service) -> Option<Instant> {
        let is_missed = match (service, self.standing.is) {
            // Without them there is no box.
            (Service::Capture | Service::Uplink, _) => true,
            // Links may be named in the uplink's settings, with nobody to look after them.
            (Service::Modems, Standing::On | Standing::GivenUp) => true,
            (Service::Modems, Standing::Unknown) => self.was_heard,
            (Service::Modems, Standing::Off) => false,
        };
        (!self.answers.is && is_missed).then(|| self.answers.since.max(self.standing.since) + FAULT)
    }
}

/// In the order of their numbers.
pub const ALL: [Service; 3] = [Service::Capture, Service::Uplink, Service::Modems];

/// A service that crashed is back within two seconds, and one that starts with the box within ten.
pub const FAULT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::from_millis(s * 1_000)
    }

    fn of(services: &Services, service: Service, s: u64) -> Option<Trouble> {
        services.troubles(at(s))[service as usize]
    }

    #[test]
    fn one_that_systemd_gave_up_is_in_trouble_at_once_and_until_it_answers() {
        for service in ALL {
            let mut services = Services::new(at(0));
            services.set_answers(at(1), service, true);
            services.set_standing(at(1), service, Standing::On);
            services.set_answers(at(2), service, false);
            assert_eq!(of(&services, service, 2), None);
            services.set_standing(at(2), service, Standing::GivenUp);
            assert_eq!(of(&services, service, 2), Some(Trouble::GivenUp));
            services.set_standing(at(60), service, Standing::On);
            assert_eq!(of(&services, service, 74), None, "it is given its time");
            services.set_answers(at(74), service, true);
            assert_eq!(of(&services, service, 1_000), None);
        }
    }

    #[test]
    fn one_that_is_to_run_and_does_not_answer_is_in_trouble_after_a_while_whether_it_ever_did() {
        for was_heard in [false, true] {
            let mut services = Services::new(at(0));
            services.set_standing(at(3), Service::Modems, Standing::On);
            if was_heard {
                services.set_answers(at(4), Service::Modems, true);
                services.set_answers(at(10), Service::Modems, false);
            }
            let since = if was_heard { 10 } else { 3 };
            assert_eq!(of(&services, Service::Modems, since + 14), None);
            assert_eq!(of(&services, Service::Modems, since + 15), Some(Trouble::Silent));
        }
    }

    #[test]
    fn modems_are_missed_where_they_are_to_run_or_were_heard_and_the_others_always() {
        let mut services = Services::new(at(0));
        assert_eq!(services.troubles(at(15)), [Some(Trouble::Silent), Some(Trouble::Silent), None]);
        services.set_answers(at(20), Service::Modems, true);
        services.set_answers(at(30), Service::Modems, false);
        assert_eq!(of(&services, Service::Modems, 45), Some(Trouble::Silent), "with nobody who says what it is to do");
        services.set_standing(at(50), Service::Modems, Standing::Off);
        assert_eq!(of(&services, Service::Modems, 500), None, "somebody stopped it");
    }

    #[test]
    fn services_are_numbered_as_they_are_listed() {
        assert_eq!(ALL.map(|service| service as usize), [0, 1, 2]);
    }
}
