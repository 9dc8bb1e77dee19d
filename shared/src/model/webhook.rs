//! The address that a gateway's session posts its webhooks to.
//!
//! Its last part is the session's name and a tag that nobody can guess, such as `system.o9cQ…`. Whoever knows it can say that
//! a message arrived, so it is a secret like a token.
use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::bridge::BridgeName;
use super::keys::Ring;
use crate::platform::timestamp::Timestamp;

/// What stands before the session's name.
pub const PATH: &str = "/api/webhooks/whatsapp/";

/// What tags of WhatsApp sessions are made of, beside the name.
const WHATSAPP: &str = "whatsapp-webhook";

/// What tags of payment gateways are made of, beside the name.
const BRIDGE: &str = "payment-webhook";

/// How many bytes of the MAC the tag has.
const TAG_BYTES: usize = 16;

/// The path for the webhooks of `session`, under the present key of the ring `webhooks`. `None` when the ring has none.
pub fn path(ring: &Ring, session: &str, now: Timestamp) -> Option<String> {
    let tag = tag(&ring.current(now)?.secret, WHATSAPP, session);
    Some(format!("{PATH}{session}.{tag}"))
}

/// The session that `path` is for, if a live key of the ring made it.
pub fn session<'a>(ring: &Ring, path: &'a str, now: Timestamp) -> Option<&'a str> {
    let (session, given) = path.strip_prefix(PATH)?.split_once('.')?;
    is_tag(ring, WHATSAPP, (session, given), now).then_some(session)
}

/// The path for the webhooks of a payment gateway, under the present key of the ring `webhooks`. `None` when the ring has none.
pub fn bridge_path(ring: &Ring, bridge: BridgeName, now: Timestamp) -> Option<String> {
    let name = bridge.name();
    let tag = tag(&ring.current(now)?.secret, BRIDGE, name);
    Some(format!("/api/webhooks/{name}/{tag}"))
}

/// Whether `path` is the one for the webhooks of `bridge`, made by a live key of the ring.
pub fn is_bridge_path(ring: &Ring, bridge: BridgeName, path: &str, now: Timestamp) -> bool {
    let name = bridge.name();
    let given = path.strip_prefix(&format!("/api/webhooks/{name}/"));
    given.is_some_and(|given| is_tag(ring, BRIDGE, (name, given), now))
}

/// Whether `given` is the tag of `name` under a live key of the ring.
fn is_tag(ring: &Ring, of: &str, (name, given): (&str, &str), now: Timestamp) -> bool {
    ring.live(now).any(|key| {
        let tag = tag(&key.secret, of, name);
        constant_time::verify_slices_are_equal(tag.as_bytes(), given.as_bytes()).is_ok()
    })
}

fn tag(key: &[u8], of: &str, name: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mac = hmac::sign(&key, format!("{of}\n{name}").as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&mac.as_ref()[..TAG_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::keys::Key;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    /// A ring of keys, each made of one byte, with the second from which it is used and the one in which it retires.
    fn ring(keys: &[(u8, i64, Option<i64>)]) -> Ring {
        let keys = keys.iter().map(|(byte, use_from, retire_at)| Key {
            kid: byte.to_string(),
            secret: vec![*byte; 32],
            use_from: Timestamp::from_seconds(*use_from),
            retire_at: retire_at.map(Timestamp::from_seconds),
        });
        Ring {
            keys: keys.collect(),
        }
    }

    #[test]
    fn the_path_is_made_of_the_name_and_128_bits_of_its_mac() {
        // From `printf 'whatsapp-webhook\nsystem' | openssl dgst -sha256 -hmac "$(printf '%032d' 0)" -binary`.
        let mut ring = ring(&[(1, 0, None)]);
        ring.keys[0].secret = vec![b'0'; 32];
        let path = path(&ring, "system", NOW);
        assert_eq!(
            path.as_deref(),
            Some("/api/webhooks/whatsapp/system.AjqBZ6uSI1nKsE_OvwXZaw")
        );
    }

    #[test]
    fn a_path_counts_until_its_key_retires() {
        let old = path(&ring(&[(1, 0, None)]), "system", NOW).expect("a key");
        let rotated = ring(&[(1, 0, Some(2_000)), (2, 500, None)]);
        let new = path(&rotated, "system", NOW).expect("a key");
        assert_ne!(old, new);
        let late = Timestamp::from_seconds(2_000);
        for (case, path, now, expected) in [
            ("the old one", &old, NOW, Some("system")),
            ("the new one", &new, NOW, Some("system")),
            ("the old one, retired", &old, late, None),
            ("the new one, later", &new, late, Some("system")),
        ] {
            assert_eq!(session(&rotated, path, now), expected, "{case}");
        }
    }

    #[test]
    fn a_path_that_nobody_made_is_no_session_s() {
        let ring = ring(&[(1, 0, None)]);
        let ours = path(&ring, "system", NOW).expect("a key");
        let (_, tag) = ours.split_once('.').expect("a tag");
        for wrong in [
            PATH.to_owned(),
            format!("{PATH}system"),
            format!("{PATH}system."),
            format!("{PATH}other.{tag}"),
            format!("{PATH}system.{}", tag.to_lowercase()),
            format!("{ours}="),
            format!("{ours}/"),
            ours[..ours.len() - 1].to_owned(),
            ours.replace("/whatsapp/", "/"),
        ] {
            assert_eq!(session(&ring, &wrong, NOW), None, "{wrong}");
        }
        assert_eq!(session(&ring, &ours, NOW), Some("system"));
    }
}
