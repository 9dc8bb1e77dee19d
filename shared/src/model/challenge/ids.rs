//! What a request, a code and a network are recognised by.
use std::fmt;

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::model::address::ClientAddress;
use crate::model::identifier::Identifier;
use crate::model::phone::Phone;
use crate::platform::entropy::Entropy;

/// 128 bits in base64.
const LENGTH: usize = 22;

/// 128 random bits that whoever asks for a code is given. A guess that comes with them belongs to that request.
#[derive(Clone, PartialEq, Eq)]
pub struct ChallengeId(String);

impl ChallengeId {
    /// A new id.
    pub fn draw(entropy: &Entropy) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(entropy.bytes::<16>()))
    }

    /// An id that a client sent. A wrong one is found nowhere. Neither is a text that cannot be an id: it is taken for none,
    /// because the hash of an id with something behind it could be that of another one.
    pub fn presented(text: &str) -> Self {
        let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_id = text.len() == LENGTH && text.bytes().all(in_alphabet);
        Self(if is_id {
            text.to_owned()
        } else {
            String::new()
        })
    }

    /// The id itself, for the reply to whoever asked.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps of it. An id belongs to the identifier as it was given: one that was asked for with an e-mail
    /// address is found under that address and under nothing else, so that it tells nobody whose phone is behind it.
    pub fn hash(&self, who: &Identifier) -> ChallengeHash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.0.as_bytes());
        if let Identifier::Email(email) = who {
            context.update(b"\0email\0");
            context.update(email.as_str().as_bytes());
        }
        ChallengeHash(BASE64_URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..16]))
    }
}

impl fmt::Debug for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeId(****)")
    }
}

/// The first 128 bits of a challenge id's SHA-256, as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChallengeHash(pub String);

/// Names one request's attempt. A write of the same attempt is recognised when the store's reply to it was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptId(pub String);

impl AttemptId {
    /// A new id: 64 random bits.
    pub fn draw(entropy: &Entropy) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(entropy.bytes::<8>()))
    }
}

/// The network that a request came from, as one phone's item keeps it: the first 64 bits of a SHA-256 over the phone and
/// the /24 of an IPv4 address, or the /64 of an IPv6 one. So the items of two phones do not show that they share a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkHash(pub [u8; 8]);

impl NetworkHash {
    /// The network of `address`, for the item of `phone`.
    pub fn of(phone: &Phone, address: ClientAddress) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [phone.digits(), &address.network().to_string()] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        let hash = context.finish();
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_ref()[..8]);
        Self(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_ids_are_shown_by_no_debug_and_differ() {
        let entropy = Entropy::seeded(1);
        let (one, two) = (ChallengeId::draw(&entropy), ChallengeId::draw(&entropy));
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), LENGTH);
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn an_id_belongs_to_the_identifier_as_it_was_given() {
        let id = ChallengeId::draw(&Entropy::seeded(1));
        let phone = |digits| Identifier::Phone(Phone::from_digits(digits).expect("a phone number"));
        let email = |text| {
            Identifier::Email(crate::model::identifier::Email::parse(text).expect("an address"))
        };
        let siti = email("siti@example.com");
        let again = ChallengeId::presented(id.expose());
        assert_eq!(id.hash(&siti), again.hash(&siti));
        for other in [email("budi@example.com"), phone("628123456789")] {
            assert_ne!(id.hash(&siti), id.hash(&other), "{other:?}");
        }
    }

    #[test]
    fn a_network_is_the_same_for_its_addresses_and_another_for_each_phone() {
        let phone = Phone::from_digits("628123456789").expect("a phone number");
        let other = Phone::from_digits("628123456780").expect("a phone number");
        let address = |text: &str| {
            let address: std::net::IpAddr = text.parse().expect("an address");
            ClientAddress::from(address)
        };
        let of = |text| NetworkHash::of(&phone, address(text));
        assert_eq!(of("203.0.113.7"), of("203.0.113.200"));
        assert_ne!(of("203.0.113.7"), of("203.0.114.7"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:9::1"));
        let address = address("203.0.113.7");
        assert_ne!(of("203.0.113.7"), NetworkHash::of(&other, address));
    }
}
