//! Who may be at the other end.

use nix::unistd::{Uid, User};

use super::counters::Garbage;
use super::packet::Ended;
use super::socket::SeqPacket;

/// The users that a socket talks to: root, this process's own user, and those named.
#[derive(Clone, Debug)]
pub struct Peers {
    uids: Vec<u32>,
}

/// A user in the settings that the system does not know.
#[derive(Debug, thiserror::Error)]
#[error("there is no user {0}")]
pub struct UnknownUser(pub String);

impl Peers {
    /// Root and this process's own user.
    pub fn own() -> Self {
        Self { uids: vec![0, Uid::effective().as_raw()] }
    }

    /// Root, this process's own user, and `names`.
    ///
    /// # Errors
    /// [`UnknownUser`] for a name the system does not know.
    pub fn with(names: &[String]) -> Result<Self, UnknownUser> {
        let mut peers = Self::own();
        for name in names {
            let user = User::from_name(name).ok().flatten().ok_or_else(|| UnknownUser(name.clone()))?;
            peers.uids.push(user.uid.as_raw());
        }
        Ok(peers)
    }

    pub(super) fn check(&self, socket: &SeqPacket) -> Result<(), Ended> {
        self.check_uid(socket.peer_uid()?)
    }

    fn check_uid(&self, uid: u32) -> Result<(), Ended> {
        if self.uids.contains(&uid) {
            return Ok(());
        }
        Err(Ended::Garbage(Garbage::Stranger, format!("user {uid} is at the other end, only {:?} may be", self.uids)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_ourselves_and_those_named_are_known() {
        let peers = Peers::with(&["nobody".to_string()]).unwrap();
        let nobody = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
        assert!(peers.check_uid(0).is_ok());
        assert!(peers.check_uid(Uid::effective().as_raw()).is_ok());
        assert!(peers.check_uid(nobody).is_ok());
        assert!(matches!(Peers::own().check_uid(nobody), Err(Ended::Garbage(Garbage::Stranger, _))));
    }

    #[test]
    fn a_user_that_is_not_there_is_named() {
        let error = Peers::with(&["nobody-of-that-name".to_string()]).unwrap_err();
        assert_eq!(error.to_string(), "there is no user nobody-of-that-name");
    }
}
