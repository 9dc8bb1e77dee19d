//! The address where somebody pays: the only link that a message has.
use std::fmt;

use url::{Host, Url};

/// An address beginning with `https://`, written as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentUrl(String);

impl PaymentUrl {
    /// The most characters of an address.
    pub const CHARACTERS_MAX: usize = 1_000;

    /// Reads an address. `None` unless it begins with `https://`, names a host by its domain, names no user, and consists of
    /// the characters that addresses are written with, so that WhatsApp makes one link of it and of nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        // The parser forgives spaces, line breaks and backslashes, which a reader of the message does not.
        let written = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}*".contains(&byte);
        let begins = text
            .get(..8)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        if text.len() > Self::CHARACTERS_MAX || !begins || !text.bytes().all(written) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let domain = matches!(url.host(), Some(Host::Domain(domain)) if is_public(domain));
        (domain && names_host(authority(text))).then(|| Self(text.to_owned()))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a domain has a point between its parts, without which WhatsApp makes no link.
fn is_public(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    domain.contains('.') && domain.split('.').all(|label| !label.is_empty())
}

/// What stands between `https://` and the path.
fn authority(text: &str) -> &str {
    let after_scheme = text.get(8..).unwrap_or_default();
    after_scheme
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default()
}

/// Whether that is a host, perhaps with a port, and nothing else: no `@` behind a user, no `%` that hides a character.
fn names_host(authority: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    !authority.is_empty() && authority.bytes().all(allowed)
}

impl fmt::Debug for PaymentUrl {
    /// Whoever has the address may see what is paid: only its host is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentUrl({}/****)", authority(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, fits: bool) {
        let url = PaymentUrl::parse(text);
        assert_eq!(url.is_some(), fits, "{text}");
        assert!(url.is_none_or(|url| url.as_str() == text), "{text}");
    }

    #[test]
    fn only_an_address_with_https_and_a_domain_is_taken() {
        for (text, fits) in [
            ("https://pay.example/i/42?t=a_b&c=d%20e#f", true),
            ("HTTPS://Pay.Example", true),
            ("https://pay.example:8443/", true),
            ("https://xn--bcher-kva.example/", true),
            ("https://pay.example./a", true),
            ("http://pay.example", false),
            ("javascript:alert(1)", false),
            ("//pay.example", false),
            ("pay.example", false),
            ("https:/pay.example", false),
            ("https:///pay.example", false),
            ("https://pay%2Eexample/", false),
            ("https://", false),
            ("https://.", false),
            ("https://localhost/", false),
            ("https://192.0.2.1/", false),
            ("https://0xC0000201/", false),
            ("https://[2001:db8::1]/", false),
        ] {
            check(text, fits);
        }
    }

    #[test]
    fn an_address_has_no_user_and_no_character_that_a_reader_would_not_see() {
        for (text, fits) in [
            ("https://user@pay.example", false),
            ("https://user:password@pay.example", false),
            ("https://@pay.example", false),
            ("https://pay.example/a@b", true),
            ("https://pay.example\\@evil.example", false),
            ("https://pay.example/a b", false),
            ("https://pay.example/\nhttps://evil.example", false),
            ("https://pay.exa\tmple", false),
            (" https://pay.example", false),
            ("https://pay.example/\u{202E}", false),
            ("https://bücher.example", false),
            ("https://pay.example/{amount}", false),
            ("https://pay.example/*a*", false),
            ("", false),
        ] {
            check(text, fits);
        }
        let path = |length: usize| format!("https://pay.example/{}", "a".repeat(length - 20));
        assert!(PaymentUrl::parse(&path(1_000)).is_some());
        assert!(PaymentUrl::parse(&path(1_001)).is_none());
    }

    #[test]
    fn an_address_does_not_show_itself() {
        let url = PaymentUrl::parse("https://pay.example/secret").expect("an address");
        assert_eq!(format!("{url:?}"), "PaymentUrl(pay.example/****)");
    }
}
