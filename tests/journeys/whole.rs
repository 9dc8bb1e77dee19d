//! From the first request to a token, and on through a broken session.
use local::simulator::Scenario;
use shared::model::token::{self, TokenError};
use tests::{Reply, TestSystem};
use tokio::time::sleep;

use super::act::*;

/// Signs up, signs in, breaks the session and signs in again.
async fn journey(system: &TestSystem) {
    let phone = phone(1);
    let asked = sign_up(system, &phone, "Siti", PASSWORD).await;
    assert_eq!(delivery(&asked), Some("sent"));
    assert!(
        user_of(system, &phone).await.is_none(),
        "not before the code"
    );
    let code = code_on(system, &phone);
    let signed_up = confirm(system, &phone, &code, challenge(&asked)).await;
    let first = claims_of(system, &signed_up).await.unwrap();
    let user = user_of(system, &phone).await.unwrap();
    assert_eq!((first.sub.as_str(), first.ver), (user.id.as_str(), 1));

    let asked = sign_in(system, &phone).await;
    let code = code_on(system, &phone);
    let signed_in = verify(system, &phone, &code, challenge(&asked)).await;
    let second = claims_of(system, &signed_in).await.unwrap();
    assert_eq!(second.sub, first.sub);
    assert_ne!(second.sid, first.sid);
    sleep(token::LIFE).await;
    assert_eq!(
        claims_of(system, &signed_in).await,
        Err(TokenError::Expired)
    );

    system.simulator().play(&Scenario::ColdSession);
    let asked = sign_in(system, &phone).await;
    assert_eq!(delivery(&asked), Some("sent"));
    assert_eq!((messages(system, &phone).len(), connects(system)), (3, 1));
    let code = code_on(system, &phone);
    let signed_in = verify(system, &phone, &code, challenge(&asked)).await;
    assert!(claims_of(system, &signed_in).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn sign_up_and_sign_in_and_the_next_code_arrives_after_the_session_broke() {
    journey(&TestSystem::start().await).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_on_a_bad_database() {
    for seed in 0..10 {
        journey(
            &TestSystem::builder()
                .faults(database(Some(seed)))
                .build()
                .await,
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_a_user_is_answered_alike_and_gets_no_message() {
    let system = system().await;
    let (known, unknown) = (
        sign_in(&system, &phone(1)).await,
        sign_in(&system, &phone(2)).await,
    );
    let shape = |reply: &Reply| {
        let mut body = reply.json.clone();
        body["data"]["challengeId"].take();
        (reply.status, body)
    };
    assert_eq!(shape(&known), shape(&unknown));
    assert_eq!(messages(&system, &phone(2)).len(), 0);
    assert_eq!(sign_in(&system, &phone(2)).await.status, 429);
}
