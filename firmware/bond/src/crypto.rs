//! Who is who, and how datagrams are sealed.

mod cookie;
mod identity;
mod keys;
mod tls;

pub(crate) use cookie::{Cookies, Tokens};
pub use identity::{BadKey, Identity, PublicKey};
pub(crate) use keys::SessionKeys;
pub(crate) use tls::{GatewayTls, client};
