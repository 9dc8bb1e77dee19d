//! The page of a user and their logins.
use askama::Template;
use shared::edge::admin::Layout;
use shared::flows::admin::people::Person;

use crate::pages::Frame;

/// A user and their logins.
#[derive(Debug, Template)]
#[template(path = "people.html")]
pub struct PeoplePage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// The phone, masked, and as the addresses of pages have it.
    pub whom: Option<(String, String)>,
    /// The user; nothing before somebody has looked for one.
    pub person: Option<Person>,
    /// Whether the operator has just proved who they are.
    pub proved: Proved,
}

/// Whether an operator has just proved who they are, as acts need that take something away for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// They have.
    Lately,
    /// Not for some time.
    LongAgo,
}

impl PeoplePage<'_> {
    fn may_erase(&self) -> bool {
        self.proved == Proved::Lately
    }
}
