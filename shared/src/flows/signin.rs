//! Signing in with a password. Wrong passwords are limited; the right one costs nothing.
//!
//! Nobody who only knows a number keeps its owner out: ten wrong passwords close the phone for the address that gave them.
//! After a hundred from anywhere a password alone opens nothing from networks that nobody has signed in from; a code does.
//! From one address the phones that failed are counted, and a right password is let in all the same.
use super::login::{LoginKeys, Logins, SignedIn};
use crate::model::account::{User, random_id};
use crate::model::address::ClientAddress;
use crate::model::caller::Caller;
use crate::model::challenge::{AttemptId, NetworkHash, PhoneState};
use crate::model::identifier::Identifier;
use crate::model::limits::{Limit, Limited, Policy};
use crate::model::password::{self, HashError, Match, Password};
use crate::model::phone::Phone;
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::challenges::Challenges;
use crate::store::logins::Login;
use crate::store::users::Users;
use crate::store::windows::{Grant, Marked, WindowKey, Windows};

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The phone has no user, the user no password, or the password is wrong: which, nobody is told.
    #[error("the phone or the password is wrong")]
    Wrong,
    /// Too many wrong passwords were given for the phone: from here a code is needed.
    #[error("a password alone is not enough")]
    CodeRequired,
    /// Too many wrong passwords.
    #[error("the limit `{}` says no", .0.limit.name())]
    Limited(Limited),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What signing in with a password touches.
#[derive(Clone, Debug)]
pub struct Passwords {
    users: Users,
    logins: Logins,
    challenges: Challenges,
    windows: Windows,
    policy: Policy,
    entropy: Entropy,
}

impl Passwords {
    /// What of `backends` it touches.
    pub fn new(backends: &Backends) -> Self {
        Self {
            users: Users::new(backends),
            logins: Logins::new(backends),
            challenges: Challenges::new(backends),
            windows: Windows::new(backends),
            policy: backends.settings.policy.clone(),
            entropy: backends.entropy.clone(),
        }
    }

    /// Reads the keys before they are needed, in a single attempt each.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.logins.warm_up(now).await
    }
}

/// Opens a login for whoever knows the password of the phone's user.
///
/// # Errors
/// When the password is not right or was wrong too often, or the store fails.
pub async fn sign_in(
    passwords: &Passwords,
    who: &Identifier,
    given: &Password,
    caller: &Caller,
    now: Timestamp,
) -> Result<SignedIn, SignInError> {
    let phone = &passwords.users.phone_of(who).await?;
    let guess = PasswordGuess {
        passwords,
        phone,
        address: caller.address,
        attempt: AttemptId::draw(&passwords.entropy),
        now,
    };
    // Counted before it is compared, so that guesses side by side are all counted.
    let (user, keys, state, grants) = tokio::join!(
        passwords.users.by_phone(phone),
        passwords.logins.keys(now),
        passwords.challenges.read(phone, now),
        guess.count(),
    );
    let marked = grants.marked();
    let signed_in = async {
        let (user, keys, state) = (user?, keys?, state?);
        guess.may_compare(&grants.of_both?, &grants.of_phone?, &state)?;
        match guess.compare(user, given).await? {
            Some((user, verdict)) => guess.open(keys, user, state, given, verdict).await,
            None => Err(match grants.from_address? {
                Marked::Full(window) => limited(Limit::PasswordAddress, window.ends, now),
                Marked::New | Marked::Held => SignInError::Wrong,
            }),
        }
    }
    .await;
    // Only a wrong password is charged: not a right one, not a refusal, and not an outage of ours.
    let is_wrong = match &signed_in {
        Err(SignInError::Wrong) => true,
        Err(SignInError::Limited(limited)) => limited.limit == Limit::PasswordAddress,
        _ => false,
    };
    if !is_wrong {
        guess.give_back(marked).await;
    }
    signed_in
}

/// A password that somebody gives for a phone.
struct PasswordGuess<'a> {
    passwords: &'a Passwords,
    phone: &'a Phone,
    address: ClientAddress,
    attempt: AttemptId,
    now: Timestamp,
}

/// The places of a guess in the limits.
struct Grants {
    of_both: Result<Grant, StoreError>,
    of_phone: Result<Grant, StoreError>,
    from_address: Result<Marked, StoreError>,
}

/// Whether the guess put its phone among those that failed from its address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ours,
    Older,
}

impl Grants {
    const fn marked(&self) -> Mark {
        match self.from_address {
            Ok(Marked::New) => Mark::Ours,
            _ => Mark::Older,
        }
    }
}

impl PasswordGuess<'_> {
    const fn of_both(&self) -> WindowKey<'_> {
        WindowKey::PasswordOfFrom(self.phone, self.address)
    }

    const fn of_phone(&self) -> WindowKey<'_> {
        WindowKey::PasswordOf(self.phone)
    }

    const fn of_address(&self) -> WindowKey<'static> {
        WindowKey::PasswordFrom(self.address)
    }

    async fn count(&self) -> Grants {
        let Passwords {
            windows, policy, ..
        } = self.passwords;
        let (attempt, now) = (&self.attempt, self.now);
        let (of_both, of_phone, from_address) = tokio::join!(
            windows.grant(
                self.of_both(),
                attempt,
                None,
                &policy.passwords_per_phone,
                now
            ),
            windows.grant(
                self.of_phone(),
                attempt,
                None,
                &policy.passwords_before_code,
                now
            ),
            windows.mark(
                self.of_address(),
                self.phone,
                &policy.passwords_per_address,
                now
            ),
        );
        Grants {
            of_both,
            of_phone,
            from_address,
        }
    }

    /// Whether the password may be compared at all.
    fn may_compare(
        &self,
        of_both: &Grant,
        of_phone: &Grant,
        state: &PhoneState,
    ) -> Result<(), SignInError> {
        if let Grant::Full(window) = of_both {
            return Err(limited(Limit::Password, window.ends, self.now));
        }
        let network = NetworkHash::of(self.phone, self.address);
        match of_phone {
            Grant::Full(_) if !state.known.contains(&network) => Err(SignInError::CodeRequired),
            _ => Ok(()),
        }
    }

    /// The user whose password it is.
    async fn compare(
        &self,
        user: Option<User>,
        given: &Password,
    ) -> Result<Option<(User, Match)>, SignInError> {
        let hash = user.as_ref().and_then(|user| user.password.as_ref());
        let verdict = match hash {
            Some(hash) => password::verify(given, hash).await?,
            None => password::verify_nobody(given).await?,
        };
        Ok(match (user, verdict) {
            (Some(user), Match::Right | Match::RightButOutdated) => Some((user, verdict)),
            (_, Match::Wrong) | (None, _) => None,
        })
    }

    async fn open(
        &self,
        keys: LoginKeys,
        user: User,
        state: PhoneState,
        given: &Password,
        verdict: Match,
    ) -> Result<SignedIn, SignInError> {
        let Passwords {
            users,
            logins,
            challenges,
            entropy,
            ..
        } = self.passwords;
        let login = Login::new(&random_id(entropy), &user, self.now);
        let rehash = async {
            if verdict == Match::RightButOutdated
                && let Err(error) = rehash(users, &user, given, entropy).await
            {
                tracing::error!(error = %Chain(&error), "a password keeps its outdated hash");
            }
        };
        let know = async {
            let network = NetworkHash::of(self.phone, self.address);
            let known = challenges.know_network(self.phone, state, network, self.now);
            if let Err(error) = known.await {
                tracing::error!(error = %Chain(&error), "a phone does not know its network");
            }
        };
        let (opened, (), ()) = tokio::join!(logins.table().put(&login), rehash, know);
        opened?;
        Ok(logins.tokens(&keys, user, &login.id, 0, self.now)?)
    }

    async fn give_back(&self, marked: Mark) {
        let (windows, attempt) = (&self.passwords.windows, &self.attempt);
        let unmark = async {
            match marked {
                Mark::Ours => windows.unmark(self.of_address(), self.phone).await,
                Mark::Older => Ok(()),
            }
        };
        let (of_both, of_phone, from_address) = tokio::join!(
            windows.give_back(self.of_both(), attempt),
            windows.give_back(self.of_phone(), attempt),
            unmark,
        );
        let results = [of_both, of_phone, from_address];
        for error in results.into_iter().filter_map(Result::err) {
            tracing::error!(error = %Chain(&error), "what was no wrong password stays counted");
        }
    }
}

fn limited(limit: Limit, until: Timestamp, now: Timestamp) -> SignInError {
    let retry_after = until.since(now);
    SignInError::Limited(Limited { limit, retry_after })
}

/// Stores a hash of our own making for a password that was just found right.
async fn rehash(
    users: &Users,
    user: &User,
    right: &Password,
    entropy: &Entropy,
) -> Result<(), SignInError> {
    let Some(before) = &user.password else {
        return Ok(());
    };
    let after = password::hash(right, entropy.bytes()).await?;
    Ok(users.rehash_password(user, before, &after).await?)
}
