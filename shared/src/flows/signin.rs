//! Signing in with a password. Wrong passwords are limited per phone and per client address; the right one costs nothing.
use super::login::{Logins, SignedIn};
use crate::account::{Identifier, User, random_id};
use crate::caller::Caller;
use crate::challenge::AttemptId;
use crate::entropy::Entropy;
use crate::limits::{Limit, Limited, Policy};
use crate::password::{self, HashError, Match, Password};
use crate::report::Chain;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::logins::Login;
use crate::store::users::Users;
use crate::store::windows::{Grant, WindowKey, Windows};
use crate::timestamp::Timestamp;

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The phone has no user, the user no password, or the password is wrong: which, nobody is told.
    #[error("the phone or the password is wrong")]
    Wrong,
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
    let Passwords {
        users,
        logins,
        windows,
        policy,
        entropy,
    } = passwords;
    let phone = &users.phone_of(who).await?;
    let attempt = AttemptId::draw(entropy);
    let of_phone = WindowKey::PasswordOf(phone);
    let from_address = WindowKey::PasswordFrom(caller.address);
    // Counted before it is compared, so that guesses side by side are all counted.
    let (user, keys, phone_grant, address_grant) = tokio::join!(
        users.by_phone(phone),
        logins.keys(now),
        windows.grant(of_phone, &attempt, None, &policy.passwords_per_phone, now),
        windows.grant(
            from_address,
            &attempt,
            None,
            &policy.passwords_per_address,
            now
        ),
    );
    let give_back = async || {
        let given_back = tokio::join!(
            windows.give_back(of_phone, &attempt),
            windows.give_back(from_address, &attempt)
        );
        for error in [given_back.0, given_back.1]
            .into_iter()
            .filter_map(Result::err)
        {
            tracing::error!(error = %Chain(&error), "what was no wrong password stays counted");
        }
    };
    let signed_in = async {
        let (user, keys) = (user?, keys?);
        for (grant, limit) in [
            (phone_grant?, Limit::Password),
            (address_grant?, Limit::PasswordAddress),
        ] {
            if let Grant::Full(window) = grant {
                let retry_after = window.ends.since(now);
                return Err(SignInError::Limited(Limited { limit, retry_after }));
            }
        }
        let hash = user.as_ref().and_then(|user| user.password.as_ref());
        let verdict = match hash {
            Some(hash) => password::verify(given, hash).await?,
            None => password::verify_nobody(given).await?,
        };
        let user = match (user, verdict) {
            (Some(user), Match::Right | Match::RightButOutdated) => user,
            (_, Match::Wrong) | (None, _) => return Err(SignInError::Wrong),
        };
        let login = Login::new(&random_id(entropy), &user, now);
        let rehash = async {
            if verdict == Match::RightButOutdated
                && let Err(error) = rehash(users, &user, given, entropy).await
            {
                tracing::error!(error = %Chain(&error), "a password keeps its outdated hash");
            }
        };
        let (opened, ()) = tokio::join!(logins.table().put(&login), rehash);
        opened?;
        Ok(logins.tokens(&keys, user, &login.id, 0, now)?)
    }
    .await;
    // Only a wrong password is charged: not a right one, not a limit, and not an outage of ours.
    if !matches!(signed_in, Err(SignInError::Wrong)) {
        give_back().await;
    }
    signed_in
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
