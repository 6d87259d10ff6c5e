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

impl Peers {
    /// Root and this process's own user.
    pub fn own() -> Self {
        Self { uids: vec![0, Uid::effective().as_raw()] }
    }

    /// Root, this process's own user, and the users `names`. One that the system does not know can be at no other end:
    /// it is logged and left out, so that the box's settings hold on a machine without the box's users.
    pub fn with(names: &[String]) -> Self {
        let mut peers = Self::own();
        for name in names {
            match User::from_name(name) {
                Ok(Some(user)) => peers.uids.push(user.uid.as_raw()),
                Ok(None) | Err(_) => tracing::info!(name, "no such user: nobody of that name may connect"),
            }
        }
        peers
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
        let peers = Peers::with(&["nobody".to_string()]);
        let nobody = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
        assert!(peers.check_uid(0).is_ok());
        assert!(peers.check_uid(Uid::effective().as_raw()).is_ok());
        assert!(peers.check_uid(nobody).is_ok());
        assert!(matches!(Peers::own().check_uid(nobody), Err(Ended::Garbage(Garbage::Stranger, _))));
    }

    #[test]
    fn a_user_that_is_not_there_adds_nobody() {
        assert_eq!(Peers::with(&["nobody-of-that-name".to_string()]).uids, Peers::own().uids);
    }
}
