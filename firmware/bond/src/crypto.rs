//! Who is who, and how datagrams are sealed.

mod cookie;
mod identity;
mod keys;
mod pairing;
mod tls;

pub(crate) use cookie::{Cookies, Tokens};
pub use identity::{BadKey, Identity, PublicKey};
pub(crate) use keys::SessionKeys;
pub use pairing::{BadCode, PairingCode, PairingSecret};
pub(crate) use pairing::{End, Proof};
pub(crate) use tls::{GatewayTls, Standing, client};
