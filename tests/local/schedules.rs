//! What `template.yaml` has called again and again is called on this machine, too.
use std::time::Duration;

use local::schedules;
use local::simulator::Scenario;
use local::template::Template;
use tests::TestSystem;
use tokio::time::{sleep, timeout};

const MINUTE: Duration = Duration::from_secs(60);

async fn state(system: &TestSystem) -> String {
    let status = system.get("/api/status").await;
    let state = status.json["data"]["whatsapp"].as_str();
    state.unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_status_is_right_within_a_minute_although_nobody_sends() {
    let system = TestSystem::start().await;
    let template = Template::compiled_in().unwrap();
    let (watched, backends) = (system.clone(), system.backends().clone());
    let seen = async {
        assert_eq!(state(&watched).await, "unknown");
        sleep(MINUTE + Duration::from_secs(1)).await;
        assert_eq!(state(&watched).await, "usable");
        watched.simulator().play(&Scenario::QrNotScanned);
        sleep(MINUTE).await;
        assert_eq!(state(&watched).await, "needs_pairing");
        watched.simulator().play(&Scenario::Healthy);
        watched.simulator().play(&Scenario::ColdSession);
        sleep(MINUTE + Duration::from_secs(2)).await;
        assert_eq!(state(&watched).await, "usable");
    };
    tokio::select! {
        kept = schedules::keep(&template, &backends) => panic!("they ended: {kept:?}"),
        () = seen => {}
    }
    // Once they are dropped, nobody looks.
    let calls = system.simulator().calls().count("/session/status");
    let _ = timeout(5 * MINUTE, std::future::pending::<()>()).await;
    assert_eq!(system.simulator().calls().count("/session/status"), calls);
}
