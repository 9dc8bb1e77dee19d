//! How the table knows a phone, so that it has no number to read.
use aws_lc_rs::digest;

use crate::model::phone::Phone;

/// The hash of a phone. It has no key: whoever reads the table can still try which number fits.
pub fn phone_hash(phone: &Phone) -> String {
    let named = format!("deliveries\n{}", phone.digits());
    let hash = digest::digest(&digest::SHA256, named.as_bytes());
    let bytes = hash.as_ref().iter().take(16);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_kept_as_a_hash_of_its_own() {
        let [one, other] = ["628123456789", "628123456780"]
            .map(|digits| phone_hash(&Phone::from_digits(digits).expect("digits")));
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
        assert!(!one.contains("123456789"));
    }
}
