//! The guesses at a code: counted, compared by the caller, and used once.
use super::change::Change;
use super::item::{list_of_networks, used_item};
use super::{Challenges, Updated, state_of_first};
use crate::model::challenge::{ChallengeHash, IssuedCode, NetworkHash, PhoneState, Used};
use crate::model::code::{Nonce, Purpose};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::{StoreError, Transacted, Write, bytes, number, text, transact};

/// A guess that is about to be compared.
#[derive(Clone, Debug)]
pub struct Guess {
    /// What the code is for.
    pub purpose: Purpose,
    /// The challenge id that came with it.
    pub challenge: Option<ChallengeHash>,
    /// Names this guess, so that it is counted once.
    pub id: String,
    /// The ids of the keys at hand. A guess at a code of another key is not counted yet.
    pub kids: Vec<String>,
    /// When it is made.
    pub at: Timestamp,
}

/// Whether a guess may be compared.
#[derive(Debug)]
pub enum Counted {
    /// It was counted. Compare it with this code, which is live in this state.
    Compare(PhoneState, IssuedCode),
    /// It was not counted. The state says why.
    Refused(PhoneState),
}

/// The use of a code by a right guess.
#[derive(Clone, Copy, Debug)]
pub struct CodeUse<'a> {
    /// What the code is for.
    pub purpose: Purpose,
    /// The code.
    pub code: &'a IssuedCode,
    /// The use, as it is remembered.
    pub used: &'a Used,
    /// The phone's known networks from now on.
    pub known_networks: &'a [NetworkHash],
}

/// What became of the use of a code.
#[derive(Debug)]
pub enum UseOfCode {
    /// This use won, and everything else was written.
    Done,
    /// The code is used or replaced: the state says how.
    Gone(PhoneState),
    /// The code was fine, but one of the other writes was refused. Nothing was written.
    OtherRefused,
}

impl Challenges {
    /// Counts a guess before it is compared, in one conditional update. Counts it once, however often the store's reply is
    /// lost.
    pub async fn count_guess(&self, phone: &Phone, guess: &Guess) -> Result<Counted, StoreError> {
        let state = match self.update(phone, counting(guess)).await? {
            Updated::Done(state) => state,
            // The update of this very guess may have gone through and only its reply been lost.
            Updated::Refused(state) if is_last_guess(&state, guess) => state,
            Updated::Refused(state) => return Ok(Counted::Refused(state)),
        };
        match state.code(guess.purpose).cloned() {
            Some(code) => Ok(Counted::Compare(state, code)),
            None => Ok(Counted::Refused(state)),
        }
    }

    /// Takes the count of a guess back that was not wrong: it was right and could not be used, or it was not to be compared.
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
        let change = tries_named(Change::of(ACT, guess.purpose), guess)
            .condition(condition)
            .set(&set.replace("#tries", tries_path(guess)))
            .name("#code", "code")
            .name("#nonce", "nonce")
            .name("#used", "used")
            .value(":one", number(1))
            .value(":nonce", bytes(*nonce));
        let write = self.transaction_write(phone, change)?;
        transact(ACT, &self.client, vec![write]).await.map(drop)
    }

    /// Uses a code up, remembers the phone's networks, and writes `also`, in one transaction: of any number of right guesses
    /// one wins.
    pub async fn use_code(
        &self,
        phone: &Phone,
        code_use: CodeUse<'_>,
        also: Vec<Write>,
    ) -> Result<UseOfCode, StoreError> {
        const ACT: &str = "use a code";
        let mut writes = vec![self.transaction_write(phone, using(ACT, code_use))?];
        writes.extend(also);
        let refusals = match transact(ACT, &self.client, writes).await? {
            Transacted::Done => return Ok(UseOfCode::Done),
            Transacted::Refused(refusals) => refusals,
        };
        Ok(match state_of_first(refusals) {
            None => UseOfCode::OtherRefused,
            // Only the reply of the store was lost.
            Some(state) if is_used_by(&state, code_use) => UseOfCode::Done,
            Some(state) => UseOfCode::Gone(state),
        })
    }
}

fn is_last_guess(state: &PhoneState, guess: &Guess) -> bool {
    let code = state.code(guess.purpose);
    let last = code.and_then(|code| code.last_guess.as_ref());
    last.is_some_and(|last| last.id == guess.id)
}

fn is_used_by(state: &PhoneState, code_use: CodeUse<'_>) -> bool {
    let code = state.code(code_use.purpose);
    let used = code.and_then(|code| code.used.as_ref());
    used.is_some_and(|used| used.login == code_use.used.login)
}

/// The change that uses a code up, refused where it is used or replaced.
fn using(act: &'static str, code_use: CodeUse<'_>) -> Change {
    Change::of(act, code_use.purpose)
        .condition("#p.#code.#nonce = :nonce AND attribute_not_exists(#p.#code.#used)")
        .set("#p.#code.#used = :used, failures = :zero, known = :known")
        .value(":known", list_of_networks(code_use.known_networks))
        .name("#code", "code")
        .name("#nonce", "nonce")
        .name("#used", "used")
        .value(":nonce", bytes(code_use.code.nonce))
        .value(":used", used_item(code_use.used))
        .value(":zero", number(0))
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
    let mut change = Change::of("count a guess", guess.purpose)
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

fn tries_named(change: Change, guess: &Guess) -> Change {
    match &guess.challenge {
        Some(challenge) => change.name("#bound", "bound").name("#id", &challenge.0),
        None => change.name("#unbound", "unbound"),
    }
}

/// Where the tries of a guess stand, inside of the code's map.
const fn tries_path(guess: &Guess) -> &'static str {
    match guess.challenge {
        Some(_) => "#bound.#id",
        None => "#unbound",
    }
}
