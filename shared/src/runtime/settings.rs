//! The configuration of a deployment, read once from the environment.
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::Credentials;

use crate::gateway::SessionToken;
use crate::model::caller::TrustedCallers;
use crate::model::captcha::{CaptchaRules, CaptchaSecret, CaptchaSettings};
use crate::model::country::{CapMode, CountryCaps};
use crate::model::limits::{Policy, WindowLimit};
use crate::model::test_numbers::TestNumbers;
use crate::model::texts::Brand;

/// The names of the DynamoDB tables. On one machine they are the logical ids of `template.yaml`.
#[derive(Clone, Debug)]
pub struct Tables {
    /// One item per phone: its codes and the messages sent to it.
    pub challenges: String,
    /// Counters per client address.
    pub limits: String,
    /// Users, by phone.
    pub users: String,
    /// Sign-ups that wait for their code.
    pub registrations: String,
    /// What a signed-in user holds.
    pub logins: String,
    /// The key rings.
    pub keys: String,
    /// The WhatsApp sessions: queue, connect right, last state.
    pub whatsapp_sessions: String,
    /// What became of each message.
    pub deliveries: String,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            challenges: "ChallengesTable".into(),
            limits: "LimitsTable".into(),
            users: "UsersTable".into(),
            registrations: "RegistrationsTable".into(),
            logins: "LoginsTable".into(),
            keys: "KeysTable".into(),
            whatsapp_sessions: "WhatsAppSessionsTable".into(),
            deliveries: "DeliveriesTable".into(),
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a refresh token that was used may be answered alike, in seconds. Whoever comes back when a reply of ours said so
/// must not be signed out by it: a function ends within 10 s, and tells its caller to wait for 5.
const REFRESH_GRACE_SECONDS: RangeInclusive<u64> = 20..=300;

/// The name of the session whose token is `WHATSAPP_USER_TOKEN`. Whoever only looks at its state needs no token.
pub const SYSTEM_SESSION: &str = "system";

/// An address that restarts the gateway. Whoever knows it can do so, so it never shows itself.
#[derive(Clone)]
pub struct RestartUrl(String);

impl RestartUrl {
    /// Wraps an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The address itself, for the request and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RestartUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestartUrl(****)")
    }
}

/// One WhatsApp account that this deployment may send from.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Its name in logs, metrics and the session item.
    pub name: String,
    /// Its secret.
    pub token: SessionToken,
}

/// Everything that is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Table names: `CHALLENGES_TABLE` and so on.
    pub tables: Tables,
    /// The gateway's base URL: `WHATSAPP_SERVER_API`.
    pub gateway_url: Option<String>,
    /// The certificate authority of a gateway that has its own, as PEM: `WHATSAPP_CA_PEM`.
    pub gateway_ca_pem: Option<String>,
    /// An address that restarts the gateway when it is posted to: `GATEWAY_RESTART_URL`. Asked only when nothing else can
    /// help, at most every ten minutes and three times a day.
    pub restart_url: Option<RestartUrl>,
    /// Whether the first message to a number is preceded by the question whether it is on WhatsApp:
    /// `CHECK_FIRST_CONTACT` is `on` or `off`.
    pub check_first_contact: bool,
    /// The sessions to send from: `WHATSAPP_USER_TOKEN` is one called [`SYSTEM_SESSION`].
    pub sessions: Vec<SessionSettings>,
    /// The limits of codes.
    pub policy: Policy,
    /// Whether an e-mail address names an account, as a phone number does: `EMAIL_IDENTIFIER=on`. Off by default, since
    /// nobody has proven that an address is theirs; codes go to the account's phone all the same.
    pub email_identifier: bool,
    /// Whether a code may be guessed without its challenge id: `UNBOUND_GUESSES=on`, for clients of the earlier system. Never
    /// for sign-ups.
    pub unbound_guesses: bool,
    /// Codes per day and country: `COUNTRY_DAILY_CAPS`, such as `{"62":5000,"1":100,"*":50}` by the first digits of the
    /// number, `*` for all other numbers together; without it nothing is counted. `COUNTRY_CAP_MODE` is `record`, which only
    /// logs what a cap would refuse, or `enforce`.
    pub country_caps: CountryCaps,
    /// Phones whose codes are fixed: `TEST_NUMBERS`, such as `{"628000000001":"123456"}`. They get no message. Refused when
    /// `STAGE` is `prod` or `production`.
    pub test_numbers: TestNumbers,
    /// Who says whether a sign-up comes with a solved CAPTCHA: `CHALLENGE_VERIFY_URL`, and `CHALLENGE_SECRET`, which it knows
    /// this system by. What the CAPTCHA must say: `CHALLENGE_MIN_SCORE`, `CHALLENGE_HOSTNAMES` and `CHALLENGE_ACTION`.
    pub captcha: Option<Arc<CaptchaSettings>>,
    /// Callers who may say for whom they ask: `TRUSTED_CALLER_KEYS`, the SHA-256 of each key as hex, separated by commas.
    /// While a key is exchanged both are listed.
    pub trusted_callers: TrustedCallers,
    /// Where this API is for others: `PUBLIC_BASE_URL`. Nothing when only API Gateway knows.
    pub public_base_url: Option<String>,
    /// The `iss` of access tokens: `TOKEN_ISSUER`, or else `PUBLIC_BASE_URL`, so that whoever has a token finds its keys.
    pub token_issuer: String,
    /// The `aud` of access tokens: `TOKEN_AUDIENCE`.
    pub token_audience: String,
    /// How long a refresh token that was used is answered alike: `REFRESH_GRACE_SECONDS`.
    pub refresh_grace: Duration,
    /// How long a login lives at most, however often it is refreshed: `SESSION_MAX_DAYS`.
    pub login_max: Duration,
    /// The AWS region: `AWS_REGION`.
    pub region: String,
    /// The keys to AWS: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    pub credentials: Option<Credentials>,
    /// Whom messages are from: `BRAND_NAME`.
    pub brand: Brand,
    /// Another DynamoDB than the region's: `AWS_ENDPOINT_URL_DYNAMODB`.
    pub dynamodb_url: Option<String>,
    /// The certificate authority of a DynamoDB that has its own, as PEM: `DYNAMODB_CA_PEM`.
    pub dynamodb_ca_pem: Option<String>,
    /// Whether a function makes its first contact before its first request: `WARMUP` is `on` or `off`.
    pub warm_up: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tables: Tables::default(),
            gateway_url: None,
            gateway_ca_pem: None,
            restart_url: None,
            check_first_contact: true,
            sessions: Vec::new(),
            policy: Policy::default(),
            email_identifier: false,
            unbound_guesses: false,
            country_caps: CountryCaps::default(),
            test_numbers: TestNumbers::default(),
            captcha: None,
            trusted_callers: TrustedCallers::default(),
            public_base_url: None,
            token_issuer: "whatsapp-auth".into(),
            token_audience: "whatsapp-auth".into(),
            brand: Brand::default(),
            refresh_grace: Duration::from_secs(60),
            login_max: 90 * DAY,
            region: "ap-southeast-3".into(),
            credentials: None,
            dynamodb_url: None,
            dynamodb_ca_pem: None,
            warm_up: true,
        }
    }
}

/// A variable that is missing or cannot be read. The message names it and tells the fix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct SettingsError {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong with it, and the fix.
    pub problem: String,
}

impl Settings {
    /// Reads the process environment.
    ///
    /// # Errors
    /// When a variable cannot be read; the message names it.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_vars(&Vars(std::env::vars().collect()))
    }

    /// Reads the given variables. An empty one counts as absent.
    ///
    /// # Errors
    /// When a variable cannot be read; the message names it.
    pub fn from_vars(vars: &Vars) -> Result<Self, SettingsError> {
        let defaults = Self::default();
        let text = |name, default: String| vars.get(name).map_or(default, str::to_owned);
        let tables = defaults.tables;
        let policy = defaults.policy;
        let gateway_url = vars.url("WHATSAPP_SERVER_API")?;
        if gateway_url.is_none() && vars.get("WHATSAPP_USER_TOKEN").is_some() {
            return Err(SettingsError {
                variable: "WHATSAPP_SERVER_API",
                problem: "give the gateway's URL, because WHATSAPP_USER_TOKEN is set".into(),
            });
        }
        let public_base_url = vars.url("PUBLIC_BASE_URL")?;
        let issuer = public_base_url.clone().unwrap_or(defaults.token_issuer);
        let window = vars.seconds("CODE_WINDOW_SECONDS", policy.window)?;
        let password_window =
            vars.seconds("PASSWORD_WINDOW_SECONDS", policy.passwords_per_phone.window)?;
        let guess_window =
            vars.seconds("GUESS_WINDOW_SECONDS", policy.guesses_per_address.window)?;
        let session = vars
            .get("WHATSAPP_USER_TOKEN")
            .map(|token| SessionSettings {
                name: SYSTEM_SESSION.into(),
                token: SessionToken::new(token),
            });
        Ok(Self {
            tables: Tables {
                challenges: text("CHALLENGES_TABLE", tables.challenges),
                limits: text("LIMITS_TABLE", tables.limits),
                users: text("USERS_TABLE", tables.users),
                registrations: text("REGISTRATIONS_TABLE", tables.registrations),
                logins: text("LOGINS_TABLE", tables.logins),
                keys: text("KEYS_TABLE", tables.keys),
                whatsapp_sessions: text("WHATSAPP_SESSIONS_TABLE", tables.whatsapp_sessions),
                deliveries: text("DELIVERIES_TABLE", tables.deliveries),
            },
            gateway_url,
            gateway_ca_pem: vars.get("WHATSAPP_CA_PEM").map(Into::into),
            restart_url: vars.url("GATEWAY_RESTART_URL")?.map(RestartUrl),
            check_first_contact: vars
                .switch("CHECK_FIRST_CONTACT", defaults.check_first_contact)?,
            sessions: session.into_iter().collect(),
            policy: Policy {
                cooldown: vars.seconds("CODE_COOLDOWN_SECONDS", policy.cooldown)?,
                cooldown_unconfirmed: vars.seconds(
                    "CODE_COOLDOWN_UNCONFIRMED_SECONDS",
                    policy.cooldown_unconfirmed,
                )?,
                codes_per_window: vars.count("CODES_PER_WINDOW", policy.codes_per_window)?,
                window,
                messages_per_day: vars.count("MESSAGES_PER_DAY", policy.messages_per_day)?,
                messages_per_day_verified: vars.count(
                    "MESSAGES_PER_DAY_VERIFIED",
                    policy.messages_per_day_verified,
                )?,
                codes_per_address: WindowLimit {
                    places: vars.count("CODES_PER_ADDRESS", policy.codes_per_address.places)?,
                    window,
                },
                not_on_whatsapp: vars.seconds("NOT_ON_WHATSAPP_SECONDS", policy.not_on_whatsapp)?,
                guesses_per_address: WindowLimit {
                    places: vars.count("GUESSES_PER_ADDRESS", policy.guesses_per_address.places)?,
                    window: guess_window,
                },
                passwords_before_code: WindowLimit {
                    places: vars
                        .count("PASSWORDS_BEFORE_CODE", policy.passwords_before_code.places)?,
                    window: password_window,
                },
                passwords_per_phone: WindowLimit {
                    places: vars.count("PASSWORDS_PER_PHONE", policy.passwords_per_phone.places)?,
                    window: password_window,
                },
                passwords_per_address: WindowLimit {
                    places: vars
                        .count("PASSWORDS_PER_ADDRESS", policy.passwords_per_address.places)?,
                    window: password_window,
                },
            },
            email_identifier: vars.switch("EMAIL_IDENTIFIER", defaults.email_identifier)?,
            unbound_guesses: vars.switch("UNBOUND_GUESSES", defaults.unbound_guesses)?,
            country_caps: vars.country_caps()?,
            test_numbers: vars.fixed_codes()?,
            captcha: vars.captcha()?,
            trusted_callers: vars.trusted_callers()?,
            public_base_url,
            token_issuer: text("TOKEN_ISSUER", issuer),
            token_audience: text("TOKEN_AUDIENCE", defaults.token_audience),
            brand: vars.brand()?,
            refresh_grace: vars.refresh_grace(defaults.refresh_grace)?,
            login_max: vars.days("SESSION_MAX_DAYS", defaults.login_max)?,
            region: text("AWS_REGION", defaults.region),
            credentials: vars.credentials()?,
            dynamodb_url: vars.url("AWS_ENDPOINT_URL_DYNAMODB")?,
            dynamodb_ca_pem: vars.get("DYNAMODB_CA_PEM").map(Into::into),
            warm_up: vars.switch("WARMUP", defaults.warm_up)?,
        })
    }
}

/// The stages that no people use. A stage with another name, or without one, may be theirs.
const TEST_STAGES: [&str; 3] = ["dev", "test", "staging"];

/// Environment variables.
#[derive(Debug, Default)]
pub struct Vars(pub BTreeMap<String, String>);

impl Vars {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    fn url(&self, variable: &'static str) -> Result<Option<String>, SettingsError> {
        let Some(url) = self.get(variable) else {
            return Ok(None);
        };
        match url.starts_with("https://") || url.starts_with("http://") {
            true => Ok(Some(url.trim_end_matches('/').to_owned())),
            false => Err(SettingsError {
                variable,
                problem: "give a URL that begins with https:// or http://".into(),
            }),
        }
    }

    fn switch(&self, variable: &'static str, default: bool) -> Result<bool, SettingsError> {
        match self.get(variable) {
            None => Ok(default),
            Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(_) => Err(SettingsError {
                variable,
                problem: "give `on` or `off`".into(),
            }),
        }
    }

    fn count(&self, variable: &'static str, default: usize) -> Result<usize, SettingsError> {
        match self.get(variable).map(str::parse) {
            None => Ok(default),
            Some(Ok(count @ 1..)) => Ok(count),
            Some(_) => Err(SettingsError {
                variable,
                problem: "give a whole number from 1 up".into(),
            }),
        }
    }

    fn seconds(
        &self,
        variable: &'static str,
        default: Duration,
    ) -> Result<Duration, SettingsError> {
        match self.get(variable).map(str::parse::<u32>) {
            None => Ok(default),
            Some(Ok(seconds)) => Ok(Duration::from_secs(seconds.into())),
            Some(Err(_)) => Err(SettingsError {
                variable,
                problem: "give a whole number of seconds".into(),
            }),
        }
    }

    fn days(&self, variable: &'static str, default: Duration) -> Result<Duration, SettingsError> {
        match self.get(variable).map(str::parse::<u16>) {
            None => Ok(default),
            Some(Ok(days @ 1..)) => Ok(u32::from(days) * DAY),
            Some(_) => Err(SettingsError {
                variable,
                problem: "give a whole number of days from 1 up".into(),
            }),
        }
    }

    fn refresh_grace(&self, default: Duration) -> Result<Duration, SettingsError> {
        const VARIABLE: &str = "REFRESH_GRACE_SECONDS";
        let grace = self.seconds(VARIABLE, default)?;
        if REFRESH_GRACE_SECONDS.contains(&grace.as_secs()) {
            return Ok(grace);
        }
        let (least, most) = (REFRESH_GRACE_SECONDS.start(), REFRESH_GRACE_SECONDS.end());
        Err(SettingsError {
            variable: VARIABLE,
            problem: format!("give {least} to {most} seconds"),
        })
    }

    fn country_caps(&self) -> Result<CountryCaps, SettingsError> {
        let mode = match self.get("COUNTRY_CAP_MODE") {
            None | Some("record") => CapMode::Record,
            Some("enforce") => CapMode::Enforce,
            Some(_) => {
                return Err(SettingsError {
                    variable: "COUNTRY_CAP_MODE",
                    problem: "give `record` or `enforce`".into(),
                });
            }
        };
        let caps = self.get("COUNTRY_DAILY_CAPS").unwrap_or("{}");
        CountryCaps::parse(caps, mode).ok_or_else(|| SettingsError {
            variable: "COUNTRY_DAILY_CAPS",
            problem: r#"give codes per day by country code, such as {"62":5000,"*":50}"#.into(),
        })
    }

    fn fixed_codes(&self) -> Result<TestNumbers, SettingsError> {
        let test_numbers = self.test_numbers()?;
        let Some(review) = self.get("REVIEW_NUMBER") else {
            return Ok(test_numbers);
        };
        test_numbers
            .with_review_number(review)
            .ok_or_else(|| SettingsError {
                variable: "REVIEW_NUMBER",
                problem: r#"give one number with six digits, such as {"628000000002":"493027"}, that is no test number"#
                    .into(),
            })
    }

    fn test_numbers(&self) -> Result<TestNumbers, SettingsError> {
        let refuse = |problem: &str| SettingsError {
            variable: "TEST_NUMBERS",
            problem: problem.into(),
        };
        let Some(numbers) = self.get("TEST_NUMBERS") else {
            return Ok(TestNumbers::default());
        };
        if !self
            .get("STAGE")
            .is_some_and(|stage| TEST_STAGES.contains(&stage))
        {
            return Err(refuse(
                "leave it out, or set STAGE to `dev`, `test` or `staging`: people use every other stage",
            ));
        }
        TestNumbers::parse(numbers).ok_or_else(|| {
            refuse(r#"give numbers with six digits each, such as {"628000000001":"123456"}"#)
        })
    }

    fn brand(&self) -> Result<Brand, SettingsError> {
        let Some(name) = self.get("BRAND_NAME") else {
            return Ok(Brand::default());
        };
        Brand::parse(name).ok_or_else(|| SettingsError {
            variable: "BRAND_NAME",
            problem:
                "give a name of at most 30 characters on one line, without `:`, `/`, `{` and `}`"
                    .into(),
        })
    }

    fn captcha(&self) -> Result<Option<Arc<CaptchaSettings>>, SettingsError> {
        let missing = |variable, other: &str| SettingsError {
            variable,
            problem: format!("set it, because {other} is set"),
        };
        let url = self.url("CHALLENGE_VERIFY_URL")?;
        match (url, self.get("CHALLENGE_SECRET")) {
            (None, None) => Ok(None),
            (Some(verify_url), Some(secret)) => Ok(Some(Arc::new(CaptchaSettings {
                verify_url,
                secret: CaptchaSecret::new(secret),
                rules: self.captcha_rules()?,
            }))),
            (Some(_), None) => Err(missing("CHALLENGE_SECRET", "CHALLENGE_VERIFY_URL")),
            (None, Some(_)) => Err(missing("CHALLENGE_VERIFY_URL", "CHALLENGE_SECRET")),
        }
    }

    fn captcha_rules(&self) -> Result<CaptchaRules, SettingsError> {
        const VARIABLE: &str = "CHALLENGE_MIN_SCORE";
        let mut rules = CaptchaRules::default();
        if let Some(score) = self.get(VARIABLE) {
            let score = score
                .parse()
                .ok()
                .filter(|score| (0.0..=1.0).contains(score));
            rules.least_score = score.ok_or_else(|| SettingsError {
                variable: VARIABLE,
                problem: "give a number from 0 to 1, such as 0.5".into(),
            })?;
        }
        if let Some(hostnames) = self.get("CHALLENGE_HOSTNAMES") {
            rules.hostnames = hostnames
                .split(',')
                .map(|name| name.trim().into())
                .collect();
        }
        rules.action = self.get("CHALLENGE_ACTION").map(Into::into);
        Ok(rules)
    }

    fn trusted_callers(&self) -> Result<TrustedCallers, SettingsError> {
        let Some(hashes) = self.get("TRUSTED_CALLER_KEYS") else {
            return Ok(TrustedCallers::default());
        };
        TrustedCallers::parse(hashes).ok_or_else(|| SettingsError {
            variable: "TRUSTED_CALLER_KEYS",
            problem: "give the SHA-256 of each key, 64 hex digits, separated by commas".into(),
        })
    }

    fn credentials(&self) -> Result<Option<Credentials>, SettingsError> {
        let Some(id) = self.get("AWS_ACCESS_KEY_ID") else {
            return Ok(None);
        };
        let secret = self
            .get("AWS_SECRET_ACCESS_KEY")
            .ok_or_else(|| SettingsError {
                variable: "AWS_SECRET_ACCESS_KEY",
                problem: "set it, because AWS_ACCESS_KEY_ID is set".into(),
            })?;
        let token = self.get("AWS_SESSION_TOKEN").map(str::to_owned);
        Ok(Some(Credentials::new(
            id,
            secret,
            token,
            None,
            "environment",
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::phone::Phone;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let vars = vars
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Settings::from_vars(&Vars(vars.collect()))
    }

    #[test]
    fn nothing_has_to_be_set() {
        let settings = read(&[("WHATSAPP_USER_TOKEN", " ")]).expect("settings");
        assert!(settings.sessions.is_empty());
        assert_eq!(settings.policy.codes_per_window, 5);
        assert_eq!(settings.tables.users, "UsersTable");
    }

    #[test]
    fn what_is_set_is_read() {
        let settings = read(&[
            ("WHATSAPP_SERVER_API", "https://wa.example.com/"),
            ("WHATSAPP_USER_TOKEN", "secret"),
            ("CODE_COOLDOWN_SECONDS", "5"),
            ("REFRESH_GRACE_SECONDS", "300"),
            ("SESSION_MAX_DAYS", "365"),
            ("USERS_TABLE", "prod-users"),
        ])
        .expect("settings");
        assert_eq!(
            settings.gateway_url.as_deref(),
            Some("https://wa.example.com")
        );
        assert_eq!(settings.sessions[0].name, "system");
        assert_eq!(settings.policy.cooldown, Duration::from_secs(5));
        assert_eq!(settings.refresh_grace, Duration::from_secs(300));
        assert_eq!(settings.login_max, 365 * DAY);
        assert_eq!(settings.tables.users, "prod-users");
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn tokens_are_issued_by_the_public_address_unless_another_issuer_is_named() {
        let (base, named) = (
            ("PUBLIC_BASE_URL", "https://api.example.com/"),
            ("TOKEN_ISSUER", "my-issuer"),
        );
        for (vars, issuer) in [
            (&[][..], "whatsapp-auth"),
            (&[base], "https://api.example.com"),
            (&[named], "my-issuer"),
            (&[base, named], "my-issuer"),
        ] {
            let settings = read(vars).expect("settings");
            assert_eq!(settings.token_issuer, issuer);
        }
    }

    #[test]
    fn test_numbers_exist_only_in_stages_that_are_named_for_testing() {
        let numbers = ("TEST_NUMBERS", r#"{"628000000001":"123456"}"#);
        for stage in [
            "prod",
            "production",
            "PROD",
            "live",
            "main",
            "dev2",
            "DEV",
            "",
        ] {
            let error = read(&[numbers, ("STAGE", stage)]).expect_err("refused");
            assert_eq!(error.variable, "TEST_NUMBERS");
            assert!(read(&[("STAGE", stage)]).is_ok());
        }
        for stage in ["dev", "test", "staging"] {
            let settings = read(&[numbers, ("STAGE", stage)]).expect("settings");
            let phone = Phone::parse("628000000001").expect("a phone number");
            assert!(settings.test_numbers.code(&phone).is_some());
        }
    }

    #[test]
    fn a_captcha_has_an_address_and_a_secret_that_is_not_shown() {
        let url = ("CHALLENGE_VERIFY_URL", "https://captcha.example.com/verify");
        let secret = ("CHALLENGE_SECRET", "hush-hush");
        let settings = read(&[url, secret]).expect("settings");
        let captcha = settings.captcha.as_ref().expect("a CAPTCHA");
        assert_eq!(captcha.verify_url, url.1);
        assert!(!format!("{settings:?}").contains(secret.1));
        assert_eq!(captcha.rules, CaptchaRules::default());
        let rules = [
            ("CHALLENGE_MIN_SCORE", "0.7"),
            ("CHALLENGE_HOSTNAMES", "example.com, www.example.com"),
            ("CHALLENGE_ACTION", "signup"),
        ];
        let ruled = read(&[&[url, secret], &rules[..]].concat()).expect("settings");
        let expected = CaptchaRules {
            least_score: 0.7,
            hostnames: vec!["example.com".into(), "www.example.com".into()],
            action: Some("signup".into()),
        };
        assert_eq!(ruled.captcha.expect("a CAPTCHA").rules, expected);
        for score in ["1.1", "-0.1", "NaN", "high"] {
            let error = read(&[url, secret, ("CHALLENGE_MIN_SCORE", score)]);
            assert_eq!(error.expect_err(score).variable, "CHALLENGE_MIN_SCORE");
        }
        for (given, missing) in [(url, secret.0), (secret, url.0)] {
            assert_eq!(read(&[given]).expect_err("half").variable, missing);
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (variable, value) in [
            ("WHATSAPP_SERVER_API", "wa.example.com"),
            ("BRAND_NAME", "https://example.com"),
            ("CODES_PER_WINDOW", "0"),
            ("CODE_WINDOW_SECONDS", "ten"),
            ("CODE_COOLDOWN_SECONDS", "-1"),
            ("CHALLENGE_VERIFY_URL", "captcha.example.com"),
            ("PUBLIC_BASE_URL", "api.example.com"),
            ("COUNTRY_CAP_MODE", "on"),
            ("REFRESH_GRACE_SECONDS", "19"),
            ("REFRESH_GRACE_SECONDS", "301"),
            ("SESSION_MAX_DAYS", "0"),
            ("COUNTRY_DAILY_CAPS", "5000"),
            ("TEST_NUMBERS", r#"{"628000000001":"123456"}"#),
            ("REVIEW_NUMBER", "628000000002"),
            ("TRUSTED_CALLER_KEYS", "my-key"),
            ("WARMUP", "no"),
        ] {
            let error = read(&[(variable, value)]).expect_err("unreadable");
            assert_eq!(error.variable, variable);
        }
    }
}
