//! The channel in one glance: whether messages go out, since when, what is wrong, what is being done, and what somebody has to
//! do. Pure.
use super::super::incidents::Incident;
use super::key::SessionKey;
use super::view::{Doing, Health, PoolPlace, SessionView};
use crate::platform::timestamp::Timestamp;

/// Whether messages go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They do, over every session that somebody has looked at.
    GoesOut,
    /// They do, and not every session is well.
    GoesOutOverOthers,
    /// They do to people that were written to before, and to nobody new: each session that sends is locked for new contacts.
    KnownContacts,
    /// They do not.
    Stopped,
    /// Nobody has looked yet.
    Unknown,
    /// There is no session to send from.
    NoSession,
}

impl Verdict {
    /// The word for it in replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GoesOut => "goes_out",
            Self::GoesOutOverOthers => "goes_out_over_others",
            Self::KnownContacts => "known_contacts",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
            Self::NoSession => "no_session",
        }
    }
}

/// How many sessions that are not well are named at most.
pub const WRONG_MAX: usize = 20;

/// How many sessions outside of the pool are named at most that could send.
const SPARE_MAX: usize = 5;

/// The channel in one glance.
#[derive(Clone, Debug)]
pub struct Glance {
    /// Whether messages go out.
    pub verdict: Verdict,
    /// Since when, where that is known: of trouble, since it began.
    pub since: Option<Timestamp>,
    /// How many sessions messages are sent from.
    pub sessions: usize,
    /// How many of them are well.
    pub ready: usize,
    /// How many of them nobody has looked at yet: they are neither well nor not.
    pub unseen: usize,
    /// The sessions that are not well and that we send from: each with how it is, and what is being done. Those that need
    /// a person come first. At most [`WRONG_MAX`].
    pub wrong: Vec<Wrong>,
    /// How many others are not well.
    pub more_wrong: usize,
    /// All that are not well, by how they are; what a person has to do comes first.
    pub kinds: Vec<Kind>,
    /// Sessions that nothing is sent from and that could send, where no other one is ready. Some of them.
    pub spare: Vec<Spare>,
}

/// A session that nothing is sent from, and that could send.
#[derive(Clone, Debug)]
pub struct Spare {
    /// Which one.
    pub key: SessionKey,
    /// Its name.
    pub name: String,
}

/// Sessions that are not well in the same way.
#[derive(Clone, Debug)]
pub struct Kind {
    /// How they are.
    pub health: Health,
    /// Whether their gateway does not answer.
    pub gateway_is_silent: bool,
    /// The host of that gateway, where it is known.
    pub gateway: Option<String>,
    /// Whether they have been trying to come back for long.
    pub has_failed_long: bool,
    /// How many they are.
    pub count: usize,
    /// One of them.
    pub first: SessionKey,
    /// The name of that one.
    pub first_name: String,
}

/// A session that is not well.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// Which one.
    pub key: SessionKey,
    /// Its name.
    pub name: String,
    /// How it is.
    pub health: Health,
    /// How it is, for whoever sorts by what has to be done.
    trouble: Health,
    /// Whether its gateway does not answer.
    pub gateway_is_silent: bool,
    /// The host of its gateway, where that is known.
    gateway: Option<String>,
    /// Whether it has been trying to come back for long.
    pub has_failed_long: bool,
    /// Whether nobody has found out yet whether its account was unlinked.
    pub may_be_unpaired: bool,
    /// What is being done about it.
    pub doing: Doing,
    /// What became of its messages since then.
    pub incident: Option<Incident>,
}

impl Glance {
    /// The channel whose sessions are `all`, at `now`.
    pub fn new(all: &[SessionView], now: Timestamp) -> Self {
        let pool = || {
            let sends =
                |view: &&SessionView| matches!(view.pool, PoolPlace::Configured | PoolPlace::In);
            all.iter().filter(sends)
        };
        let wrong = pool().filter(|view| view.health.is_trouble());
        let wrong = wrong.map(|view| Wrong::of(view, now));
        let mut wrong: Vec<_> = wrong.collect();
        wrong.sort_by_key(|wrong| wrong.trouble.urgency());
        let verdict = verdict(pool().map(|view| view.health));
        let since = since(verdict, &pool().collect::<Vec<_>>());
        let sessions = pool().count();
        let count = |health| pool().filter(|view| view.health == health).count();
        let (ready, unseen) = (count(Health::Ready), count(Health::Unknown));
        let kinds = kinds(&wrong);
        let more_wrong = wrong.len().saturating_sub(WRONG_MAX);
        wrong.truncate(WRONG_MAX);
        let spare = match verdict {
            Verdict::Stopped | Verdict::KnownContacts => spare(all),
            _ => Vec::new(),
        };
        Self {
            verdict,
            since,
            sessions,
            ready,
            unseen,
            wrong,
            more_wrong,
            kinds,
            spare,
        }
    }
}

/// Whether messages go out over sessions that are as `pool` says.
fn verdict(pool: impl Iterator<Item = Health> + Clone) -> Verdict {
    let any = |is: fn(Health) -> bool| pool.clone().any(is);
    let is_ready = any(|health| health == Health::Ready);
    if pool.clone().next().is_none() {
        Verdict::NoSession
    } else if !is_ready && !any(Health::is_trouble) {
        Verdict::Unknown
    } else if !any(Health::is_trouble) {
        Verdict::GoesOut
    } else if is_ready {
        Verdict::GoesOutOverOthers
    } else if any(Health::sends) {
        Verdict::KnownContacts
    } else {
        Verdict::Stopped
    }
}

/// Those of `sessions` that nothing is sent from, and that could send.
fn spare(sessions: &[SessionView]) -> Vec<Spare> {
    let could_send =
        |view: &&SessionView| view.pool == PoolPlace::Out && view.health == Health::Ready;
    let spare = sessions.iter().filter(could_send).map(|view| Spare {
        key: view.key.clone(),
        name: view.name.clone(),
    });
    spare.take(SPARE_MAX).collect()
}

/// Since when the verdict on the sessions of `pool` is so, where that is known.
fn since(verdict: Verdict, pool: &[&SessionView]) -> Option<Timestamp> {
    let well = pool.iter().filter(|view| view.health.sends());
    let not_well = pool.iter().filter(|view| view.health.is_trouble());
    let began = not_well.map(|view| view.in_trouble_since());
    match verdict {
        // As long as the one that is well for the longest.
        Verdict::GoesOut => well.filter_map(|view| view.since).min(),
        // Since the first one stopped.
        Verdict::GoesOutOverOthers => began.flatten().min(),
        // Since the last one stopped, if that is known of each.
        Verdict::Stopped | Verdict::KnownContacts => {
            began.collect::<Option<Vec<_>>>()?.into_iter().max()
        }
        Verdict::Unknown | Verdict::NoSession => None,
    }
}

/// The sessions of `wrong` by how they are, in that order. Of those whose gateway does not answer, by that alone.
fn kinds(wrong: &[Wrong]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for one in wrong {
        let gateway = one.gateway.clone().filter(|_| one.gateway_is_silent);
        let is_alike = |kind: &&mut Kind| {
            (kind.health, kind.gateway_is_silent, kind.has_failed_long)
                == (one.trouble, one.gateway_is_silent, one.has_failed_long)
                && kind.gateway == gateway
        };
        match kinds.iter_mut().find(is_alike) {
            Some(kind) => kind.count += 1,
            None => kinds.push(Kind {
                health: one.trouble,
                gateway_is_silent: one.gateway_is_silent,
                has_failed_long: one.has_failed_long,
                gateway,
                count: 1,
                first: one.key.clone(),
                first_name: one.name.clone(),
            }),
        }
    }
    kinds
}

impl Wrong {
    fn of(view: &SessionView, now: Timestamp) -> Self {
        Self {
            trouble: view.trouble(),
            gateway: view.gateway.clone(),
            has_failed_long: !view.gateway_is_silent && view.has_failed_long(now),
            key: view.key.clone(),
            name: view.name.clone(),
            health: view.health,
            gateway_is_silent: view.gateway_is_silent,
            may_be_unpaired: view.may_be_unpaired(),
            doing: view.doing,
            incident: view.incident.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::view::{LastSends, Owner};
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

    fn view(name: &str, health: Health, minutes: u64) -> SessionView {
        SessionView {
            key: SessionKey::Ours(name.into()),
            name: name.into(),
            owner: Owner::System,
            pool: PoolPlace::In,
            gateway: None,
            health,
            since: Some(NOW.minus(Duration::from_secs(60 * minutes))),
            locked_until: None,
            seen_at: None,
            flags: None,
            gateway_is_silent: false,
            doing: Doing::Nothing,
            number: None,
            last_sends: LastSends::default(),
            delivered_at: None,
            arrivals: None,
            new_chats: 0,
            new_chats_most: None,
            weight: None,
            connects_last_hour: 0,
            incident: None,
        }
    }

    #[test]
    fn the_channel_is_as_its_sessions_are_together() {
        let minutes = |minutes: u64| Some(NOW.minus(Duration::from_secs(60 * minutes)));
        for (case, sessions, verdict, since) in [
            ("none", vec![], Verdict::NoSession, None),
            (
                "one",
                vec![view("a", Health::Ready, 5)],
                Verdict::GoesOut,
                minutes(5),
            ),
            (
                "one of two",
                vec![
                    view("a", Health::NeedsScan, 5),
                    view("b", Health::Ready, 60),
                ],
                Verdict::GoesOutOverOthers,
                minutes(5),
            ),
            (
                "none of two",
                vec![view("a", Health::Down, 5), view("b", Health::NeedsScan, 60)],
                Verdict::Stopped,
                minutes(5),
            ),
        ] {
            let glance = Glance::new(&sessions, NOW);
            assert_eq!((glance.verdict, glance.since), (verdict, since), "{case}");
        }
    }

    #[test]
    fn what_nobody_has_looked_at_is_neither_well_nor_trouble() {
        let since = Some(NOW.minus(Duration::from_secs(5 * 60)));
        let unseen = || view("a", Health::Unknown, 9);
        for (case, sessions, expected) in [
            ("alone", vec![unseen()], (Verdict::Unknown, None)),
            (
                "beside one that is ready",
                vec![unseen(), view("b", Health::Ready, 5)],
                (Verdict::GoesOut, since),
            ),
            (
                "beside one that is down",
                vec![unseen(), view("b", Health::Down, 5)],
                (Verdict::Stopped, since),
            ),
        ] {
            let glance = Glance::new(&sessions, NOW);
            assert_eq!((glance.verdict, glance.since), expected, "{case}");
        }
    }

    #[test]
    fn trouble_is_as_old_as_its_incident_and_has_no_age_before_that_is_known() {
        let minutes = |minutes: u64| NOW.minus(Duration::from_secs(60 * minutes));
        let lasting = |name: &str, health, began| SessionView {
            incident: Some(Incident::beginning(minutes(began))),
            ..view(name, health, 1)
        };
        let fresh = |name: &str| SessionView {
            since: None,
            ..view(name, Health::Down, 0)
        };
        let down = Health::Down;
        let ready = || view("well", Health::Ready, 60);
        for (case, sessions, since) in [
            (
                "the first to stop",
                vec![
                    lasting("a", down, 9),
                    lasting("b", Health::NeedsScan, 4),
                    ready(),
                ],
                Some(minutes(9)),
            ),
            ("lost just now", vec![fresh("a"), ready()], None),
            (
                "the last to stop",
                vec![lasting("a", down, 9), lasting("b", Health::NeedsScan, 4)],
                Some(minutes(4)),
            ),
            (
                "one just now",
                vec![lasting("a", down, 9), fresh("b")],
                None,
            ),
        ] {
            assert_eq!(Glance::new(&sessions, NOW).since, since, "{case}");
        }
    }

    #[test]
    fn a_glance_counts_sessions_by_how_they_are() {
        let mut sessions = vec![view("well", Health::Ready, 5)];
        let down = |number| view(&format!("down-{number}"), Health::Down, 5);
        sessions.extend((0..30).map(down));
        sessions.push(view("unpaired", Health::NeedsScan, 5));
        sessions.push(view("new", Health::Unknown, 5));
        let glance = Glance::new(&sessions, NOW);
        let counts = (glance.ready, glance.unseen, glance.sessions);
        assert_eq!(counts, (1, 1, 33));
        let kinds: Vec<_> = glance
            .kinds
            .iter()
            .map(|kind| (kind.health, kind.count, kind.first_name.as_str()))
            .collect();
        assert_eq!(
            kinds,
            [
                (Health::NeedsScan, 1, "unpaired"),
                (Health::Down, 30, "down-0")
            ]
        );
    }

    #[test]
    fn while_none_is_ready_and_one_is_locked_for_new_contacts_only_known_ones_are_reached() {
        let sessions = [
            view("a", Health::NeedsScan, 60),
            view("b", Health::Limited, 5),
        ];
        let glance = Glance::new(&sessions, NOW);
        let since = NOW.minus(Duration::from_secs(5 * 60));
        let told = (Verdict::KnownContacts, Some(since));
        assert_eq!((glance.verdict, glance.since), told);
    }

    #[test]
    fn whoever_could_send_is_named_only_while_nobody_else_is_ready() {
        let spare = |health| SessionView {
            pool: PoolPlace::Out,
            ..view("spare", health, 5)
        };
        let named = |sessions: [SessionView; 2]| Glance::new(&sessions, NOW).spare.len();
        let (ready, down) = (Health::Ready, Health::Down);
        assert_eq!(named([view("a", down, 5), spare(ready)]), 1);
        assert_eq!(named([view("a", Health::Limited, 5), spare(ready)]), 1);
        assert_eq!(named([view("a", ready, 5), spare(ready)]), 0);
        assert_eq!(named([view("a", down, 5), spare(down)]), 0);
    }

    #[test]
    fn a_gateway_that_does_not_answer_is_one_kind_whatever_was_seen_of_its_sessions() {
        let silent = |name: &str, health| SessionView {
            gateway_is_silent: true,
            gateway: Some("wa.example".into()),
            ..view(name, health, 9)
        };
        let sessions = [
            silent("a", Health::Restricted),
            silent("b", Health::Down),
            view("c", Health::Recovering, 9),
            view("d", Health::Recovering, 1),
        ];
        let glance = Glance::new(&sessions, NOW);
        let kinds = glance.kinds.iter();
        let kinds: Vec<_> = kinds
            .map(|kind| (kind.health, kind.count, kind.has_failed_long))
            .collect();
        assert_eq!(
            kinds,
            [
                (Health::Down, 2, false),
                (Health::Recovering, 1, true),
                (Health::Recovering, 1, false)
            ]
        );
        assert_eq!(glance.kinds[0].gateway.as_deref(), Some("wa.example"));
    }

    #[test]
    fn a_glance_names_some_and_counts_the_others() {
        let down = |number| view(&format!("s{number}"), Health::Down, 5);
        let sessions: Vec<_> = (0..WRONG_MAX + 3).map(down).collect();
        let glance = Glance::new(&sessions, NOW);
        assert_eq!((glance.wrong.len(), glance.more_wrong), (WRONG_MAX, 3));
    }

    #[test]
    fn what_needs_a_person_comes_first_and_what_is_not_ours_is_not_there() {
        let customers = SessionView {
            pool: PoolPlace::NotOurs,
            ..view("theirs", Health::Down, 5)
        };
        let sessions = [
            view("a", Health::Down, 5),
            customers,
            view("b", Health::NeedsScan, 5),
        ];
        let glance = Glance::new(&sessions, NOW);
        let names: Vec<_> = glance
            .wrong
            .iter()
            .map(|wrong| wrong.name.as_str())
            .collect();
        assert_eq!(names, ["b", "a"]);
    }
}
