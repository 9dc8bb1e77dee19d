//! The end of a message on a session, what that has shown about the session, and the message's line in the log.
use std::time::Duration;

use super::delivery::{Content, Delivery, Effort, Shown, StepTaken};
use super::nobody::{end_of, speaks_for_others};
use super::outcome::{HUMAN_TAKES, Outcome, Reason};
use super::rank::Contact;
use super::run::Run;
use super::spacing;
use crate::platform::timestamp::Timestamp;
use crate::runtime::metrics::{IN_TIME, Line, Meter, Metric};
use crate::store::whatsapp_sessions::refused::{self, RefusedUser};
use crate::store::whatsapp_sessions::sends::{SendRecord, TakenSend};
use crate::store::whatsapp_sessions::taken;
use crate::store::whatsapp_sessions::{RecentSend, SeenState, SendEnd, SessionState, TakenMessage};

/// How a message ended on one session.
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) steps: Vec<StepTaken>,
    pub(super) effort: Effort,
    pub(super) retry_after: Option<Duration>,
    pub(super) shown: Shown,
}

impl End {
    /// Whether WhatsApp has refused the message.
    pub(super) fn is_of_whatsapp(&self) -> bool {
        let reason = self.outcome.reason();
        reason.is_some_and(Reason::is_of_whatsapp)
    }
}

impl Run<'_> {
    /// Ends the message on this session with `outcome`.
    pub(super) fn finish(self, outcome: Outcome) -> End {
        let now = self.now();
        let reader = Reader::of(&self);
        let send_record = match reader {
            Reader::NewContact | Reader::OfAnother | Reader::Unserved | Reader::Contact => {
                self.send_record(outcome, now)
            }
            Reader::Nobody => None,
        };
        let rest_of_place = match &send_record {
            Some(_) => None,
            None => self.rest_without_a_record(outcome, now),
        };
        let new_state = self
            .new_state(outcome, reader, now)
            .filter(|shown| !self.is_known_better(*shown, outcome, now));
        let refused_as_new = self.is_refused_as_new(outcome, new_state);
        let is_of_the_session = outcome.reason().is_some_and(Reason::is_of_the_session);
        End {
            outcome,
            retry_after: retry_after(outcome, self.retry_after),
            shown: Shown {
                new_state,
                ended: self
                    .restriction()
                    .filter(|_| outcome == Outcome::Sent && reader != Reader::Nobody),
                seen_again: self.seen_again(outcome, reader, now),
                refused_as_new,
                was_unusable: self.was_unusable || is_of_the_session && !refused_as_new,
                session: self.place.session,
                send_record,
                rest_of_place,
            },
            effort: self.effort,
            steps: self.steps,
        }
    }

    /// What the session is seen as, when the message has shown that. What WhatsApp refuses now is tried again some hours later.
    fn new_state(&self, outcome: Outcome, reader: Reader, now: Timestamp) -> Option<SeenState> {
        let seen = self.place.item.seen;
        let mut shown = match reader {
            Reader::Nobody if outcome == Outcome::NotSent(Reason::SessionDown) => {
                seen_usable(seen, self.sent_at)?
            }
            _ => new_state(outcome, seen, reader, now)?,
        };
        shown.until = (outcome == Outcome::NotSent(Reason::Restricted))
            .then(|| now.plus(self.services.restricted_retry));
        Some(shown)
    }

    /// Whether more is known about the account than that this message was refused. That it writes to nobody new is no reason to
    /// doubt what it sends to its users, nor the other way round.
    fn is_known_better(&self, shown: SeenState, outcome: Outcome, now: Timestamp) -> bool {
        let keeps_users_away = shown.state == SessionState::Restricted;
        self.shows_nothing_new(outcome, now)
            || keeps_users_away
                && self.is_refused_beside_others(outcome)
                && self.has_sent_within(SHOWS_MORE_FOR, now)
    }

    /// Whether WhatsApp has refused a user once more, from an account that has sent to others in the last minutes.
    fn shows_nothing_new(&self, outcome: Outcome, now: Timestamp) -> bool {
        self.is_refused_beside_others(outcome)
            && self.refused_before(now).is_some()
            && self.has_sent_within(SHOWS_FOR, now)
    }

    /// Whether WhatsApp has taken a message to a user so lately.
    fn has_sent_within(&self, time: Duration, now: Timestamp) -> bool {
        let last = self.place.item.last_to_user();
        last.is_some_and(|at| now.since(at) < time)
    }

    fn is_refused_beside_others(&self, outcome: Outcome) -> bool {
        let refused = [Reason::Restricted, Reason::Rejected].map(Outcome::NotSent);
        let known = self.place.item.seen.map(|seen| seen.state);
        refused.contains(&outcome) && known != Some(SessionState::Restricted)
    }

    /// The users who were refused lately as they are after this message, if it changes them.
    fn refused_users(&self, end: SendEnd, now: Timestamp) -> Option<Vec<RefusedUser>> {
        let (before, phone) = (&self.place.item.refused, self.message.phone.mark());
        let of_the_message = match end {
            SendEnd::Taken => {
                let was_refused = before.iter().any(|one| one.phone == phone);
                return was_refused.then(|| refused::without(before, phone));
            }
            SendEnd::Rejected => true,
            SendEnd::Restricted => false,
            _ => return None,
        };
        let user = RefusedUser {
            phone,
            at: now,
            of_the_message,
        };
        let is_user = !self.place.contact.is_of_anybody();
        is_user.then(|| refused::with(before, user))
    }

    /// The restriction that a message to nobody ends with. A real one would have met it now: if nobody's told nothing, the time of
    /// the last look would tell. It lasts no longer for that.
    fn seen_again(&self, outcome: Outcome, reader: Reader, now: Timestamp) -> Option<SeenState> {
        let ends_so = reader == Reader::Nobody && outcome == Outcome::NotSent(Reason::Restricted);
        let seen = self.restriction().filter(|_| ends_so)?;
        Some(SeenState { at: now, ..seen })
    }

    /// The restriction of the account, as it was known when the message began.
    fn restriction(&self) -> Option<SeenState> {
        let restricted = |seen: &SeenState| {
            matches!(
                seen.state,
                SessionState::Restricted | SessionState::ColdLocked
            )
        };
        self.place.item.seen.filter(restricted)
    }

    /// Whether WhatsApp did not let the account write to somebody, and lets it write to others as far as is known after that: it
    /// would answer them if they wrote first. One to nobody that ends so offers the same chat.
    fn is_refused_as_new(&self, outcome: Outcome, new_state: Option<SeenState>) -> bool {
        let state = new_state.or(self.place.item.seen).map(|seen| seen.state);
        let open_to_others =
            !matches!(state, Some(SessionState::Restricted | SessionState::Banned));
        outcome == Outcome::NotSent(Reason::Restricted) && open_to_others
    }

    /// What a real message has shown about its session; nothing if it was not sent at all.
    fn send_record(&self, outcome: Outcome, now: Timestamp) -> Option<SendRecord> {
        let first_sent_at = self.first_sent_at?;
        let item = &self.place.item;
        let taken = self.taken_send();
        // An unknown end is that of a message which left, so the session was well before it: the status showed nothing.
        let was_hidden = !self.was_unusable || outcome == Outcome::Unknown;
        let end = end_of(outcome).filter(|_| taken.is_some() || was_hidden)?;
        let send = RecentSend {
            at: now,
            took: self
                .taken_after
                .filter(|_| self.was_unusable)
                .unwrap_or_else(|| now.since(first_sent_at)),
            end,
            requeued_after: self.requeued_at.map(|at| at.since(first_sent_at)),
        };
        let mut recent = item.recent.clone();
        let speaks = speaks_for_others(&send, self.place.contact, &recent);
        if speaks && !self.shows_nothing_new(outcome, now) {
            recent.push(send);
        }
        let is_known = matches!(self.place.contact, Contact::Known | Contact::WroteFirst);
        let refused = end == SendEnd::Restricted && !is_known;
        Some(SendRecord {
            recent,
            served_at: self.place.contact.is_of_its_user().then_some(now),
            refused_as_new_after: refused.then_some(send.took),
            refused: self.refused_users(end, now),
            taken_messages: taken.map(|_| taken::with(&item.taken, self.as_taken(now))),
            taken,
            wait_end: spacing::wait_end_after_success(item, now).filter(|_| taken.is_some()),
            rest_of_place: match self.taken_after {
                Some(took) => self.rest_of_place(took),
                None => self.rest_of_refused_place(outcome, now),
            },
            new_chat_on: taken
                .filter(|_| matches!(self.place.contact, Contact::New | Contact::OfAnother))
                .map(|_| now.day()),
        })
    }

    fn as_taken(&self, now: Timestamp) -> TakenMessage {
        TakenMessage {
            id: self.message.message_id.clone(),
            at: now,
            phone: self.message.phone.mark(),
            of_anybody: self.place.contact.is_of_anybody(),
        }
    }

    /// What a message without a record of its send did not need of its place: one to nobody, and one that was refused unsent.
    fn rest_without_a_record(&self, outcome: Outcome, now: Timestamp) -> Option<Duration> {
        match outcome {
            Outcome::Sent => Some(
                self.rest_of_place(now.since(self.sent_at))
                    .unwrap_or_default(),
            ),
            _ => self.rest_of_refused_place(outcome, now),
        }
    }

    /// What a message that WhatsApp has refused did not need of its last place: the answer comes fast.
    fn rest_of_refused_place(&self, outcome: Outcome, now: Timestamp) -> Option<Duration> {
        let is_refused = outcome.reason().is_some_and(Reason::is_of_whatsapp);
        let took = now.since(self.place.at);
        self.rest_of_place(took).filter(|_| is_refused)
    }

    /// What a send that took so long did not need of its place in the queue, when that is worth giving back.
    fn rest_of_place(&self, took: Duration) -> Option<Duration> {
        let rest = self.place.cost.saturating_sub(took);
        (rest > self.place.cost / 5).then_some(rest)
    }

    /// The send that WhatsApp took the message from.
    fn taken_send(&self) -> Option<TakenSend> {
        let took = self.taken_after?;
        Some(TakenSend {
            began: self.sent_at,
            ended: self.sent_at.plus(took),
            may_have_waited: took > self.place.cost,
            cost_max: self.place.cost * 2,
        })
    }
}

/// A message to a user that was taken shows more about the account than the refusal of another one so soon after it.
const SHOWS_MORE_FOR: Duration = Duration::from_secs(30);

/// So long it shows more than one more refusal of somebody who was refused before.
const SHOWS_FOR: Duration = Duration::from_secs(5 * 60);

/// WhatsApp refuses for minutes, and takes who asks again and again for a sender of spam.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// How long to wait before the next request. What only a human can end is not asked for every few seconds.
fn retry_after(outcome: Outcome, next_try: Option<Duration>) -> Option<Duration> {
    match outcome.reason()? {
        reason if reason.needs_human() => Some(HUMAN_TAKES),
        Reason::Rejected => Some(REFUSED_FOR),
        _ => next_try,
    }
}

/// Whom a message was for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Somebody that this system may never have written to.
    NewContact,
    /// A user of another session, whom this one may have written to or not.
    OfAnother,
    /// A user that no session is known to have written to, somebody who wrote first, or whoever signs up with a phone that took
    /// messages before.
    Unserved,
    /// Somebody that took messages before.
    Contact,
    /// Nobody, or somebody whose message was not sent since another one tries the account.
    Nobody,
}

impl Reader {
    fn of(run: &Run<'_>) -> Self {
        match (&run.message.content, run.place.contact) {
            (Content::Nobody, _) => Self::Nobody,
            (Content::Text(_), _) if run.pretended.is_some() => Self::Nobody,
            (Content::Text(_), Contact::New) => Self::NewContact,
            (Content::Text(_), Contact::OfAnother) => Self::OfAnother,
            (Content::Text(_), Contact::Unserved | Contact::WroteFirst | Contact::Applicant) => {
                Self::Unserved
            }
            (Content::Text(_), Contact::Known) => Self::Contact,
        }
    }
}

/// What the session is seen as, when the end of a message shows a state that is news or lasts.
fn new_state(
    outcome: Outcome,
    seen: Option<SeenState>,
    reader: Reader,
    now: Timestamp,
) -> Option<SeenState> {
    let before = seen.map(|seen| seen.state);
    // Nothing was sent, so nothing is new.
    if before == Some(SessionState::Banned) && outcome != Outcome::Sent {
        return None;
    }
    let state = match reader {
        Reader::NewContact => state_after_new_contact(outcome, before)?,
        Reader::OfAnother => state_after_user_of_another(outcome, before)?,
        Reader::Unserved => state_after_unserved(outcome, before)?,
        Reader::Contact => state_after_contact(outcome, before)?,
        Reader::Nobody => state_after_nobody(outcome, before)?,
    };
    Some(SeenState::after(seen, state, now))
}

/// The state that a message to a new contact shows. Anybody can ask for one, and a restriction of such messages says nothing
/// about the others.
fn state_after_new_contact(outcome: Outcome, before: Option<SessionState>) -> Option<SessionState> {
    match outcome {
        Outcome::NotSent(Reason::Restricted) if before == Some(SessionState::Restricted) => None,
        Outcome::NotSent(Reason::Restricted) => Some(SessionState::ColdLocked),
        _ => state_after(outcome, before),
    }
}

/// The state that a message to a user of another session shows: refused, what one to a new contact does. Taken, it says nothing about a
/// lock for new contacts: there may be a chat.
fn state_after_user_of_another(
    outcome: Outcome,
    before: Option<SessionState>,
) -> Option<SessionState> {
    match outcome {
        Outcome::Sent if before == Some(SessionState::ColdLocked) => None,
        _ => state_after_new_contact(outcome, before),
    }
}

/// The state that a message to a contact shows. It goes out while the account is locked for new contacts, so its success
/// says nothing about that lock. Otherwise whoever asks for a code could read in the status whether it went to somebody.
fn state_after_contact(outcome: Outcome, before: Option<SessionState>) -> Option<SessionState> {
    match outcome {
        Outcome::Sent if before == Some(SessionState::ColdLocked) => None,
        _ => state_after(outcome, before),
    }
}

/// The state that a message to a user shows whom no session is known to have written to, to somebody who wrote first, or to
/// whoever signs up once more: refused, it shows what one to a new contact does, and otherwise what one to a contact does.
fn state_after_unserved(outcome: Outcome, before: Option<SessionState>) -> Option<SessionState> {
    match outcome {
        Outcome::NotSent(Reason::Restricted) => Some(refused_as_new(before)),
        _ => state_after_contact(outcome, before),
    }
}

/// The state of an account that WhatsApp did not let write to somebody whom it may never have written to.
fn refused_as_new(before: Option<SessionState>) -> SessionState {
    match before {
        Some(SessionState::Restricted) => SessionState::Restricted,
        _ => SessionState::ColdLocked,
    }
}

/// What a message to nobody has seen that ends like one whose session broke. A real one has looked at the session, found it
/// usable again, and told so: if nobody's told nothing, the time of the last look would tell.
fn seen_usable(before: Option<SeenState>, at: Timestamp) -> Option<SeenState> {
    let state = SessionState::Usable;
    let still_usable = before.is_none_or(|seen| seen.state == state);
    still_usable.then_some(SeenState::beginning(state, at))
}

/// The state that a message to nobody shows: it has seen the status, and no more. That it ends as restricted, or for want of a
/// pairing, it has from a real one, which has told so. Told again, it would keep others away from a session that may send again:
/// anybody can ask for messages to nobody.
fn state_after_nobody(outcome: Outcome, before: Option<SessionState>) -> Option<SessionState> {
    let hidden = [
        SessionState::Restricted,
        SessionState::ColdLocked,
        SessionState::Suspect,
    ];
    match outcome {
        Outcome::Sent if before.is_some_and(|state| hidden.contains(&state)) => None,
        Outcome::NotSent(Reason::NeedsPairing) if before.is_some_and(SessionState::is_open) => None,
        Outcome::Sent | Outcome::NotSent(Reason::Misconfigured | Reason::NeedsPairing) => {
            state_after(outcome, before)
        }
        Outcome::NotSent(_) | Outcome::Unknown => None,
    }
}

/// The state that the end of a message shows.
fn state_after(outcome: Outcome, before: Option<SessionState>) -> Option<SessionState> {
    match outcome {
        Outcome::Sent if before == Some(SessionState::Usable) => None,
        Outcome::Sent => Some(SessionState::Usable),
        Outcome::NotSent(Reason::Restricted) => Some(SessionState::Restricted),
        Outcome::NotSent(Reason::Misconfigured) => Some(SessionState::Misconfigured),
        // The recovery has seen more, if there was one.
        Outcome::NotSent(Reason::NeedsPairing) if before == Some(SessionState::NeedsPairing) => {
            None
        }
        Outcome::NotSent(Reason::NeedsPairing) => Some(SessionState::Unlinked),
        Outcome::NotSent(_) | Outcome::Unknown => None,
    }
}

/// Measures a message. One to nobody is none.
pub(super) fn measure(meter: &Meter, delivery: &Delivery) {
    if delivery.to_nobody {
        return;
    }
    let (outcome, effort) = (delivery.outcome, delivery.effort);
    let (sent, unknown) = (outcome == Outcome::Sent, outcome == Outcome::Unknown);
    let mut line = meter
        .line(delivery.ended)
        .count(Metric::Sent, usize::from(sent))
        .count(Metric::NotSent, usize::from(!sent && !unknown))
        .count(Metric::Unknown, usize::from(unknown))
        .seconds(Metric::PlaceWaitSeconds, effort.waited);
    if effort.recoveries > 0 {
        let failed = effort.recoveries - effort.recovered;
        line = line
            .count(Metric::RecoveryTried, effort.recoveries)
            .count(Metric::RecoverySucceeded, effort.recovered)
            .count(Metric::RecoveryFailed, failed);
    }
    if let Some(asked_at) = delivery.code_asked_at {
        line = code(line, outcome, delivery.ended.since(asked_at));
    }
    line.write();
}

/// Measures a code whose message took so long.
fn code(mut line: Line, outcome: Outcome, took: Duration) -> Line {
    let sent = outcome == Outcome::Sent;
    if sent {
        line = line
            .count(Metric::CodesSent, 1)
            .seconds(Metric::SecondsToTaken, took);
    }
    // What concerns the recipient alone says nothing about the channel.
    if outcome.reason().is_none_or(Reason::concerns_the_channel) {
        let in_time = sent && took <= IN_TIME;
        line = line.count(Metric::CodesInTime, usize::from(in_time));
    }
    line
}

/// The message's line in the log.
pub(super) fn log(delivery: &Delivery) {
    let took = delivery.ended.since(delivery.started);
    let steps: Vec<_> = delivery
        .steps
        .iter()
        .map(|step| format!("{} ({} ms)", step.what, step.elapsed_ms))
        .collect();
    let (session, message_id) = (&delivery.session, &delivery.message_id);
    let (purpose, outcome) = (delivery.purpose, delivery.outcome.as_str());
    let reason = delivery.outcome.reason().map(Reason::as_str);
    let (elapsed_ms, steps) = (took.as_millis() as u64, steps.join(", "));
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                session,
                message_id,
                purpose,
                outcome,
                reason,
                elapsed_ms,
                steps,
                "[WhatsApp System] message done"
            )
        };
    }
    match delivery.outcome {
        Outcome::NotSent(reason) if reason.needs_human() => line!(error),
        Outcome::NotSent(_) | Outcome::Unknown => line!(warn),
        Outcome::Sent => line!(info),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_to_nobody_shows_nothing_that_keeps_others_away() {
        use SessionState::{ColdLocked, Restricted, Usable};
        for before in [Usable, ColdLocked, Restricted] {
            for reason in [
                Reason::Restricted,
                Reason::Rejected,
                Reason::NeedsPairing,
                Reason::SessionDown,
                Reason::Busy,
            ] {
                let shown = state_after_nobody(Outcome::NotSent(reason), Some(before));
                assert_eq!(shown, None, "{before:?} {reason:?}");
            }
            // The gateway has just refused the token, whoever the message is for.
            let refused = Outcome::NotSent(Reason::Misconfigured);
            let shown = state_after_nobody(refused, Some(before));
            assert_eq!(shown, Some(SessionState::Misconfigured), "{before:?}");
        }
        let well = state_after_nobody(Outcome::Sent, Some(SessionState::Down));
        assert_eq!(well, Some(Usable));
    }
}
