//! What a confirmed user gets: a login, and an access token that names it.
use std::sync::Arc;

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::account::{User, random_id};
use crate::challenge::{ChallengeHash, Used};
use crate::entropy::Entropy;
use crate::keys::{Ring, RingName};
use crate::runtime::Backends;
use crate::store::StoreError;
use crate::store::keys::KeyRing;
use crate::store::logins::LoginsTable;
use crate::timestamp::Timestamp;
use crate::token::{self, AccessToken, Claims, Jwks, SigningKey};

/// The keys that sign access tokens.
#[derive(Clone, Debug)]
pub struct SigningKeys(KeyRing);

/// Opens logins and makes their access tokens.
#[derive(Clone, Debug)]
pub struct Logins {
    table: LoginsTable,
    keys: SigningKeys,
    issuer: String,
    audience: String,
    entropy: Entropy,
}

/// A user who is signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// The access token.
    pub token: AccessToken,
    /// When the token ends.
    pub expires_at: Timestamp,
}

impl SigningKeys {
    /// The keys of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self(KeyRing::new(backends, RingName::Signing))
    }

    /// The ring.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ring(&self, now: Timestamp) -> Result<Arc<Ring>, StoreError> {
        self.0.get(now).await
    }

    /// Reads the ring before it is needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.0.warm_up(now).await
    }

    /// The public keys that tokens are checked against.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn public(&self, now: Timestamp) -> Result<Jwks, StoreError> {
        let ring = self.ring(now).await?;
        let keys = ring.live(now).map(|key| {
            SigningKey::from_pkcs8(&key.kid, &key.secret)
                .map(|key| key.public())
                .map_err(|_| StoreError::unreadable("read the signing keys", "key"))
        });
        Ok(Jwks {
            keys: keys.collect::<Result<_, _>>()?,
        })
    }
}

impl Logins {
    /// The logins of `backends`.
    pub fn new(backends: &Backends) -> Self {
        let settings = &backends.settings;
        Self {
            table: LoginsTable::new(backends),
            keys: SigningKeys::new(backends),
            issuer: settings.token_issuer.clone(),
            audience: settings.token_audience.clone(),
            entropy: backends.entropy.clone(),
        }
    }

    /// The ring that [`Self::token`] signs with.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ring(&self, now: Timestamp) -> Result<Arc<Ring>, StoreError> {
        self.keys.ring(now).await
    }

    /// Reads the signing keys before they are needed, in a single attempt.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn warm_up(&self, now: Timestamp) -> Result<(), StoreError> {
        self.keys.warm_up(now).await
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
    pub fn open(&self, used: &Used, user: &User) -> Result<TransactWriteItem, StoreError> {
        self.table.open(&used.login, user, used.at)
    }

    /// The access token for the login of `used`: of the same claims however often it is asked for.
    ///
    /// # Errors
    /// When no key of the ring can sign.
    pub fn token(&self, ring: &Ring, user: User, used: &Used) -> Result<SignedIn, StoreError> {
        const ACT: &str = "sign a token";
        let expires_at = used.at.plus(token::LIFE);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user.id.clone(),
            sid: used.login.clone(),
            ver: user.ver,
            role: user.role.clone(),
            iat: used.at.seconds(),
            exp: expires_at.seconds(),
        };
        let key = ring
            .current(used.at)
            .ok_or(StoreError::unreadable(ACT, "keys"))?;
        let token = SigningKey::from_pkcs8(&key.kid, &key.secret)
            .and_then(|key| token::sign(&key, &claims))
            .map_err(|_| StoreError::unreadable(ACT, "key"))?;
        Ok(SignedIn {
            user,
            token,
            expires_at,
        })
    }
}
