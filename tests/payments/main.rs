//! Payment notices: accepted once, never lost, in order and in time.
use serde_json::json;

use self::act::*;

mod act;

#[tokio::test(start_paused = true)]
async fn a_payment_is_told_of_from_its_beginning_to_its_end() {
    let system = system().await;
    let told = post(&system, "INV-1", "created", created(&system)).await;
    assert_eq!(told.status, 200, "{}", told.json);
    assert_eq!(told.json["data"]["state"], "sent");
    tokio::time::advance(31 * MINUTE).await;
    let delivered = deliver(&system).await;
    assert_eq!(delivered.sent, 1, "{delivered:?}");
    let paid = json!({ "paidAt": system.now().rfc3339() });
    let told = post(&system, "INV-1", "success", paid).await;
    assert_eq!(told.status, 200, "{}", told.json);
    tokio::time::advance(60 * MINUTE).await;
    deliver(&system).await;
    assert_eq!(
        states(&system, "INV-1").await,
        [
            "created sent",
            "expiry-warning.60 sent",
            "expiry-warning.15 superseded",
            "success sent"
        ]
    );
    let texts: Vec<_> = inbox(&system)
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
}
