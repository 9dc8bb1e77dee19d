//! Passwords that another system hashed.
use local::database::{Fault, Faults};
use serde_json::json;
use tests::TestSystem;

use super::act::*;

async fn stored(system: &TestSystem) -> String {
    let user = user_of(system, PHONE).await.unwrap();
    user.password.unwrap().phc().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_first_sign_in_replaces_the_hash_and_nothing_else() {
    for faults in databases() {
        let system = TestSystem::builder().faults(faults).build().await;
        add_user(&system, PHONE, BCRYPT).await;
        let wrong = sign_in(&system, PHONE, "Password").await;
        assert_eq!((wrong.status, stored(&system).await), (401, BCRYPT.into()));

        assert_eq!(sign_in(&system, PHONE, "password").await.status, 200);
        let ours = stored(&system).await;
        assert!(ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(user_of(&system, PHONE).await.unwrap().ver, 1);

        assert_eq!(sign_in(&system, PHONE, "password").await.status, 200);
        assert_eq!(stored(&system).await, ours, "once is enough");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_is_signed_in_even_when_the_new_hash_cannot_be_stored() {
    let system = TestSystem::start().await;
    add_user(&system, PHONE, BCRYPT).await;
    assert_eq!(sign_in(&system, PHONE, "password").await.status, 200);
    let (usual, other) = ("08123456781", "08123456782");
    let good = Faults::none();
    add_user(&system, usual, BCRYPT).await;
    sign_in(&system.with_faults(good.clone()), usual, "password").await;

    // The new hash is the last that is written, before the three places in the limits are given back.
    add_user(&system, other, BCRYPT).await;
    let faults = Faults::none().from(good.attempts() - 3, Fault::RequestLost);
    let reply = sign_in(&system.with_faults(faults), other, "password").await;
    assert_eq!(reply.status, 200, "{}", reply.json);
    let hash = user_of(&system, other).await.unwrap().password.unwrap();
    assert_eq!(hash.phc(), BCRYPT);
    assert_eq!(sign_in(&system, other, "password").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_changed_meanwhile_stays_changed() {
    let system = TestSystem::start().await;
    add_user(&system, PHONE, BCRYPT).await;
    let asked = json!({ "identifier": PHONE });
    let sent = system
        .post("/api/auth/send-password-reset-otp", asked)
        .await;
    let message = system.simulator().messages(None).pop().unwrap();
    let reset = json!({
        "identifier": PHONE,
        "otp": code_in(&message),
        "challengeId": sent.json["data"]["challengeId"],
        "newPassword": "sapi-tidur-nyenyak",
    });
    let path = "/api/auth/verify-password-reset-otp";
    let (signed_in, changed) = tokio::join!(
        sign_in(&system, PHONE, "password"),
        system.post(path, reset)
    );
    assert_eq!(changed.status, 200, "{}", changed.json);
    assert!([200, 401].contains(&signed_in.status));
    let old = sign_in(&system, PHONE, "password").await;
    assert_eq!(old.status, 401);
    let new = sign_in(&system, PHONE, "sapi-tidur-nyenyak").await;
    assert_eq!(new.status, 200);
}
