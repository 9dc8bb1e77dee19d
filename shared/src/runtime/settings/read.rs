//! The settings as the environment has them.
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::Credentials;

use super::vars::{SettingsError, Vars};
use super::{BridgeSettings, NoticeSettings, SYSTEM_SESSION, SessionSettings, Settings, Tables};
use crate::gateway::chat::ChatHook;
use crate::gateway::webhook::WebhookKey;
use crate::gateway::{RestartUrl, SessionToken};
use crate::model::admin::AdminPhones;
use crate::model::bridge::Secret;
use crate::model::caller::TrustedCallers;
use crate::model::captcha::{CaptchaRules, CaptchaSecret, CaptchaSettings};
use crate::model::country::{CapMode, CountryCaps};
use crate::model::limits::{Policy, WindowLimit};
use crate::model::test_numbers::TestNumbers;
use crate::model::texts::Brand;

/// How long a refresh token that was used may be answered alike, in seconds. Whoever comes back when a reply of ours said so
/// must not be signed out by it: a function ends within 10 s, and tells its caller to wait for 5.
const REFRESH_GRACE_SECONDS: RangeInclusive<u64> = 20..=300;

/// The stages that no people use. A stage with another name, or without one, may be theirs.
const TEST_STAGES: [&str; 3] = ["dev", "test", "staging"];

impl Settings {
    /// Reads the process environment.
    ///
    /// # Errors
    /// When a variable cannot be read; the message names it.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_vars(&Vars::from_env())
    }

    /// Reads the given variables. An empty one counts as absent.
    ///
    /// # Errors
    /// When a variable cannot be read; the message names it.
    pub fn from_vars(vars: &Vars) -> Result<Self, SettingsError> {
        let defaults = Self::default();
        let public_base_url = vars.url("PUBLIC_BASE_URL")?;
        let test_numbers = fixed_codes(vars)?;
        let issuer = public_base_url.clone().unwrap_or(defaults.token_issuer);
        Ok(Self {
            tables: tables(vars, defaults.tables),
            gateway_url: gateway_url(vars)?,
            gateway_ca_pem: vars.get("WHATSAPP_CA_PEM").map(Into::into),
            restart_url: vars.url("GATEWAY_RESTART_URL")?.map(RestartUrl::new),
            pairing_hook: vars.url("PAIRING_WEBHOOK_URL")?.map(ChatHook::new),
            gateway_admin_token: vars.get("WHATSAPP_ADMIN_TOKEN").map(SessionToken::new),
            webhook_key: webhook_key(vars)?,
            check_first_contact: vars
                .switch("CHECK_FIRST_CONTACT", defaults.check_first_contact)?,
            restricted_retry: vars
                .hours("WHATSAPP_RESTRICTED_RETRY_HOURS", defaults.restricted_retry)?,
            sessions: sessions(vars),
            notices: notices(vars, defaults.notices)?,
            bridges: bridges(vars),
            policy: policy(vars, defaults.policy)?,
            email_identifier: vars.switch("EMAIL_IDENTIFIER", defaults.email_identifier)?,
            unbound_guesses: vars.switch("UNBOUND_GUESSES", defaults.unbound_guesses)?,
            country_caps: country_caps(vars)?,
            admins: admins(vars, &test_numbers)?,
            test_numbers,
            captcha: captcha(vars)?,
            trusted_callers: trusted_callers(vars)?,
            public_base_url,
            token_issuer: vars.text("TOKEN_ISSUER", issuer),
            token_audience: vars.text("TOKEN_AUDIENCE", defaults.token_audience),
            brand: brand(vars)?,
            refresh_grace: refresh_grace(vars, defaults.refresh_grace)?,
            login_max: vars.days("SESSION_MAX_DAYS", defaults.login_max)?,
            stack_name: vars.get("STACK_NAME").map(Into::into),
            region: vars.text("AWS_REGION", defaults.region),
            credentials: credentials(vars)?,
            dynamodb_url: vars.url("AWS_ENDPOINT_URL_DYNAMODB")?,
            dynamodb_ca_pem: vars.get("DYNAMODB_CA_PEM").map(Into::into),
            warm_up: vars.switch("WARMUP", defaults.warm_up)?,
        })
    }
}

fn tables(vars: &Vars, defaults: Tables) -> Tables {
    Tables {
        challenges: vars.text("CHALLENGES_TABLE", defaults.challenges),
        limits: vars.text("LIMITS_TABLE", defaults.limits),
        users: vars.text("USERS_TABLE", defaults.users),
        open_chats: vars.text("OPEN_CHATS_TABLE", defaults.open_chats),
        registrations: vars.text("REGISTRATIONS_TABLE", defaults.registrations),
        logins: vars.text("LOGINS_TABLE", defaults.logins),
        keys: vars.text("KEYS_TABLE", defaults.keys),
        whatsapp_sessions: vars.text("WHATSAPP_SESSIONS_TABLE", defaults.whatsapp_sessions),
        deliveries: vars.text("DELIVERIES_TABLE", defaults.deliveries),
        payments: vars.text("PAYMENTS_TABLE", defaults.payments),
        admins: vars.text("ADMINS_TABLE", defaults.admins),
        audit: vars.text("AUDIT_TABLE", defaults.audit),
        incidents: vars.text("INCIDENTS_TABLE", defaults.incidents),
    }
}

fn gateway_url(vars: &Vars) -> Result<Option<String>, SettingsError> {
    const VARIABLE: &str = "WHATSAPP_SERVER_API";
    let url = vars.url(VARIABLE)?;
    if url.is_none() && vars.get("WHATSAPP_USER_TOKEN").is_some() {
        let problem = "give the gateway's URL, because WHATSAPP_USER_TOKEN is set";
        return Err(SettingsError::new(VARIABLE, problem));
    }
    Ok(url)
}

fn notices(vars: &Vars, defaults: NoticeSettings) -> Result<NoticeSettings, SettingsError> {
    const PACE: &str = "NOTICES_PER_MINUTE";
    const WARNINGS: &str = "WARNING_MINUTES";
    let minute = Duration::from_secs(60);
    let default = usize::try_from(minute.as_millis() / defaults.pace.as_millis()).unwrap_or(1);
    let a_minute = match u32::try_from(vars.count(PACE, default)?) {
        Ok(a_minute @ 1..=600) => a_minute,
        _ => return Err(SettingsError::new(PACE, "give a number from 1 to 600")),
    };
    let Some(minutes) = vars.get(WARNINGS) else {
        return Ok(NoticeSettings {
            pace: minute / a_minute,
            ..defaults
        });
    };
    let minutes = minutes.split(',').map(|minutes| {
        let minutes = minutes.trim().parse().ok();
        minutes.filter(|minutes| (6..=7 * 24 * 60).contains(minutes))
    });
    let minutes: Option<Vec<u32>> = minutes.collect();
    let warnings = minutes.filter(|minutes| minutes.len() <= WARNINGS_MAX);
    let problem =
        "give up to five numbers of minutes from 6 to 10080, separated by commas, such as `60,15`";
    Ok(NoticeSettings {
        pace: minute / a_minute,
        warnings: warnings.ok_or(SettingsError::new(WARNINGS, problem))?,
    })
}

fn bridges(vars: &Vars) -> BridgeSettings {
    let secrets = |name| {
        let all = vars.get(name).unwrap_or_default().split(',');
        all.filter_map(Secret::parse).collect()
    };
    BridgeSettings {
        midtrans_keys: secrets("MIDTRANS_SERVER_KEYS"),
        xendit_tokens: secrets("XENDIT_CALLBACK_TOKENS"),
        phone_field: vars.get("BRIDGE_PHONE_FIELD").map(Into::into),
    }
}

/// The most warnings before a payment expires.
const WARNINGS_MAX: usize = 5;

fn sessions(vars: &Vars) -> Vec<SessionSettings> {
    let token = vars.get("WHATSAPP_USER_TOKEN");
    let session = token.map(|token| SessionSettings::new(SYSTEM_SESSION, SessionToken::new(token)));
    session.into_iter().collect()
}

fn webhook_key(vars: &Vars) -> Result<Option<WebhookKey>, SettingsError> {
    const VARIABLE: &str = "WHATSAPP_WEBHOOK_HMAC_KEY";
    let Some(key) = vars.get(VARIABLE) else {
        return Ok(None);
    };
    let least = WebhookKey::CHARACTERS_MIN;
    let problem = || format!("give at least {least} characters: gateways take no shorter key");
    let key = WebhookKey::parse(key).ok_or_else(|| SettingsError::new(VARIABLE, problem()))?;
    Ok(Some(key))
}

fn policy(vars: &Vars, defaults: Policy) -> Result<Policy, SettingsError> {
    let places = |variable, default: WindowLimit| vars.count(variable, default.places);
    let codes = defaults.codes_per_address;
    let (guesses, passwords) = (defaults.guesses_per_address, defaults.passwords_per_phone);
    let window = vars.seconds("CODE_WINDOW_SECONDS", defaults.window)?;
    let guess_window = vars.seconds("GUESS_WINDOW_SECONDS", guesses.window)?;
    let password_window = vars.seconds("PASSWORD_WINDOW_SECONDS", passwords.window)?;
    let limit = |places, window| WindowLimit { places, window };
    Ok(Policy {
        cooldown: vars.seconds("CODE_COOLDOWN_SECONDS", defaults.cooldown)?,
        cooldown_unconfirmed: vars.seconds(
            "CODE_COOLDOWN_UNCONFIRMED_SECONDS",
            defaults.cooldown_unconfirmed,
        )?,
        codes_per_window: vars.count("CODES_PER_WINDOW", defaults.codes_per_window)?,
        window,
        messages_per_day: vars.count("MESSAGES_PER_DAY", defaults.messages_per_day)?,
        messages_per_day_verified: vars.count(
            "MESSAGES_PER_DAY_VERIFIED",
            defaults.messages_per_day_verified,
        )?,
        codes_per_address: limit(places("CODES_PER_ADDRESS", codes)?, window),
        not_on_whatsapp: vars.seconds("NOT_ON_WHATSAPP_SECONDS", defaults.not_on_whatsapp)?,
        guesses_per_address: limit(places("GUESSES_PER_ADDRESS", guesses)?, guess_window),
        passwords_before_code: limit(
            places("PASSWORDS_BEFORE_CODE", defaults.passwords_before_code)?,
            password_window,
        ),
        passwords_per_phone: limit(places("PASSWORDS_PER_PHONE", passwords)?, password_window),
        passwords_per_address: limit(
            places("PASSWORDS_PER_ADDRESS", defaults.passwords_per_address)?,
            password_window,
        ),
    })
}

fn refresh_grace(vars: &Vars, default: Duration) -> Result<Duration, SettingsError> {
    const VARIABLE: &str = "REFRESH_GRACE_SECONDS";
    let grace = vars.seconds(VARIABLE, default)?;
    if REFRESH_GRACE_SECONDS.contains(&grace.as_secs()) {
        return Ok(grace);
    }
    let (least, most) = (REFRESH_GRACE_SECONDS.start(), REFRESH_GRACE_SECONDS.end());
    let problem = format!("give {least} to {most} seconds");
    Err(SettingsError::new(VARIABLE, problem))
}

fn country_caps(vars: &Vars) -> Result<CountryCaps, SettingsError> {
    let mode = match vars.get("COUNTRY_CAP_MODE") {
        None | Some("record") => CapMode::Record,
        Some("enforce") => CapMode::Enforce,
        Some(_) => {
            let problem = "give `record` or `enforce`";
            return Err(SettingsError::new("COUNTRY_CAP_MODE", problem));
        }
    };
    let caps = vars.get("COUNTRY_DAILY_CAPS").unwrap_or("{}");
    let problem = r#"give codes per day by country code, such as {"62":5000,"*":50}"#;
    CountryCaps::parse(caps, mode).ok_or_else(|| SettingsError::new("COUNTRY_DAILY_CAPS", problem))
}

fn fixed_codes(vars: &Vars) -> Result<TestNumbers, SettingsError> {
    let test_numbers = test_numbers(vars)?;
    let Some(review) = vars.get("REVIEW_NUMBER") else {
        return Ok(test_numbers);
    };
    let problem = r#"give one number with six digits, such as {"628000000002":"493027"}, that is no test number"#;
    let with_review = test_numbers.with_review_number(review);
    with_review.ok_or_else(|| SettingsError::new("REVIEW_NUMBER", problem))
}

fn admins(vars: &Vars, fixed: &TestNumbers) -> Result<AdminPhones, SettingsError> {
    const VARIABLE: &str = "ADMIN_PHONES";
    let refuse = |problem: String| SettingsError::new(VARIABLE, problem);
    let Some(phones) = vars.get(VARIABLE) else {
        return Ok(AdminPhones::default());
    };
    let admins = AdminPhones::parse(phones).map_err(|position| {
        refuse(format!(
            "give phone numbers separated by commas, such as `628123456789,628123456780`; number {position} is none"
        ))
    })?;
    // Whoever knows a fixed code is its phone's owner.
    let with_fixed_code = admins.phones().find(|phone| fixed.code(phone).is_some());
    if let Some(phone) = with_fixed_code {
        return Err(refuse(format!(
            "take {phone} out, or out of TEST_NUMBERS and REVIEW_NUMBER: an operator has no fixed code"
        )));
    }
    Ok(admins)
}

fn test_numbers(vars: &Vars) -> Result<TestNumbers, SettingsError> {
    let refuse = |problem: &str| SettingsError::new("TEST_NUMBERS", problem);
    let Some(numbers) = vars.get("TEST_NUMBERS") else {
        return Ok(TestNumbers::default());
    };
    let stage = vars.get("STAGE");
    if !stage.is_some_and(|stage| TEST_STAGES.contains(&stage)) {
        return Err(refuse(
            "leave it out, or set STAGE to `dev`, `test` or `staging`: people use every other stage",
        ));
    }
    TestNumbers::parse(numbers).ok_or_else(|| {
        refuse(r#"give numbers with six digits each, such as {"628000000001":"123456"}"#)
    })
}

fn brand(vars: &Vars) -> Result<Brand, SettingsError> {
    let Some(name) = vars.get("BRAND_NAME") else {
        return Ok(Brand::default());
    };
    let problem = "give a name of at most 30 characters on one line, without `:`, `/`, `{` and `}`";
    Brand::parse(name).ok_or_else(|| SettingsError::new("BRAND_NAME", problem))
}

fn captcha(vars: &Vars) -> Result<Option<Arc<CaptchaSettings>>, SettingsError> {
    let missing = |variable, other: &str| {
        SettingsError::new(variable, format!("set it, because {other} is set"))
    };
    let url = vars.url("CHALLENGE_VERIFY_URL")?;
    match (url, vars.get("CHALLENGE_SECRET")) {
        (None, None) => Ok(None),
        (Some(verify_url), Some(secret)) => Ok(Some(Arc::new(CaptchaSettings {
            verify_url,
            secret: CaptchaSecret::new(secret),
            rules: captcha_rules(vars)?,
        }))),
        (Some(_), None) => Err(missing("CHALLENGE_SECRET", "CHALLENGE_VERIFY_URL")),
        (None, Some(_)) => Err(missing("CHALLENGE_VERIFY_URL", "CHALLENGE_SECRET")),
    }
}

fn captcha_rules(vars: &Vars) -> Result<CaptchaRules, SettingsError> {
    const VARIABLE: &str = "CHALLENGE_MIN_SCORE";
    let mut rules = CaptchaRules::default();
    if let Some(score) = vars.get(VARIABLE) {
        let score = score
            .parse()
            .ok()
            .filter(|score| (0.0..=1.0).contains(score));
        let problem = "give a number from 0 to 1, such as 0.5";
        rules.least_score = score.ok_or_else(|| SettingsError::new(VARIABLE, problem))?;
    }
    if let Some(hostnames) = vars.get("CHALLENGE_HOSTNAMES") {
        rules.hostnames = hostnames
            .split(',')
            .map(|name| name.trim().into())
            .collect();
    }
    rules.action = vars.get("CHALLENGE_ACTION").map(Into::into);
    Ok(rules)
}

fn trusted_callers(vars: &Vars) -> Result<TrustedCallers, SettingsError> {
    let Some(hashes) = vars.get("TRUSTED_CALLER_KEYS") else {
        return Ok(TrustedCallers::default());
    };
    let problem = "give the SHA-256 of each key, 64 hex digits, separated by commas";
    TrustedCallers::parse(hashes).ok_or_else(|| SettingsError::new("TRUSTED_CALLER_KEYS", problem))
}

fn credentials(vars: &Vars) -> Result<Option<Credentials>, SettingsError> {
    const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
    let Some(id) = vars.get("AWS_ACCESS_KEY_ID") else {
        return Ok(None);
    };
    let problem = "set it, because AWS_ACCESS_KEY_ID is set";
    let secret = vars
        .get(SECRET)
        .ok_or_else(|| SettingsError::new(SECRET, problem))?;
    let token = vars.get("AWS_SESSION_TOKEN").map(str::to_owned);
    Ok(Some(Credentials::new(
        id,
        secret,
        token,
        None,
        "environment",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::DAY;
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
            (
                "WHATSAPP_WEBHOOK_HMAC_KEY",
                "a secret of 32 characters or more",
            ),
            ("CODE_COOLDOWN_SECONDS", "5"),
            ("REFRESH_GRACE_SECONDS", "300"),
            ("SESSION_MAX_DAYS", "365"),
            ("WHATSAPP_RESTRICTED_RETRY_HOURS", "12"),
            ("USERS_TABLE", "prod-users"),
        ])
        .expect("settings");
        assert_eq!(
            settings.gateway_url.as_deref(),
            Some("https://wa.example.com")
        );
        assert_eq!(settings.sessions[0].name, "system");
        assert!(settings.webhook_key.is_some());
        assert_eq!(settings.policy.cooldown, Duration::from_secs(5));
        assert_eq!(settings.refresh_grace, Duration::from_secs(300));
        assert_eq!(settings.login_max, 365 * DAY);
        assert_eq!(settings.restricted_retry, DAY / 2);
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
    fn operators_are_named_by_phones_without_a_fixed_code() {
        let phone = |text| Phone::parse(text).expect("a phone number");
        let admins = |phones| read(&[("ADMIN_PHONES", phones)]).map(|settings| settings.admins);
        let both = admins("0812-3456-789, +62 812 3456 780").expect("phones");
        assert!(both.contains(&phone("628123456789")) && both.contains(&phone("628123456780")));
        assert!(!both.contains(&phone("628123456781")));
        assert!(!admins("").expect("nobody").contains(&phone("628123456789")));
        for (phones, position) in [("siti", "number 1"), ("628123456789,", "number 2")] {
            let error = admins(phones).expect_err(phones);
            assert!(error.problem.contains(position), "{error}");
        }
        for fixed in [
            ("TEST_NUMBERS", r#"{"628000000001":"123456"}"#),
            ("REVIEW_NUMBER", r#"{"628000000001":"123456"}"#),
        ] {
            let admin = ("ADMIN_PHONES", "628000000001");
            let error = read(&[fixed, admin, ("STAGE", "dev")]).expect_err("a fixed code");
            assert_eq!(error.variable, "ADMIN_PHONES", "{fixed:?}");
            assert!(!error.problem.contains("628000000001"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (variable, value) in [
            ("ADMIN_PHONES", "siti"),
            ("WHATSAPP_SERVER_API", "wa.example.com"),
            ("BRAND_NAME", "https://example.com"),
            ("WHATSAPP_WEBHOOK_HMAC_KEY", "too short"),
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
