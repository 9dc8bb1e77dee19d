//! The address of whoever asks, as the API's front door saw it.
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A client address that limits count: an IPv4 address, or the /64 network of an IPv6 one, since one customer of a
/// provider usually holds all of it (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address => address,
        })
    }
}

impl ClientAddress {
    /// The network that it is in: the /24 of an IPv4 address, the /64 of an IPv6 one. Who is in the same one is taken for
    /// the same person, as far as a phone that has signed in from there is concerned: providers change the last part.
    #[must_use]
    pub fn network(self) -> Self {
        match self.0 {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self(IpAddr::V4(Ipv4Addr::new(a, b, c, 0)))
            }
            IpAddr::V6(_) => self,
        }
    }
}

impl ClientAddress {
    /// The address that is shown as `text`; `None` when none is.
    pub fn read(text: &str) -> Option<Self> {
        let (address, _) = text.split_once('/').unwrap_or((text, ""));
        address.parse::<IpAddr>().ok().map(Self::from)
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_counts_as_its_network_and_a_mapped_one_as_ipv4() {
        for (typed, counted) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            let address: IpAddr = typed.parse().expect("an address");
            let address = ClientAddress::from(address);
            assert_eq!(address.to_string(), counted);
            assert_eq!(ClientAddress::read(counted), Some(address));
        }
    }
}
