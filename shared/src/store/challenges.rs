//! The table of challenges: one item per phone.
//!
//! Attributes: `phone` (key), `rev`, `expires_at` (TTL, seconds), `failures`, `sends` (list of maps), `known` (list of
//! networks, the newest first), `not_on_whatsapp_until` when a send has shown that, `taken_at` once the gateway has taken a
//! message to the phone, and per purpose a map named after it with `code` and `open`. Times inside are milliseconds. Every write raises `rev`.
//!
//! What a send will bring stands in `open` until its message went out: a new code, or the challenge id that the live one is
//! to be bound to. So whatever happens meanwhile, a release takes `open` away and leaves the rest as it is.
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, ReturnValue, ReturnValuesOnConditionCheckFailure, Update,
};

use super::batch::Read;
use super::{
    Fields, Item, Refusals, StoreError, Transacted, Write, bytes, condition_failed, number,
    retrying_conflicts, text, transact,
};
use crate::model::challenge::{
    AttemptId, Bound, Certainty, Challenge, ChallengeHash, IssuedCode, LastGuess, NetworkHash,
    ON_WHATSAPP_FOR, OpenSend, Origin, PhoneState, SendMade, Used,
};
use crate::model::code::{CodeLength, Nonce, Purpose};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;

/// How long a phone is remembered after its last code: longer than any limit, so that failures keep adding up, and as long
/// as it counts that it took a message.
const KEPT: Duration = ON_WHATSAPP_FOR;

/// How often a network is remembered anew when others change the phone's state meanwhile.
const NETWORK_RACES_MAX: usize = 5;

/// The challenges of all phones.
#[derive(Clone, Debug)]
pub struct Challenges {
    client: Client,
    table: String,
}

/// What `reserve` writes, all at once.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// What for.
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

/// What `commit` charges.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// The message, as it takes its place in the limits.
    pub send: SendMade,
    /// When it was asked for, if the gateway took it for somebody.
    pub taken_at: Option<Timestamp>,
}

/// What became of a reservation.
#[derive(Debug)]
pub enum Reserved {
    /// It is ours.
    Granted,
    /// The state changed since it was read.
    LostRace,
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
    /// When.
    pub at: Timestamp,
}

/// Whether a guess may be compared.
#[derive(Debug)]
pub enum Counted {
    /// It was counted; compare it with the code of this state.
    Compare(PhoneState, IssuedCode),
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
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("phone", text(phone.digits()))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(READ))?;
        state_in(found.item.as_ref(), now)
    }

    /// The same read, to be made together with others.
    pub fn reading(&self, phone: &Phone, now: Timestamp) -> Read<PhoneState> {
        let state = move |item: Option<&Item>| state_in(item, now);
        Read::new(&self.table, "phone", phone.digits(), state)
    }

    /// Writes the reservation if the state is still the one that was seen, in one conditional update; together with `also`
    /// in one transaction when there is more to write. What the state does not have is removed: TTL may be late.
    pub async fn reserve(
        &self,
        phone: &Phone,
        reservation: &Reservation,
        also: Vec<Write>,
    ) -> Result<Reserved, StoreError> {
        const ACT: &str = "reserve a code";
        let Reservation {
            purpose,
            seen,
            sends,
            live,
            open,
        } = reservation;
        let set = "sends = :sends, failures = :failures, expires_at = :expires_at, #p = :challenge";
        let change = Change::new(*purpose)
            .if_seen(seen)
            .set(set)
            .value(":sends", list_of_sends(sends))
            .value(":failures", number(seen.failures))
            .value(":expires_at", number(open.at.plus(KEPT).seconds_up()))
            .value(":challenge", challenge_item(live.as_ref(), Some(open)));
        let change = remove_unseen(change, *purpose, seen);
        let ours = |state: PhoneState| {
            if is_open(&state, *purpose, &open.attempt) {
                Reserved::Granted
            } else {
                Reserved::LostRace
            }
        };
        Ok(match self.write(ACT, phone, change, also).await? {
            Written::Done => Reserved::Granted,
            Written::Refused(state) => ours(state),
            Written::OtherRefused => Reserved::LostRace,
        })
    }

    /// Ends the reservation of `open` with a message that was sent (or may have been): charges the limits, and turns the code
    /// into `code`, which [`OpenSend::adopted`] answers. Does nothing when the reservation has ended already.
    pub async fn commit(
        &self,
        phone: &Phone,
        open: &OpenSend,
        charge: Charge,
        code: &IssuedCode,
    ) -> Result<(), StoreError> {
        let Charge { send, taken_at } = charge;
        let change = Change::new(send.purpose)
            .condition("#p.#open.#attempt = :attempt")
            .set("sends = list_append(sends, :charged)")
            .remove("#p.#open")
            .name("#open", "open")
            .name("#attempt", "attempt")
            .name("#code", "code")
            .value(":attempt", text(&open.attempt.0))
            .value(":charged", list_of_sends(&[send]));
        let change = match taken_at {
            Some(at) => change
                .set("taken_at = :taken_at")
                .value(":taken_at", number(at.millis())),
            None => change,
        };
        let change = match (&open.code, code.bound.get(&open.challenge)) {
            (Some(_), _) | (None, None) => change
                .set("#p.#code = :code")
                .value(":code", AttributeValue::M(code_item(code))),
            // The live code may have been guessed at meanwhile: nothing of it changes but the id.
            (None, Some(bound)) => change
                .set("#p.#code.#bound.#id = if_not_exists(#p.#code.#bound.#id, :tries)")
                .set("#p.#code.#ends.#id = if_not_exists(#p.#code.#ends.#id, :ends)")
                .name("#bound", "bound")
                .name("#ends", "ends")
                .name("#id", &open.challenge.0)
                .value(":tries", number(bound.tries))
                .value(":ends", number(bound.until.millis())),
        };
        self.update("commit a code", phone, change).await.map(drop)
    }

    /// Ends the reservation as if it had never been, and remembers until when the number is taken not to be on WhatsApp, if
    /// the send has shown that. Writes `also` in the same transaction when there is more to undo. A reservation whose write
    /// is still on its way finds the state changed when it arrives.
    pub async fn release(
        &self,
        phone: &Phone,
        reservation: &Reservation,
        not_on_whatsapp_until: Option<Timestamp>,
        also: Vec<Write>,
    ) -> Result<(), StoreError> {
        const ACT: &str = "release a code";
        let Reservation {
            purpose,
            seen,
            open,
            ..
        } = reservation;
        let change = taking_back(reservation, not_on_whatsapp_until);
        let mut released = self.write(ACT, phone, change.clone(), also).await?;
        if let Written::OtherRefused = released {
            // What was to be undone beside it is gone already.
            released = self.write(ACT, phone, change, Vec::new()).await?;
        }
        let Written::Refused(state) = released else {
            return Ok(());
        };
        if state.rev != seen.rev {
            // It has lapsed and was taken over, or this very release was written and only its reply lost.
            return Ok(());
        }
        let closing = Change::new(*purpose)
            .if_seen(seen)
            .set("sends = if_not_exists(sends, :none), expires_at = if_not_exists(expires_at, :expires_at)")
            .value(":none", list_of_sends(&[]))
            .value(":expires_at", number(open.until.seconds_up()))
            .without_purpose();
        match self.update(ACT, phone, closing).await? {
            Updated::Refused(state) if is_open(&state, *purpose, &open.attempt) => {
                Err(StoreError::unreadable(ACT, "open"))
            }
            _ => Ok(()),
        }
    }

    /// Remembers that somebody has signed in from `network`, on the state that was seen; another one is read again.
    pub async fn know_network(
        &self,
        phone: &Phone,
        seen: PhoneState,
        network: NetworkHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const ACT: &str = "remember a network";
        let mut seen = seen;
        for _ in 0..NETWORK_RACES_MAX {
            if seen.known_networks.first() == Some(&network) {
                return Ok(());
            }
            let change = Change::new(Purpose::Sso)
                .if_seen(&seen)
                .set("sends = :sends, failures = :failures, expires_at = :expires_at, known = :known")
                .value(":sends", list_of_sends(&seen.sends))
                .value(":failures", number(seen.failures))
                .value(":expires_at", number(now.plus(KEPT).seconds_up()))
                .value(":known", list_of_networks(&seen.known_networks_with(network)));
            let change = if seen.challenges.contains_key(&Purpose::Sso) {
                change.without_purpose()
            } else {
                change.remove("#p")
            };
            let change = remove_unseen(change, Purpose::Sso, &seen);
            match self.update(ACT, phone, change).await? {
                Updated::Done(_) => return Ok(()),
                Updated::Refused(_) => seen = self.read(phone, now).await?,
            }
        }
        Ok(())
    }

    /// Counts a guess before it is compared, in one conditional update. Counts it once, however often the store's reply is
    /// lost.
    pub async fn count_guess(&self, phone: &Phone, guess: &Guess) -> Result<Counted, StoreError> {
        let change = counting(guess);
        let state = match self.update("count a guess", phone, change).await? {
            Updated::Done(state) => state,
            Updated::Refused(state) => {
                // The update of this very guess may have gone through and only its reply been lost.
                let last = state.code(guess.purpose);
                let last = last.and_then(|code| code.last_guess.as_ref());
                if last.is_none_or(|last| last.id != guess.id) {
                    return Ok(Counted::Refused(state));
                }
                state
            }
        };
        match state.code(guess.purpose).cloned() {
            Some(code) => Ok(Counted::Compare(state, code)),
            None => Ok(Counted::Refused(state)),
        }
    }

    /// Takes the count of a guess back, which was not wrong: it was right and could not be used, or was not to be compared.
    /// Does nothing when the code was used or replaced meanwhile. One transaction, so that a lost reply gives one try back.
    pub async fn uncount_guess(
        &self,
        phone: &Phone,
        guess: &Guess,
        nonce: &Nonce,
    ) -> Result<(), StoreError> {
        const ACT: &str = "take the count of a guess back";
        let condition = "#p.#code.#nonce = :nonce AND attribute_not_exists(#p.#code.#used)";
        let set = "#p.#code.#tries = #p.#code.#tries + :one, failures = failures - :one";
        let change = tries_named(Change::new(guess.purpose), guess)
            .condition(condition)
            .set(&set.replace("#tries", tries_path(guess)))
            .name("#code", "code")
            .name("#nonce", "nonce")
            .name("#used", "used")
            .value(":one", number(1))
            .value(":nonce", bytes(*nonce));
        let write = self.transact_item(ACT, phone, change)?;
        transact(ACT, &self.client, vec![write]).await.map(drop)
    }

    /// Uses a code up, remembers the networks in `known`, and writes `also`, in one transaction: of any number of right
    /// guesses one wins.
    pub async fn use_code(
        &self,
        phone: &Phone,
        purpose: Purpose,
        code: &IssuedCode,
        used: &Used,
        known: &[NetworkHash],
        also: Vec<Write>,
    ) -> Result<UseOfCode, StoreError> {
        const ACT: &str = "use a code";
        let change = Change::new(purpose)
            .condition("#p.#code.#nonce = :nonce AND attribute_not_exists(#p.#code.#used)")
            .set("#p.#code.#used = :used, failures = :zero, known = :known")
            .value(":known", list_of_networks(known))
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
                    if use_made.is_some_and(|use_made| use_made.login == used.login) {
                        UseOfCode::Done
                    } else {
                        UseOfCode::Gone(state)
                    }
                }
            }),
        }
    }

    /// Makes a change, together with `also` in one transaction when there is more to write.
    async fn write(
        &self,
        act: &'static str,
        phone: &Phone,
        change: Change,
        also: Vec<Write>,
    ) -> Result<Written, StoreError> {
        if also.is_empty() {
            return Ok(match self.update(act, phone, change).await? {
                Updated::Done(_) => Written::Done,
                Updated::Refused(state) => Written::Refused(state),
            });
        }
        let mut writes = vec![self.transact_item(act, phone, change)?];
        writes.extend(also);
        Ok(match transact(act, &self.client, writes).await? {
            Transacted::Done => Written::Done,
            Transacted::Refused(refusals) => match refusals.first() {
                Some(Some(_)) => Written::Refused(first_state(refusals).unwrap_or_default()),
                _ => Written::OtherRefused,
            },
        })
    }

    /// The write that removes everything about a phone, for a transaction: refused when it changed since it was seen.
    pub fn forget(&self, phone: &Phone, seen: &PhoneState) -> Result<Write, StoreError> {
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
        Ok(Write::delete(delete))
    }

    async fn update(
        &self,
        act: &'static str,
        phone: &Phone,
        change: Change,
    ) -> Result<Updated, StoreError> {
        let sent = retrying_conflicts(|| {
            let change = change.clone();
            let names = change.names();
            self.client
                .update_item()
                .table_name(&self.table)
                .key("phone", text(phone.digits()))
                .update_expression(change.expression())
                .condition_expression(change.condition)
                .set_expression_attribute_names(names)
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
    ) -> Result<Write, StoreError> {
        let names = change.names();
        let update = Update::builder()
            .table_name(&self.table)
            .key("phone", text(phone.digits()))
            .update_expression(change.expression())
            .condition_expression(change.condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(change.values.into_iter().collect()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::building(act))?;
        Ok(Write::update(update))
    }
}

enum Updated {
    Done(PhoneState),
    Refused(PhoneState),
}

/// What became of a change and of what was written with it.
enum Written {
    Done,
    /// The state refused it.
    Refused(PhoneState),
    /// The state was fine, but one of the other writes was refused; nothing was written.
    OtherRefused,
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

    /// Refused when the item changed since it was seen.
    fn if_seen(self, seen: &PhoneState) -> Self {
        match seen.rev {
            0 => self.condition("attribute_not_exists(phone)"),
            rev => self.condition("rev = :seen").value(":seen", number(rev)),
        }
    }

    /// Of a change that does not name the purpose's map.
    fn without_purpose(mut self) -> Self {
        self.names.remove("#p");
        self
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
        self.removes = if self.removes.is_empty() {
            format!(" REMOVE {paths}")
        } else {
            format!("{}, {paths}", self.removes)
        };
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

    /// The placeholders, of which DynamoDB takes no empty map.
    fn names(&self) -> Option<HashMap<String, String>> {
        let names = self.names.clone().into_iter().collect();
        Some(names).filter(|names: &HashMap<_, _>| !names.is_empty())
    }

    fn expression(&self) -> String {
        format!("SET {}{}", self.sets, self.removes)
    }
}

/// Removes what an item may have that was not in the state as it was seen, because it has expired.
fn remove_unseen(mut change: Change, purpose: Purpose, seen: &PhoneState) -> Change {
    for (number, other) in Purpose::ALL.into_iter().enumerate() {
        if other != purpose && !seen.challenges.contains_key(&other) {
            let placeholder = format!("#other{number}");
            change = change.remove(&placeholder).name(&placeholder, other.name());
        }
    }
    if seen.known_networks.is_empty() && !change.values.contains_key(":known") {
        change = change.remove("known");
    }
    if seen.not_on_whatsapp_until.is_none() {
        change = change.remove("not_on_whatsapp_until");
    }
    if seen.taken_at.is_none() {
        change = change.remove("taken_at");
    }
    change
}

fn is_open(state: &PhoneState, purpose: Purpose, attempt: &AttemptId) -> bool {
    let open = state.open(purpose);
    open.is_some_and(|open| open.attempt == *attempt)
}

fn tries_named(change: Change, guess: &Guess) -> Change {
    match &guess.challenge {
        Some(challenge) => change.name("#bound", "bound").name("#id", &challenge.0),
        None => change.name("#unbound", "unbound"),
    }
}

/// What [`Challenges::read`] does.
const READ: &str = "read the phone's challenges";

/// The state that an item holds at `now`. A phone never seen has the default state.
fn state_in(item: Option<&Item>, now: Timestamp) -> Result<PhoneState, StoreError> {
    let Some(item) = item else {
        return Ok(PhoneState::default());
    };
    let state = parse(item).ok_or(StoreError::unreadable(READ, "challenges"))?;
    Ok(match item.number("expires_at") {
        Some(expires_at) if now < Timestamp::from_seconds(expires_at) => state,
        // Only the revision counts of what TTL has not removed yet.
        _ => PhoneState {
            rev: state.rev,
            ..PhoneState::default()
        },
    })
}

/// The change that counts a guess, refused where there is nothing to be guessed.
fn counting(guess: &Guess) -> Change {
    let kids: Vec<String> = (0..guess.kids.len()).map(|n| format!(":kid{n}")).collect();
    // A send that died may have brought another code: that is settled first.
    let condition = format!(
        "(attribute_not_exists(#p.#open) OR #p.#open.#until > :now) AND #p.#code.#tries > :zero \
         AND attribute_not_exists(#p.#code.#used) AND #p.#code.#expires_at > :now \
         AND #p.#code.#kid IN ({}) AND (attribute_not_exists(#p.#code.#last) OR #p.#code.#last <> :guess)",
        kids.join(", ")
    );
    let set = "#p.#code.#tries = #p.#code.#tries - :one, #p.#code.#last = :guess, \
               #p.#code.#last_at = :now, failures = if_not_exists(failures, :zero) + :one";
    let mut change = Change::new(guess.purpose)
        .condition(condition.replace("#tries", tries_path(guess)))
        .set(&set.replace("#tries", tries_path(guess)))
        .name("#code", "code")
        .name("#used", "used")
        .name("#expires_at", "expires_at")
        .name("#kid", "kid")
        .name("#last", "last_guess")
        .name("#last_at", "last_guess_at")
        .name("#open", "open")
        .name("#until", "until")
        .value(":zero", number(0))
        .value(":one", number(1))
        .value(":now", number(guess.at.millis()))
        .value(":guess", text(&guess.id));
    for (placeholder, kid) in kids.iter().zip(&guess.kids) {
        change = change.value(placeholder, text(kid));
    }
    tries_named(change, guess)
}

/// The change that takes a reservation back, refused where it is not open any more.
fn taking_back(reservation: &Reservation, not_on_whatsapp_until: Option<Timestamp>) -> Change {
    let change = Change::new(reservation.purpose)
        .condition("#p.#open.#attempt = :attempt")
        .remove(match reservation.live {
            Some(_) => "#p.#open",
            None => "#p",
        })
        .name("#open", "open")
        .name("#attempt", "attempt")
        .value(":attempt", text(&reservation.open.attempt.0));
    match not_on_whatsapp_until {
        None => change,
        Some(until) => change
            .set("not_on_whatsapp_until = :until")
            .value(":until", number(until.millis())),
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
    let mut item = Item::from([
        ("at".into(), number(send.at.millis())),
        ("purpose".into(), text(send.purpose.name())),
        ("certainty".into(), text(certainty_name(send.certainty))),
    ]);
    if let Some(from) = send.from {
        item.insert("from".into(), bytes(from.0));
    }
    AttributeValue::M(item)
}

fn list_of_networks(networks: &[NetworkHash]) -> AttributeValue {
    AttributeValue::L(networks.iter().map(|network| bytes(network.0)).collect())
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
    let of_each = |value: fn(&Bound) -> i64| {
        let values = code
            .bound
            .iter()
            .map(|(challenge, bound)| (challenge.0.clone(), number(value(bound))));
        AttributeValue::M(values.collect())
    };
    let mut item = Item::from([
        ("nonce".into(), bytes(code.nonce)),
        ("kid".into(), text(&code.kid)),
        ("digits".into(), number(code.length.digits() as i64)),
        ("expires_at".into(), number(code.expires_at.millis())),
        ("bound".into(), of_each(|bound| bound.tries)),
        ("ends".into(), of_each(|bound| bound.until.millis())),
        ("unbound".into(), number(code.unbound)),
    ]);
    if let Some(used) = &code.used {
        item.insert("used".into(), used_item(used));
    }
    if let Some(last) = &code.last_guess {
        item.insert("last_guess".into(), text(&last.id));
        item.insert("last_guess_at".into(), number(last.at.millis()));
    }
    item
}

fn open_item(open: &OpenSend) -> Item {
    let mut item = Item::from([
        ("attempt".into(), text(&open.attempt.0)),
        ("message_id".into(), text(&open.message_id)),
        ("session".into(), text(&open.session)),
        ("at".into(), number(open.at.millis())),
        ("until".into(), number(open.until.millis())),
        ("challenge".into(), text(&open.challenge.0)),
        ("origin".into(), text(origin_name(open.origin))),
    ]);
    if let Some(from) = open.from {
        item.insert("from".into(), bytes(from.0));
    }
    if let Some(code) = &open.code {
        item.insert("code".into(), AttributeValue::M(code_item(code)));
    }
    item
}

const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Drawn => "drawn",
        Origin::Shown => "shown",
    }
}

fn challenge_item(code: Option<&IssuedCode>, open: Option<&OpenSend>) -> AttributeValue {
    let mut item = Item::new();
    if let Some(code) = code {
        item.insert("code".into(), AttributeValue::M(code_item(code)));
    }
    if let Some(open) = open {
        item.insert("open".into(), AttributeValue::M(open_item(open)));
    }
    AttributeValue::M(item)
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
        failures: item.number("failures").unwrap_or(0).max(0),
        not_on_whatsapp_until: time(item, "not_on_whatsapp_until"),
        taken_at: time(item, "taken_at"),
        known_networks: parse_networks(item)?,
        challenges,
    })
}

fn parse_networks(item: &Item) -> Option<Vec<NetworkHash>> {
    let Some(known) = item.get("known") else {
        return Some(Vec::new());
    };
    let known = known.as_l().ok()?.iter();
    known
        .map(|network| network_hash(network.as_b().ok()?.as_ref()))
        .collect()
}

fn network_hash(bytes: &[u8]) -> Option<NetworkHash> {
    bytes.try_into().ok().map(NetworkHash)
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
        from: item.bytes("from").and_then(network_hash),
    })
}

fn parse_challenge(item: &Item) -> Option<Challenge> {
    let code = match item.map("code") {
        Some(code) => Some(parse_code(code)?),
        None => None,
    };
    let open = match item.map("open") {
        Some(open) => Some(parse_open(open)?),
        None => None,
    };
    Some(Challenge { code, open })
}

fn parse_open(item: &Item) -> Option<OpenSend> {
    let code = match item.map("code") {
        Some(code) => Some(parse_code(code)?),
        None => None,
    };
    Some(OpenSend {
        attempt: AttemptId(item.text("attempt")?.into()),
        message_id: item.text("message_id")?.into(),
        session: item.text("session")?.into(),
        at: time(item, "at")?,
        until: time(item, "until")?,
        from: item.bytes("from").and_then(network_hash),
        challenge: ChallengeHash(item.text("challenge").unwrap_or_default().into()),
        origin: match item.text("origin") {
            Some("drawn") => Origin::Drawn,
            _ => Origin::Shown,
        },
        code,
    })
}

fn parse_code(item: &Item) -> Option<IssuedCode> {
    let expires_at = time(item, "expires_at")?;
    let ends = item.map("ends");
    let bound = item
        .map("bound")?
        .iter()
        .map(|(challenge, tries)| {
            let bound = Bound {
                tries: tries.as_n().ok()?.parse().ok()?,
                until: ends
                    .and_then(|ends| time(ends, challenge))
                    .unwrap_or(expires_at),
            };
            Some((ChallengeHash(challenge.clone()), bound))
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
    let last_guess = item.text("last_guess").map(|id| LastGuess {
        id: id.into(),
        at: time(item, "last_guess_at").unwrap_or(Timestamp::from_millis(0)),
    });
    Some(IssuedCode {
        nonce: item.bytes("nonce")?.try_into().ok()?,
        kid: item.text("kid")?.into(),
        length: match item.number("digits") {
            Some(digits) => CodeLength::of(usize::try_from(digits).ok()?)?,
            None => CodeLength::Six,
        },
        expires_at,
        bound,
        unbound: item.number("unbound")?,
        used,
        last_guess,
    })
}

fn time(item: &Item, name: &str) -> Option<Timestamp> {
    item.number(name).map(Timestamp::from_millis)
}
