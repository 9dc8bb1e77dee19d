//! What a confirmed user gets: a login, an access token that names it, and a refresh token for the next ones. And what checks
//! access tokens, by the public halves of the keys alone.
use std::sync::Arc;
use std::time::Duration;

use crate::model::account::{User, random_id};
use crate::model::challenge::{ChallengeHash, Used};
use crate::model::keys::{PublicRing, Ring, RingName};
use crate::model::refresh::RefreshToken;
use crate::model::token::{self, AccessToken, Claims, Jwks, Parties, SigningKey, TokenError};
use crate::platform::entropy::Entropy;
use crate::platform::report::Chain;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::keys::{KeyRing, PublicKeys};
use crate::store::logins::{Login, LoginsTable};
use crate::store::{StoreError, Write};

/// The public keys of access tokens, for whoever publishes them.
#[derive(Clone, Debug)]
pub struct PublishedKeys(PublicKeys);

/// Checks access tokens. Nothing here can make one.
#[derive(Clone, Debug)]
pub struct AccessTokens {
    keys: PublicKeys,
    issuer: String,
    audience: String,
}

/// Why it is not known what an access token says.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// The token is not valid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens logins and makes their tokens.
#[derive(Clone, Debug)]
pub struct Logins {
    table: LoginsTable,
    signing: KeyRing,
    refresh: KeyRing,
    issuer: String,
    audience: String,
    refresh_grace: Duration,
    entropy: Entropy,
}

/// The keys that the tokens of a login are made with.
#[derive(Debug)]
pub struct LoginKeys {
    signing: Arc<Ring>,
    refresh: Arc<Ring>,
}

/// A user who is signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The user.
    pub user: User,
    /// The access token.
    pub token: AccessToken,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// The token that brings the next access token.
    pub refresh: RefreshToken,
}

/// Names the tokens of a login: each refresh makes the next generation.
#[derive(Clone, Copy, Debug)]
pub struct Generation<'a> {
    /// The id of the login.
    pub login: &'a str,
    /// How often the login had been refreshed.
    pub number: i64,
    /// When the tokens are made.
    pub made_at: Timestamp,
}

impl PublishedKeys {
    /// The keys of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self(PublicKeys::new(backends))
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.0.warm_up(now).await
    }

    /// The keys that count now. They are read anew, since others keep them for minutes. When the store fails, those in memory.
    ///
    /// # Errors
    /// When the store fails, and there are none in memory.
    pub async fn read(&self, now: Timestamp) -> Result<Jwks, StoreError> {
        let keys = match self.0.read(now).await {
            Ok(keys) => keys,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the keys in memory are published");
                self.0.get(now).await?
            }
        };
        Ok(keys.live(now))
    }
}

impl AccessTokens {
    /// Those of `backends`.
    pub fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        Self {
            keys: PublicKeys::new(backends),
            issuer: settings.token_issuer.clone(),
            audience: settings.token_audience.clone(),
        }
    }

    /// Reads the keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.keys.warm_up(now).await
    }

    /// What an access token says, if it is valid by the keys in memory. An unknown key is looked for in the table once.
    /// Before anything is opened, [`claims_now`](Self::claims_now) has to say the same.
    ///
    /// # Errors
    /// When the token is refused, or the store fails.
    pub async fn claims(&self, token: &str, now: Timestamp) -> Result<Claims, ClaimsError> {
        let keys = self.keys.get(now).await?;
        match self.verify(&keys, token, now) {
            Err(TokenError::UnknownKey) => self.claims_now(token, now).await,
            verified => Ok(verified?),
        }
    }

    /// What an access token says, if it is valid by the keys that count now, read anew.
    ///
    /// # Errors
    /// When the token is refused, or the store fails.
    pub async fn claims_now(&self, token: &str, now: Timestamp) -> Result<Claims, ClaimsError> {
        let keys = self.keys.read(now).await?;
        Ok(self.verify(&keys, token, now)?)
    }

    fn verify(&self, keys: &PublicRing, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let parties = Parties {
            issuer: &self.issuer,
            audience: &self.audience,
        };
        token::verify(&keys.live(now), token, parties, now)
    }
}

impl Logins {
    /// The logins of `backends`.
    pub fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        Self {
            table: LoginsTable::new(backends),
            signing: KeyRing::new(backends, RingName::Signing),
            refresh: KeyRing::new(backends, RingName::Refresh),
            issuer: settings.token_issuer.clone(),
            audience: settings.token_audience.clone(),
            refresh_grace: settings.refresh_grace,
            entropy: backends.entropy.clone(),
        }
    }

    /// The keys that tokens are made with.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keys(&self, now: Timestamp) -> Result<LoginKeys, StoreError> {
        let (signing, refresh) = tokio::join!(self.signing.get(now), self.refresh.get(now));
        Ok(LoginKeys {
            signing: signing?,
            refresh: refresh?,
        })
    }

    /// The same keys, read anew. Who refreshes a login needs them: the old token must not count once its key was ended, and
    /// the next tokens must count.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keys_now(&self, now: Timestamp) -> Result<LoginKeys, StoreError> {
        let (signing, refresh) = tokio::join!(self.signing.read(now), self.refresh.read(now));
        Ok(LoginKeys {
            signing: signing?,
            refresh: refresh?,
        })
    }

    /// The table of logins.
    pub const fn table(&self) -> &LoginsTable {
        &self.table
    }

    /// How long a refresh token that was used is answered with the same tokens again.
    pub const fn refresh_grace(&self) -> Duration {
        self.refresh_grace
    }

    /// Reads the keys before they are needed, in a single attempt each.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        let (signing, refresh) = tokio::join!(self.signing.warm_up(now), self.refresh.warm_up(now));
        signing.and(refresh)
    }

    /// A new user's id.
    pub fn user_id(&self) -> String {
        random_id(&self.entropy)
    }

    /// The use of a code that opens a new login.
    pub fn first_use(&self, by: Option<ChallengeHash>, now: Timestamp) -> Used {
        Used {
            at: now,
            by,
            login: random_id(&self.entropy),
        }
    }

    /// The write that opens the login of `used`, for the transaction that uses the code up.
    ///
    /// # Errors
    /// When the write cannot be built.
    pub fn open(&self, used: &Used, user: &User) -> Result<Write, StoreError> {
        self.table.open(&Login::new(&used.login, user, used.at))
    }

    /// The first tokens of the login of `used`: the same however often they are asked for.
    ///
    /// # Errors
    /// When no key of the rings can be used.
    pub fn first_tokens(
        &self,
        keys: &LoginKeys,
        user: User,
        used: &Used,
    ) -> Result<SignedIn, StoreError> {
        let first = Generation {
            login: &used.login,
            number: 0,
            made_at: used.at,
        };
        self.tokens(keys, user, first)
    }

    /// The login of `used`, if it still lives. A repeated answer gets its tokens again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn login_of(&self, used: &Used, now: Timestamp) -> Result<Option<Login>, StoreError> {
        self.table.read(&used.login, now).await
    }

    /// The tokens of a generation of a login.
    ///
    /// # Errors
    /// When no key of the rings can be used.
    pub fn tokens(
        &self,
        keys: &LoginKeys,
        user: User,
        generation: Generation<'_>,
    ) -> Result<SignedIn, StoreError> {
        const ACT: &str = "make tokens";
        let Generation {
            login,
            number,
            made_at,
        } = generation;
        let key = keys
            .signing
            .current(made_at)
            .ok_or(StoreError::unreadable(ACT, "keys"))?;
        let claims = self.access_claims(&user, generation);
        let token = SigningKey::from_pkcs8(&key.kid, &key.secret)
            .and_then(|key| token::sign(&key, &claims))
            .map_err(|_| StoreError::unreadable(ACT, "key"))?;
        let refresh = RefreshToken::derive(&keys.refresh, login, number, made_at)
            .ok_or(StoreError::unreadable(ACT, "keys"))?;
        Ok(SignedIn {
            user,
            token,
            expires_at: made_at.plus(token::LIFE),
            refresh,
        })
    }

    /// What the access token of a generation says.
    fn access_claims(&self, user: &User, generation: Generation<'_>) -> Claims {
        let Generation {
            login,
            number,
            made_at,
        } = generation;
        Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user.id.clone(),
            client_id: self.audience.clone(),
            jti: format!("{login}.{number}"),
            sid: login.to_owned(),
            ver: user.ver,
            role: user.role.clone(),
            iat: made_at.seconds(),
            exp: made_at.plus(token::LIFE).seconds(),
        }
    }

    /// Whether `token` is a refresh token of ours, by the keys that count now, read anew. The ring of the signing keys is not
    /// needed for that.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_ours_now(
        &self,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(token.is_ours(&*self.refresh.read(now).await?, now))
    }
}

impl LoginKeys {
    /// Whether `token` is a refresh token of ours.
    pub fn is_ours(&self, token: &RefreshToken, now: Timestamp) -> bool {
        token.is_ours(&self.refresh, now)
    }
}
