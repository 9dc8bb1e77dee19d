//! Signing in with a password. Wrong passwords are limited; the right one costs nothing.
//!
//! Whoever only knows a number must not keep its owner out. So there are three limits ([`Policy`](crate::model::limits::Policy)):
//! * `passwords_per_phone` wrong passwords close the account for the address that gave them, and for no other.
//! * After `passwords_before_code` wrong passwords from anywhere, a password alone opens nothing from networks that nobody
//!   has signed in from. A code does.
//! * `passwords_per_address` phones may fail from one address. A right password is let in all the same.
//!
//! The first two count for the account as it was named: its phone and its e-mail address apart.
use super::login::{Generation, LoginKeys, Logins, SignedIn};
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
use crate::store::challenges::networks::{NetworkRemembered, SignInFrom};
use crate::store::logins::Login;
use crate::store::users::Users;
use crate::store::windows::{Claim, Grant, PlaceTaken, Window, WindowKey, Windows, attempt_of};

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The phone has no user, the user has no password, or the password is wrong. Nobody is told which.
    #[error("the phone or the password is wrong")]
    Wrong,
    /// Too many wrong passwords were given for the phone. A code is needed from this network.
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

/// What somebody signs in with.
#[derive(Debug)]
pub struct Credentials {
    /// The account.
    pub who: Identifier,
    /// The password.
    pub password: Password,
}

/// Opens logins with a password.
#[derive(Clone, Debug)]
pub struct PasswordSignIns {
    users: Users,
    logins: Logins,
    challenges: Challenges,
    windows: Windows,
    policy: Policy,
    entropy: Entropy,
}

impl PasswordSignIns {
    /// Over `backends`.
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

    /// Opens a login for whoever knows the password of the phone's user.
    ///
    /// # Errors
    /// When the password is not right or was wrong too often, or the store fails.
    pub async fn sign_in(
        &self,
        credentials: &Credentials,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<SignedIn, SignInError> {
        let phone = &self.users.phone_of(&credentials.who).await?;
        let guess = PasswordGuess {
            flow: self,
            who: &credentials.who,
            phone,
            password: &credentials.password,
            address: caller.address,
            attempt: AttemptId::draw(&self.entropy),
            now,
        };
        // Counted before it is compared, so that guesses side by side are all counted.
        let (user, keys, state, verdicts) = tokio::join!(
            self.users.by_phone(phone),
            self.logins.keys(now),
            self.challenges.read(phone, now),
            guess.count(),
        );
        let phone_added_by = verdicts.phone_added_by();
        let beside = ReadBeside { user, keys, state };
        let signed_in = guess.check(verdicts, beside).await;
        if !is_charged(&signed_in) {
            guess.give_back(phone_added_by).await;
        }
        signed_in
    }
}

/// Only a wrong password is charged: not a right one, not an outage of ours, and not one that was never compared. At the
/// limit of an address it was compared and wrong.
fn is_charged(signed_in: &Result<SignedIn, SignInError>) -> bool {
    match signed_in {
        Err(SignInError::Wrong) => true,
        Err(SignInError::Limited(limited)) => limited.limit == Limit::PhonesFailedFromAddress,
        _ => false,
    }
}

/// What was read while the guess was counted.
struct ReadBeside {
    user: Result<Option<User>, StoreError>,
    keys: Result<LoginKeys, StoreError>,
    state: Result<PhoneState, StoreError>,
}

/// A password that somebody gives for a phone.
struct PasswordGuess<'a> {
    flow: &'a PasswordSignIns,
    who: &'a Identifier,
    phone: &'a Phone,
    password: &'a Password,
    address: ClientAddress,
    attempt: AttemptId,
    now: Timestamp,
}

/// What the limits say to a guess.
struct Verdicts {
    /// Of the wrong passwords for this account from this address.
    of_account_and_address: Result<Grant, StoreError>,
    /// Of the wrong passwords for this account from anywhere.
    of_account: Result<Grant, StoreError>,
    /// Of the phones that failed from this address.
    of_address: Result<PlaceTaken, StoreError>,
}

/// Who put the phone among those that failed from the address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PhoneAddedBy {
    /// This guess.
    Us,
    /// An earlier guess, or nobody: the limit was full, or the store failed.
    NotUs,
}

impl Verdicts {
    const fn phone_added_by(&self) -> PhoneAddedBy {
        match self.of_address {
            Ok(PlaceTaken::New) => PhoneAddedBy::Us,
            _ => PhoneAddedBy::NotUs,
        }
    }
}

/// A user whose password was given.
struct Owner {
    user: User,
    hash: HashAge,
}

/// Whether a password's hash is as a new one would be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HashAge {
    Current,
    Outdated,
}

impl PasswordGuess<'_> {
    const fn of_account_and_address(&self) -> WindowKey<'_> {
        WindowKey::PasswordOfFrom(self.who, self.address)
    }

    const fn of_account(&self) -> WindowKey<'_> {
        WindowKey::PasswordOf(self.who)
    }

    const fn of_address(&self) -> WindowKey<'static> {
        WindowKey::PasswordFrom(self.address)
    }

    /// Takes the places of the guess, side by side.
    async fn count(&self) -> Verdicts {
        let PasswordSignIns {
            windows, policy, ..
        } = self.flow;
        let per_account_and_address = Claim {
            window: self.of_account_and_address(),
            attempt: &self.attempt,
            limit: &policy.passwords_per_phone,
            now: self.now,
        };
        let per_account = Claim {
            window: self.of_account(),
            limit: &policy.passwords_before_code,
            ..per_account_and_address
        };
        let per_address = Claim {
            window: self.of_address(),
            attempt: &attempt_of(self.phone),
            limit: &policy.passwords_per_address,
            now: self.now,
        };
        let (of_account_and_address, of_account, of_address) = tokio::join!(
            windows.grant(per_account_and_address, None),
            windows.grant(per_account, None),
            windows.take_place(per_address, None),
        );
        Verdicts {
            of_account_and_address,
            of_account,
            of_address,
        }
    }

    /// Compares the password if the limits let it, and opens a login if it is right.
    async fn check(&self, verdicts: Verdicts, beside: ReadBeside) -> Result<SignedIn, SignInError> {
        let (user, keys, state) = (beside.user?, beside.keys?, beside.state?);
        let (of_account_and_address, of_account) =
            (verdicts.of_account_and_address?, verdicts.of_account?);
        if let Grant::Full(window) = of_account_and_address {
            return Err(self.limited(Limit::WrongPasswords, window));
        }
        if matches!(of_account, Grant::Full(_)) && !state.knows(self.network()) {
            return Err(SignInError::CodeRequired);
        }
        if let Some(owner) = self.compare(user).await? {
            return self.open(owner, &keys, state).await;
        }
        Err(match verdicts.of_address? {
            PlaceTaken::Full(window) => self.limited(Limit::PhonesFailedFromAddress, window),
            PlaceTaken::New | PlaceTaken::Before => SignInError::Wrong,
        })
    }

    fn limited(&self, limit: Limit, window: Window) -> SignInError {
        SignInError::Limited(Limited {
            limit,
            retry_after: window.ends.since(self.now),
        })
    }

    fn network(&self) -> NetworkHash {
        NetworkHash::of(self.phone, self.address)
    }

    /// The user, if the password is theirs. Takes as long for a phone without a user.
    async fn compare(&self, user: Option<User>) -> Result<Option<Owner>, SignInError> {
        let hash = user.as_ref().and_then(|user| user.password.as_ref());
        let verdict = match hash {
            Some(hash) => password::verify(self.password, hash).await?,
            None => password::verify_nobody(self.password).await?,
        };
        let hash = match verdict {
            Match::Right => HashAge::Current,
            Match::RightButOutdated => HashAge::Outdated,
            Match::Wrong => return Ok(None),
        };
        Ok(user.map(|user| Owner { user, hash }))
    }

    /// Opens a login. The password's hash and the phone's networks are brought up to date beside it: a failure of these
    /// is logged and keeps nobody out.
    async fn open(
        &self,
        owner: Owner,
        keys: &LoginKeys,
        state: PhoneState,
    ) -> Result<SignedIn, SignInError> {
        let Owner { user, hash } = owner;
        let PasswordSignIns {
            logins, entropy, ..
        } = self.flow;
        let login = Login::new(&random_id(entropy), &user, self.now);
        let (opened, (), ()) = tokio::join!(
            logins.table().put(&login),
            self.update_hash(&user, hash),
            self.remember_network(state),
        );
        opened?;
        let first = Generation {
            login: &login.id,
            number: 0,
            made_at: self.now,
        };
        Ok(logins.tokens(keys, user, first)?)
    }

    /// Stores a hash of our own making instead of an outdated one.
    async fn update_hash(&self, user: &User, hash: HashAge) {
        let (HashAge::Outdated, Some(before)) = (hash, &user.password) else {
            return;
        };
        let rehash = async {
            let salt = self.flow.entropy.bytes();
            let after = password::hash(self.password, salt).await?;
            self.flow
                .users
                .rehash_password(user, before, &after)
                .await?;
            Ok::<(), SignInError>(())
        };
        if let Err(error) = rehash.await {
            tracing::error!(error = %Chain(&error), "a password keeps its outdated hash");
        }
    }

    /// Adds the network to those that the phone knows.
    async fn remember_network(&self, state: PhoneState) {
        const EVENT: &str = "a phone does not know its network";
        let sign_in = SignInFrom {
            network: self.network(),
            at: self.now,
        };
        let challenges = &self.flow.challenges;
        match challenges
            .remember_network(self.phone, state, sign_in)
            .await
        {
            Ok(NetworkRemembered::Done) => {}
            // The next sign-in tries again.
            Ok(NetworkRemembered::LostRace) => tracing::warn!("{EVENT}: others were faster"),
            Err(error) => tracing::error!(error = %Chain(&error), "{EVENT}"),
        }
    }

    /// Gives back the places of a guess that was not wrong.
    async fn give_back(&self, phone_added_by: PhoneAddedBy) {
        let (windows, attempt) = (&self.flow.windows, &self.attempt);
        let remove_phone = async {
            match phone_added_by {
                PhoneAddedBy::Us => {
                    let phone = attempt_of(self.phone);
                    windows.give_back(self.of_address(), &phone).await
                }
                PhoneAddedBy::NotUs => Ok(()),
            }
        };
        let (of_account_and_address, of_account, of_address) = tokio::join!(
            windows.give_back(self.of_account_and_address(), attempt),
            windows.give_back(self.of_account(), attempt),
            remove_phone,
        );
        let results = [of_account_and_address, of_account, of_address];
        for error in results.into_iter().filter_map(Result::err) {
            tracing::error!(error = %Chain(&error), "what was no wrong password stays counted");
        }
    }
}
