//! What somebody does with a login: refresh it, look at it, end it.
use super::login::{AccessTokens, Logins, SignedIn};
use crate::model::account::User;
use crate::model::refresh::RefreshToken;
use crate::model::token::TokenError;
use crate::platform::clock::Clock;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::logins::{Login, LoginsTable, Rotated};
use crate::store::users::Users;

/// Why a login was not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// No token of ours, or its login has ended.
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
    /// The token itself.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The login has ended, or the user's password was changed since.
    #[error("the login has ended")]
    Ended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The user of an access token, and the login that it names.
#[derive(Debug)]
pub struct Access {
    /// Who.
    pub user: User,
    /// By which login.
    pub login: Login,
}

/// Gives the next tokens of a login for its refresh token, which is spent by it. Asked again within the settings'
/// `refresh_grace` after that, it gives the same tokens: replies get lost, and clients come back later than they gave up.
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
    if !keys.made(token, now) {
        return Err(RefreshError::Refused);
    }
    let login = login.ok_or(RefreshError::Refused)?;
    let Some(user) = user_of(users, &login).await? else {
        logins.table().close(&login.id).await?;
        return Err(RefreshError::Refused);
    };
    let next = token.generation + 1;
    // The reads may have taken seconds, and the grace begins with the write.
    let rotated_at = clock.now();
    let rotated = if login.generation == token.generation {
        logins.table().rotate(&login, rotated_at).await?
    } else {
        Rotated::LostRace(Some(login))
    };
    let at = match rotated {
        Rotated::Done => rotated_at,
        Rotated::LostRace(None) => return Err(RefreshError::Refused),
        Rotated::LostRace(Some(login))
            if login.generation == next && now < login.rotated_at.plus(logins.refresh_grace()) =>
        {
            login.rotated_at
        }
        Rotated::LostRace(Some(login)) => {
            logins.table().close(&login.id).await?;
            return Err(RefreshError::Reused);
        }
    };
    Ok(logins.tokens(&keys, user, &token.login, next, at)?)
}

/// Ends the login of a refresh token, for whoever has no access token that still counts. A login that has ended already
/// stays ended.
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

    /// Who holds this access token.
    ///
    /// # Errors
    /// When the token is not valid, its login has ended, or the store fails.
    pub async fn look(&self, token: &str, now: Timestamp) -> Result<Access, AccessError> {
        let claims = self.tokens.claims(token, now).await??;
        let (counts, login) = tokio::join!(
            self.tokens.claims_now(token, now),
            self.logins.read(&claims.sid, now)
        );
        counts??;
        let login = login?.ok_or(AccessError::Ended)?;
        let user = user_of(&self.users, &login).await?;
        let user = user.ok_or(AccessError::Ended)?;
        match user.id == claims.sub && user.ver == claims.ver {
            true => Ok(Access { user, login }),
            false => Err(AccessError::Ended),
        }
    }

    /// Ends the login of an access token; with `everywhere` every login of its user. What has ended already is ended once
    /// more, so that a client which lost the reply can ask again.
    ///
    /// # Errors
    /// When the token is not valid, or the store fails. With `everywhere` also when its login has ended and others may live:
    /// a token that opens nothing does not end them.
    pub async fn sign_out(
        &self,
        token: &str,
        everywhere: bool,
        now: Timestamp,
    ) -> Result<(), AccessError> {
        let Access { user, login } = match self.look(token, now).await {
            Err(AccessError::Ended) if !everywhere => return Ok(()),
            Err(AccessError::Ended) => return self.all_ended(token, now).await,
            looked => looked?,
        };
        if everywhere {
            self.users.end_logins(&user).await?;
        }
        self.logins.close(&login.id).await?;
        Ok(())
    }

    /// Whether no login lives that was opened before this token was made.
    async fn all_ended(&self, token: &str, now: Timestamp) -> Result<(), AccessError> {
        let claims = self.tokens.claims(token, now).await??;
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
    let user = users.by_phone(&login.phone).await?;
    Ok(user.filter(|user| user.id == login.user_id && user.ver == login.ver))
}
