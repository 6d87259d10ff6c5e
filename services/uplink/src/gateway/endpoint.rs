//! Where the gateway is, as an operator writes it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// One of its addresses, or a name that stands for some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Nobody has to be asked.
    Address(SocketAddr),
    /// What the system's resolver knows.
    Name(String, u16),
}

/// What of it is wrong; reads on after "must be HOST:PORT".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// Nothing says which port.
    NoPort,
    /// No number from 1 to 65535.
    Port,
    /// Neither an address of a host nor a name.
    Host,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.parse::<IpAddr>().is_ok() || text.ends_with(']') {
            return Err(EndpointError::NoPort);
        }
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError::NoPort)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(EndpointError::Port)?;
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_unspecified() => Err(EndpointError::Host),
            Ok(address) => Ok(Self::Address(address)),
            Err(_) if is_name(host) => Ok(Self::Name(host.into(), port)),
            Err(_) => Err(EndpointError::Host),
        }
    }
}

impl std::fmt::Display for EndpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoPort => "HOST:PORT, and the port is missing",
            Self::Port => "HOST:PORT with a port of 1 to 65535",
            Self::Host => "HOST:PORT, where the host is a name, ADDRESS or [ADDRESS]",
        })
    }
}

/// All of a list like `198.51.100.7:7000, [2001:db8::7]:7000`, the one to be preferred first.
///
/// # Errors
/// What is wrong with the first item that is no endpoint, behind that item.
pub fn list(text: &str) -> Result<Vec<Endpoint>, (&str, EndpointError)> {
    text.split(',').map(str::trim).map(|item| item.parse().map_err(|wrong| (item, wrong))).collect()
}

/// RFC 1123 §2.1, and the underscores that people use. A last label of digits alone is an address gone wrong.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = host.strip_suffix('.').unwrap_or(host);
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    host.len() <= 253 && labels.split('.').all(is_label) && !labels.rsplit('.').next().is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name_and_needs_a_port() {
        let name = |host: &str, port| Ok(Endpoint::Name(host.into(), port));
        let address = |text: &str| Ok(Endpoint::Address(text.parse().unwrap()));
        let cases = [
            ("198.51.100.7:7000", address("198.51.100.7:7000")),
            ("[2001:db8::7]:443", address("[2001:db8::7]:443")),
            ("gateway.example.net:7000", name("gateway.example.net", 7_000)),
            ("localhost:1", name("localhost", 1)),
            ("198.51.100.7", Err(EndpointError::NoPort)),
            ("2001:db8::7", Err(EndpointError::NoPort)),
            ("[2001:db8::7]", Err(EndpointError::NoPort)),
            ("gateway.example.net", Err(EndpointError::NoPort)),
            ("gateway.example.net:", Err(EndpointError::Port)),
            ("gateway.example.net:0", Err(EndpointError::Port)),
            ("198.51.100.7:70000", Err(EndpointError::Port)),
            ("0.0.0.0:7000", Err(EndpointError::Host)),
            ("198.51.100:7000", Err(EndpointError::Host)),
            ("2001:db8::gateway:7000", Err(EndpointError::Host)),
            ("a..b:7000", Err(EndpointError::Host)),
            ("-a.b:7000", Err(EndpointError::Host)),
            ("a b:7000", Err(EndpointError::Host)),
            (":7000", Err(EndpointError::Host)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Endpoint>(), expected, "{text}");
        }
    }

    #[test]
    fn a_list_has_an_order_and_what_is_wrong_with_it_names_the_item() {
        let [four, six] = ["198.51.100.7:7000", "[2001:db8::7]:7000"].map(|text| text.parse().unwrap());
        let name = Endpoint::Name("a.b".into(), 1);
        assert_eq!(list("[2001:db8::7]:7000,198.51.100.7:7000 , a.b:1"), Ok(vec![six, four, name]));
        assert_eq!(list("a.b:1, 2001:db8::7"), Err(("2001:db8::7", EndpointError::NoPort)));
        assert_eq!(list("a.b:1,"), Err(("", EndpointError::NoPort)));
    }
}
