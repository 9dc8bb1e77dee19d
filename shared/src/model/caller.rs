//! Who asks, and until when an answer is of use.
use std::net::{IpAddr, Ipv4Addr};

use aws_lc_rs::{constant_time, digest};

use crate::model::address::ClientAddress;
use crate::model::language::Language;
use crate::platform::timestamp::Timestamp;

/// Who asks, and until when an answer is of use.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where the request came from, as API Gateway saw it or as a [trusted caller](TrustedCallers) says; never a header
    /// that anyone can write.
    pub address: ClientAddress,
    /// The same address in full, if it is known: for who else is told it. Limits count `address`.
    pub remote_ip: Option<IpAddr>,
    /// Lambda's id of the request.
    pub request_id: String,
    /// When the work must be done; the time to record the result and to answer is already taken off.
    pub deadline: Timestamp,
    /// The language of the reply.
    pub language: Language,
}

impl Caller {
    /// Whoever has rights on the deployment itself. They come from no address.
    pub fn with_iam(request_id: &str, deadline: Timestamp) -> Self {
        Self {
            address: IpAddr::from(Ipv4Addr::UNSPECIFIED).into(),
            remote_ip: None,
            request_id: request_id.to_owned(),
            deadline,
            language: Language::English,
        }
    }
}

/// The keys of callers who may say for whom they ask: a backend that calls for its users. Only hashes are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedCallers(Vec<[u8; 32]>);

impl TrustedCallers {
    /// Reads SHA-256 hashes as hex, separated by commas; `None` when one is none.
    pub fn parse(text: &str) -> Option<Self> {
        let hashes = text.split(',').map(|hash| sha256_of_hex(hash.trim()));
        hashes.collect::<Option<_>>().map(Self)
    }

    /// Whether `key` is one of theirs. Takes the same time wherever its hash differs, and whichever it is.
    pub fn know(&self, key: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let given = digest::digest(&digest::SHA256, key.as_bytes());
        self.0.iter().fold(false, |known, hash| {
            known | constant_time::verify_slices_are_equal(hash, given.as_ref()).is_ok()
        })
    }
}

fn sha256_of_hex(hex: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    let bytes = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]);
    let bytes: Vec<u8> = bytes.filter_map(|byte| byte.try_into().ok()).collect();
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `one` and of `two`.
    const ONE: &str = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    const TWO: &str = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3";

    #[test]
    fn any_of_the_live_keys_is_known_and_nothing_else() {
        let upper = TWO.to_uppercase();
        let callers = TrustedCallers::parse(&format!("{ONE}, {upper}")).expect("hashes");
        for (key, known) in [
            ("one", true),
            ("two", true),
            ("three", false),
            ("", false),
            (ONE, false),
        ] {
            assert_eq!(callers.know(key), known, "{key}");
        }
        assert!(!TrustedCallers::default().know(""));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let long = format!("{ONE}00");
        let foreign = ONE.replacen('7', "é", 1);
        for text in ["", "one", &ONE[1..], &long, &foreign, &format!("{ONE},")] {
            assert_eq!(TrustedCallers::parse(text), None, "{text}");
        }
    }
}
