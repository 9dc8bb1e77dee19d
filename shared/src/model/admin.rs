//! Operators: who may sign in to the dashboard, and the secrets that they hold.
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};

use crate::model::phone::Phone;
use crate::platform::entropy::Entropy;

/// A phone in the address of a page.
mod sealed;

/// The phones of the operators who may sign in with a code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminPhones(Arc<[Phone]>);

impl AdminPhones {
    /// Reads phones as people type them, separated by commas.
    ///
    /// # Errors
    /// With the position of the first one that is no phone, from 1 up.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let numbered = (1..).zip(text.split(','));
        let phones = numbered.map(|(position, text)| Phone::parse(text).map_err(|_| position));
        phones.collect::<Result<_, _>>().map(Self)
    }

    /// Whether the phone is an operator's.
    pub fn contains(&self, phone: &Phone) -> bool {
        self.0.contains(phone)
    }

    /// All of them.
    pub fn phones(&self) -> impl Iterator<Item = &Phone> {
        self.0.iter()
    }
}

/// Who signed in as an operator. Shown masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminName {
    /// Whoever had a code on this phone.
    Phone(Phone),
    /// Whoever had the one-time link that this tells from others: the first digits of its hash.
    Link(String),
}

/// How somebody who signed in by a link is called, before what tells it from others.
const LINK: &str = "link";

impl AdminName {
    /// How the table of operators calls them.
    pub fn stored(&self) -> String {
        match self {
            Self::Phone(phone) => phone.digits().to_owned(),
            Self::Link(_) => self.to_string(),
        }
    }

    /// How the table calls those whose logins end together, when one of them signs out everywhere: nobody knows who else had a
    /// link, so all that were opened by links do.
    pub fn signed_out_as(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.digits(),
            Self::Link(_) => LINK,
        }
    }

    /// Reads what [`stored`](Self::stored) wrote.
    pub fn read(stored: &str) -> Option<Self> {
        match stored.strip_prefix(LINK) {
            Some(which) => Some(Self::Link(which.trim_start().to_owned())),
            None => Phone::from_digits(stored).ok().map(Self::Phone),
        }
    }
}

impl fmt::Display for AdminName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(phone) => phone.fmt(f),
            Self::Link(which) => f.write_str(format!("{LINK} {which}").trim_end()),
        }
    }
}

/// What opens something for an operator: the cookie of a login or of a form, or a one-time link. 256 random bits, written in
/// hex. The store has only its hash.
#[derive(Clone)]
pub struct AdminSecret([u8; 32]);

impl AdminSecret {
    /// A new one.
    pub fn draw(entropy: &Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// Reads what [`expose`](Self::expose) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(Self)
    }

    /// The secret itself, for the cookie or the link that carries it.
    pub fn expose(&self) -> String {
        hex(&self.0)
    }

    /// What the store knows it by.
    pub fn hash(&self) -> AdminHash {
        AdminHash(hex(digest::digest(&digest::SHA256, &self.0).as_ref()))
    }

    /// What a form has to bring that is sent with this cookie.
    pub fn csrf(&self) -> CsrfToken {
        let mut hashing = digest::Context::new(&digest::SHA256);
        hashing.update(b"csrf");
        hashing.update(&self.0);
        CsrfToken(hex(hashing.finish().as_ref()))
    }
}

impl fmt::Debug for AdminSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminSecret(****)")
    }
}

/// The SHA-256 of a secret, as hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminHash(pub String);

impl AdminHash {
    /// Its first digits: they tell logins apart in the audit, and open nothing.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or_default()
    }
}

/// Proves that a form comes from a page of ours: another site cannot read it, and it is worth nothing without its cookie.
#[derive(Clone)]
pub struct CsrfToken(String);

impl CsrfToken {
    /// The token, for the form that brings it back.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this token. Takes the same time wherever it differs.
    pub fn matches(&self, given: &str) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), given.as_bytes()).is_ok()
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(****)")
    }
}

/// A page below `/admin` that somebody is sent on to, and nothing else: what is no such path is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPath(String);

impl AdminPath {
    /// The longest path that is read.
    const CHARS_MAX: usize = 512;

    /// The first page.
    pub fn home() -> Self {
        Self("/admin".into())
    }

    /// The page that signs in.
    pub fn sign_in() -> Self {
        Self("/admin/login".into())
    }

    /// The fields that say what became of a form.
    const TOLD: [&str; 4] = ["done", "about", "problem", "typed"];

    /// Reads a path with its query. Nothing in it is escaped, but in the query, where it opens no other path. What it says of a form
    /// is left out: a way back tells nothing of what was done.
    pub fn parse(text: &str) -> Option<Self> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut segments = path.strip_prefix('/')?.split('/');
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.~".contains(&c);
        let is_segment =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
        let is_query = query
            .bytes()
            .all(|c| is_plain(c) || b"=&%+:@,".contains(&c));
        let is_ours = segments.next() == Some("admin") && segments.all(is_segment);
        if !(is_ours && is_query && text.len() <= Self::CHARS_MAX) {
            return None;
        }
        let is_told = |field: &&str| {
            let name = form_urlencoded::parse(field.as_bytes()).next();
            name.is_some_and(|(name, _)| Self::TOLD.contains(&&*name))
        };
        let kept: Vec<_> = query.split('&').filter(|field| !is_told(field)).collect();
        let kept = kept.join("&");
        Some(if kept.is_empty() {
            Self(path.to_owned())
        } else {
            Self(format!("{path}?{kept}"))
        })
    }

    /// The same page with these fields in its query, behind its own. A value has letters, digits and `-_.~` only, or is left out.
    #[must_use]
    pub fn with_query(&self, fields: &[(&str, String)]) -> Self {
        let plain = |value: &str| {
            let mut bytes = value.bytes();
            bytes.all(|c| c.is_ascii_alphanumeric() || b"-_.~".contains(&c))
        };
        let fields = fields.iter().filter(|(_, value)| plain(value));
        let query: Vec<_> = fields
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if query.is_empty() {
            return self.clone();
        }
        let behind = if self.0.contains('?') { '&' } else { '?' };
        Self(format!("{}{behind}{}", self.0, query.join("&")))
    }

    /// The page that signs in and comes back to `back`, which the field `field` of its query names.
    pub fn to_sign_in(field: &str, back: &Self) -> Self {
        let escaped = |c: u8| match c {
            b'-' | b'_' | b'.' | b'~' => char::from(c).to_string(),
            c if c.is_ascii_alphanumeric() => char::from(c).to_string(),
            c => format!("%{c:02X}"),
        };
        let back: String = back.0.bytes().map(escaped).collect();
        Self(format!("/admin/login?{field}={back}"))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads what [`hex`] wrote; `None` when it is something else.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let value = |digit: u8| char::from(digit).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(value(*high)? << 4 | value(*low)?).ok();
    pairs.iter().map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_back_and_nothing_else_is() {
        let secret = AdminSecret::draw(&Entropy::seeded(1));
        let text = secret.expose();
        let read = AdminSecret::parse(&text).expect("a secret");
        assert_eq!(read.hash(), secret.hash());
        for (case, text) in [
            ("empty", String::new()),
            ("short", text[1..].to_owned()),
            ("long", format!("{text}0")),
            ("a sign", text.replacen(&text[..1], "+", 1)),
            ("other letters", "é".repeat(32)),
        ] {
            assert!(AdminSecret::parse(&text).is_none(), "{case}");
        }
    }

    #[test]
    fn neither_a_secret_nor_its_token_shows_itself() {
        let secret = AdminSecret::draw(&Entropy::seeded(1));
        let shown = format!("{secret:?} {:?}", secret.csrf());
        assert_eq!(shown, "AdminSecret(****) CsrfToken(****)");
    }

    #[test]
    fn the_token_of_a_form_belongs_to_one_secret() {
        let [one, other] = [1, 2].map(|seed| AdminSecret::draw(&Entropy::seeded(seed)));
        assert!(one.csrf().matches(one.csrf().expose()));
        for wrong in ["", other.csrf().expose(), &one.hash().0] {
            assert!(!one.csrf().matches(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_path_gets_fields_behind_its_own_and_nothing_that_opens_another_one() {
        let fields = [("done", "done".to_owned()), ("why", "a&b=c".to_owned())];
        for (path, expected) in [
            (
                "/admin/dashboard/outbox",
                "/admin/dashboard/outbox?done=done",
            ),
            (
                "/admin/dashboard/outbox?state=dead",
                "/admin/dashboard/outbox?state=dead&done=done",
            ),
        ] {
            let read = AdminPath::parse(path).expect("a path");
            assert_eq!(read.with_query(&fields).as_str(), expected);
        }
    }

    #[test]
    fn only_a_path_below_admin_is_read() {
        for path in [
            "/admin",
            "/admin/dashboard/outbox",
            "/admin/dashboard/deliveries?phone=%2B62812&before=2026-11-28T03:17:34.123Z",
            "/admin/dashboard/whatsapp-sessions/system.2",
        ] {
            let read = AdminPath::parse(path);
            assert_eq!(read.as_ref().map(AdminPath::as_str), Some(path), "{path}");
        }
        for path in [
            "",
            "admin",
            "/",
            "//evil",
            "//evil/admin",
            "/admin/",
            "/admin//evil",
            "/admin/../x",
            "/admin/./x",
            "/admin/%2e%2e/x",
            "/adminx",
            "/api/auth/session",
            r"/admin\..\x",
            "/\\evil",
            "https:",
            "https://evil.example/admin",
            "/admin\r\nSet-Cookie: a=b",
            "/admin?next=//evil",
            "/admin#x",
            "/admin/<b>",
            &format!("/admin/{}", "x".repeat(600)),
        ] {
            assert_eq!(AdminPath::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_name_is_stored_whole_and_shown_masked() {
        let phone = Phone::parse("628123456789").expect("a phone number");
        for (name, shown) in [
            (AdminName::Phone(phone), "62812****789"),
            (AdminName::Link("3f2a91c4".into()), "link 3f2a91c4"),
            // Of a login that was opened before links were told apart.
            (AdminName::Link(String::new()), "link"),
        ] {
            assert_eq!(name.to_string(), shown);
            assert_eq!(AdminName::read(&name.stored()), Some(name));
        }
    }
}
