//! What somebody does with a login: refresh it, ask whose it is, end it.
use super::login::{AccessTokens, ClaimsError, Generation, Logins, SignedIn};
use crate::model::account::User;
use crate::model::refresh::RefreshToken;
use crate::model::token::TokenError;
use crate::platform::clock::Clock;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::log::name_phone;
use crate::store::StoreError;
use crate::store::logins::{Login, LoginsTable, Rotated};
use crate::store::users::{LoginsEnded, Users};

/// Why a login was not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// It is no token of ours, or its login has ended.
    #[error("the refresh token is not valid")]
    Refused,
    /// It was used before. Somebody else may have it: the login has been ended.
    #[error("the refresh token was used before")]
    Reused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an access token opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The token is not valid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The login has ended, or the user's password was changed since.
    #[error("the login has ended")]
    Ended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ClaimsError> for AccessError {
    fn from(error: ClaimsError) -> Self {
        match error {
            ClaimsError::Token(error) => Self::Token(error),
            ClaimsError::Store(error) => Self::Store(error),
        }
    }
}

/// The user of an access token, and the login that it names.
#[derive(Debug)]
pub struct Access {
    /// The user.
    pub user: User,
    /// The login.
    pub login: Login,
}

/// How much signing out ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOut {
    /// The login of the token.
    ThisLogin,
    /// Every login of its user.
    Everywhere,
}

/// Gives the next tokens of a login for its refresh token, which is spent by it.
///
/// The same refresh token within the settings' `refresh_grace` after that gives the same tokens. Replies get lost, and a
/// client may come back later than it gave up.
///
/// # Errors
/// When the token is not valid or was used before, or the store fails.
pub async fn refresh(
    users: &Users,
    logins: &Logins,
    token: &RefreshToken,
    clock: &Clock,
) -> Result<SignedIn, RefreshError> {
    let now = clock.now();
    let (keys, login) = tokio::join!(logins.keys_now(now), logins.table().read(&token.login, now));
    let (keys, login) = (keys?, login?);
    if !keys.is_ours(token, now) {
        return Err(RefreshError::Refused);
    }
    let login = login.ok_or(RefreshError::Refused)?;
    let Some(user) = user_of(users, &login).await? else {
        logins.table().close(&login.id).await?;
        return Err(RefreshError::Refused);
    };
    // The reads may have taken seconds, and the grace begins with the write.
    let rotated_at = clock.now();
    let rotating = logins.table().rotate(login, token.generation, rotated_at);
    let made_at = match rotating.await? {
        Rotated::Done => rotated_at,
        Rotated::Ended => return Err(RefreshError::Refused),
        Rotated::LostRace(login) => spent(logins, &login, token, now).await?,
    };
    let generation = Generation {
        login: &token.login,
        number: token.generation + 1,
        made_at,
    };
    Ok(logins.tokens(&keys, user, generation)?)
}

/// When the next tokens were made that a spent refresh token is answered with again. Once the grace is over, or other tokens
/// have followed, it ends the login instead.
async fn spent(
    logins: &Logins,
    login: &Login,
    token: &RefreshToken,
    now: Timestamp,
) -> Result<Timestamp, RefreshError> {
    let is_last = login.generation == token.generation + 1;
    if is_last && now < login.rotated_at.plus(logins.refresh_grace()) {
        return Ok(login.rotated_at);
    }
    logins.table().close(&login.id).await?;
    Err(RefreshError::Reused)
}

/// Ends the login of a refresh token, for whoever has no access token that still counts. It is no error when the login has
/// ended already.
///
/// # Errors
/// When the token is not ours, or the store fails.
pub async fn sign_out_by_refresh(
    logins: &Logins,
    token: &RefreshToken,
    now: Timestamp,
) -> Result<(), RefreshError> {
    if !logins.is_ours_now(token, now).await? {
        return Err(RefreshError::Refused);
    }
    Ok(logins.table().close(&token.login).await?)
}

/// What access tokens open. Nothing here can make one.
#[derive(Clone, Debug)]
pub struct Sessions {
    users: Users,
    logins: LoginsTable,
    tokens: AccessTokens,
}

impl Sessions {
    /// Those of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            users: Users::new(backends),
            logins: LoginsTable::new(backends),
            tokens: AccessTokens::new(backends),
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.tokens.warm_up(now).await
    }

    /// The user and the login of an access token.
    ///
    /// # Errors
    /// When the token is not valid, its login has ended, or the store fails.
    pub async fn access(&self, token: &str, now: Timestamp) -> Result<Access, AccessError> {
        let claims = self.tokens.claims(token, now).await?;
        let (claims_now, login) = tokio::join!(
            self.tokens.claims_now(token, now),
            self.logins.read(&claims.sid, now)
        );
        claims_now?;
        let login = login?.ok_or(AccessError::Ended)?;
        let user = user_of(&self.users, &login).await?;
        let user = user.ok_or(AccessError::Ended)?;
        if user.id == claims.sub && user.ver == claims.ver {
            Ok(Access { user, login })
        } else {
            Err(AccessError::Ended)
        }
    }

    /// Ends the login of an access token, or every login of its user. It is no error when they have ended already, so that a
    /// client which lost the reply can ask again.
    ///
    /// # Errors
    /// When the token is not valid, or the store fails. With [`SignOut::Everywhere`] also when the token's login has ended
    /// and others may live: a token that opens nothing does not end them.
    pub async fn sign_out(
        &self,
        token: &str,
        which: SignOut,
        now: Timestamp,
    ) -> Result<(), AccessError> {
        match (which, self.access(token, now).await) {
            (SignOut::ThisLogin, Ok(access)) => Ok(self.logins.close(&access.login.id).await?),
            (SignOut::ThisLogin, Err(AccessError::Ended)) => Ok(()),
            (SignOut::Everywhere, Ok(access)) => {
                let ended = self.users.end_logins(&access.user).await?;
                self.logins.close(&access.login.id).await?;
                match ended {
                    LoginsEnded::Done => Ok(()),
                    // The user has just been moved to another phone or erased.
                    LoginsEnded::NoSuchUser => self.check_all_ended(token, now).await,
                }
            }
            (SignOut::Everywhere, Err(AccessError::Ended)) => {
                self.check_all_ended(token, now).await
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// Checks that no login lives that was opened before this token was made.
    async fn check_all_ended(&self, token: &str, now: Timestamp) -> Result<(), AccessError> {
        let claims = self.tokens.claims(token, now).await?;
        let user = self.users.by_id(&claims.sub).await?;
        if user.is_some_and(|user| user.ver == claims.ver) {
            Err(AccessError::Ended)
        } else {
            Ok(())
        }
    }
}

/// The login's user, if the login still counts for it.
async fn user_of(users: &Users, login: &Login) -> Result<Option<User>, StoreError> {
    name_phone(&login.phone);
    let user = users.by_phone(&login.phone).await?;
    Ok(user.filter(|user| user.id == login.user_id && user.ver == login.ver))
}
