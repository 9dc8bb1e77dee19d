//! Whether the body of a webhook comes from somebody who has the key that it is signed with.
use std::fmt;

use aws_lc_rs::{constant_time, hmac};

/// The key that gateways sign webhooks with. Never shown.
#[derive(Clone)]
pub struct WebhookKey(String);

impl WebhookKey {
    /// The fewest characters that a gateway takes as a key.
    pub const CHARACTERS_MIN: usize = 32;

    /// Reads a key. `None` when it is too short.
    pub fn parse(text: &str) -> Option<Self> {
        (text.chars().count() >= Self::CHARACTERS_MIN).then(|| Self(text.to_owned()))
    }

    /// The signature of `body`: its HMAC-SHA-256 as lower-case hex digits.
    pub fn signature_of(&self, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let tag = hmac::sign(&key, body);
        let bytes = tag.as_ref().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `signature` is that of `signed`.
    pub(super) fn signs(&self, signed: &[u8], signature: &str) -> bool {
        let digits = self.signature_of(signed);
        constant_time::verify_slices_are_equal(digits.as_bytes(), signature.as_bytes()).is_ok()
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(****)")
    }
}
