//! What a message counts as in the incident of the session that should have sent it: pure.
use super::delivery::{Content, Delivery, OnceUnknown, Outgoing};
use super::outcome::{Outcome, Reason};
use super::pool::Choice;
use super::queue::Place;
use super::rank::Rank;
use crate::store::whatsapp_sessions::SessionState;
use crate::store::whatsapp_sessions::incident::{MissedEnd, MissedKind, MissedMessage};

/// A message that counts, if its session cannot send it at once.
pub(super) struct Countable {
    kind: MissedKind,
    /// Whether it is sent later when it was not sent now.
    is_kept: bool,
    /// The session that should have sent it, where that was known to be in trouble, so that another one was picked.
    passed_over: Option<String>,
}

impl Countable {
    /// `message`, whose place is `first`. Nothing for what goes to nobody, and for what an incident has counted before.
    pub(super) fn of(message: &Outgoing, first: &Place) -> Option<Self> {
        if message.is_repeat || matches!(message.content, Content::Nobody) {
            return None;
        }
        let mut all = first.all.iter();
        let own = all.find(|choice| choice.comes_first);
        let passed_over = own.filter(|own| own.session.name != first.session && is_in_trouble(own));
        Some(Self {
            kind: match message.code_asked_at {
                Some(_) => MissedKind::Code,
                None => MissedKind::Notice,
            },
            is_kept: message.once_unknown == OnceUnknown::Waits,
            passed_over: passed_over.map(|own| own.session.name.clone()),
        })
    }
}

/// Whether a session cannot send, as far as is known, to anybody.
fn is_in_trouble(choice: &Choice) -> bool {
    let sends = [SessionState::Usable, SessionState::ColdLocked];
    let state = choice.item.seen.map(|seen| seen.state);
    matches!(choice.rank, Rank::Recovering | Rank::NeedsHuman)
        && state.is_some_and(|state| !sends.contains(&state))
}

/// What `delivery` counts as; nothing where its session sent it at once, or what kept it from that says nothing about the session.
pub(super) fn missed(delivery: &Delivery, countable: Option<&Countable>) -> Option<MissedMessage> {
    let countable = countable?;
    let first = delivery.shown.first()?;
    let passed_over = countable.passed_over.as_ref();
    let own = passed_over.unwrap_or(&first.session);
    let waited = first.was_unusable || passed_over.is_some();
    let end = match delivery.outcome {
        Outcome::Sent if delivery.session != *own && waited => MissedEnd::Elsewhere,
        Outcome::Sent if waited => MissedEnd::Waited,
        Outcome::Sent => return None,
        Outcome::Unknown => MissedEnd::Unconfirmed,
        Outcome::NotSent(reason) if !waited || !is_for_want_of_a_session(reason) => return None,
        Outcome::NotSent(_) if countable.is_kept => MissedEnd::Waited,
        Outcome::NotSent(_) => MissedEnd::Failed,
    };
    Some(MissedMessage {
        session: own.clone(),
        kind: countable.kind,
        end,
    })
}

/// Whether a session that cannot send is why a message was not sent, and not its recipient or too many others.
const fn is_for_want_of_a_session(reason: Reason) -> bool {
    reason.concerns_the_channel() && !matches!(reason, Reason::Busy | Reason::Rejected)
}

#[cfg(test)]
mod tests {
    use super::super::Cause;
    use super::super::delivery::{Effort, Shown};
    use super::*;
    use crate::model::phone::Phone;
    use crate::platform::timestamp::Timestamp;

    fn shown(session: &str, was_unusable: bool) -> Shown {
        Shown {
            session: session.into(),
            send_record: None,
            rest_of_place: None,
            new_state: None,
            ended: None,
            seen_again: None,
            refused_as_new: false,
            was_unusable,
        }
    }

    /// A message that ended as `outcome` over `session`, and was tried over those of `tried`.
    fn delivery(outcome: Outcome, session: &str, tried: &[(&str, bool)]) -> Delivery {
        let tried = tried.iter().map(|(name, unusable)| shown(name, *unusable));
        let now = Timestamp::from_seconds(1_795_000_000);
        Delivery {
            outcome,
            session: session.into(),
            message_id: "3EB0".into(),
            purpose: "sso",
            phone: Phone::parse("+628123456789").expect("a phone"),
            cause: Cause::default(),
            started: now,
            ended: now,
            code_asked_at: None,
            effort: Effort::default(),
            steps: Vec::new(),
            retry_after: None,
            refused_by_whatsapp: false,
            to_nobody: false,
            missed: None,
            shown: tried.collect(),
        }
    }

    fn countable(passed_over: Option<&str>, is_kept: bool) -> Countable {
        Countable {
            kind: MissedKind::Code,
            is_kept,
            passed_over: passed_over.map(str::to_owned),
        }
    }

    const BAD: (&str, bool) = ("a", true);
    const GOOD: (&str, bool) = ("a", false);
    const OTHER: (&str, bool) = ("b", false);

    /// How a message counts for the session `a`, by name of the case.
    #[track_caller]
    fn check(case: &str, delivery: &Delivery, expected: Option<MissedEnd>) {
        let counted = missed(delivery, Some(&countable(None, false)));
        let counted = counted.map(|missed| (missed.session, missed.end));
        let expected = expected.map(|end| ("a".to_owned(), end));
        assert_eq!(counted, expected, "{case}");
        assert_eq!(missed(delivery, None), None, "{case}: to nobody");
    }

    #[test]
    fn a_message_that_was_sent_counts_where_its_session_could_not_send_it_at_once() {
        let sent = |session, tried: &[_]| delivery(Outcome::Sent, session, tried);
        check("at once", &sent("a", &[GOOD]), None);
        check("recovered", &sent("a", &[BAD]), Some(MissedEnd::Waited));
        let elsewhere = Some(MissedEnd::Elsewhere);
        check("over another", &sent("b", &[BAD, OTHER]), elsewhere);
        check("a full queue", &sent("b", &[OTHER]), None);
        let passed_over = countable(Some("a"), false);
        let counted = missed(&sent("b", &[OTHER]), Some(&passed_over));
        let counted = counted.map(|missed| (missed.session, missed.end));
        assert_eq!(counted, Some(("a".into(), MissedEnd::Elsewhere)));
    }

    #[test]
    fn a_message_that_was_not_sent_counts_where_its_session_is_why() {
        let unsent = |reason, tried: &[_]| delivery(Outcome::NotSent(reason), "a", tried);
        let failed = unsent(Reason::SessionDown, &[BAD]);
        check("its session", &failed, Some(MissedEnd::Failed));
        check("no number", &unsent(Reason::NotOnWhatsApp, &[BAD]), None);
        check("too many", &unsent(Reason::Busy, &[GOOD]), None);
        let unknown = delivery(Outcome::Unknown, "a", &[GOOD]);
        check("no answer", &unknown, Some(MissedEnd::Unconfirmed));
        let kept = missed(&failed, Some(&countable(None, true)));
        let end = kept.map(|missed| missed.end);
        assert_eq!(end, Some(MissedEnd::Waited), "a notice is kept");
    }
}
