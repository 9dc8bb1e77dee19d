//! The configuration of a deployment, read once from the environment.
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::Credentials;

use crate::gateway::chat::ChatHook;
use crate::gateway::webhook::WebhookKey;
use crate::gateway::{GatewayAddress, RestartUrl, SessionToken};
use crate::model::admin::AdminPhones;
use crate::model::bridge::Secret;
use crate::model::caller::TrustedCallers;
use crate::model::captcha::CaptchaSettings;
use crate::model::country::CountryCaps;
use crate::model::limits::{DAY, Policy};
use crate::model::test_numbers::TestNumbers;
use crate::model::texts::Brand;
use crate::model::weight::Weight;

/// Environment variables, read one by one.
pub mod vars;

/// The settings as the environment has them.
mod read;

/// The names of the DynamoDB tables. On one machine they are the logical ids of `template.yaml`.
#[derive(Clone, Debug)]
pub struct Tables {
    /// One item per phone: its codes and the messages sent to it.
    pub challenges: String,
    /// Who holds a place in which window of a limit.
    pub limits: String,
    /// Users, by phone.
    pub users: String,
    /// Sign-ups that wait for their code.
    pub registrations: String,
    /// Codes that wait for their chat to be opened.
    pub open_chats: String,
    /// What a signed-in user holds.
    pub logins: String,
    /// The key rings.
    pub keys: String,
    /// The WhatsApp sessions: queue, connect right, last state.
    pub whatsapp_sessions: String,
    /// What became of each message.
    pub deliveries: String,
    /// The payments and their notices.
    pub payments: String,
    /// The logins of operators, and the links that open one.
    pub admins: String,
    /// What operators did.
    pub audit: String,
    /// Each time messages could not be sent from a session.
    pub incidents: String,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            challenges: "ChallengesTable".into(),
            limits: "LimitsTable".into(),
            users: "UsersTable".into(),
            registrations: "RegistrationsTable".into(),
            open_chats: "OpenChatsTable".into(),
            logins: "LoginsTable".into(),
            keys: "KeysTable".into(),
            whatsapp_sessions: "WhatsAppSessionsTable".into(),
            deliveries: "DeliveriesTable".into(),
            payments: "PaymentsTable".into(),
            admins: "AdminsTable".into(),
            audit: "AuditTable".into(),
            incidents: "IncidentsTable".into(),
        }
    }
}

impl Tables {
    /// The names of all tables, to change each.
    pub fn names_mut(&mut self) -> [&mut String; 13] {
        // Without `..`, so that a table more does not compile before it is listed here.
        let Self {
            challenges,
            limits,
            users,
            registrations,
            open_chats,
            logins,
            keys,
            whatsapp_sessions,
            deliveries,
            payments,
            admins,
            audit,
            incidents,
        } = self;
        [
            challenges,
            limits,
            users,
            registrations,
            open_chats,
            logins,
            keys,
            whatsapp_sessions,
            deliveries,
            payments,
            admins,
            audit,
            incidents,
        ]
    }
}

/// The name of the session whose token is `WHATSAPP_USER_TOKEN`. Whoever only looks at its state needs no token.
pub const SYSTEM_SESSION: &str = "system";

/// One WhatsApp account that this deployment may send from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Its name in logs and in the session item.
    pub name: String,
    /// Its secret.
    pub token: SessionToken,
    /// The gateway that it lives on, when that is not the one of `WHATSAPP_SERVER_API`.
    pub gateway: Option<GatewayAddress>,
    /// The address that restarts that other gateway when it is posted to. The gateway of `WHATSAPP_SERVER_API` has
    /// [`Settings::restart_url`].
    pub restart_url: Option<RestartUrl>,
    /// How many people it may write to for the first time on one day, when that is limited.
    pub new_chats_per_day: Option<u32>,
    /// Its share of new recipients.
    pub weight: Weight,
}

impl SessionSettings {
    /// A session on the gateway of `WHATSAPP_SERVER_API`, without a limit of new chats, and with the usual share.
    pub fn new(name: impl Into<String>, token: SessionToken) -> Self {
        Self {
            name: name.into(),
            token,
            gateway: None,
            restart_url: None,
            new_chats_per_day: None,
            weight: Weight::USUAL,
        }
    }
}

/// The payment gateways that post what happens.
#[derive(Clone, Debug, Default)]
pub struct BridgeSettings {
    /// The server keys of the Midtrans account.
    pub midtrans_keys: Vec<Secret>,
    /// The callback tokens of the Xendit account.
    pub xendit_tokens: Vec<Secret>,
    /// The field that has the customer's phone.
    pub phone_field: Option<String>,
}

/// How payment notices are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeSettings {
    /// The distance between two notices of one session: `NOTICES_PER_MINUTE`.
    pub pace: Duration,
    /// How many minutes before a payment expires its customer is warned: `WARNING_MINUTES`, such as `60,15`.
    pub warnings: Vec<u32>,
}

impl Default for NoticeSettings {
    fn default() -> Self {
        Self {
            pace: Duration::from_secs(2),
            warnings: vec![60, 15],
        }
    }
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
    /// An address that restarts the gateway of `WHATSAPP_SERVER_API` when it is posted to: `GATEWAY_RESTART_URL`. Asked only when nothing else can
    /// help, at most every ten minutes and three times a day.
    pub restart_url: Option<RestartUrl>,
    /// The chat that gets a link when a session needs pairing: `PAIRING_WEBHOOK_URL`.
    pub pairing_hook: Option<ChatHook>,
    /// What opens the list of all sessions of the gateway, customers' with ours, and lets one more be made:
    /// `WHATSAPP_ADMIN_TOKEN`. Only operators' pages use it; without it they show our own sessions.
    pub gateway_admin_token: Option<SessionToken>,
    /// The key that the gateway signs its webhooks with: `WHATSAPP_WEBHOOK_HMAC_KEY`. With it a webhook without its signature is
    /// refused; without it only the address tells who may post. The versions A and B sign nothing.
    pub webhook_key: Option<WebhookKey>,
    /// Whether the first message to a number is preceded by the question whether it is on WhatsApp:
    /// `CHECK_FIRST_CONTACT` is `on` or `off`.
    pub check_first_contact: bool,
    /// How long an account that WhatsApp keeps from sending is left alone before one message tries it again:
    /// `WHATSAPP_RESTRICTED_RETRY_HOURS`.
    pub restricted_retry: Duration,
    /// The sessions to send from beside those in the table of keys: `WHATSAPP_USER_TOKEN` is one called [`SYSTEM_SESSION`].
    pub sessions: Vec<SessionSettings>,
    /// How payment notices are sent.
    pub notices: NoticeSettings,
    /// The payment gateways that post what happens: `MIDTRANS_SERVER_KEYS` and `XENDIT_CALLBACK_TOKENS`, separated by commas while
    /// one is exchanged, and `BRIDGE_PHONE_FIELD`, the field of their webhooks that has the customer's phone where the payment is
    /// not known, such as `custom_field1`.
    pub bridges: BridgeSettings,
    /// The limits of codes, guesses and passwords: `CODE_COOLDOWN_SECONDS` and so on, all in `read.rs`.
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
    /// The operators who may sign in to the dashboard with a code: `ADMIN_PHONES`, separated by commas. None of them has a fixed code.
    pub admins: AdminPhones,
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
    /// The name of the stack, by which its metrics are told from those of others: `STACK_NAME`. Without it nothing is measured.
    pub stack_name: Option<String>,
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
            pairing_hook: None,
            gateway_admin_token: None,
            webhook_key: None,
            check_first_contact: true,
            restricted_retry: Duration::from_secs(6 * 60 * 60),
            sessions: Vec::new(),
            notices: NoticeSettings::default(),
            bridges: BridgeSettings::default(),
            policy: Policy::default(),
            email_identifier: false,
            unbound_guesses: false,
            country_caps: CountryCaps::default(),
            test_numbers: TestNumbers::default(),
            captcha: None,
            trusted_callers: TrustedCallers::default(),
            admins: AdminPhones::default(),
            public_base_url: None,
            token_issuer: "whatsapp-auth".into(),
            token_audience: "whatsapp-auth".into(),
            brand: Brand::default(),
            refresh_grace: Duration::from_secs(60),
            login_max: 90 * DAY,
            stack_name: None,
            region: "ap-southeast-3".into(),
            credentials: None,
            dynamodb_url: None,
            dynamodb_ca_pem: None,
            warm_up: true,
        }
    }
}
