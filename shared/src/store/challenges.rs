//! The table of challenges: one item per phone.
//!
//! Attributes: `phone` (key), `rev`, `expires_at` (TTL, seconds), `failures`, `sends` (list of maps),
//! `not_on_whatsapp_until` when a send has shown that, and per purpose a map
//! named after it with `code` and `open`. Times inside are milliseconds. Every write raises `rev`.
use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};

use super::{
    Fields, Item, Refusals, StoreError, Transacted, bytes, condition_failed, number,
    retrying_conflicts, text, transact,
};
use crate::challenge::{
    AttemptId, Certainty, Challenge, ChallengeHash, IssuedCode, Open, PhoneState, SendMade, Used,
};
use crate::code::Purpose;
use crate::phone::Phone;
use crate::runtime::Backends;
use crate::timestamp::Timestamp;

/// How long a phone is remembered after its last code: longer than any limit, so that failures keep adding up.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The challenges of all phones.
#[derive(Clone, Debug)]
pub struct Challenges {
    client: Client,
    table: String,
}

/// What `reserve` writes, all at once.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The state that the decision was made on.
    pub seen: PhoneState,
    /// The messages to remember, as [`crate::limits::decide`] answered them.
    pub sends: Vec<SendMade>,
    /// The code that the message will carry, with the new challenge id among its bound ones.
    pub code: IssuedCode,
    /// The send that is now under way.
    pub open: Open,
}

/// What became of a reservation.
#[derive(Debug)]
pub enum Reserved {
    /// It is ours.
    Granted,
    /// The state changed since it was read.
    LostRace,
}

/// How a reservation is undone.
#[derive(Clone, Debug)]
pub enum Undo {
    /// It repeated the live code for a challenge id that it was bound to before: nothing but the reservation goes.
    Again,
    /// It repeated the live code for one more challenge id: that id goes.
    Repeat(ChallengeHash),
    /// It made a new code: the one that was live before comes back.
    Fresh(Option<IssuedCode>),
}

/// What became of the use of a code.
#[derive(Debug)]
pub enum UseOfCode {
    /// This use won, and everything else was written.
    Done,
    /// The code is used or replaced: the state says how.
    Gone(PhoneState),
    /// The code was fine, but one of the other writes was refused; nothing was written.
    OtherRefused,
}

/// A guess that is about to be compared.
#[derive(Clone, Debug)]
pub struct Guess {
    /// What the code is for.
    pub purpose: Purpose,
    /// The challenge id that came with it.
    pub challenge: Option<ChallengeHash>,
    /// Names this guess, so that it is counted once.
    pub id: String,
    /// The key ids at hand. A code of another key is not counted yet.
    pub kids: Vec<String>,
}

/// Whether a guess may be compared.
#[derive(Debug)]
pub enum Counted {
    /// It was counted; compare it with this code.
    Compare(IssuedCode),
    /// It was not counted: the state says why.
    Refused(PhoneState),
}

impl Challenges {
    /// The challenges of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.challenges.clone(),
        }
    }

    /// Reads a phone's state, strongly consistent. A phone never seen has the default state.
    pub async fn read(&self, phone: &Phone, now: Timestamp) -> Result<PhoneState, StoreError> {
        const ACT: &str = "read the phone's challenges";
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("phone", text(phone.digits()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        found.item.map_or_else(
            || Ok(PhoneState::default()),
            |item| {
                let state = parse(&item).ok_or(StoreError::unreadable(ACT, "challenges"))?;
                Ok(match item.number("expires_at") {
                    Some(expires_at) if now < Timestamp::from_seconds(expires_at) => state,
                    // Only the revision counts of what TTL has not removed yet.
                    _ => PhoneState {
                        rev: state.rev,
                        ..PhoneState::default()
                    },
                })
            },
        )
    }

    /// Writes the reservation if the state is still the one that was seen, in one conditional update; together with `also`
    /// in one transaction when there is more to write.
    pub async fn reserve(
        &self,
        phone: &Phone,
        purpose: Purpose,
        reservation: &Reservation,
        also: Vec<TransactWriteItem>,
    ) -> Result<Reserved, StoreError> {
        const ACT: &str = "reserve a code";
        let change = Change::new(purpose)
            .condition(match reservation.seen.rev {
                0 => "attribute_not_exists(phone)",
                _ => "rev = :seen",
            })
            .set("sends = :sends, expires_at = :expires_at, #p = :challenge")
            .value(":sends", list_of_sends(&reservation.sends))
            .value(
                ":expires_at",
                number(reservation.open.at.plus(KEPT).seconds_up()),
            )
            .value(
                ":challenge",
                challenge_item(&reservation.code, &reservation.open),
            );
        let change = match reservation.seen.rev {
            0 => change,
            rev => change.value(":seen", number(rev)),
        };
        let ours = |state: PhoneState| {
            let open = state
                .challenges
                .get(&purpose)
                .and_then(|challenge| challenge.open.as_ref());
            match open.is_some_and(|open| open.attempt == reservation.open.attempt) {
                true => Reserved::Granted,
                false => Reserved::LostRace,
            }
        };
        Ok(self
            .write(ACT, phone, change, also)
            .await?
            .map_or(Reserved::Granted, ours))
    }

    /// Ends the reservation of `attempt` with a message that was sent (or may have been): charges the limits and fixes the
    /// code's end. Does nothing when the reservation has lapsed and was taken over.
    pub async fn commit(
        &self,
        phone: &Phone,
        attempt: &AttemptId,
        send: SendMade,
        code_expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let charged = AttributeValue::L(vec![send_item(&send)]);
        let change = Change::new(send.purpose)
            .condition("#p.#open.#attempt = :attempt")
            .set("sends = list_append(sends, :charged), #p.#code.#expires_at = :ends")
            .remove("#p.#open")
            .name("#open", "open")
            .name("#attempt", "attempt")
            .name("#code", "code")
            .name("#expires_at", "expires_at")
            .value(":attempt", text(&attempt.0))
            .value(":charged", charged)
            .value(":ends", number(code_expires_at.millis()));
        self.update("commit a code", phone, change).await.map(drop)
    }

    /// Ends the reservation of `attempt` as if it had never been, and remembers until when the number is taken not to be on
    /// WhatsApp, if the send has shown that. Writes `also` in the same transaction when there is more to undo.
    ///
    /// A new code that somebody has guessed at meanwhile is the exception: it takes its place in the limits like a message
    /// that went out, or guesses at codes that cannot be sent would be free. Two writes then.
    pub async fn release(
        &self,
        phone: &Phone,
        purpose: Purpose,
        attempt: &AttemptId,
        undo: &Undo,
        not_on_whatsapp_until: Option<Timestamp>,
        also: Vec<TransactWriteItem>,
    ) -> Result<(), StoreError> {
        const ACT: &str = "release a code";
        let change = |condition: &str| {
            let change = Change::new(purpose)
                .condition(condition)
                .name("#open", "open")
                .name("#attempt", "attempt")
                .value(":attempt", text(&attempt.0));
            match not_on_whatsapp_until {
                None => change,
                Some(until) => change
                    .set("not_on_whatsapp_until = :until")
                    .value(":until", number(until.millis())),
            }
        };
        const OURS: &str = "#p.#open.#attempt = :attempt";
        const NOT_GUESSED: &str =
            "#p.#open.#attempt = :attempt AND attribute_not_exists(#p.#code.#last)";
        let undoing = match undo {
            Undo::Again => change(OURS).remove("#p.#open"),
            Undo::Repeat(challenge) => change(OURS)
                .remove("#p.#open, #p.#code.#bound.#id")
                .name("#code", "code")
                .name("#bound", "bound")
                .name("#id", &challenge.0),
            Undo::Fresh(None) => change(NOT_GUESSED)
                .remove("#p.#open, #p.#code")
                .name("#code", "code")
                .name("#last", "last_guess"),
            Undo::Fresh(Some(before)) => change(NOT_GUESSED)
                .set("#p.#code = :before")
                .remove("#p.#open")
                .name("#code", "code")
                .name("#last", "last_guess")
                .value(":before", AttributeValue::M(code_item(before))),
        };
        let Some(state) = self.write(ACT, phone, undoing, also.clone()).await? else {
            return Ok(());
        };
        let open = state
            .challenges
            .get(&purpose)
            .and_then(|live| live.open.as_ref());
        let Some(open) = open.filter(|open| open.attempt == *attempt) else {
            // It has lapsed and was taken over, or this very release was written and only its reply lost.
            return Ok(());
        };
        let lapsed = SendMade {
            at: open.at,
            purpose,
            certainty: Certainty::Lapsed,
        };
        let lapsing = change(OURS)
            .set("sends = list_append(sends, :lapsed)")
            .remove("#p.#open, #p.#code")
            .name("#code", "code")
            .value(":lapsed", list_of_sends(&[lapsed]));
        self.write(ACT, phone, lapsing, also).await.map(drop)
    }

    /// Counts a guess before it is compared, in one conditional update. Counts it once, however often the store's reply is
    /// lost.
    pub async fn count_guess(
        &self,
        phone: &Phone,
        guess: &Guess,
        now: Timestamp,
    ) -> Result<Counted, StoreError> {
        let kids: Vec<String> = (0..guess.kids.len()).map(|n| format!(":kid{n}")).collect();
        let condition = format!(
            "#p.#code.#tries > :zero AND attribute_not_exists(#p.#code.#used) AND #p.#code.#expires_at > :now \
             AND #p.#code.#kid IN ({}) AND (attribute_not_exists(#p.#code.#last) OR #p.#code.#last <> :guess)",
            kids.join(", ")
        );
        let set = "#p.#code.#tries = #p.#code.#tries - :one, #p.#code.#last = :guess, \
                   failures = if_not_exists(failures, :zero) + :one";
        let mut change = Change::new(guess.purpose)
            .condition(condition.replace("#tries", tries_path(guess)))
            .set(&set.replace("#tries", tries_path(guess)))
            .name("#code", "code")
            .name("#used", "used")
            .name("#expires_at", "expires_at")
            .name("#kid", "kid")
            .name("#last", "last_guess")
            .value(":zero", number(0))
            .value(":one", number(1))
            .value(":now", number(now.millis()))
            .value(":guess", text(&guess.id));
        for (placeholder, kid) in kids.iter().zip(&guess.kids) {
            change = change.value(placeholder, text(kid));
        }
        change = match &guess.challenge {
            Some(challenge) => change.name("#bound", "bound").name("#id", &challenge.0),
            None => change.name("#unbound", "unbound"),
        };
        let state = match self.update("count a guess", phone, change).await? {
            Updated::Done(state) => state,
            Updated::Refused(state) => {
                // The update of this very guess may have gone through and only its reply been lost.
                let counted = state
                    .code(guess.purpose)
                    .is_some_and(|code| code.last_guess.as_ref() == Some(&guess.id));
                if !counted {
                    return Ok(Counted::Refused(state));
                }
                state
            }
        };
        match state.code(guess.purpose) {
            Some(code) => Ok(Counted::Compare(code.clone())),
            None => Ok(Counted::Refused(state)),
        }
    }

    /// Uses a code up and writes `also`, in one transaction: of any number of right guesses one wins.
    pub async fn use_code(
        &self,
        phone: &Phone,
        purpose: Purpose,
        code: &IssuedCode,
        used: &Used,
        also: Vec<TransactWriteItem>,
    ) -> Result<UseOfCode, StoreError> {
        const ACT: &str = "use a code";
        let change = Change::new(purpose)
            .condition("#p.#code.#nonce = :nonce AND attribute_not_exists(#p.#code.#used)")
            .set("#p.#code.#used = :used, failures = :zero")
            .name("#code", "code")
            .name("#nonce", "nonce")
            .name("#used", "used")
            .value(":nonce", bytes(code.nonce))
            .value(":used", used_item(used))
            .value(":zero", number(0));
        let mut writes = vec![self.transact_item(ACT, phone, change)?];
        writes.extend(also);
        match transact(ACT, &self.client, writes).await? {
            Transacted::Done => Ok(UseOfCode::Done),
            Transacted::Refused(refusals) => Ok(match first_state(refusals) {
                None => UseOfCode::OtherRefused,
                Some(state) => {
                    let use_made = state.code(purpose).and_then(|code| code.used.as_ref());
                    match use_made.is_some_and(|use_made| use_made.login == used.login) {
                        true => UseOfCode::Done,
                        false => UseOfCode::Gone(state),
                    }
                }
            }),
        }
    }

    /// Makes a change, together with `also` in one transaction when there is more to write; the state that refused it.
    async fn write(
        &self,
        act: &'static str,
        phone: &Phone,
        change: Change,
        also: Vec<TransactWriteItem>,
    ) -> Result<Option<PhoneState>, StoreError> {
        if also.is_empty() {
            return match self.update(act, phone, change).await? {
                Updated::Done(_) => Ok(None),
                Updated::Refused(state) => Ok(Some(state)),
            };
        }
        let mut writes = vec![self.transact_item(act, phone, change)?];
        writes.extend(also);
        match transact(act, &self.client, writes).await? {
            Transacted::Done => Ok(None),
            Transacted::Refused(refusals) => Ok(Some(first_state(refusals).unwrap_or_default())),
        }
    }

    /// The write that removes everything about a phone, for a transaction: refused when it changed since it was seen.
    pub fn forget(
        &self,
        phone: &Phone,
        seen: &PhoneState,
    ) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("phone", text(phone.digits()));
        let delete = match seen.rev {
            0 => delete.condition_expression("attribute_not_exists(phone)"),
            rev => delete
                .condition_expression("rev = :seen")
                .expression_attribute_values(":seen", number(rev)),
        };
        let delete = delete
            .build()
            .map_err(StoreError::building("forget a phone's challenges"))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    async fn update(
        &self,
        act: &'static str,
        phone: &Phone,
        change: Change,
    ) -> Result<Updated, StoreError> {
        let sent = retrying_conflicts(|| {
            let change = change.clone();
            self.client
                .update_item()
                .table_name(&self.table)
                .key("phone", text(phone.digits()))
                .update_expression(change.expression())
                .condition_expression(change.condition)
                .set_expression_attribute_names(Some(change.names.into_iter().collect()))
                .set_expression_attribute_values(Some(change.values.into_iter().collect()))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .send()
        })
        .await;
        let read = |item: &Item| parse(item).ok_or(StoreError::unreadable(act, "challenges"));
        match sent {
            Ok(done) => Ok(Updated::Done(read(&done.attributes.unwrap_or_default())?)),
            Err(failed) => match condition_failed(act, failed)? {
                None => Ok(Updated::Refused(PhoneState::default())),
                Some(item) => Ok(Updated::Refused(read(&item)?)),
            },
        }
    }

    fn transact_item(
        &self,
        act: &'static str,
        phone: &Phone,
        change: Change,
    ) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("phone", text(phone.digits()))
            .update_expression(change.expression())
            .condition_expression(change.condition)
            .set_expression_attribute_names(Some(change.names.into_iter().collect()))
            .set_expression_attribute_values(Some(change.values.into_iter().collect()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::building(act))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

enum Updated {
    Done(PhoneState),
    Refused(PhoneState),
}

/// An update of one phone's item under a condition. Raises `rev` by itself; `#p` is the purpose's map.
#[derive(Clone)]
struct Change {
    condition: String,
    sets: String,
    removes: String,
    names: BTreeMap<String, String>,
    values: BTreeMap<String, AttributeValue>,
}

impl Change {
    fn new(purpose: Purpose) -> Self {
        Self {
            condition: String::new(),
            sets: "rev = if_not_exists(rev, :rev_0) + :rev_1".into(),
            removes: String::new(),
            names: BTreeMap::from([("#p".into(), purpose.name().into())]),
            values: BTreeMap::from([(":rev_0".into(), number(0)), (":rev_1".into(), number(1))]),
        }
    }

    fn condition(mut self, condition: impl Into<String>) -> Self {
        self.condition = condition.into();
        self
    }

    fn set(mut self, sets: &str) -> Self {
        self.sets = format!("{}, {sets}", self.sets);
        self
    }

    fn remove(mut self, paths: &str) -> Self {
        self.removes = format!(" REMOVE {paths}");
        self
    }

    fn name(mut self, placeholder: &str, attribute: &str) -> Self {
        self.names.insert(placeholder.into(), attribute.into());
        self
    }

    fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.into(), value);
        self
    }

    fn expression(&self) -> String {
        format!("SET {}{}", self.sets, self.removes)
    }
}

const fn tries_path(guess: &Guess) -> &'static str {
    match guess.challenge {
        Some(_) => "#bound.#id",
        None => "#unbound",
    }
}

fn first_state(refusals: Refusals) -> Option<PhoneState> {
    parse(&refusals.into_iter().next()??.item?)
}

fn certainty_name(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Sent => "sent",
        Certainty::Unconfirmed => "unconfirmed",
        Certainty::Lapsed => "lapsed",
    }
}

fn send_item(send: &SendMade) -> AttributeValue {
    AttributeValue::M(Item::from([
        ("at".into(), number(send.at.millis())),
        ("purpose".into(), text(send.purpose.name())),
        ("certainty".into(), text(certainty_name(send.certainty))),
    ]))
}

fn list_of_sends(sends: &[SendMade]) -> AttributeValue {
    AttributeValue::L(sends.iter().map(send_item).collect())
}

fn used_item(used: &Used) -> AttributeValue {
    let mut item = Item::from([
        ("at".into(), number(used.at.millis())),
        ("login".into(), text(&used.login)),
    ]);
    if let Some(by) = &used.by {
        item.insert("by".into(), text(&by.0));
    }
    AttributeValue::M(item)
}

fn code_item(code: &IssuedCode) -> Item {
    let bound = code
        .bound
        .iter()
        .map(|(challenge, tries)| (challenge.0.clone(), number(*tries)))
        .collect();
    let mut item = Item::from([
        ("nonce".into(), bytes(code.nonce)),
        ("kid".into(), text(&code.kid)),
        ("expires_at".into(), number(code.expires_at.millis())),
        ("bound".into(), AttributeValue::M(bound)),
        ("unbound".into(), number(code.unbound)),
    ]);
    if let Some(used) = &code.used {
        item.insert("used".into(), used_item(used));
    }
    if let Some(guess) = &code.last_guess {
        item.insert("last_guess".into(), text(guess));
    }
    item
}

fn challenge_item(code: &IssuedCode, open: &Open) -> AttributeValue {
    let open = Item::from([
        ("attempt".into(), text(&open.attempt.0)),
        ("message_id".into(), text(&open.message_id)),
        ("session".into(), text(&open.session)),
        ("at".into(), number(open.at.millis())),
        ("until".into(), number(open.until.millis())),
    ]);
    AttributeValue::M(Item::from([
        ("code".into(), AttributeValue::M(code_item(code))),
        ("open".into(), AttributeValue::M(open)),
    ]))
}

fn parse(item: &Item) -> Option<PhoneState> {
    let sends = item.get("sends")?.as_l().ok()?;
    let challenges = Purpose::ALL
        .into_iter()
        .filter_map(|purpose| Some((purpose, item.map(purpose.name())?)))
        .map(|(purpose, challenge)| Some((purpose, parse_challenge(challenge)?)))
        .collect::<Option<_>>()?;
    Some(PhoneState {
        rev: item.number("rev")?,
        sends: sends
            .iter()
            .map(|send| parse_send(send.as_m().ok()?))
            .collect::<Option<_>>()?,
        failures: item.number("failures").unwrap_or(0),
        not_on_whatsapp_until: time(item, "not_on_whatsapp_until"),
        challenges,
    })
}

fn parse_send(item: &Item) -> Option<SendMade> {
    let purpose = item.text("purpose")?;
    Some(SendMade {
        at: time(item, "at")?,
        purpose: Purpose::ALL
            .into_iter()
            .find(|known| known.name() == purpose)?,
        certainty: match item.text("certainty")? {
            "sent" => Certainty::Sent,
            "unconfirmed" => Certainty::Unconfirmed,
            _ => Certainty::Lapsed,
        },
    })
}

fn parse_challenge(item: &Item) -> Option<Challenge> {
    let code = match item.map("code") {
        Some(code) => Some(parse_code(code)?),
        None => None,
    };
    let open = match item.map("open") {
        Some(open) => Some(Open {
            attempt: AttemptId(open.text("attempt")?.into()),
            message_id: open.text("message_id")?.into(),
            session: open.text("session")?.into(),
            at: time(open, "at")?,
            until: time(open, "until")?,
        }),
        None => None,
    };
    Some(Challenge { code, open })
}

fn parse_code(item: &Item) -> Option<IssuedCode> {
    let bound = item
        .map("bound")?
        .iter()
        .map(|(challenge, tries)| {
            Some((
                ChallengeHash(challenge.clone()),
                tries.as_n().ok()?.parse().ok()?,
            ))
        })
        .collect::<Option<_>>()?;
    let used = match item.map("used") {
        Some(used) => Some(Used {
            at: time(used, "at")?,
            by: used.text("by").map(|by| ChallengeHash(by.into())),
            login: used.text("login")?.into(),
        }),
        None => None,
    };
    Some(IssuedCode {
        nonce: item.bytes("nonce")?.try_into().ok()?,
        kid: item.text("kid")?.into(),
        expires_at: time(item, "expires_at")?,
        bound,
        unbound: item.number("unbound")?,
        used,
        last_guess: item.text("last_guess").map(Into::into),
    })
}

fn time(item: &Item, name: &str) -> Option<Timestamp> {
    item.number(name).map(Timestamp::from_millis)
}
