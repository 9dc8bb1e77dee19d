//! What a session's pages and acts are called by.
use std::fmt;

use crate::sender::pool::is_session_name;

/// Before the gateway's own id of a customer's session. No name of ours can have a dot.
const CUSTOMERS: &str = "customer.";

/// The longest id of a gateway.
const ID_CHARS_MAX: usize = 64;

/// What one session is called by. Its token never is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionKey {
    /// The name of one of ours.
    Ours(String),
    /// The gateway's id of a customer's.
    Customers(String),
}

impl SessionKey {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(CUSTOMERS) {
            Some(id) => Self::customers(id),
            None => is_session_name(text).then(|| Self::Ours(text.to_owned())),
        }
    }

    /// The key of a customer's session, if the gateway's id of it can stand in a path.
    pub fn customers(id: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let can_stand = (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(plain);
        can_stand.then(|| Self::Customers(id.to_owned()))
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(name) => f.write_str(name),
            Self::Customers(id) => write!(f, "{CUSTOMERS}{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_name_of_ours_or_an_id_of_the_gateway_and_no_path() {
        for text in ["system", "branch-2", "customer.7", "customer.61ab"] {
            let key = SessionKey::parse(text).map(|key| key.to_string());
            assert_eq!(key.as_deref(), Some(text));
        }
        for text in [
            "",
            "..",
            "a/b",
            "customer.",
            "customer.../x",
            "<script>",
            "a b",
        ] {
            assert_eq!(SessionKey::parse(text), None, "{text:?}");
        }
    }
}
