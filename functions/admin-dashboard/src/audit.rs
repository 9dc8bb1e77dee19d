//! The page of the audit, which may show what one person did, or what was done to one session.
use std::collections::BTreeSet;

use askama::Template;
use lambda_http::Request;
use shared::edge::admin::{Layout, query_field};
use shared::flows::admin::audit::{AuditKey, AuditPage as Entries};
use shared::store::audit::StoredAudit;

use crate::deeds;
use crate::pages::{Frame, raw_fields};
use crate::when::When;

/// What begins the words of acts on sessions.
const OF_SESSIONS: [&str; 2] = ["session-", "pairing-link-"];

/// The fields of an address that say which entries are shown.
const FILTER: [&str; 2] = ["by", "session"];

/// Which entries of a page are shown.
#[derive(Debug)]
pub struct Filter {
    /// Only those of this person.
    by: Option<String>,
    /// Only acts on this session.
    session: Option<String>,
    /// The same as the address of the page has it.
    query: String,
}

impl Filter {
    /// That of the address of `request`.
    pub fn of(request: &Request) -> Self {
        let [by, session] = FILTER.map(|name| query_field(request, name));
        Self {
            by,
            session,
            query: raw_fields(request, &FILTER).join("&"),
        }
    }

    fn shows(&self, entry: &StoredAudit) -> bool {
        let is_by = self.by.as_ref().is_none_or(|by| *by == entry.who);
        let wanted = self.session.as_deref();
        is_by && wanted.is_none_or(|wanted| session_of(entry) == Some(wanted))
    }
}

/// The session that an entry is about, if it is about one.
fn session_of(entry: &StoredAudit) -> Option<&str> {
    let is_of_session = OF_SESSIONS
        .iter()
        .any(|begins| entry.what.starts_with(begins));
    entry.whom.as_deref().filter(|_| is_of_session)
}

/// What operators did.
#[derive(Debug, Template)]
#[template(path = "audit.html")]
pub struct AuditPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// The entries.
    pub page: Entries,
    /// Which of them are shown.
    pub filter: Filter,
    /// Where the entries of this page begin, as its address has it.
    pub before: Option<String>,
}

impl AuditPage<'_> {
    fn shown(&self) -> Vec<&StoredAudit> {
        let entries = self.page.entries.iter();
        entries.filter(|entry| self.filter.shows(entry)).collect()
    }

    /// Who can be chosen: those of this page, and who is.
    fn people(&self) -> BTreeSet<&str> {
        let people = self.page.entries.iter().map(|entry| entry.who.as_str());
        people.chain(self.filter.by.as_deref()).collect()
    }

    /// Which sessions can be chosen: those of this page, and the one that is.
    fn sessions(&self) -> BTreeSet<&str> {
        let sessions = self.page.entries.iter().filter_map(session_of);
        sessions.chain(self.filter.session.as_deref()).collect()
    }

    fn is_by(&self, who: &str) -> bool {
        self.filter.by.as_deref() == Some(who)
    }

    fn is_of(&self, session: &str) -> bool {
        self.filter.session.as_deref() == Some(session)
    }

    /// The address of older entries, which are filtered in the same way.
    fn older(&self, key: &AuditKey) -> String {
        let older = format!("/admin/dashboard/audit?before={}", key.as_str());
        if self.filter.query.is_empty() {
            return older;
        }
        format!("{older}&{}", self.filter.query)
    }

    /// What was done, or what was not and why.
    fn deed(&self, entry: &StoredAudit) -> String {
        deeds::deed(&entry.what, &entry.result, self.frame.language())
    }

    fn shape(&self, entry: &StoredAudit) -> &'static str {
        if deeds::is_done(&entry.result) {
            "good"
        } else {
            "bad"
        }
    }

    /// The day before which older entries are.
    fn day(&self, key: &AuditKey) -> String {
        let at = key.at().rfc3339();
        at.split('T').next().unwrap_or_default().to_owned()
    }

    fn at(&self, entry: &StoredAudit) -> When {
        self.frame.when(&entry.key.at())
    }
}
