//! The sends of codes: reserved before the message, committed or released after it.
use aws_sdk_dynamodb::types::AttributeValue;

use super::change::Change;
use super::item::{challenge_item, code_item, list_of_sends};
use super::{Challenges, ITEM_LIFE, Updated, Written};
use crate::model::challenge::{
    AttemptId, IDS_MAX, IssuedCode, LastGuess, NotOnWhatsApp, OpenSend, PhoneState, SendMade, TRIES,
};
use crate::model::code::Purpose;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::{StoreError, Write, bytes, number, text};

/// What `reserve` writes, all at once.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// What the code is for.
    pub purpose: Purpose,
    /// The state that the decision was made on.
    pub seen: PhoneState,
    /// The messages to remember, as [`crate::model::limits::decide`] answered them.
    pub sends: Vec<SendMade>,
    /// The code that is live beside the send, and stays so if nothing is sent.
    pub live: Option<IssuedCode>,
    /// The send that is now under way.
    pub open: OpenSend,
}

/// What became of a reservation.
#[derive(Debug)]
pub enum Reserved {
    /// The reservation was written.
    Granted,
    /// Nothing was written: the state has changed since it was read.
    LostRace,
}

/// What `commit` writes.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// The message, as it takes its place in the limits.
    pub send: SendMade,
    /// The message, if it is answered as sent and went over a session.
    pub taken: Option<TakenMessage<'a>>,
    /// The code on the phone from now on, as [`OpenSend::adopted`] answers it.
    pub code: &'a IssuedCode,
    /// The last guess at the code before it that `code` knows of.
    pub last_guess: Option<&'a LastGuess>,
}

/// A message that a gateway took, or that was pretended.
#[derive(Clone, Copy, Debug)]
pub struct TakenMessage<'a> {
    /// When it was asked for, if it went to a user or an applicant.
    pub asked_at: Option<Timestamp>,
    /// The session that it came from, or would have.
    pub session: &'a str,
}

/// How often a commit makes room for guesses that come in between: oftener than a code has tries, with ids and without one.
const GUESSES_MEANWHILE_MAX: usize = (IDS_MAX + 1) * TRIES as usize + 1;

/// What `release` takes back and writes.
#[derive(Debug)]
pub struct Release<'a> {
    /// The reservation to take back.
    pub reservation: &'a Reservation,
    /// That the number is not on WhatsApp, if the send has shown that.
    pub not_on_whatsapp: Option<NotOnWhatsApp>,
    /// What is undone in the same transaction.
    pub also: Vec<Write>,
}

impl Challenges {
    /// Writes the reservation if the state is still the one that was seen, in one conditional update; together with `also`
    /// in one transaction when there is more to write. What the state does not have is removed: TTL may be late.
    pub async fn reserve(
        &self,
        phone: &Phone,
        reservation: &Reservation,
        also: Vec<Write>,
    ) -> Result<Reserved, StoreError> {
        let Reservation {
            purpose,
            seen,
            sends,
            live,
            open,
        } = reservation;
        let set = "sends = :sends, failures = :failures, expires_at = :expires_at, #p = :challenge";
        let change = Change::of("reserve a code", *purpose)
            .if_seen(seen)
            .set(set)
            .value(":sends", list_of_sends(sends))
            .value(":failures", number(seen.failures))
            .value(":expires_at", number(open.at.plus(ITEM_LIFE).seconds_up()))
            .value(":challenge", challenge_item(live.as_ref(), Some(open)))
            .remove_unseen(seen);
        Ok(match self.write(phone, change, also).await? {
            Written::Done => Reserved::Granted,
            // Only the reply of the store was lost.
            Written::Refused(state) if is_open(&state, *purpose, &open.attempt) => {
                Reserved::Granted
            }
            Written::Refused(_) | Written::OtherRefused => Reserved::LostRace,
        })
    }

    /// Ends the reservation of `open` with a message that was sent, or may have been: charges the limits, and makes the code of
    /// `commit` the one on the phone. Does nothing when the reservation has ended already.
    ///
    /// One conditional update as a rule. Another one when somebody guessed at the code before meanwhile: tries that were used
    /// up there are not given back by the new code.
    pub async fn commit(
        &self,
        phone: &Phone,
        open: &OpenSend,
        commit: Commit<'_>,
    ) -> Result<(), StoreError> {
        let mut code = commit.code.clone();
        let mut last_guess = commit.last_guess.cloned();
        for _ in 0..GUESSES_MEANWHILE_MAX {
            let commit = Commit {
                code: &code,
                ..commit
            };
            let change = committing(open, commit, Guessed::NotSince(last_guess.as_ref()));
            let state = match self.update(phone, change).await? {
                Updated::Refused(state) if is_open(&state, commit.send.purpose, &open.attempt) => {
                    state
                }
                Updated::Done(_) | Updated::Refused(_) => return Ok(()),
            };
            if let Some(live) = state.code(commit.send.purpose) {
                last_guess.clone_from(&live.last_guess);
                code = code.counting_guesses_at(live, &open.challenge);
            }
        }
        // The message is out, so it has to be charged, however often somebody guesses.
        let commit = Commit {
            code: &code,
            ..commit
        };
        let change = committing(open, commit, Guessed::Whenever);
        self.update(phone, change).await.map(drop)
    }

    /// Ends a reservation as if it had never been; only what the send has shown about the number stays. Writes `also` in the
    /// same transaction. When the reservation's own write is still on its way, it finds the state changed and is refused.
    pub async fn release(&self, phone: &Phone, release: Release<'_>) -> Result<(), StoreError> {
        let Release {
            reservation,
            not_on_whatsapp,
            also,
        } = release;
        let change = taking_back(reservation, not_on_whatsapp);
        let mut released = self.write(phone, change.clone(), also).await?;
        if let Written::OtherRefused = released {
            // What was to be undone beside it is gone already.
            released = self.write(phone, change, Vec::new()).await?;
        }
        match released {
            Written::Refused(state) if state.rev == reservation.seen.rev => {
                self.refuse_late_write(phone, reservation).await
            }
            // A reservation that is refused otherwise has lapsed and was taken over, or this very release was written and
            // only its reply lost.
            Written::Done | Written::Refused(_) | Written::OtherRefused => Ok(()),
        }
    }

    /// Changes the state that a reservation was decided on, so that the reservation's own write is refused when it arrives.
    async fn refuse_late_write(
        &self,
        phone: &Phone,
        reservation: &Reservation,
    ) -> Result<(), StoreError> {
        let Reservation {
            purpose,
            seen,
            open,
            ..
        } = reservation;
        let change = Change::new(RELEASE)
            .if_seen(seen)
            .set("sends = if_not_exists(sends, :none), expires_at = if_not_exists(expires_at, :expires_at)")
            .value(":none", list_of_sends(&[]))
            .value(":expires_at", number(open.until.seconds_up()));
        match self.update(phone, change).await? {
            // It has just arrived.
            Updated::Refused(state) if is_open(&state, *purpose, &open.attempt) => {
                Err(StoreError::overtaken(RELEASE))
            }
            Updated::Done(_) | Updated::Refused(_) => Ok(()),
        }
    }
}

/// Whether guesses at the live code refuse a commit.
enum Guessed<'a> {
    /// Any that came after this one do.
    NotSince(Option<&'a LastGuess>),
    /// None does.
    Whenever,
}

/// The change that commits a code, refused where its reservation is not open any more.
fn committing(open: &OpenSend, commit: Commit<'_>, guessed: Guessed<'_>) -> Change {
    let Commit {
        send, taken, code, ..
    } = commit;
    let change = Change::of("commit a code", send.purpose)
        .condition("#p.#open.#attempt = :attempt")
        .set("sends = list_append(sends, :charged)")
        .remove("#p.#open")
        .name("#open", "open")
        .name("#attempt", "attempt")
        .name("#code", "code")
        .value(":attempt", text(&open.attempt.0))
        .value(":charged", list_of_sends(&[send]));
    let change = with_taken(change, taken);
    match (&open.code, code.bound.get(&open.challenge)) {
        (Some(_), _) | (None, None) => unless_guessed(change, guessed)
            .set("#p.#code = :code")
            .value(":code", AttributeValue::M(code_item(code))),
        // The live code may have been guessed at meanwhile: nothing of it changes but the ids.
        (None, Some(bound)) => change
            .set("#p.#code.#message = :message")
            .name("#message", "message_id")
            .value(":message", text(&open.message_id))
            .set("#p.#code.#bound.#id = if_not_exists(#p.#code.#bound.#id, :tries)")
            .set("#p.#code.#ends.#id = if_not_exists(#p.#code.#ends.#id, :ends)")
            .name("#bound", "bound")
            .name("#ends", "ends")
            .name("#id", &open.challenge.0)
            .value(":tries", number(bound.tries))
            .value(":ends", number(bound.until.millis())),
    }
}

fn with_taken(change: Change, taken: Option<TakenMessage<'_>>) -> Change {
    let Some(TakenMessage { asked_at, session }) = taken else {
        return change;
    };
    match asked_at {
        Some(asked_at) => change
            .set("served_by = :served_by, taken_at = :taken_at")
            .remove("pretended_by")
            .value(":served_by", text(session))
            .value(":taken_at", number(asked_at.millis())),
        None => change
            .set("pretended_by = :pretended_by")
            .value(":pretended_by", text(session)),
    }
}

fn unless_guessed(change: Change, guessed: Guessed<'_>) -> Change {
    const OPEN: &str = "#p.#open.#attempt = :attempt";
    match guessed {
        Guessed::Whenever => change,
        Guessed::NotSince(None) => change
            .condition(format!("{OPEN} AND attribute_not_exists(#p.#code.#last)"))
            .name("#last", "last_guess"),
        Guessed::NotSince(Some(last)) => change
            .condition(format!("{OPEN} AND #p.#code.#last = :last"))
            .name("#last", "last_guess")
            .value(":last", text(&last.id)),
    }
}

/// What [`Challenges::release`] does.
const RELEASE: &str = "release a code";

/// The change that takes a reservation back, refused where it is not open any more.
fn taking_back(reservation: &Reservation, not_on_whatsapp: Option<NotOnWhatsApp>) -> Change {
    let change = Change::of(RELEASE, reservation.purpose)
        .condition("#p.#open.#attempt = :attempt")
        .remove(match reservation.live {
            Some(_) => "#p.#open",
            None => "#p",
        })
        .name("#open", "open")
        .name("#attempt", "attempt")
        .value(":attempt", text(&reservation.open.attempt.0));
    let Some(NotOnWhatsApp { until, asked_from }) = not_on_whatsapp else {
        return change;
    };
    let change = change
        .set("not_on_whatsapp_until = :until")
        .value(":until", number(until.millis()));
    match asked_from {
        Some(network) => change
            .set("not_on_whatsapp_from = :network")
            .value(":network", bytes(network.0)),
        None => change,
    }
}

fn is_open(state: &PhoneState, purpose: Purpose, attempt: &AttemptId) -> bool {
    let open = state.open(purpose);
    open.is_some_and(|open| open.attempt == *attempt)
}
