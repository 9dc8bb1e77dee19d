//! What to do with a notice now. The whole [`Story`] of its payment decides, and nothing else: so whoever comes, an endpoint or
//! a schedule, first or again after a crash, does the same.
use std::time::Duration;

use super::{Notice, Phase, Priority, State, Story, TIME_TO_PAY};
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

/// What waits for another notice of its payment looks again so much later.
const BEHIND: Duration = Duration::from_secs(1);

/// What to do with `notice` of `story` at `now`.
pub fn plan(story: &Story, notice: &Notice, now: Timestamp) -> Plan {
    if notice.state == State::Sent && notice.due_at.is_some() && !notice.sent_again {
        return Plan::AskForReceipt;
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
