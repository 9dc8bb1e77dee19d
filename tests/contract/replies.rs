//! Every documented reply is one that the API gives. That it gives no other is checked with every request of every test.

/// The endpoints about payments.
pub mod payments;

/// What operators ask.
mod operators;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use local::database::Faults;
use local::lambda::Environments;
use local::simulator::{Scenario, SessionOptions, Simulator, SimulatorOptions};
use local::template::Template;
use serde_json::{Value, json};
use shared::gateway::webhook::WebhookKey;
use shared::model::account::{PersonName, User};
use shared::model::caller::TrustedCallers;
use shared::model::captcha::{CaptchaRules, CaptchaSecret, CaptchaSettings};
use shared::model::password::PasswordHash;
use shared::model::phone::Phone;
use shared::model::webhook;
use shared::sender::{Recipient, Sender};
use shared::store::users::Users;
use shared::store::whatsapp_sessions::WhatsAppSessions;
use shared::store::whatsapp_sessions::arrivals::Arrivals;
use tests::contract::{self, Place};
use tests::{Reply, TestSystem, webhooks};

use super::document::operations;

/// Of a user.
const PHONE: &str = "08123456789";

/// Of somebody who signs up.
const NEW_PHONE: &str = "08129876543";
const PASSWORD: &str = "four words that rhyme";

/// Of a user of another system, with the hash that it has of `password`.
const OTHER_PHONE: &str = "08121111111";
const IMPORTED: &str = "$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu";

const SIGN_UP: &str = "/api/auth/signup";
const VERIFY: &str = "/api/auth/verify-otp";
const SSO_SIGN_IN: &str = "/api/auth/sso-signin";
const SSO_VERIFY: &str = "/api/auth/sso-verify";
const SEND_AGAIN: &str = "/api/auth/send-otp";
const SEND_RESET: &str = "/api/auth/send-password-reset-otp";
const RESET: &str = "/api/auth/verify-password-reset-otp";
const SIGN_IN: &str = "/api/auth/signin";
const REFRESH: &str = "/api/auth/refresh";
const SIGN_OUT: &str = "/api/auth/signout";
const SESSION: &str = "/api/auth/session";

/// What takes no body.
const WITHOUT_BODY: [(&str, &str); 7] = [
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/api/health"),
    ("GET", "/api/status"),
    ("GET", SESSION),
    ("DELETE", SESSION),
];

/// What sends a code.
const SENDS: [&str; 4] = [SIGN_UP, SSO_SIGN_IN, SEND_AGAIN, SEND_RESET];

/// A body for each path that takes one, with every field whose absence or value can be wrong.
fn bodies() -> [(&'static str, Value); 10] {
    let applicant = json!({
        "phone": NEW_PHONE, "name": "Siti", "password": PASSWORD, "email": "siti@example.com",
    });
    let verify = json!({ "identifier": PHONE, "otp": "123456", "challengeId": "unknown" });
    let mut reset = verify.clone();
    reset["newPassword"] = json!(PASSWORD);
    [
        (SIGN_UP, applicant),
        (VERIFY, verify.clone()),
        (
            SSO_SIGN_IN,
            json!({ "identifier": PHONE, "method": "whatsapp" }),
        ),
        (SSO_VERIFY, verify),
        (
            SEND_AGAIN,
            json!({ "identifier": PHONE, "purpose": "sso", "method": "whatsapp" }),
        ),
        (
            SEND_RESET,
            json!({ "identifier": PHONE, "method": "whatsapp" }),
        ),
        (RESET, reset),
        (
            SIGN_IN,
            json!({ "identifier": PHONE, "password": PASSWORD }),
        ),
        (
            REFRESH,
            json!({ "refreshToken": format!("{:032}.0.AAAA", 0) }),
        ),
        (
            SIGN_OUT,
            json!({ "refreshToken": format!("{:032}.0.AAAA", 0) }),
        ),
    ]
}

fn body(path: &str) -> Value {
    let of_path = bodies().into_iter().find(|(known, _)| *known == path);
    of_path.expect("a body for the path").1
}

/// A reply as the document tells them apart: `POST /api/auth/signup 400 INVALID_NAME`.
type Replies = BTreeSet<String>;

/// Everything that is documented for functions. API Gateway's own refusals have no code and count as one.
fn documented() -> Replies {
    let mut replies = Replies::new();
    for (key, operation) in operations() {
        let responses = operation.get("responses").expect("responses");
        for status in responses.keys() {
            let response = responses.get(status).expect("a response");
            let schema = response.get("content").and_then(|content| {
                let content = content.get("application/json")?;
                content.get("schema")
            });
            let mut codes = BTreeSet::new();
            // The answer to a form has none: it leads to a page.
            if let Some(schema) = schema {
                codes_of(&schema, &mut codes);
            }
            if codes.is_empty() {
                codes.insert(String::new());
            }
            replies.extend(codes.iter().map(|code| format!("{key} {status} {code}")));
        }
    }
    replies
}

/// The values that the schema has for `error`.
fn codes_of(schema: &Place, codes: &mut BTreeSet<String>) {
    for combination in ["allOf", "oneOf"] {
        let parts = schema.value()[combination].as_array().map_or(0, Vec::len);
        let list = schema.get(combination);
        for part in list
            .iter()
            .flat_map(|list| (0..parts).map(|index| list.get(&index.to_string())))
        {
            codes_of(&part.expect("a schema"), codes);
        }
    }
    let error = &schema.value()["properties"]["error"];
    let named = error["enum"].as_array().cloned().unwrap_or_default();
    let named = named.iter().chain(error.get("const"));
    codes.extend(named.filter_map(Value::as_str).map(str::to_owned));
}

/// Asks, and keeps what kind of reply came and what the function did for it.
#[derive(Default)]
pub struct Asker {
    replies: Replies,
    /// What each function asked of the tables, as `UpdateItem UsersTable`.
    pub acts: BTreeMap<String, BTreeSet<String>>,
    /// The key rings that each function asked for.
    pub rings: BTreeMap<String, BTreeSet<String>>,
}

const JSON: (&str, &str) = ("content-type", "application/json");

impl Asker {
    async fn ask(
        &mut self,
        system: &TestSystem,
        method: &str,
        path: &str,
        token: &Value,
        body: String,
    ) -> Reply {
        let bearer = token.as_str().map(|token| format!("Bearer {token}"));
        let mut headers = vec![JSON];
        headers.extend(
            bearer
                .iter()
                .map(|bearer| ("authorization", bearer.as_str())),
        );
        self.send(system, method, path, &headers, body).await
    }

    async fn send(
        &mut self,
        system: &TestSystem,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Reply {
        system.database().forget_calls();
        // Boxed, since all the calls of a test together are larger than its stack.
        let reply = Box::pin(system.request(method, path, headers, body)).await;
        let code = reply.json["error"].as_str().unwrap_or_default();
        let (path, status) = (path.split('?').next().unwrap_or(path), reply.status);
        let route = format!("{method} {}", contract::documented(path));
        self.replies.insert(format!("{route} {status} {code}"));
        self.watch(system, &function_of(&route));
        reply
    }

    /// Keeps what `function` asked of the tables since they last forgot it.
    pub fn watch(&mut self, system: &TestSystem, function: &str) {
        let acts = self.acts.entry(function.to_owned()).or_default();
        let rings = self.rings.entry(function.to_owned()).or_default();
        for call in system.database().calls() {
            let permissions = call.permissions.iter();
            acts.extend(permissions.map(|(action, table)| format!("{action} {table}")));
            rings.extend(call.rings);
        }
    }

    async fn post(&mut self, system: &TestSystem, path: &str, body: Value) -> Reply {
        let nobody = Value::Null;
        self.ask(system, "POST", path, &nobody, body.to_string())
            .await
    }

    /// Sends every body, with each of its fields missing or wrong, and what is no body at all.
    async fn bad_requests(&mut self, system: &TestSystem) {
        for (path, good) in bodies() {
            for text in ["hello".to_owned(), format!("{{{}}}", " ".repeat(17_000))] {
                self.ask(system, "POST", path, &Value::Null, text).await;
            }
            self.send(system, "POST", path, &[], good.to_string()).await;
            for field in good.as_object().expect("an object").keys() {
                for wrong in [Value::Null, json!(5), json!("two\nlines")] {
                    let mut bad = good.clone();
                    bad[field] = wrong;
                    self.post(system, path, bad).await;
                }
            }
        }
        for challenge in [Value::Null, json!("unknown")] {
            let asked =
                json!({ "identifier": PHONE, "purpose": "signup", "challengeId": challenge });
            self.post(system, SEND_AGAIN, asked).await;
        }
    }

    /// Makes every call.
    async fn calls(&mut self, system: &TestSystem, token: &Value) {
        for (method, path) in WITHOUT_BODY {
            self.ask(system, method, path, token, String::new()).await;
        }
        for (path, body) in bodies() {
            self.post(system, path, body).await;
        }
    }

    /// Makes every call as the first one ever, with a token from elsewhere.
    async fn alone(&mut self, token: &Value) {
        for (method, path) in WITHOUT_BODY {
            let new = system(None).await;
            self.ask(&new, method, path, token, String::new()).await;
        }
        for (path, body) in bodies() {
            self.post(&system(None).await, path, body).await;
        }
    }

    /// Asks for a sign-up code twice, and for codes that did not arrive.
    async fn resend(&mut self, system: &TestSystem) {
        let asked = self.post(system, SIGN_UP, body(SIGN_UP)).await;
        let challenge = &asked.json["data"]["challengeId"];
        let again = json!({
            "identifier": NEW_PHONE, "purpose": "signup", "challengeId": challenge,
        });
        tokio::time::sleep(Duration::from_secs(61)).await;
        self.post(system, SEND_AGAIN, again.clone()).await;
        add_user(system, NEW_PHONE).await;
        self.post(system, SEND_AGAIN, again).await;
        self.ask_again_unheard().await;
    }

    /// Asks again for codes that did not arrive, where the receipts of others come soon: as whoever signs up, or has signed in.
    async fn ask_again_unheard(&mut self) {
        for path in SENDS {
            let system = system(None).await;
            self.verify(&system, [SSO_SIGN_IN, SSO_VERIFY], Duration::ZERO)
                .await;
            tokio::time::sleep(Duration::from_secs(61)).await;
            let heard = Arrivals {
                delivered_at: Some(system.now()),
                mute_since: None,
                receipts_take: Some(Duration::from_secs(1)),
            };
            let sessions = WhatsAppSessions::of(system.backends());
            let recorded = sessions.record_arrivals("system", heard).await;
            recorded.expect("the store");
            for _ in 0..2 {
                let sent = self.post(&system, path, body(path)).await;
                assert_eq!(sent.status, 200, "{path}: {}", sent.json);
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        }
    }

    /// Gives the right code again and again; and a wrong one, until none is compared any more.
    async fn verify_and_guess(&mut self, [send, path]: [&str; 2]) {
        for right in [true, false] {
            let system = system(None).await;
            let asked = self.post(&system, send, body(send)).await;
            let phone = if send == SIGN_UP { NEW_PHONE } else { PHONE };
            let mut given = body(path);
            given["identifier"] = json!(phone);
            given["challengeId"] = asked.json["data"]["challengeId"].clone();
            given["otp"] = if right {
                json!(code_of(&system, phone))
            } else {
                json!("000000")
            };
            for _ in 0..6 {
                self.post(&system, path, given.clone()).await;
            }
        }
    }

    /// Gives wrong codes and passwords where one is too many.
    async fn guess_too_often(&mut self, verifies: [[&str; 2]; 3]) {
        for verify in verifies {
            let system = TestSystem::builder().settings(|settings| {
                settings.policy.guesses_per_address.places = 1;
                settings.policy.passwords_before_code.places = 1;
            });
            let system = system.build().await;
            add_user(&system, PHONE).await;
            self.verify(&system, verify, Duration::ZERO).await;
            for _ in 0..2 {
                self.post(&system, SIGN_IN, body(SIGN_IN)).await;
            }
        }
    }

    /// Asks for a code, then verifies at `path` after `wait`: with a wrong code, then with the right one.
    async fn verify(
        &mut self,
        system: &TestSystem,
        [send, path]: [&str; 2],
        wait: Duration,
    ) -> Reply {
        let asked = self.post(system, send, body(send)).await;
        let phone = if send == SIGN_UP { NEW_PHONE } else { PHONE };
        let right = code_of(system, phone);
        let wrong = if right == "123456" {
            "654321"
        } else {
            "123456"
        };
        let mut given = body(path);
        given["identifier"] = json!(phone);
        given["challengeId"] = asked.json["data"]["challengeId"].clone();
        given["otp"] = json!(wrong);
        tokio::time::sleep(wait).await;
        self.post(system, path, given.clone()).await;
        given["otp"] = json!(right);
        self.post(system, path, given).await
    }

    /// Looks at a login and ends it, by tokens that are good, bad, old and spent.
    async fn logins(&mut self, system: &TestSystem, signed_in: &Value) {
        let refresh = json!({ "refreshToken": signed_in["refreshToken"] });
        let next = self.post(system, REFRESH, refresh.clone()).await;
        for token in [&Value::Null, &json!("garbage"), &signed_in["token"]] {
            self.ask(system, "GET", SESSION, token, String::new()).await;
        }
        let unclear = format!("{SESSION}?all=maybe");
        for (path, token) in [
            (SESSION, &Value::Null),
            (SESSION, &json!("garbage")),
            (unclear.as_str(), &signed_in["token"]),
        ] {
            self.ask(system, "DELETE", path, token, String::new()).await;
        }
        tokio::time::sleep(Duration::from_secs(901)).await;
        for method in ["GET", "DELETE"] {
            let token = &signed_in["token"];
            self.ask(system, method, SESSION, token, String::new())
                .await;
        }
        let refresh = json!({ "refreshToken": next.json["data"]["refreshToken"] });
        let last = self.post(system, REFRESH, refresh.clone()).await;
        let token = &last.json["data"]["token"];
        let everywhere = format!("{SESSION}?all=true");
        for (method, path) in [
            ("GET", SESSION),
            ("DELETE", SESSION),
            ("DELETE", &everywhere),
            ("GET", SESSION),
        ] {
            self.ask(system, method, path, token, String::new()).await;
        }
        let applicant = json!({ "identifier": NEW_PHONE, "password": PASSWORD });
        let again = self.post(system, SIGN_IN, applicant).await;
        let token = &again.json["data"]["token"];
        self.ask(system, "DELETE", &everywhere, token, String::new())
            .await;
    }

    /// Asks for a number that is not on WhatsApp, and at every path that limits client addresses as a trusted caller that
    /// names none.
    async fn ask_as_strangers_do(&mut self) {
        let (phones, taken) = (vec![NEW_PHONE.into()], false);
        let stranger = system(None).await;
        let asked = self.post(&stranger, SIGN_UP, body(SIGN_UP)).await;
        let scenario = Scenario::NotOnWhatsapp { phones, taken };
        stranger.simulator().play(&scenario);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let challenge = &asked.json["data"]["challengeId"];
        let again =
            json!({ "identifier": NEW_PHONE, "purpose": "signup", "challengeId": challenge });
        self.post(&stranger, SEND_AGAIN, again).await;
        self.post(&stranger, SIGN_UP, body(SIGN_UP)).await;

        const KEY: &str = "the key of a backend";
        const HASH: &str = "91f91c0089b82a0d4c680c8e075e8b80f17638d2a21645de9557a4f8c312fc11";
        let system = TestSystem::builder().settings(|settings| {
            settings.trusted_callers = TrustedCallers::parse(HASH).expect("a hash");
        });
        let system = system.build().await;
        payments::allow(&system, &[payments::backend()]).await;
        for path in SENDS
            .into_iter()
            .chain([SIGN_IN, VERIFY, SSO_VERIFY, RESET])
        {
            // The second one is on the list of callers.
            for key in [KEY, payments::BACKEND_KEY] {
                let headers = [JSON, ("x-caller-key", key), ("x-client-address", "nowhere")];
                let body = body(path).to_string();
                self.send(&system, "POST", path, &headers, body).await;
            }
        }
    }

    /// Sets a password on a session that is down, so that the message about it finds it so.
    pub async fn reset_while_down(&mut self) {
        let system = system(None).await;
        let sent = self.post(&system, SEND_RESET, body(SEND_RESET)).await;
        system.simulator().play(&Scenario::ColdSession);
        let mut reset = body(RESET);
        reset["otp"] = json!(code_of(&system, PHONE));
        reset["challengeId"] = sent.json["data"]["challengeId"].clone();
        self.post(&system, RESET, reset).await;
    }

    /// Signs up where that takes a CAPTCHA: without its token, and with one that nobody verifies.
    async fn sign_up_with_captcha(&mut self) {
        let system = TestSystem::builder().settings(|settings| {
            let captcha = CaptchaSettings {
                verify_url: "http://127.0.0.1:1".into(),
                secret: CaptchaSecret::new("hush"),
                rules: CaptchaRules::default(),
            };
            settings.captcha = Some(captcha.into());
        });
        let system = system.build().await;
        for token in [Value::Null, json!("solved")] {
            let mut asked = body(SIGN_UP);
            asked["captchaToken"] = token;
            self.post(&system, SIGN_UP, asked).await;
        }
    }

    /// Posts what gateways post, of messages and of payments, genuine and not, and where the tables fail; and does what operators
    /// do.
    async fn webhooks(&mut self, down: &TestSystem) {
        self.payments().await;
        let system = system(None).await;
        let sent = self.post(&system, SSO_SIGN_IN, body(SSO_SIGN_IN)).await;
        assert_eq!(sent.status, 200, "{}", sent.json);
        let messages = system.simulator().messages(Some(&parsed(PHONE)));
        let id = messages.last().expect("a message").id.as_str();
        let path = webhooks::path(&system).await;
        let many: Vec<_> = (0..20).map(|number| format!("3EB0{number:018X}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        for event in [
            webhooks::receipt("Read", &[id], system.now()),
            webhooks::receipt("Read", &many, system.now()),
            webhooks::news("LoggedOut"),
            json!({ "large": " ".repeat(262_144) }),
        ] {
            self.post(&system, &path, event).await;
        }
        // The session is gone now.
        self.ask(&system, "GET", "/api/status", &Value::Null, String::new())
            .await;
        let unknown = format!("{}unknown", webhook::PATH);
        self.post(&system, &unknown, json!({})).await;
        let signing = TestSystem::builder().settings(|settings| {
            settings.webhook_key = WebhookKey::parse("a key of more than thirty-two characters");
        });
        let signing = signing.build().await;
        let path = webhooks::path(&signing).await;
        self.post(&signing, &path, json!({})).await;
        self.post(down, &unknown, json!({})).await;
        Box::pin(self.operators()).await;
        Box::pin(self.open_chats()).await;
    }

    /// Asks for every code while WhatsApp lets the account write to nobody new, then writes first: to a session that is well, and
    /// to one that is down.
    async fn open_chats(&mut self) {
        for down in [false, true] {
            let system = system(None).await;
            let asked = self.post(&system, SIGN_UP, body(SIGN_UP)).await;
            forget_chat(&system, NEW_PHONE).await;
            tokio::time::sleep(Duration::from_secs(61)).await;
            system.watch().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            system.simulator().reset();
            system.simulator().play(&Scenario::ColdLocked {
                code: 463,
                refusals: None,
            });
            let challenge = &asked.json["data"]["challengeId"];
            let again =
                json!({ "identifier": NEW_PHONE, "purpose": "signup", "challengeId": challenge });
            let mut offers = vec![(NEW_PHONE, self.post(&system, SEND_AGAIN, again).await)];
            for path in SENDS {
                let phone = if path == SIGN_UP { NEW_PHONE } else { PHONE };
                offers.push((phone, self.post(&system, path, body(path)).await));
            }
            let path = webhooks::path(&system).await;
            for (phone, offer) in offers {
                let link = offer.json["data"]["openChat"].as_str();
                let link = link.unwrap_or_else(|| panic!("no offer: {}", offer.json));
                let word = &link[link.len() - 11..];
                let number = parsed(phone).digits().to_owned();
                let wrote = system.simulator().incoming("system", &number, "halo");
                wrote.expect("a session");
                if down {
                    system.simulator().play(&Scenario::ColdSession);
                }
                self.post(&system, &path, webhooks::written(&number, word))
                    .await;
            }
        }
    }

    /// Asks for a code while the queue makes it wait, and freezes the process until it is too late to send.
    async fn frozen(&mut self, path: &str) {
        let system = system(None).await;
        let sender = Sender::new(system.backends());
        let picked = sender
            .pick(&Recipient::of(&parsed(PHONE)))
            .await
            .expect("a session");
        let place = sender.take_place(&picked, Duration::ZERO).await;
        place.expect("the first place");
        let freeze = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            tokio::time::advance(Duration::from_secs(14)).await;
        };
        tokio::join!(self.post(&system, path, body(path)), freeze);
    }
}

/// Forgets that a phone took a message, as if it had ended without an answer.
async fn forget_chat(system: &TestSystem, phone: &str) {
    let key = AttributeValue::S(parsed(phone).digits().into());
    let state = system
        .dynamodb()
        .update_item()
        .table_name("ChallengesTable");
    let state = state
        .key("phone", key)
        .update_expression("REMOVE taken_at, served_by");
    state.send().await.expect("the store works");
}

/// The function that takes a route.
fn function_of(key: &str) -> String {
    let template = Template::compiled_in().expect("a template");
    let route = template.routes.into_iter().find(|route| route.key() == key);
    route.expect("a route").function
}

async fn system(scenario: Option<Scenario>) -> TestSystem {
    let system = TestSystem::start().await;
    add_user(&system, PHONE).await;
    if let Some(scenario) = scenario {
        system.simulator().play(&scenario);
    }
    system
}

async fn add_user(system: &TestSystem, phone: &str) {
    add_user_with(system, phone, None).await;
}

async fn add_user_with(system: &TestSystem, phone: &str, password: Option<PasswordHash>) {
    let user = User {
        name: PersonName::parse("Budi").expect("a name"),
        password,
        ..system.user(phone)
    };
    let users = Users::new(system.backends());
    assert!(users.add(&user).await.expect("the store"));
}

fn parsed(phone: &str) -> Phone {
    Phone::parse(phone).expect("a phone")
}

/// The code of the newest message on a phone.
fn code_of(system: &TestSystem, phone: &str) -> String {
    let messages = system.simulator().messages(Some(&parsed(phone)));
    messages.last().expect("a message").text[..6].to_owned()
}

/// Gets every reply that there is.
pub async fn ask_for_everything() -> Asker {
    let mut asker = Asker::default();
    let verifies = [
        [SIGN_UP, VERIFY],
        [SSO_SIGN_IN, SSO_VERIFY],
        [SEND_RESET, RESET],
    ];

    let usual = system(None).await;
    asker.bad_requests(&usual).await;
    for _ in 0..2 {
        for path in SENDS {
            asker.post(&usual, path, body(path)).await;
        }
    }
    for _ in 0..10 {
        asker.post(&usual, SIGN_IN, body(SIGN_IN)).await;
    }

    asker.ask_as_strangers_do().await;
    asker.sign_up_with_captcha().await;
    asker.guess_too_often(verifies).await;
    for verify in verifies {
        Box::pin(asker.verify_and_guess(verify)).await;
    }

    let prompt = system(None).await;
    for verify in verifies {
        asker.verify(&prompt, verify, Duration::ZERO).await;
    }
    asker.post(&prompt, SIGN_UP, body(SIGN_UP)).await;
    let applicant = json!({ "identifier": NEW_PHONE, "password": PASSWORD });
    let signed_in = asker.post(&prompt, SIGN_IN, applicant).await;
    asker.logins(&prompt, &signed_in.json["data"]).await;
    let signed_in = asker.verify(&prompt, verifies[1], Duration::ZERO).await;
    let login = &signed_in.json["data"];
    let imported = PasswordHash::import(IMPORTED).expect("a hash");
    add_user_with(&prompt, OTHER_PHONE, Some(imported)).await;
    let given = json!({ "identifier": OTHER_PHONE, "password": "password" });
    asker.post(&prompt, SIGN_IN, given).await;
    let refresh = json!({ "refreshToken": login["refreshToken"] });
    for _ in 0..2 {
        asker.post(&prompt, REFRESH, refresh.clone()).await;
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
    asker.post(&prompt, SIGN_OUT, refresh).await;

    asker.resend(&system(None).await).await;
    let emails = TestSystem::builder().settings(|settings| settings.email_identifier = true);
    let emails = emails.build().await;
    for (path, mut body) in bodies() {
        for email in ["nobody@nowhere", "nobody@example.com"] {
            body["identifier"] = json!(email);
            asker.post(&emails, path, body.clone()).await;
        }
    }
    for (path, field) in [(SIGN_UP, "password"), (RESET, "newPassword")] {
        let mut body = body(path);
        body[field] = json!("short");
        asker.post(&prompt, path, body).await;
    }

    let late = system(None).await;
    for verify in verifies {
        asker.verify(&late, verify, Duration::from_secs(601)).await;
    }

    let overtaken = system(None).await;
    let taken = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        add_user(&overtaken, NEW_PHONE).await;
    };
    tokio::join!(
        asker.verify(&overtaken, verifies[0], Duration::from_secs(2)),
        taken
    );

    for scenario in [
        Scenario::Unlinked,
        Scenario::GatewayDown { lasts_ms: 60_000 },
        Scenario::Restricted {
            code: 463,
            refusals: None,
        },
    ] {
        let down = system(Some(scenario)).await;
        for path in SENDS {
            asker.post(&down, path, body(path)).await;
        }
    }
    let unset = TestSystem::builder().simulator(|options| options.sessions.clear());
    let unset = unset.build().await;
    let foreign = Simulator::new(SimulatorOptions {
        sessions: vec![SessionOptions::new("system", "another token")],
        ..SimulatorOptions::default()
    });
    let refused = TestSystem::builder().gateway(foreign);
    let refused = refused.build().await;
    for path in SENDS {
        asker.post(&refused, path, body(path)).await;
        asker.post(&unset, path, body(path)).await;
        asker.frozen(path).await;
    }
    let down = prompt.with_faults(Faults::down());
    asker.webhooks(&down).await;
    asker.calls(&down, &login["token"]).await;
    let none = Environments {
        in_turn: 0,
        at_most: 0,
    };
    let overloaded = TestSystem::builder().environments(none);
    asker
        .calls(&overloaded.build().await, &login["token"])
        .await;
    asker.alone(&login["token"]).await;
    asker
}

#[tokio::test(start_paused = true)]
async fn every_documented_reply_is_given() {
    let given = ask_for_everything().await.replies;
    let by_a_function = |reply: &String| !reply.ends_with(' ');
    let missing: Vec<_> = documented()
        .into_iter()
        .filter(|reply| by_a_function(reply) && !given.contains(reply))
        .collect();
    assert!(
        missing.is_empty(),
        "documented in openapi.yaml, and brought by no request of this file: {missing:#?}"
    );
}

#[test]
#[should_panic(expected = "GET /api/health answered 200")]
fn a_field_that_is_not_documented_fails_whichever_test_meets_it() {
    let json = json!({
        "success": true, "message": "The API is up.", "data": { "status": "up", "load": 0.5 },
    });
    let content_type = HeaderValue::from_static("application/json");
    let reply = Reply {
        status: 200,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, content_type)]),
        body: json.to_string().into(),
        json,
    };
    contract::check("GET", "/api/health", &reply);
}
