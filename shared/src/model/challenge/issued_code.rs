//! One code as it is kept: who may guess it, how often and how long, and what becomes of it.
use std::collections::BTreeMap;
use std::time::Duration;

use super::ids::ChallengeHash;
use crate::model::code::{CodeLength, CodeSource, Nonce, Purpose};
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;

/// How long a code works, counted from the moment the gateway took its message.
pub const CODE_LIFE: Duration = Duration::from_secs(600);

/// A message that repeats a code must leave its reader at least this long.
pub const REPEAT_LEAVES: Duration = Duration::from_secs(180);

/// Guesses per challenge id, and per code for guesses without one.
pub const TRIES: u32 = 5;

/// Challenge ids per code. So no code is compared more than `TRIES * IDS_MAX` times with guesses that name an id.
pub const IDS_MAX: usize = 5;

/// A right guess with a challenge id that is repeated within this time gets the same answer again: mobile clients lose replies.
pub const ANSWER_AGAIN: Duration = Duration::from_secs(60);

/// What is known of a code without knowing the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCode {
    /// The code's random part.
    pub nonce: Nonce,
    /// The key that derives it.
    pub kid: String,
    /// How many digits the code has.
    pub length: CodeLength,
    /// The id of the last message that carried it. Nothing for a code of an earlier version.
    pub message_id: Option<String>,
    /// When the code ends. Until the gateway has taken its message, that is counted from the request.
    pub expires_at: Timestamp,
    /// The challenge ids that the code may be guessed with, and what is left of each.
    pub bound: BTreeMap<ChallengeHash, Bound>,
    /// Tries left for guesses without a challenge id.
    pub unbound: i64,
    /// The right guess that used the code up.
    pub used: Option<Used>,
    /// The last guess that was counted. A guess whose first reply of the store was lost is recognised by it.
    pub last_guess: Option<LastGuess>,
}

/// The parts of a new code that its digits follow from.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// The code's random part.
    pub nonce: Nonce,
    /// The key that derives it.
    pub kid: String,
    /// How many digits the code has.
    pub length: CodeLength,
}

/// How often and how long a code may be guessed with one challenge id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Tries left.
    pub tries: i64,
    /// When the code ends, as the id's request was told. Until then a code that replaces this one may be guessed with the id,
    /// too.
    pub until: Timestamp,
}

/// A guess that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastGuess {
    /// The id of the guess.
    pub id: String,
    /// When it was made.
    pub at: Timestamp,
}

/// The use of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// When it was made.
    pub at: Timestamp,
    /// The challenge id that the right guess came with.
    pub by: Option<ChallengeHash>,
    /// The login that it opened.
    pub login: String,
}

impl IssuedCode {
    /// A fresh code, to be guessed by whoever holds `challenge`.
    pub fn fresh(new: NewCode, challenge: &ChallengeHash, now: Timestamp) -> Self {
        let NewCode { nonce, kid, length } = new;
        Self {
            nonce,
            kid,
            length,
            message_id: None,
            expires_at: now.plus(CODE_LIFE),
            bound: BTreeMap::new(),
            unbound: i64::from(TRIES),
            used: None,
            last_guess: None,
        }
        .bind(challenge)
    }

    /// When the code's life began: the gateway took its message, or until then the request was made.
    pub fn begun_at(&self) -> Timestamp {
        self.expires_at.minus(CODE_LIFE)
    }

    /// What the code's digits are derived from, beside its key.
    pub const fn source<'a>(&'a self, purpose: Purpose, phone: &'a Phone) -> CodeSource<'a> {
        CodeSource {
            nonce: &self.nonce,
            length: self.length,
            purpose,
            phone,
        }
    }

    /// The same code, which whoever holds `challenge` may guess, too. An id that is bound already gets no new tries.
    #[must_use]
    pub fn bind(mut self, challenge: &ChallengeHash) -> Self {
        let bound = Bound {
            tries: i64::from(TRIES),
            until: self.expires_at,
        };
        self.bound.entry(challenge.clone()).or_insert(bound);
        self
    }

    /// The same code, which another message carries.
    #[must_use]
    pub fn carried_by(mut self, message_id: &str) -> Self {
        self.message_id = Some(message_id.to_owned());
        self
    }

    /// The same code, whose life begins now, because the gateway has taken its message.
    #[must_use]
    pub fn starting(mut self, challenge: &ChallengeHash, now: Timestamp) -> Self {
        self.expires_at = now.plus(CODE_LIFE);
        if let Some(bound) = self.bound.get_mut(challenge) {
            bound.until = self.expires_at;
        }
        self
    }

    /// Whether one more message may carry this code to whoever holds `challenge`: it is not used, tries are left without an id
    /// and with this one, [`REPEAT_LEAVES`] of its life is left, and there is room for the id.
    pub fn repeatable(&self, challenge: &ChallengeHash, now: Timestamp) -> bool {
        let bindable = match self.bound.get(challenge) {
            Some(bound) => bound.tries > 0,
            None => self.bound.len() < IDS_MAX,
        };
        bindable
            && self.used.is_none()
            && self.unbound > 0
            && self.expires_at >= now.plus(REPEAT_LEAVES)
    }

    /// Whether no tries are left with `challenge`.
    pub fn is_spent(&self, challenge: &ChallengeHash) -> bool {
        let bound = self.bound.get(challenge);
        bound.is_some_and(|bound| bound.tries <= 0)
    }

    /// The `fresh` code in the place of this one. The ids that this one is bound to are good for the fresh one, with the tries
    /// that are left: a stranger who asks for a code makes nobody's challenge id worthless.
    #[must_use]
    pub fn replaced_by(&self, mut fresh: Self, now: Timestamp) -> Self {
        if self.used.is_some() || self.expires_at <= now {
            return fresh;
        }
        let mut others: Vec<_> = self
            .bound
            .iter()
            .filter(|(challenge, bound)| {
                bound.tries > 0 && now < bound.until && !fresh.bound.contains_key(challenge)
            })
            .collect();
        others.sort_by_key(|(_, bound)| std::cmp::Reverse(bound.until));
        let room = IDS_MAX - fresh.bound.len();
        for (challenge, bound) in others.into_iter().take(room) {
            fresh.bound.insert(challenge.clone(), *bound);
        }
        fresh
    }

    /// This code, with no more tries for an id than `before`, the code that it replaces, has left for it: it may have been guessed
    /// at since this one was made. The id that this code was made for has tries of its own.
    #[must_use]
    pub fn counting_guesses_at(mut self, before: &Self, made_for: &ChallengeHash) -> Self {
        for (challenge, bound) in &mut self.bound {
            let left = before
                .bound
                .get(challenge)
                .filter(|_| challenge != made_for);
            bound.tries = left.map_or(bound.tries, |left| left.tries.min(bound.tries));
        }
        self
    }

    /// The use of this code by a right guess with the id `by`, if the same guess may be answered once more.
    pub fn answered_again(&self, by: &ChallengeHash, now: Timestamp) -> Option<&Used> {
        self.used
            .as_ref()
            .filter(|used| used.by.as_ref() == Some(by) && now < used.at.plus(ANSWER_AGAIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ChallengeHash {
        ChallengeHash(name.into())
    }

    fn fresh(number: u8, challenge: &str, now: Timestamp) -> IssuedCode {
        let new = NewCode {
            nonce: [number; 16],
            kid: "k".into(),
            length: CodeLength::Six,
        };
        IssuedCode::fresh(new, &id(challenge), now)
    }

    fn issued(now: Timestamp) -> IssuedCode {
        fresh(1, "a", now)
    }

    fn tries(code: &IssuedCode) -> BTreeMap<&str, i64> {
        let bound = code.bound.iter();
        bound
            .map(|(challenge, bound)| (challenge.0.as_str(), bound.tries))
            .collect()
    }

    #[test]
    fn a_code_is_repeated_only_while_it_is_of_use() {
        let now = Timestamp::from_seconds(1_000);
        let check = |case: &str, change: fn(&mut IssuedCode), later: u64, repeatable: bool| {
            let mut code = issued(now);
            change(&mut code);
            let then = now.plus(Duration::from_secs(later));
            assert_eq!(code.repeatable(&id("b"), then), repeatable, "{case}");
        };
        check("a fresh one", |_| (), 0, true);
        check("with three minutes left", |_| (), 420, true);
        check("with less", |_| (), 421, false);
        check("out of unbound tries", |code| code.unbound = 0, 0, false);
        let spent = |code: &mut IssuedCode| {
            for bound in code.bound.values_mut() {
                bound.tries = 0;
            }
        };
        check("out of another's tries", spent, 0, true);
        let used = |code: &mut IssuedCode| {
            code.used = Some(Used {
                at: code.expires_at,
                by: None,
                login: "l".into(),
            });
        };
        check("used", used, 0, false);
        let full = |code: &mut IssuedCode| {
            for name in ["c", "d", "e", "f"] {
                *code = code.clone().bind(&id(name));
            }
        };
        check("with five ids", full, 0, false);
    }

    #[test]
    fn a_code_is_repeated_for_an_id_only_while_it_has_tries() {
        let now = Timestamp::from_seconds(1_000);
        let mut code = issued(now);
        assert!(code.repeatable(&id("a"), now));
        code.bound.get_mut(&id("a")).expect("bound").tries = 0;
        assert!(!code.repeatable(&id("a"), now));
        assert_eq!(tries(&code.bind(&id("a"))), [("a", 0)].into());
    }

    #[test]
    fn a_fresh_code_is_bound_to_whoever_could_guess_the_one_before() {
        let now = Timestamp::from_seconds(1_000);
        let mut before = issued(now);
        before.bound.get_mut(&id("a")).expect("bound").tries = 3;
        let replaced = before.replaced_by(fresh(2, "b", now), now);
        assert_eq!(tries(&replaced), [("a", 3), ("b", 5)].into());
        assert_eq!(replaced.bound[&id("a")].until, before.expires_at);
        let late = before.replaced_by(fresh(2, "b", now), before.expires_at);
        assert_eq!(tries(&late), [("b", 5)].into());
        // Its own end counts, however often codes follow each other.
        let next = fresh(3, "c", before.expires_at);
        let mut replaced = replaced;
        replaced.expires_at = before.expires_at.plus(Duration::from_secs(60));
        let next = replaced.replaced_by(next, before.expires_at);
        assert_eq!(tries(&next), [("c", 5)].into());
    }

    #[test]
    fn no_code_has_more_than_five_ids() {
        let now = Timestamp::from_seconds(1_000);
        let mut before = issued(now);
        for name in ["b", "c", "d", "e"] {
            before = before.bind(&id(name));
        }
        let replaced = before.replaced_by(fresh(2, "f", now), now);
        assert_eq!(replaced.bound.len(), IDS_MAX);
        assert!(replaced.bound.contains_key(&id("f")));
    }

    #[test]
    fn only_the_same_challenge_id_is_answered_again_and_only_for_a_minute() {
        let now = Timestamp::from_seconds(1_000);
        let (mine, other) = (id("a"), id("b"));
        let mut code = issued(now);
        assert_eq!(code.answered_again(&mine, now), None);
        code.used = Some(Used {
            at: now,
            by: Some(mine.clone()),
            login: "l".into(),
        });
        let later = |seconds| now.plus(Duration::from_secs(seconds));
        assert!(code.answered_again(&mine, later(59)).is_some());
        assert_eq!(code.answered_again(&mine, later(60)), None);
        assert_eq!(code.answered_again(&other, now), None);
    }
}
