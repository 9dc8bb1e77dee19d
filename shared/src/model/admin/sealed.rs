//! A phone in the address of a page, sealed: a browser keeps addresses in its history, and shows them to whoever looks on.
//!
//! Only the login that sealed a phone opens it again. The same phone gets the same text, so that an address stays what it was.
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{error, hmac};

use super::{AdminSecret, hex, unhex};
use crate::model::phone::Phone;

impl AdminSecret {
    /// The phone as the address of a page has it. Nothing, should the cipher fail.
    pub fn seal(&self, phone: &Phone) -> Option<String> {
        self.seal_text(phone.digits())
    }

    /// The same of what somebody typed: it may be a phone with a slip in it.
    pub fn seal_text(&self, text: &str) -> Option<String> {
        // A text gives the same nonce each time, and no two of them the same one.
        let mac = hmac::sign(&self.derived(b"nonce of a phone"), text.as_bytes());
        let nonce: [u8; NONCE_LEN] = mac.as_ref().get(..NONCE_LEN)?.try_into().ok()?;
        let mut sealed = text.as_bytes().to_vec();
        let key = self.sealing_key().ok()?;
        let given = Nonce::assume_unique_for_key(nonce);
        let done = key.seal_in_place_append_tag(given, Aad::empty(), &mut sealed);
        done.ok()?;
        Some(hex(&[&nonce[..], &sealed].concat()))
    }

    /// Reads what [`seal`](Self::seal) wrote; `None` when this login did not, or it was changed.
    pub fn open(&self, sealed: &str) -> Option<Phone> {
        Phone::from_digits(&self.open_text(sealed)?).ok()
    }

    /// Reads what [`seal_text`](Self::seal_text) wrote.
    pub fn open_text(&self, sealed: &str) -> Option<String> {
        let mut bytes = unhex(sealed)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = self.sealing_key().ok()?;
        let opened = key.open_in_place(nonce, Aad::empty(), sealed).ok()?;
        std::str::from_utf8(opened).map(str::to_owned).ok()
    }

    fn sealing_key(&self) -> Result<LessSafeKey, error::Unspecified> {
        let key = hmac::sign(&self.derived(b"key of phones"), b"AES-256-GCM");
        UnboundKey::new(&AES_256_GCM, key.as_ref()).map(LessSafeKey::new)
    }

    fn derived(&self, use_of_it: &[u8]) -> hmac::Key {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, use_of_it).as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::entropy::Entropy;

    #[test]
    fn a_sealed_phone_is_opened_by_its_login_only_and_shows_no_digit() {
        let [one, other] = [1, 2].map(|seed| AdminSecret::draw(&Entropy::seeded(seed)));
        let phone = Phone::from_digits("628123456789").expect("digits");
        let sealed = one.seal(&phone).expect("a text");
        assert_eq!(one.open(&sealed).as_ref(), Some(&phone));
        assert_eq!(one.seal(&phone).as_ref(), Some(&sealed));
        assert!(!sealed.contains("8123456789"), "{sealed}");
        let changed = match sealed.strip_suffix('0') {
            Some(rest) => format!("{rest}1"),
            None => format!("{}0", &sealed[..sealed.len() - 1]),
        };
        for (case, secret, text) in [
            ("another login", &other, sealed.as_str()),
            ("changed", &one, &changed),
            ("cut", &one, &sealed[..sealed.len() - 2]),
            ("no pairs", &one, &sealed[1..]),
            ("short", &one, "00"),
            ("empty", &one, ""),
            ("a phone", &one, "628123456789"),
            ("letters", &one, "é"),
        ] {
            assert_eq!(secret.open(text), None, "{case}");
        }
    }
}
