//! What people do, one function per act, and what a test looks at afterwards.
use std::net::IpAddr;
use std::time::Duration;

use local::database::{Fault, Faults};
use local::simulator::Scenario;
use serde_json::json;
use shared::model::account::User;
use shared::model::address::ClientAddress;
use shared::model::challenge::NetworkHash;
use shared::model::token::{self, Claims, Jwks, Parties, TokenError};
use shared::store::batch::Batches;
use shared::store::challenges::Challenges;
use shared::store::challenges::networks::{NetworkRemembered, SignInFrom};
use shared::store::users::Users;
use shared::store::windows::{WindowKey, Windows};
use tests::people::parsed;
pub use tests::people::{
    add_user, challenge, code_in, code_on, confirm, messages, phone, rows, sign_in, state_of,
    verify, wrong,
};
use tests::{Reply, TestSystem};

pub const SECOND: Duration = Duration::from_secs(1);

/// The most time that a reply takes.
pub const PATIENCE: Duration = Duration::from_secs(15);

pub const PASSWORD: &str = "four words that rhyme";

/// A system whose first phone has a user.
pub async fn system() -> TestSystem {
    with_user(TestSystem::start().await).await
}

/// The same, where clients of the earlier system may guess without a challenge id.
pub async fn lenient() -> TestSystem {
    let system = TestSystem::builder().settings(|settings| settings.unbound_guesses = true);
    with_user(system.build().await).await
}

pub async fn with_user(system: TestSystem) -> TestSystem {
    add_user(&system, &phone(1)).await;
    system
}

/// The same as clients of the earlier system do it: without a challenge id.
pub async fn verify_unbound(system: &TestSystem, phone: &str, code: &str) -> Reply {
    let body = json!({"identifier": phone, "otp": code});
    system.post("/api/auth/sso-verify", body).await
}

/// Asks for a sign-up code.
pub async fn sign_up(system: &TestSystem, phone: &str, name: &str, password: &str) -> Reply {
    let body = json!({"phone": phone, "name": name, "password": password});
    system.post("/api/auth/signup", body).await
}

/// `sent` or `unconfirmed`; nothing when no code went out.
pub fn delivery(asked: &Reply) -> Option<&str> {
    asked.json["data"]["delivery"].as_str()
}

/// What the token of a reply says, checked as any service would check it: with the published keys.
pub async fn claims_of(system: &TestSystem, reply: &Reply) -> Result<Claims, TokenError> {
    assert_eq!(reply.status, 200, "{}", reply.json);
    let jwks = system.get("/.well-known/jwks.json").await;
    let jwks: Jwks = serde_json::from_slice(&jwks.body).unwrap();
    let token = reply.json["data"]["token"].as_str().unwrap();
    let settings = &system.backends().settings;
    let parties = Parties {
        issuer: &settings.token_issuer,
        audience: &settings.token_audience,
    };
    token::verify(&jwks, token, parties, system.now())
}

/// Everything that went wrong with WhatsApp is over.
pub fn heal(system: &TestSystem) {
    system.simulator().play(&Scenario::Healthy);
}

/// Somebody has signed in with that phone from the address that everybody here asks from.
pub async fn at_home(system: &TestSystem, phone: &str) {
    let (phone, address) = (parsed(phone), IpAddr::from([203, 0, 113, 1]));
    let network = NetworkHash::of(&phone, address.into());
    let challenges = Challenges::new(&system.without_faults());
    let seen = challenges.read(&phone, system.now()).await.unwrap();
    let at = system.now();
    let remembered = challenges.remember_network(&phone, seen, SignInFrom { network, at });
    assert_eq!(remembered.await.unwrap(), NetworkRemembered::Done);
}

/// How many codes the address has that everybody here asks from.
pub async fn granted(system: &TestSystem) -> usize {
    let address = ClientAddress::from(IpAddr::from([203, 0, 113, 1]));
    let backends = system.without_faults();
    let mut batch = Batches::new(&backends).begin();
    let reading = Windows::new(&backends).reading(WindowKey::CodesFrom(address), system.now());
    let window = batch.add(reading);
    let window = window
        .from(&batch.read("read a window").await.unwrap())
        .unwrap();
    window.map_or(0, |window| window.granted)
}

/// The user of a phone.
pub async fn user_of(system: &TestSystem, phone: &str) -> Option<User> {
    let users = Users::new(&system.without_faults());
    users.by_phone(&parsed(phone)).await.unwrap()
}

/// How often a session was connected.
pub fn connects(system: &TestSystem) -> u64 {
    system.simulator().calls().count("/session/connect")
}

/// A database that is good, or bad at everything now and then, and slow.
pub fn database(seed: Option<u64>) -> Faults {
    match seed {
        None => Faults::none(),
        Some(seed) => Faults::seeded(seed)
            .odds(Fault::Conflict, 0.06)
            .odds(Fault::ReplyLost, 0.06)
            .odds(Fault::RequestLost, 0.06)
            .odds(Fault::Throttled, 0.06)
            .sparing_last_attempts()
            .delay(0.3, SECOND / 20),
    }
}

/// A good database, then some bad ones.
pub fn databases() -> impl Iterator<Item = Faults> {
    std::iter::once(None).chain((0..2).map(Some)).map(database)
}
