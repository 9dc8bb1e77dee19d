//! The page of incidents. Those of many sessions that began together and have one cause are one entry.
use std::time::Duration;

use askama::Template;
use shared::edge::admin::Layout;
use shared::flows::admin::incidents::{CurrentIncident, IncidentsPage, Missed, PastIncident};
use shared::platform::timestamp::Timestamp;

use crate::pages::Frame;
use crate::when::When;
use crate::words;

/// What began within so long is one outage: the monitor looks once a minute, and for some seconds.
const BEGAN_WITHIN: Duration = Duration::from_secs(90);

/// So many sessions are one entry; fewer have an entry each.
const GROUPED_FROM: usize = 3;

/// Each time messages could not be sent from a session.
#[derive(Debug, Template)]
#[template(path = "incidents.html")]
pub struct IncidentsListPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// What every page has.
    pub frame: Frame<'a>,
    /// What goes on.
    pub current: Vec<CurrentIncident>,
    /// What has ended.
    pub page: IncidentsPage,
}

/// What went on in one session, or goes on.
trait Entry {
    /// When it began.
    fn began(&self) -> Timestamp;
    /// The words for what was wrong at first and at last.
    fn causes(&self) -> (Option<&str>, Option<&str>);
    /// Its codes and notices.
    fn missed(&self) -> (Missed, Missed);
    /// Its connects and restarts.
    fn tried(&self) -> (i64, i64);
}

impl Entry for CurrentIncident {
    fn began(&self) -> Timestamp {
        self.incident.began
    }

    fn causes(&self) -> (Option<&str>, Option<&str>) {
        let incident = &self.incident;
        (incident.cause.as_deref(), incident.latest_cause())
    }

    fn missed(&self) -> (Missed, Missed) {
        (self.incident.codes, self.incident.notices)
    }

    fn tried(&self) -> (i64, i64) {
        (self.incident.connects, self.incident.restarts)
    }
}

impl Entry for PastIncident {
    fn began(&self) -> Timestamp {
        self.began
    }

    fn causes(&self) -> (Option<&str>, Option<&str>) {
        (self.cause.as_deref(), self.latest_cause())
    }

    fn missed(&self) -> (Missed, Missed) {
        (self.codes, self.notices)
    }

    fn tried(&self) -> (i64, i64) {
        (self.connects, self.restarts)
    }
}

/// Incidents that are one entry of the page: that of one session, or those of many.
#[derive(Debug)]
struct Group<'a, E> {
    first: &'a E,
    others: Vec<&'a E>,
}

impl<'a, E: Entry> Group<'a, E> {
    fn all(&self) -> impl Iterator<Item = &'a E> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// When the first of them began.
    fn began(&self) -> Timestamp {
        let began = self.all().map(Entry::began).min();
        began.unwrap_or_else(|| self.first.began())
    }

    fn codes(&self) -> Missed {
        self.all().map(|one| one.missed().0).sum()
    }

    fn notices(&self) -> Missed {
        self.all().map(|one| one.missed().1).sum()
    }

    fn connects(&self) -> i64 {
        self.all().map(|one| one.tried().0).sum()
    }

    fn restarts(&self) -> i64 {
        self.all().map(|one| one.tried().1).sum()
    }

    fn takes(&self, one: &E) -> bool {
        let (first, one_began) = (self.first.began(), one.began());
        let distance = first.since(one_began).max(one_began.since(first));
        self.first.causes() == one.causes() && distance <= BEGAN_WITHIN
    }

    /// The same as one entry each, where they are few.
    fn or_each(self) -> Vec<Self> {
        if self.count() >= GROUPED_FROM {
            return vec![self];
        }
        let each = self.all().map(|first| Group {
            first,
            others: Vec::new(),
        });
        each.collect()
    }
}

/// The entries of a page that has `incidents`, in the order of the first one of each.
fn groups<E: Entry>(incidents: &[E]) -> Vec<Group<'_, E>> {
    let mut groups: Vec<Group<'_, E>> = Vec::new();
    for one in incidents {
        match groups.iter_mut().find(|group| group.takes(one)) {
            Some(group) => group.others.push(one),
            None => groups.push(Group {
                first: one,
                others: Vec::new(),
            }),
        }
    }
    groups.into_iter().flat_map(Group::or_each).collect()
}

impl IncidentsListPage<'_> {
    fn going_on(&self) -> Vec<Group<'_, CurrentIncident>> {
        groups(&self.current)
    }

    fn over(&self) -> Vec<Group<'_, PastIncident>> {
        groups(&self.page.past)
    }

    /// How many sessions they are, where they are many.
    fn many<E: Entry>(&self, group: &Group<'_, E>) -> Option<String> {
        let is_many = !group.others.is_empty();
        is_many.then(|| words::sessions(group.count(), self.frame.language()))
    }

    fn since<E: Entry>(&self, group: &Group<'_, E>) -> String {
        self.frame.since(&group.began())
    }

    fn began<E: Entry>(&self, group: &Group<'_, E>) -> When {
        self.frame.when(&group.began())
    }

    fn missed<E: Entry>(&self, group: &Group<'_, E>) -> String {
        self.frame.missed(&group.codes(), &group.notices())
    }

    fn tried<E: Entry>(&self, group: &Group<'_, E>) -> String {
        self.frame.tried(&group.connects(), &group.restarts())
    }

    /// How long one of them lasted.
    fn lasted(&self, one: &PastIncident) -> String {
        When::new(one.began, one.ended, self.frame.language()).span
    }

    /// How long they lasted: the shortest and the longest one, where the page tells them apart.
    fn all_lasted(&self, group: &Group<'_, PastIncident>) -> String {
        let length = |one: &&PastIncident| one.ended.since(one.began);
        let shortest = group.all().min_by_key(length).unwrap_or(group.first);
        let longest = group.all().max_by_key(length).unwrap_or(group.first);
        let (shortest, longest) = (self.lasted(shortest), self.lasted(longest));
        if shortest == longest {
            return longest;
        }
        let to = self.frame.say("to", "sampai");
        format!("{shortest} {to} {longest}")
    }
}

#[cfg(test)]
mod tests {
    use shared::store::incidents::IncidentKey;

    use super::*;

    fn past(session: &str, seconds: u64, cause: &str) -> PastIncident {
        let began = Timestamp::from_seconds(1_795_000_000).plus(Duration::from_secs(seconds));
        PastIncident {
            key: IncidentKey::new(began, session),
            session: session.to_owned(),
            began,
            ended: began.plus(Duration::from_secs(300)),
            cause: Some(cause.to_owned()),
            last_cause: None,
            connects: 2,
            restarts: 0,
            codes: Missed::default(),
            notices: Missed::default(),
        }
    }

    #[track_caller]
    fn check(case: &str, incidents: &[PastIncident], expected: &[usize]) {
        let counts: Vec<_> = groups(incidents).iter().map(Group::count).collect();
        assert_eq!(counts, expected, "{case}");
    }

    #[test]
    fn what_began_together_with_one_cause_is_one_entry() {
        let of = |cause: &'static str| move |at| past(&format!("s{at}"), at, cause);
        let gateway = of("unreachable");
        let scan = of("needs_pairing");
        check("none", &[], &[]);
        check("two", &[gateway(0), gateway(1)], &[1, 1]);
        check("three", &[gateway(0), gateway(30), gateway(90)], &[3]);
        check(
            "one came later",
            &[gateway(200), gateway(2), gateway(1), gateway(0)],
            &[1, 3],
        );
        check(
            "another cause among them",
            &[gateway(0), scan(0), gateway(1), gateway(2)],
            &[3, 1],
        );
    }

    #[test]
    fn an_entry_sums_up_what_its_sessions_had() {
        let mut three = [
            past("a", 0, "down"),
            past("b", 3, "down"),
            past("c", 6, "down"),
        ];
        for one in &mut three {
            one.codes.failed = 2;
        }
        let groups = groups(&three);
        let [all] = &groups[..] else {
            panic!("one entry: {groups:?}");
        };
        assert_eq!((all.codes().failed, all.connects()), (6, 6));
        assert_eq!(all.began(), three[0].began);
    }
}
