//! What operators are answered, by the API and on their pages.
use std::time::Duration;

use local::database::Faults;
use local::simulator::{Scenario, SessionState};
use serde_json::{Value, json};
use shared::flows::admin::links::AdminLinks;
use shared::gateway::SessionToken;
use shared::model::admin::AdminSecret;
use shared::model::caller::Caller;
use shared::model::country::{CapMode, CountryCaps};
use tests::TestSystem;
use tests::browser::Browser;

use super::{Asker, JSON, payments};

/// The function that has the pages.
const DASHBOARD: &str = "admin-dashboard";

const SESSIONS: &str = "/api/admin/whatsapp/sessions";
const MINUTE: Duration = Duration::from_secs(60);

/// What is shown, and what is done to the first session and a notice.
const SHOWN: [&str; 9] = [
    SESSIONS,
    "/api/admin/whatsapp/sessions/system/status",
    "/api/admin/whatsapp/sessions/system/qr",
    "/api/admin/outbox",
    "/api/admin/outbox?state=dead",
    "/api/admin/deliveries?messageId=3EB0",
    "/api/admin/incidents",
    "/api/admin/explain?phone=08123456789&purpose=sso",
    "/api/admin/people?phone=08123456789",
];
const FIND: &str = "/api/admin/find";
const DONE: [&str; 5] = [
    "/api/admin/people/end-logins",
    FIND,
    SESSIONS,
    "/api/admin/whatsapp/sessions/system/connect",
    "/api/admin/outbox/INV-2:success/retry",
];

/// The pages of the dashboard.
const PAGES: [&str; 12] = [
    "/admin",
    "/admin/dashboard/whatsapp-sessions",
    "/admin/dashboard/whatsapp-sessions/system",
    "/admin/dashboard/incidents",
    "/admin/dashboard/outbox",
    "/admin/dashboard/outbox?state=dead",
    "/admin/dashboard/deliveries?messageId=3EB0",
    "/admin/dashboard/explain",
    "/admin/dashboard/people",
    "/admin/dashboard/audit",
    "/admin/dashboard/nowhere",
    "/admin/assets/admin.css",
];

/// Somebody who is signed in as an operator.
struct Operator {
    cookie: String,
    csrf: String,
}

impl Operator {
    async fn new(system: &TestSystem) -> Self {
        let links = AdminLinks::new(&system.without_faults());
        let caller = Caller::with_iam("test", system.now().plus(MINUTE));
        let link = links.make(&caller, system.now()).await.expect("a link");
        let browser = Browser::new(system);
        let page = browser.get(&link.path()).await;
        browser.submit(&page, &link.path(), &[]).await;
        let cookie = browser.login().expect("a login");
        let secret = AdminSecret::parse(&cookie).expect("a secret");
        Self {
            csrf: secret.csrf().expose().to_owned(),
            cookie: format!("__Host-admin={cookie}"),
        }
    }
}

/// A system whose gateway lists all its sessions.
async fn system() -> TestSystem {
    let shop = [payments::shop()];
    let system = payments::system_with(&shop, |settings| {
        settings.gateway_admin_token = Some(SessionToken::new("gateway-admin-token"));
        settings.public_base_url = Some("https://api.example.com".into());
    });
    system.await
}

impl Asker {
    /// Asks for everything that operators are answered.
    pub async fn operators(&mut self) {
        let system = system().await;
        payments::later(&system).await;
        self.strangers_to_operators(&system).await;
        let operator = Operator::new(&system).await;
        for path in SHOWN {
            self.show(&system, &operator, path).await;
        }
        for path in PAGES {
            self.look(&system, &operator.cookie, path).await;
        }
        self.find_message(&system, &operator).await;
        self.act_on_behalf(&system, &operator).await;
        self.refused_for_what_they_are(&system, &operator).await;
        self.explain(&system, &operator).await;
        self.act_on_notices(&system, &operator).await;
        self.act_on_sessions(&system, &operator).await;
        self.act_on_people(&system, &operator).await;
        self.prove_too_late(&system).await;
        self.without_settings().await;
        let down = system.with_faults(Faults::down());
        for path in SHOWN {
            self.show(&down, &operator, path).await;
        }
        for path in DONE {
            self.act(&down, &operator, path, json!({ "name": "branch-9" }))
                .await;
        }
    }

    async fn show(&mut self, system: &TestSystem, operator: &Operator, path: &str) -> Value {
        let headers = [("cookie", operator.cookie.as_str())];
        let reply = self.send(system, "GET", path, &headers, String::new());
        reply.await.json
    }

    /// Loads a page, which the document does not have.
    async fn look(&mut self, system: &TestSystem, cookie: &str, path: &str) {
        system.database().forget_calls();
        let headers = [("cookie", cookie)];
        Box::pin(system.request("GET", path, &headers, "")).await;
        self.watch(system, DASHBOARD);
    }

    async fn act(
        &mut self,
        system: &TestSystem,
        operator: &Operator,
        path: &str,
        body: Value,
    ) -> Value {
        let headers = [
            JSON,
            ("cookie", operator.cookie.as_str()),
            ("x-csrf-token", operator.csrf.as_str()),
        ];
        let reply = self.send(system, "POST", path, &headers, body.to_string());
        reply.await.json
    }

    /// Asks as nobody, without the token, and with what is no body.
    async fn strangers_to_operators(&mut self, system: &TestSystem) {
        for path in SHOWN {
            self.send(system, "GET", path, &[], String::new()).await;
        }
        for path in PAGES {
            self.look(system, "", path).await;
        }
        let operator = Operator::new(system).await;
        let cookie = ("cookie", operator.cookie.as_str());
        let token = ("x-csrf-token", operator.csrf.as_str());
        for path in DONE {
            self.send(system, "POST", path, &[JSON], "{}".into()).await;
            self.send(system, "POST", path, &[JSON, cookie], "{}".into())
                .await;
            for body in [
                "hello".to_owned(),
                r#"{"name":5}"#.into(),
                " ".repeat(17_000),
            ] {
                self.send(system, "POST", path, &[JSON, cookie, token], body)
                    .await;
            }
            let text = ("content-type", "text/plain");
            self.send(system, "POST", path, &[text, cookie, token], "x".into())
                .await;
        }
    }

    async fn find_message(&mut self, system: &TestSystem, operator: &Operator) {
        system.simulator().clear_messages();
        tests::people::add_user(system, super::PHONE).await;
        let asked = json!({ "identifier": super::PHONE });
        self.post(system, super::SSO_SIGN_IN, asked).await;
        let messages = tests::people::messages(system, super::PHONE);
        let id = &messages.last().expect("a message").id;
        for path in [
            format!("/api/admin/deliveries?messageId={id}"),
            format!("/api/admin/deliveries?phone={}", super::PHONE),
            "/api/admin/deliveries?requestId=nothing".into(),
            "/api/admin/deliveries?messageId=%20".into(),
            "/api/admin/deliveries?phone=0812".into(),
            "/api/admin/whatsapp/sessions?page=x".into(),
            "/api/admin/outbox?state=other".into(),
            "/api/admin/incidents?before=x".into(),
            "/api/admin/whatsapp/sessions/nobody/status".into(),
            "/api/admin/whatsapp/sessions/nobody/qr".into(),
        ] {
            self.show(system, operator, &path).await;
        }
        let page = format!("/admin/dashboard/deliveries?messageId={id}");
        self.look(system, &operator.cookie, &page).await;
        self.find_pages(system, operator).await;
    }

    /// Asks for the pages that show a phone, and loads them.
    async fn find_pages(&mut self, system: &TestSystem, operator: &Operator) {
        for body in [
            json!({ "sought": "<b>" }),
            json!({ "sought": super::PHONE, "page": "other" }),
            json!({ "sought": super::PHONE }),
            json!({ "sought": super::PHONE, "page": "explain", "purpose": "other" }),
            json!({ "sought": "08120000001", "page": "explain", "purpose": "signup" }),
            json!({ "sought": super::PHONE, "page": "people" }),
        ] {
            let found = self.act(system, operator, FIND, body).await;
            if let Some(page) = found["data"]["page"].as_str() {
                self.look(system, &operator.cookie, page).await;
            }
        }
    }

    /// Explains codes for a phone with an account and one without, with caps of countries that are full.
    async fn explain(&mut self, system: &TestSystem, operator: &Operator) {
        let capped = system.with_settings(|settings| {
            let caps = CountryCaps::parse(r#"{"62":1}"#, CapMode::Enforce);
            settings.country_caps = caps.expect("caps");
        });
        for query in [
            "phone=08123456789&purpose=password-reset",
            "phone=08120000001&purpose=signup",
            "phone=08120000001&purpose=other",
            "phone=12&purpose=sso",
            "purpose=sso",
        ] {
            let path = format!("/api/admin/explain?{query}");
            self.show(&capped, operator, &path).await;
        }
        self.find_pages(&capped, operator).await;
    }

    /// Ends the logins of a user, and erases them.
    async fn act_on_people(&mut self, system: &TestSystem, operator: &Operator) {
        let asked = json!({ "identifier": super::PHONE });
        tokio::time::sleep(2 * MINUTE).await;
        let sent = self.post(system, super::SSO_SIGN_IN, asked).await;
        let code = tests::people::code_on(system, super::PHONE);
        let answer = json!({
            "identifier": super::PHONE, "otp": code, "challengeId": sent.json["data"]["challengeId"],
        });
        self.post(system, super::SSO_VERIFY, answer).await;
        let path = format!("/api/admin/people?phone={}", super::PHONE);
        let shown = self.show(system, operator, &path).await;
        let login = &shown["data"]["logins"][0]["id"];
        for path in ["/api/admin/people", "/api/admin/people?phone=12"] {
            self.show(system, operator, path).await;
        }
        self.find_pages(system, operator).await;
        let (phone, waits) = (super::PHONE, "08120000002");
        let signs_up = super::body(super::SIGN_UP);
        let mut signs_up = signs_up.as_object().expect("a body").clone();
        signs_up.insert("phone".into(), waits.into());
        self.post(system, super::SIGN_UP, signs_up.into()).await;
        for (act, body) in [
            ("end-logins", json!({})),
            ("erase", json!({ "phone": waits, "confirm": waits })),
            ("end-login", json!({ "phone": phone, "login": login })),
            ("end-login", json!({ "phone": phone, "login": "another" })),
            ("end-login", json!({ "phone": phone })),
            ("end-logins", json!({ "phone": phone })),
            ("end-logins", json!({ "phone": "12" })),
            ("promote", json!({ "phone": phone })),
            ("erase", json!({ "phone": phone })),
            ("erase", json!({ "phone": phone, "confirm": phone })),
            ("end-logins", json!({ "phone": phone })),
        ] {
            let path = format!("/api/admin/people/{act}");
            self.act(system, operator, &path, body).await;
        }
    }

    /// Acts on behalf of a client, with a key that nobody knows.
    async fn act_on_behalf(&mut self, system: &TestSystem, operator: &Operator) {
        let headers = [
            JSON,
            ("cookie", operator.cookie.as_str()),
            ("x-csrf-token", operator.csrf.as_str()),
            ("x-caller-key", "unknown"),
            ("x-client-address", "198.51.100.1"),
        ];
        let path = format!("{SESSIONS}/nobody/connect");
        self.send(system, "POST", &path, &headers, "{}".into())
            .await;
    }

    async fn refused_for_what_they_are(&mut self, system: &TestSystem, operator: &Operator) {
        for (path, body) in [
            ("system/pool", json!({ "sends": false })),
            ("system/pool", json!({})),
            ("system/weight", json!({ "weight": 30 })),
            ("system/weight", json!({ "weight": 0 })),
            ("system/pairphone", json!({ "phone": "12" })),
            ("nobody/connect", json!({})),
            ("system/nothing", json!({})),
        ] {
            let path = format!("{SESSIONS}/{path}");
            self.act(system, operator, &path, body).await;
        }
        for path in ["INV-2:nothing/retry", "INV-2:success/nothing"] {
            let path = format!("/api/admin/outbox/{path}");
            self.act(system, operator, &path, json!({})).await;
        }
    }

    async fn act_on_notices(&mut self, system: &TestSystem, operator: &Operator) {
        for path in [
            "INV-2:success/retry",
            "INV-2:success/discard",
            "INV-2:success/discard",
        ] {
            let path = format!("/api/admin/outbox/{path}");
            self.act(system, operator, &path, json!({})).await;
        }
    }

    /// Everything that can be done with sessions, with one that is added and with a customer's.
    async fn act_on_sessions(&mut self, system: &TestSystem, operator: &Operator) {
        for name in ["branch-2", "branch-2", "no name"] {
            let body = json!({ "name": name });
            self.act(system, operator, SESSIONS, body).await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let scan = format!("{SESSIONS}/branch-2/qr");
        self.show(system, operator, &scan).await;
        for page in ["/admin/dashboard/whatsapp-sessions/branch-2", PAGES[1]] {
            self.look(system, &operator.cookie, page).await;
        }
        for (act, body) in [
            ("pairphone", json!({ "phone": super::PHONE })),
            ("disconnect", json!({})),
            ("connect", json!({})),
            ("connect", json!({})),
        ] {
            let path = format!("{SESSIONS}/branch-2/{act}");
            self.act(system, operator, &path, body).await;
        }
        let scanned = system
            .simulator()
            .set_state("branch-2", SessionState::Paired);
        scanned.expect("a session");
        tokio::time::sleep(MINUTE).await;
        for (act, body) in [
            ("pool", json!({ "sends": false })),
            ("pool", json!({ "sends": true })),
            ("weight", json!({ "weight": 30 })),
            ("pairinglink", json!({})),
            ("webhook", json!({})),
            ("disconnect", json!({})),
            ("connect", json!({})),
            ("logout", json!({})),
        ] {
            let path = format!("{SESSIONS}/branch-2/{act}");
            self.act(system, operator, &path, body).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        self.act_on_customers(system, operator).await;
        system
            .simulator()
            .play(&Scenario::GatewayDown { lasts_ms: 60_000 });
        for path in [SESSIONS, DONE[3]] {
            let body = json!({ "name": "branch-3" });
            self.act(system, operator, path, body).await;
        }
        self.show(system, operator, SHOWN[2]).await;
    }

    async fn act_on_customers(&mut self, system: &TestSystem, operator: &Operator) {
        let theirs = system.with_settings(|settings| settings.sessions.clear());
        let shown = self.show(&theirs, operator, SESSIONS).await;
        let sessions = shown["data"]["sessions"].as_array().expect("sessions");
        let mut keys = sessions.iter().filter_map(|session| session["id"].as_str());
        let key = keys.find(|key| key.starts_with("customer.")).expect("one");
        for act in ["disconnect", "connect", "webhook", "weight"] {
            let path = format!("{SESSIONS}/{key}/{act}");
            let body = json!({ "weight": 30 });
            self.act(&theirs, operator, &path, body).await;
        }
    }

    async fn prove_too_late(&mut self, system: &TestSystem) {
        let operator = Operator::new(system).await;
        tokio::time::sleep(11 * MINUTE).await;
        self.show(system, &operator, SHOWN[2]).await;
        for path in ["whatsapp/sessions/system/logout", "people/erase"] {
            let path = format!("/api/admin/{path}");
            self.act(system, &operator, &path, json!({})).await;
        }
    }

    async fn without_settings(&mut self) {
        let system = TestSystem::start().await;
        let operator = Operator::new(&system).await;
        for path in [
            SESSIONS.to_owned(),
            format!("{SESSIONS}/customer.7/connect"),
            format!("{SESSIONS}/system/webhook"),
        ] {
            let body = json!({ "name": "branch-2" });
            self.act(&system, &operator, &path, body).await;
        }
    }
}
