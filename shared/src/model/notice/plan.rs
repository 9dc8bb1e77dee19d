//! What to do with a notice now. The whole [`Story`] of its payment decides, and nothing else: so whoever comes, an endpoint or
//! a schedule, first or again after a crash, does the same.
use std::time::Duration;

use super::{Notice, NoticeId, Phase, Priority, State, Story, TIME_TO_PAY};
use crate::model::payment::Kind;
use crate::platform::timestamp::Timestamp;

/// What to do with a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: it has ended, or waits for a receipt that is not awaited any more.
    Nothing,
    /// It ends like this, and is not sent.
    End(State),
    /// Nothing before this.
    Wait(Timestamp),
    /// It goes out.
    Send(Sessions),
    /// It may have gone out: unless a receipt says so, it goes out again, under the same message id.
    SendUnlessDelivered(Sessions),
    /// It was sent, and something should have come back by now.
    AskForReceipt,
}

/// The sessions that a notice may go out from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// Any.
    Any,
    /// This one, which may still send what it was given before: through another one, the later message could come first.
    Only(String),
}

/// A message whose send ended unanswered is not sent by its gateway later than this.
const STILL_QUEUED: Duration = Duration::from_secs(60 * 60);

/// A payment system's warning and one that comes by itself say the same, so close to each other.
const WARNED_FOR: Duration = Duration::from_secs(5 * 60);

/// What waits for another notice of its payment looks again so much later.
const BEHIND: Duration = Duration::from_secs(1);

/// What to do with `notice` of `story` at `now`.
pub fn plan(story: &Story, notice: &Notice, now: Timestamp) -> Plan {
    if let (State::Sent, Some(due_at), false) = (notice.state, notice.due_at, notice.sent_again) {
        return while_receipt_is_missing(story, notice, (due_at, now));
    }
    if notice.state.is_end() {
        return Plan::Nothing;
    }
    if let Some(end) = not_needed(story, notice, now) {
        return end;
    }
    if now < notice.not_before {
        return Plan::Wait(notice.not_before);
    }
    if let Some(until) = behind(story, notice, now) {
        return Plan::Wait(until);
    }
    let sessions = sessions(story, notice, now);
    match notice.state {
        State::Sending | State::Unknown => Plan::SendUnlessDelivered(sessions),
        _ => Plan::Send(sessions),
    }
}

/// What to do with a notice that was sent and of which nothing has come back, whose receipt is due at the first of two times. It goes
/// out once more only if it would go out for the first time as well, and nothing that follows it has gone out: otherwise it
/// stays sent.
fn while_receipt_is_missing(
    story: &Story,
    notice: &Notice,
    (due_at, now): (Timestamp, Timestamp),
) -> Plan {
    if now < due_at {
        return Plan::Wait(due_at);
    }
    if not_needed(story, notice, now).is_some() || is_overtaken(story, notice) {
        return Plan::End(State::Sent);
    }
    match behind(story, notice, now) {
        Some(until) => Plan::Wait(until),
        None => Plan::AskForReceipt,
    }
}

/// Whether a later notice of the payment has gone out, or may have.
fn is_overtaken(story: &Story, notice: &Notice) -> bool {
    let mut later = story
        .notices
        .iter()
        .skip_while(|other| other.id != notice.id)
        .skip(1);
    let may_be_out =
        |other: &Notice| matches!(other.state, State::Sending | State::Unknown | State::Sent);
    later.any(may_be_out)
}

/// Whether somebody is sending `notice` just now.
fn is_in_flight(story: &Story, notice: &Notice, now: Timestamp) -> bool {
    let in_flight = story.payment.in_flight.as_ref();
    in_flight.is_some_and(|(id, until)| *id == notice.id && now < *until)
}

/// The end of a notice that is not sent any more. One that somebody is sending has none yet.
fn not_needed(story: &Story, notice: &Notice, now: Timestamp) -> Option<Plan> {
    if is_in_flight(story, notice, now) {
        return None;
    }
    let asks_to_pay = notice.kind.priority() == Priority::Reminders;
    if asks_to_pay && story.payment.phase != Phase::Open {
        return Some(Plan::End(State::Superseded));
    }
    if was_just_warned(story, notice, now) {
        return Some(Plan::End(State::Superseded));
    }
    let paid_by = story.payment.expires_at.filter(|_| asks_to_pay);
    let deliver_by = paid_by.map_or(notice.deliver_by, |paid_by| {
        notice.deliver_by.min(paid_by.minus(TIME_TO_PAY))
    });
    let too_late = deliver_by <= now;
    let end = if asks_to_pay {
        State::Expired
    } else {
        State::Dead
    };
    too_late.then_some(Plan::End(end))
}

/// Whether `notice` is a warning that is due, and another one has just gone out: of the two, one is the payment system's.
fn was_just_warned(story: &Story, notice: &Notice, now: Timestamp) -> bool {
    let posted = NoticeId::of(&Kind::ExpiryWarning);
    let says_the_same = |other: &Notice| {
        let is_other = other.kind == Kind::ExpiryWarning && other.id != notice.id;
        is_other && (other.id == posted || notice.id == posted)
    };
    let has_just_gone_out =
        |other: &Notice| other.sent_at.is_some_and(|at| now.since(at) < WARNED_FOR);
    notice.kind == Kind::ExpiryWarning
        && notice.not_before <= now
        && story
            .notices
            .iter()
            .any(|other| says_the_same(other) && has_just_gone_out(other))
}

/// Until when `notice` waits for another one of its payment: one goes out at a time, in the order of their acceptance.
fn behind(story: &Story, notice: &Notice, now: Timestamp) -> Option<Timestamp> {
    if let Some((_, until)) = &story.payment.in_flight
        && now < *until
    {
        return Some(*until);
    }
    let is_pending = |other: &&Notice| {
        let waits_too = other.not_before <= now && now < other.deliver_by;
        !other.state.is_end() && waits_too && other.kind.priority() == notice.kind.priority()
    };
    let mut earlier = story
        .notices
        .iter()
        .take_while(|other| other.id != notice.id);
    let pending = earlier.find(is_pending)?;
    Some(pending.due_at.unwrap_or(now).max(now).plus(BEHIND))
}

/// The session that may still send an earlier message of the payment, or this one.
fn sessions(story: &Story, notice: &Notice, now: Timestamp) -> Sessions {
    let may_still_send = |one: &&Notice| {
        let unsure_at = match one.state {
            State::Sending => one.unsure_at.or(Some(now)),
            _ => one.unsure_at,
        };
        unsure_at.is_some_and(|at| now.since(at) < STILL_QUEUED) && one.state != State::Sent
    };
    let own = std::iter::once(notice).chain(&story.notices);
    let unsure = own
        .filter(may_still_send)
        .find_map(|one| one.session.clone());
    unsure.map_or(Sessions::Any, Sessions::Only)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Details, Payment, Said};
    use super::*;
    use crate::model::language::Language;
    use crate::model::payment::currency::Currency;
    use crate::model::payment::money::Money;
    use crate::model::payment::zone::Zone;
    use crate::model::payment::{PaymentId, Status};
    use crate::model::phone::Phone;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(NOW.seconds() + seconds)
    }

    fn payment(phase: Phase) -> Payment {
        let rupiah = Currency::parse("IDR").expect("a currency");
        Payment {
            id: PaymentId::parse("INV-1").expect("a name"),
            phase,
            phone: Phone::parse("08123456789").expect("a phone"),
            details: Details {
                name: None,
                amount: Money::parse("1", rupiah).expect("an amount"),
                method: None,
                url: None,
                language: Language::English,
                zone: Zone::default(),
            },
            expires_at: None,
            in_flight: None,
        }
    }

    fn notice(kind: &Kind, state: State, accepted: i64) -> Notice {
        Notice {
            id: NoticeId::of(kind),
            kind: kind.clone(),
            said: Said::default(),
            body_hash: String::new(),
            state,
            accepted_at: at(accepted),
            not_before: at(accepted),
            deliver_by: at(3_600),
            due_at: (!state.is_end()).then(|| at(accepted)),
            attempts: 0,
            message_id: "3EB0".into(),
            session: None,
            unsure_at: None,
            last_error: None,
            sent_at: None,
            sent_again: false,
        }
    }

    fn of(phase: Phase, notices: Vec<Notice>, which: usize) -> Plan {
        let story = Story {
            payment: payment(phase),
            notices,
        };
        plan(&story, &story.notices[which], NOW)
    }

    const PAID: Phase = Phase::Is(Status::Paid);

    #[test]
    fn what_did_not_arrive_goes_out_once_more_only_while_it_would_go_out_at_all() {
        let silent = |kind: &Kind, accepted| Notice {
            due_at: Some(NOW),
            ..notice(kind, State::Sent, accepted)
        };
        let followed_by = |state| {
            vec![
                silent(&Kind::Success, -200),
                notice(&Kind::Created, state, -100),
            ]
        };
        let created = || vec![silent(&Kind::Created, -200)];
        let mut late = silent(&Kind::Created, -200);
        late.deliver_by = NOW;
        let (asks, stays) = (Plan::AskForReceipt, Plan::End(State::Sent));
        for (case, phase, notices, expected) in [
            ("open", Phase::Open, created(), &asks),
            ("paid", PAID, created(), &stays),
            ("too late", Phase::Open, vec![late], &stays),
            ("a fact", PAID, vec![silent(&Kind::Success, -200)], &asks),
            ("overtaken", PAID, followed_by(State::Sent), &stays),
            (
                "perhaps overtaken",
                PAID,
                followed_by(State::Unknown),
                &stays,
            ),
            (
                "what follows is not out",
                PAID,
                followed_by(State::Queued),
                &asks,
            ),
        ] {
            assert_eq!(&of(phase, notices, 0), expected, "{case}");
        }
    }

    #[test]
    fn what_asks_to_pay_gives_way_to_whatever_happened() {
        let created = || vec![notice(&Kind::Created, State::Queued, -60)];
        let send = Plan::Send(Sessions::Any);
        assert_eq!(of(Phase::Open, created(), 0), send);
        for status in Status::ALL {
            let end = Plan::End(State::Superseded);
            assert_eq!(of(Phase::Is(status), created(), 0), end, "{status:?}");
        }
        let success = vec![notice(&Kind::Success, State::Queued, -60)];
        assert_eq!(of(PAID, success, 0), send);
    }

    #[test]
    fn nothing_goes_out_after_its_time_and_a_fact_is_told_to_an_operator_then() {
        for (kind, end) in [
            (Kind::Created, State::Expired),
            (Kind::ExpiryWarning, State::Expired),
            (Kind::Success, State::Dead),
        ] {
            let late = Notice {
                deliver_by: NOW,
                ..notice(&kind, State::Queued, -60)
            };
            let phase = if kind == Kind::Success {
                PAID
            } else {
                Phase::Open
            };
            assert_eq!(of(phase, vec![late], 0), Plan::End(end), "{kind}");
        }
    }

    #[test]
    fn facts_go_out_in_their_order_and_one_at_a_time() {
        let refunded = Kind::Status {
            status: Status::Refunded,
            sequence: None,
        };
        let both = |first| {
            vec![
                notice(&Kind::Success, first, -60),
                notice(&refunded, State::Queued, -30),
            ]
        };
        let phase = Phase::Is(Status::Refunded);
        assert!(matches!(of(phase, both(State::Queued), 1), Plan::Wait(_)));
        assert!(matches!(of(phase, both(State::Unknown), 1), Plan::Wait(_)));
        assert_eq!(of(phase, both(State::Sent), 1), Plan::Send(Sessions::Any));
        assert_eq!(of(phase, both(State::Dead), 1), Plan::Send(Sessions::Any));
    }

    #[test]
    fn what_may_still_send_an_earlier_message_sends_the_next_one_too() {
        let unsure = |seconds, state| Notice {
            session: Some("a".into()),
            unsure_at: Some(at(seconds)),
            ..notice(&Kind::Created, state, -9_000)
        };
        let success = || notice(&Kind::Success, State::Queued, -30);
        let only = Plan::Send(Sessions::Only("a".into()));
        for (case, earlier, expected) in [
            ("it may have been sent", unsure(-120, State::Unknown), &only),
            ("and was given up", unsure(-120, State::Superseded), &only),
            (
                "it was sent after all",
                unsure(-120, State::Sent),
                &Plan::Send(Sessions::Any),
            ),
            (
                "that is long ago",
                unsure(-3_600, State::Superseded),
                &Plan::Send(Sessions::Any),
            ),
        ] {
            assert_eq!(&of(PAID, vec![earlier, success()], 1), expected, "{case}");
        }
    }

    #[test]
    fn an_attempt_that_nobody_has_recorded_asks_for_its_receipt_first() {
        let died = Notice {
            session: Some("a".into()),
            ..notice(&Kind::Success, State::Sending, -60)
        };
        let again = Plan::SendUnlessDelivered(Sessions::Only("a".into()));
        assert_eq!(of(PAID, vec![died.clone()], 0), again);
        let mut story = Story {
            payment: payment(PAID),
            notices: vec![died],
        };
        story.payment.in_flight = Some((NoticeId::of(&Kind::Success), at(5)));
        assert_eq!(plan(&story, &story.notices[0], NOW), Plan::Wait(at(5)));
    }

    proptest! {
        /// Whatever is kept: nothing is sent that has ended, nothing before or after its time, and nothing that asks to pay
        /// once that was decided otherwise.
        #[test]
        fn no_plan_sends_what_must_not_be_sent(
            states in prop::collection::vec(0_usize..7, 1..5),
            times in prop::collection::vec(-100_i64..100, 5),
            phase in 0_usize..7,
            which in 0_usize..5,
        ) {
            let kinds = [Kind::Created, Kind::Success, Kind::ExpiryWarning];
            let notices: Vec<_> = states.iter().zip(&times).enumerate().map(|(number, (state, time))| {
                let kind = &kinds[number % kinds.len()];
                let mut one = notice(kind, State::ALL[*state], *time);
                one.deliver_by = at(time + 50);
                one.due_at = Some(at(*time));
                one
            }).collect();
            let phase = Status::ALL.get(phase).map_or(Phase::Open, |status| Phase::Is(*status));
            let which = which % notices.len();
            let one = notices[which].clone();
            let plan = of(phase, notices, which);
            if let Plan::Send(_) | Plan::SendUnlessDelivered(_) = plan {
                prop_assert!(!one.state.is_end());
            }
            if let Plan::Send(_) | Plan::SendUnlessDelivered(_) | Plan::AskForReceipt = plan {
                prop_assert!(one.not_before <= NOW && NOW < one.deliver_by);
                prop_assert!(one.kind == Kind::Success || phase == Phase::Open);
            }
        }
    }
}
