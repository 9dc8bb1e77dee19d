//! Access tokens: JWTs signed with ES256, or with RS256 for verifiers that take nothing else, and the public keys that
//! anybody can check them with.
//!
//! The type `at+jwt` (RFC 9068) is fixed in both directions, and the algorithm is the key's: what a token says of itself
//! never chooses how it is checked (RFC 8725, sections 3.1 and 3.11).
use std::fmt;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::errors::{Error, ErrorKind};
/// A public key and a set of them, as JSON Web Keys (RFC 7517): what is published, and what [`verify`] takes.
pub use jsonwebtoken::jwk::{Jwk, JwkSet as Jwks};
use jsonwebtoken::jwk::{KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::platform::timestamp::Timestamp;

/// How long an access token is valid.
pub const LIFE: Duration = Duration::from_secs(15 * 60);

/// The algorithm that a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256.
    Es256,
    /// RSA with 2048 bits, PKCS#1 v1.5: for verifiers that take nothing else, such as API Gateway's JWT authorizers.
    Rs256,
}

impl SigningAlgorithm {
    /// Its name in a token and a key (RFC 7518).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    const fn of_jwt(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::ES256,
            Self::Rs256 => Algorithm::RS256,
        }
    }

    /// The algorithm of a published key.
    pub const fn of_published(key: &Jwk) -> Option<Self> {
        match key.common.key_algorithm {
            Some(KeyAlgorithm::ES256) => Some(Self::Es256),
            Some(KeyAlgorithm::RS256) => Some(Self::Rs256),
            _ => None,
        }
    }
}

/// After its first seven bytes, how an RSA key begins as PKCS#8: the algorithm, then the key itself, which has a length of two bytes
/// when it has 2048 bits (RFC 5208, RFC 8017).
const RSA_IN_PKCS8: [u8; 17] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x04,
    0x82,
];
const RSA_ALGORITHM_AT: usize = 7;
const RSA_KEY_AT: usize = 26;

const TYPE: &str = "at+jwt";

/// How far the clock of the function that signed may be ahead of the one that checks.
const CLOCK_SKEW_SECONDS: i64 = 60;

/// What an access token says. Points in time are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer: this deployment.
    pub iss: String,
    /// The audience: whom the token is for.
    pub aud: String,
    /// The subject: the user's id.
    pub sub: String,
    /// For which application it was made: the audience, which is the only one (RFC 9068, section 2.2).
    #[serde(default)]
    pub client_id: String,
    /// The token's own id: its login and the generation of it.
    #[serde(default)]
    pub jti: String,
    /// The id of the login that the token belongs to.
    pub sid: String,
    /// The user's version when the token was made: a raised one tells that all earlier logins have ended.
    pub ver: i64,
    /// What the user may do.
    pub role: String,
    /// When it was made.
    pub iat: i64,
    /// From when on it is no longer valid: [`LIFE`] after `iat`.
    pub exp: i64,
}

/// A signed access token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// The token, for the reply to whoever it belongs to and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(redacted)")
    }
}

/// A private key with its name. `Debug` shows the name only.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    algorithm: SigningAlgorithm,
    private: EncodingKey,
    public: Jwk,
}

/// A signing key could not be read or used.
#[derive(Debug, thiserror::Error)]
#[error("use a signing key")]
pub struct KeyError(#[source] Error);

impl SigningKey {
    /// A new private key as PKCS#8 DER, from the generator of the operating system: the one thing to store.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing here can work without.
    pub fn generate(algorithm: SigningAlgorithm) -> Vec<u8> {
        const RANDOM: &str = "the operating system gives random bytes";
        match algorithm {
            SigningAlgorithm::Es256 => {
                let (kind, generator) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
                let key = EcdsaKeyPair::generate_pkcs8(kind, &generator).expect(RANDOM);
                key.as_ref().to_vec()
            }
            SigningAlgorithm::Rs256 => {
                let key = rsa::KeyPair::generate(KeySize::Rsa2048).and_then(|key| key.as_der());
                key.expect(RANDOM).as_ref().to_vec()
            }
        }
    }

    /// Reads what [`generate`](Self::generate) made. `kid` is the name under which its public half is published.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn from_pkcs8(kid: &str, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let is_rsa = pkcs8
            .get(RSA_ALGORITHM_AT..)
            .is_some_and(|rest| rest.starts_with(&RSA_IN_PKCS8));
        let (algorithm, private) = if is_rsa {
            let key = pkcs8.get(RSA_KEY_AT..).unwrap_or_default();
            (SigningAlgorithm::Rs256, EncodingKey::from_rsa_der(key))
        } else {
            (SigningAlgorithm::Es256, EncodingKey::from_ec_der(pkcs8))
        };
        let public = Jwk::from_encoding_key(&private, algorithm.of_jwt());
        let mut public = public.map_err(KeyError)?;
        public.common.key_id = Some(kid.to_owned());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            kid: kid.to_owned(),
            algorithm,
            private,
            public,
        })
    }

    /// The id of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm that it signs with.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Its public half: `kty`, `kid`, `alg` and `use`, and `crv`, `x` and `y` or, of an RSA key, `n` and `e`.
    pub fn public(&self) -> Jwk {
        self.public.clone()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

/// Signs `claims` with `key`.
///
/// # Errors
/// When the key cannot be used.
pub fn sign(key: &SigningKey, claims: &Claims) -> Result<AccessToken, KeyError> {
    let mut header = Header::new(key.algorithm.of_jwt());
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(key.kid.clone());
    jsonwebtoken::encode(&header, claims, &key.private)
        .map(AccessToken)
        .map_err(KeyError)
}

/// Why an access token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was valid: a new one is to be had with the refresh token.
    #[error("the access token has expired")]
    Expired,
    /// It names a key that is not among the given ones, which may be out of date.
    #[error("the access token is signed with an unknown key")]
    UnknownKey,
    /// It never was one of ours, or is not meant for us.
    #[error("the access token is refused: {0}")]
    Refused(&'static str),
}

/// Who an access token has to be from, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    /// Who made it.
    pub issuer: &'a str,
    /// Who it is for.
    pub audience: &'a str,
}

/// What `token` says, if one of `keys` signed it as an access token between `parties` that is valid at `now`.
///
/// # Errors
/// When it is not accepted.
pub fn verify(
    keys: &Jwks,
    token: &str,
    parties: Parties<'_>,
    now: Timestamp,
) -> Result<Claims, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(refused)?;
    if !matches!(header.alg, Algorithm::ES256 | Algorithm::RS256) {
        return Err(TokenError::Refused("algorithm"));
    }
    if header.typ.as_deref() != Some(TYPE) {
        return Err(TokenError::Refused("type"));
    }
    let kid = header.kid.ok_or(TokenError::Refused("no key named"))?;
    let key = keys.find(&kid).ok_or(TokenError::UnknownKey)?;
    let algorithm = SigningAlgorithm::of_published(key).ok_or(TokenError::Refused("algorithm"))?;
    if header.alg != algorithm.of_jwt() {
        return Err(TokenError::Refused("algorithm"));
    }
    let key = DecodingKey::from_jwk(key).map_err(refused)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation(algorithm, parties))
        .map_err(refused)?
        .claims;
    if claims.iat > now.seconds() + CLOCK_SKEW_SECONDS {
        return Err(TokenError::Refused("made in the future"));
    }
    if claims.exp <= now.seconds() {
        return Err(TokenError::Expired);
    }
    Ok(claims)
}

/// All that the library checks but time, which it would read from the machine's clock.
fn validation(algorithm: SigningAlgorithm, parties: Parties<'_>) -> Validation {
    let mut validation = Validation::new(algorithm.of_jwt());
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.set_issuer(&[parties.issuer]);
    validation.set_audience(&[parties.audience]);
    validation
}

fn refused(error: Error) -> TokenError {
    TokenError::Refused(match error.kind() {
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAudience => "audience",
        _ => "form",
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const ISSUER: &str = "https://codes.example";
    const AUDIENCE: &str = "app";
    const PARTIES: Parties<'_> = Parties {
        issuer: ISSUER,
        audience: AUDIENCE,
    };

    fn key(kid: &str) -> SigningKey {
        key_of(kid, SigningAlgorithm::Es256)
    }

    fn key_of(kid: &str, algorithm: SigningAlgorithm) -> SigningKey {
        SigningKey::from_pkcs8(kid, &SigningKey::generate(algorithm)).unwrap()
    }

    fn published(keys: &[&SigningKey]) -> Jwks {
        Jwks {
            keys: keys.iter().map(|key| key.public()).collect(),
        }
    }

    fn claims() -> Claims {
        Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: "user-1".to_owned(),
            client_id: AUDIENCE.to_owned(),
            jti: "login-1.0".to_owned(),
            sid: "login-1".to_owned(),
            ver: 3,
            role: "user".to_owned(),
            iat: NOW.seconds(),
            exp: NOW.plus(LIFE).seconds(),
        }
    }

    /// `header` and `claims` as they are, truly signed with `key`.
    fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key.private, key.algorithm.of_jwt())
                .unwrap();
        format!("{message}.{signature}")
    }

    fn check(keys: &[&SigningKey], token: &str, expected: Result<Claims, TokenError>) {
        assert_eq!(verify(&published(keys), token, PARTIES, NOW), expected);
    }

    #[test]
    fn a_token_says_what_was_signed_and_is_checked_by_the_published_keys_alone() {
        let (old, new) = (key("2026-10"), key("2026-11"));
        let published = serde_json::to_string(&published(&[&old, &new])).unwrap();
        let published: Jwks = serde_json::from_str(&published).unwrap();
        for key in [&old, &new] {
            let token = sign(key, &claims()).unwrap();
            let verified = verify(&published, token.expose(), PARTIES, NOW);
            assert_eq!(verified, Ok(claims()));
        }
    }

    #[test]
    fn a_token_has_the_header_of_an_access_token() {
        let token = sign(&key("2026-11"), &claims()).unwrap();
        let header = token.expose().split('.').next().unwrap();
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        let expected = json!({"alg": "ES256", "typ": "at+jwt", "kid": "2026-11"});
        assert_eq!(header, expected);
    }

    #[test]
    fn a_published_key_holds_the_public_half_and_nothing_else() {
        let key = key("2026-11");
        let published = serde_json::to_value(published(&[&key])).unwrap();
        let published = published["keys"][0].as_object().unwrap();
        let mut names: Vec<_> = published.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        for (name, expected) in [
            ("kty", "EC"),
            ("crv", "P-256"),
            ("alg", "ES256"),
            ("use", "sig"),
            ("kid", "2026-11"),
        ] {
            assert_eq!(published[name], expected);
        }
        for name in ["x", "y"] {
            let point = published[name].as_str().unwrap();
            assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(point).unwrap().len(), 32);
        }
    }

    #[test]
    fn a_token_of_another_header_is_refused_however_well_signed() {
        let key = key("k1");
        let claims = serde_json::to_value(claims()).unwrap();
        for (header, reason) in [
            (json!({"alg": "ES256", "typ": "JWT", "kid": "k1"}), "type"),
            (json!({"alg": "ES256", "kid": "k1"}), "type"),
            (json!({"alg": "ES256", "typ": "at+jwt"}), "no key named"),
            (
                json!({"alg": "ES384", "typ": "at+jwt", "kid": "k1"}),
                "algorithm",
            ),
            (
                json!({"alg": "HS256", "typ": "at+jwt", "kid": "k1"}),
                "algorithm",
            ),
            (json!({"alg": "none", "typ": "at+jwt", "kid": "k1"}), "form"),
            (json!({"typ": "at+jwt", "kid": "k1"}), "form"),
        ] {
            let token = signed(&key, &header, &claims);
            check(&[&key], &token, Err(TokenError::Refused(reason)));
        }
    }

    #[test]
    fn keys_of_both_algorithms_live_side_by_side() {
        let (ec, rsa) = (key("ec"), key_of("rsa", SigningAlgorithm::Rs256));
        for (key, algorithm) in [(&ec, "ES256"), (&rsa, "RS256")] {
            let token = sign(key, &claims()).unwrap();
            check(&[&ec, &rsa], token.expose(), Ok(claims()));
            let header = jsonwebtoken::decode_header(token.expose()).unwrap();
            assert_eq!(format!("{:?}", header.alg), algorithm);
        }
        let published = serde_json::to_value(rsa.public()).unwrap();
        let mut names: Vec<_> = published.as_object().unwrap().keys().collect();
        names.sort_unstable();
        assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!(
            (&published["alg"], &published["e"]),
            (&json!("RS256"), &json!("AQAB"))
        );
        let modulus = published["n"].as_str().unwrap();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(modulus).unwrap().len(), 256);
    }

    #[test]
    fn a_token_never_chooses_the_algorithm_of_a_key() {
        let (ec, rsa) = (key("k1"), key_of("k1", SigningAlgorithm::Rs256));
        let claims_json = serde_json::to_value(claims()).unwrap();
        for (signer, published) in [(&ec, &rsa), (&rsa, &ec)] {
            let header = |key: &SigningKey| {
                let algorithm = key.algorithm.name();
                json!({"alg": algorithm, "typ": "at+jwt", "kid": "k1"})
            };
            let token = signed(signer, &header(signer), &claims_json);
            check(&[published], &token, Err(TokenError::Refused("algorithm")));
            let token = signed(signer, &header(published), &claims_json);
            check(&[published], &token, Err(TokenError::Refused("signature")));
        }
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        let key = key("k1");
        let claims_json = serde_json::to_value(claims()).unwrap();
        for algorithm in ["none", "None", "NONE"] {
            let header = json!({"alg": algorithm, "typ": "at+jwt", "kid": "k1"});
            let token = signed(&key, &header, &claims_json);
            let (message, _) = token.rsplit_once('.').unwrap();
            check(
                &[&key],
                &format!("{message}."),
                Err(TokenError::Refused("form")),
            );
        }
        let token = sign(&key, &claims()).unwrap();
        let (message, _) = token.expose().rsplit_once('.').unwrap();
        check(
            &[&key],
            &format!("{message}."),
            Err(TokenError::Refused("signature")),
        );
    }

    #[test]
    fn a_token_with_the_public_key_as_shared_secret_is_refused() {
        let key = key("k1");
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some("k1".to_owned());
        let jwk = serde_json::to_string(&key.public()).unwrap();
        let point = DecodingKey::from_jwk(&key.public()).unwrap();
        for secret in [jwk.as_bytes(), point.try_get_as_bytes().unwrap()] {
            let secret = EncodingKey::from_secret(secret);
            let token = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
            check(&[&key], &token, Err(TokenError::Refused("algorithm")));
        }
    }

    #[test]
    fn a_token_of_an_unknown_key_is_told_from_one_of_a_forged_key() {
        let (ours, theirs) = (key("ours"), key("ours"));
        let token = sign(&theirs, &claims()).unwrap();
        check(
            &[&ours],
            token.expose(),
            Err(TokenError::Refused("signature")),
        );
        check(
            &[&key("other")],
            token.expose(),
            Err(TokenError::UnknownKey),
        );
        check(&[], token.expose(), Err(TokenError::UnknownKey));
    }

    #[test]
    fn a_changed_token_is_refused() {
        let key = key("k1");
        let token = sign(&key, &claims()).unwrap();
        let (header, rest) = token.expose().split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let admin = Claims {
            role: "admin".to_owned(),
            ..claims()
        };
        let admin = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_string(&admin).unwrap());
        let forged = format!("{header}.{admin}.{signature}");
        check(&[&key], &forged, Err(TokenError::Refused("signature")));
    }

    #[test]
    fn claims_of_others_are_refused() {
        let key = key("k1");
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"});
        for (name, value, reason) in [
            ("iss", json!("https://other.example"), "issuer"),
            ("iss", json!(null), "form"),
            ("aud", json!("other"), "audience"),
            ("aud", json!(["app", "other"]), "form"),
            ("sub", json!(null), "form"),
            ("ver", json!("3"), "form"),
            ("exp", json!("never"), "form"),
            ("exp", json!(null), "form"),
        ] {
            let mut claims = serde_json::to_value(claims()).unwrap();
            claims[name] = value;
            let token = signed(&key, &header, &claims);
            check(&[&key], &token, Err(TokenError::Refused(reason)));
        }
    }

    #[test]
    fn a_token_is_valid_from_its_making_until_its_end() {
        let key = key("k1");
        let token = sign(&key, &claims()).unwrap();
        let keys = published(&[&key]);
        for (seconds, expected) in [
            (-61, Err(TokenError::Refused("made in the future"))),
            (-60, Ok(claims())),
            (0, Ok(claims())),
            (899, Ok(claims())),
            (900, Err(TokenError::Expired)),
            (100_000, Err(TokenError::Expired)),
        ] {
            let now = Timestamp::from_seconds(NOW.seconds() + seconds);
            let verified = verify(&keys, token.expose(), PARTIES, now);
            assert_eq!(verified, expected, "{seconds} s");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", ".", "..", "a.b.c", "eyJ", "token", "a.b.c.d", "é.é.é"] {
            check(&[&key("k1")], text, Err(TokenError::Refused("form")));
        }
    }

    #[test]
    fn a_damaged_private_key_is_refused() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256] {
            let pkcs8 = SigningKey::generate(algorithm);
            assert!(SigningKey::from_pkcs8("k1", &pkcs8[..pkcs8.len() - 1]).is_err());
        }
        assert!(SigningKey::from_pkcs8("k1", b"").is_err());
    }

    #[test]
    fn neither_a_token_nor_a_private_key_is_shown() {
        let key = key("k1");
        assert_eq!(format!("{key:?}"), "SigningKey(k1)");
        let token = sign(&key, &claims()).unwrap();
        assert_eq!(format!("{token:?}"), "AccessToken(redacted)");
    }
}
