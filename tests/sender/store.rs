//! The acts of the session items, and what a lost reply does to them.
use std::time::Duration;

use local::database::{Fault, Faults};
use shared::platform::timestamp::Timestamp;
use shared::store::whatsapp_sessions::connects::{ConnectClaim, ConnectRight};
use shared::store::whatsapp_sessions::pace::{Pace, PaceRequest, PaceTurn};
use shared::store::whatsapp_sessions::queue::{Slot, SlotPurpose, SlotRequest, TakenSlot};
use shared::store::whatsapp_sessions::{
    SeenState, SessionItem, SessionState, StatusClaim, StatusTurn, WhatsAppSessions,
};

use super::stage::{SESSION, Stage};

const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);
const SECOND: Duration = Duration::from_secs(1);

/// A wish for the connect right.
fn claim(attempt_id: &str, now: Timestamp, wait: Duration) -> ConnectClaim<'_> {
    ConnectClaim {
        attempt_id,
        now,
        wait,
        early: false,
        over_library: false,
    }
}

/// The table, through a client that loses the reply of its first call.
fn losing_the_first_reply(stage: &Stage) -> WhatsAppSessions {
    let faults = Faults::none().at(1, Fault::ReplyLost);
    let client = stage.database.client_with(faults);
    WhatsAppSessions::new(client, "WhatsAppSessionsTable".into())
}

#[tokio::test(start_paused = true)]
async fn turns_in_the_pace_of_notices_follow_each_other_after_some_at_once() {
    let stage = Stage::new().await;
    let sessions = stage.sessions();
    let pace = |paid_until| Pace {
        each: SECOND,
        paid_until,
    };
    let take = async |paid_until| {
        let request = PaceRequest {
            pace: pace(paid_until),
            now: NOW,
            wait_max: 2 * SECOND,
        };
        let taken = sessions.take_pace_turn(SESSION, request);
        taken.await.unwrap()
    };
    for turn in 1_u32..=12 {
        let paid_until = (turn > 1).then(|| NOW.plus(SECOND * (turn - 1)));
        let at = NOW.plus(SECOND * turn.saturating_sub(10));
        assert_eq!(take(paid_until).await, PaceTurn::At(at), "turn {turn}");
    }
    let used_up = PaceTurn::Refused(pace(Some(NOW.plus(12 * SECOND))));
    assert_eq!(take(None).await, used_up, "a wrong guess is set right");
    let taken = take(Some(NOW.plus(12 * SECOND))).await;
    assert_eq!(taken, used_up, "beyond reach");
    let left = sessions.leave_pace_turn(SESSION, SECOND);
    left.await.unwrap();
    let again = take(Some(NOW.plus(11 * SECOND))).await;
    assert_eq!(again, PaceTurn::At(NOW.plus(2 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn places_follow_each_other_until_the_queue_is_full() {
    let stage = Stage::new().await;
    let sessions = stage.sessions();
    let take = async |now| {
        let request = SlotRequest {
            free_at: None,
            now,
            wait_max: 2 * SECOND,
            cost: SECOND,
            purpose: SlotPurpose::Send,
        };
        sessions.take_slot(SESSION, request).await.unwrap()
    };
    let place = |at| {
        Slot::At(TakenSlot {
            at,
            cost: SECOND,
            new_chats: 0,
        })
    };
    for seconds in 0..=2 {
        let at = NOW.plus(seconds * SECOND);
        assert_eq!(take(NOW).await, place(at));
    }
    let Slot::Full(queue) = take(NOW).await else {
        panic!("a place out of reach");
    };
    assert_eq!(queue.free_at, Some(NOW.plus(3 * SECOND)));
    let later = NOW.plus(9 * SECOND);
    assert_eq!(take(later).await, place(later), "an idle queue starts now");
}

#[tokio::test(start_paused = true)]
async fn one_answer_of_the_gateway_serves_everybody_for_a_while() {
    let stage = Stage::new().await;
    let is_ours = async |sessions: WhatsAppSessions, now, attempt_id: &str| {
        let claim = StatusClaim {
            attempt_id,
            now,
            life: SECOND,
        };
        let turn = sessions.claim_status_turn(SESSION, claim);
        matches!(turn.await.unwrap(), StatusTurn::Ours(_))
    };
    assert!(is_ours(stage.sessions(), NOW, "a").await);
    assert!(!is_ours(stage.sessions(), NOW, "b").await);
    assert!(is_ours(stage.sessions(), NOW.plus(SECOND), "b").await);
    let unlucky = losing_the_first_reply(&stage);
    assert!(is_ours(unlucky, NOW.plus(3 * SECOND), "c").await);
}

#[tokio::test(start_paused = true)]
async fn a_connect_right_is_won_once_and_known_again_when_its_reply_was_lost() {
    let stage = Stage::new().await;
    let fresh = SessionItem::default();
    let take = async |sessions: WhatsAppSessions, item: &SessionItem, now, id: &str| {
        let claim = claim(id, now, 15 * SECOND);
        let right = sessions.take_connect_right(SESSION, item, &claim);
        right.await.unwrap()
    };
    let first = take(losing_the_first_reply(&stage), &fresh, NOW, "a").await;
    assert!(matches!(first, ConnectRight::Won(NOW)), "{first:?}");
    let second = take(stage.sessions(), &fresh, NOW, "b").await;
    let ConnectRight::Lost(item) = second else {
        panic!("won twice");
    };
    assert_eq!(item.connect_after, Some(NOW.plus(15 * SECOND)));
    let early = NOW.plus(14 * SECOND);
    let early = take(stage.sessions(), &item, early, "b").await;
    assert!(matches!(early, ConnectRight::Lost(_)));
    let due = NOW.plus(15 * SECOND);
    let next = take(stage.sessions(), &item, due, "b").await;
    assert!(matches!(next, ConnectRight::Won(at) if at == due));
    let stale = take(stage.sessions(), &item, due.plus(20 * SECOND), "c").await;
    assert!(
        matches!(stale, ConnectRight::Lost(_)),
        "the item was read before"
    );
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_seen_later_is_not_overwritten_and_a_usable_session_keeps_its_window() {
    let stage = Stage::new().await;
    let sessions = stage.sessions();
    let fresh = SessionItem::default();
    let claim = claim("a", NOW, 30 * SECOND);
    let right = sessions.take_connect_right(SESSION, &fresh, &claim);
    right.await.unwrap();
    let record = async |state, at| {
        let seen = SeenState::beginning(state, at);
        sessions.record_state(SESSION, seen).await.unwrap()
    };
    record(SessionState::Usable, NOW.plus(SECOND)).await;
    let item = record(SessionState::Down, NOW).await;
    assert_eq!(item.seen.unwrap().state, SessionState::Usable);
    assert_eq!(item.connect_wait, Some(30 * SECOND), "flags end no wait");
    assert_eq!(item.connect_after, Some(NOW.plus(30 * SECOND)));
}
