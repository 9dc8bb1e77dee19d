//! Refresh tokens: `{login id}.{generation}.{secret}`.
//!
//! The secret is a MAC of login id and generation under a key of its own ring: 256 bits that nobody can guess and that no
//! table holds. So a lost reply gets the same token again, and a token of any older generation is recognised as reuse.
use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::model::keys::Ring;
use crate::platform::timestamp::Timestamp;

/// A refresh token as a client holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The login that it refreshes.
    pub login: String,
    /// How many times the login was refreshed before it was made.
    pub generation: i64,
    secret: Vec<u8>,
}

impl RefreshToken {
    /// The token of a login's generation, under the ring's present key.
    pub fn derive(ring: &Ring, login: &str, generation: i64, now: Timestamp) -> Option<Self> {
        Some(Self {
            login: login.to_owned(),
            generation,
            secret: mac(&ring.current(now)?.secret, login, generation),
        })
    }

    /// Reads a token. Whether it is ours is for [`Self::is_ours`] to say.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '.');
        let (login, generation, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let well_formed = login.len() == 32 && login.bytes().all(|byte| byte.is_ascii_hexdigit());
        well_formed.then_some(Self {
            login: login.to_owned(),
            generation: generation
                .parse()
                .ok()
                .filter(|generation| *generation >= 0)?,
            secret: BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?,
        })
    }

    /// Whether a live key of the ring made it.
    pub fn is_ours(&self, ring: &Ring, now: Timestamp) -> bool {
        ring.live(now).any(|key| {
            let secret = mac(&key.secret, &self.login, self.generation);
            constant_time::verify_slices_are_equal(&secret, &self.secret).is_ok()
        })
    }

    /// The token itself, for the reply to its owner.
    pub fn expose(&self) -> String {
        let secret = BASE64_URL_SAFE_NO_PAD.encode(&self.secret);
        format!("{}.{}.{secret}", self.login, self.generation)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(****)")
    }
}

fn mac(key: &[u8], login: &str, generation: i64) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let message = format!("refresh\0{login}\0{generation}");
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::keys::Key;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);
    const LOGIN: &str = "0123456789abcdef0123456789abcdef";

    fn ring(keys: &[(u8, i64)]) -> Ring {
        let keys = keys.iter().map(|(byte, use_from)| Key {
            kid: byte.to_string(),
            secret: vec![*byte; 32],
            use_from: Timestamp::from_seconds(*use_from),
            retire_at: None,
        });
        Ring {
            keys: keys.collect(),
        }
    }

    #[test]
    fn a_token_is_read_back_and_is_ours_under_any_live_key() {
        let token = RefreshToken::derive(&ring(&[(1, 0)]), LOGIN, 3, NOW).expect("a key");
        let read = RefreshToken::parse(&token.expose()).expect("a token");
        assert_eq!(read, token);
        assert!(read.is_ours(&ring(&[(1, 0), (2, 500)]), NOW));
        assert!(!read.is_ours(&ring(&[(2, 0)]), NOW));
    }

    #[test]
    fn a_token_of_another_login_or_generation_is_not_ours() {
        let ring = ring(&[(1, 0)]);
        let token = RefreshToken::derive(&ring, LOGIN, 3, NOW).expect("a key");
        let changed = [
            RefreshToken {
                generation: 4,
                ..token.clone()
            },
            RefreshToken {
                login: LOGIN.replace('0', "1"),
                ..token.clone()
            },
            RefreshToken {
                secret: Vec::new(),
                ..token
            },
        ];
        assert!(changed.iter().all(|token| !token.is_ours(&ring, NOW)));
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        for text in [
            "",
            "a.b.c",
            "0123.1.AAAA",
            &format!("{LOGIN}.-1.AAAA"),
            &format!("{LOGIN}.1.%%"),
        ] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }
}
