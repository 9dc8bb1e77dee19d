//! Giving a user another phone.
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use local::cli::Cli;
use local::database::{Fault, Faults};
use local::operate;
use local::simulator::Scenario;
use serde_json::json;
use shared::flows::account_change::{AccountChanges, Notice, TOLD_WITHIN, Told};
use shared::gateway::SessionToken;
use shared::model::account::User;
use shared::model::phone::Phone;
use shared::model::texts::AccountChange;
use shared::runtime::Backends;
use shared::store::Fields;
use shared::store::users::{LoginsEnded, Users};
use tests::TestSystem;
use tokio::time::Instant;

use super::act::*;

#[tokio::test(start_paused = true)]
async fn the_user_stays_the_same_under_another_phone_and_its_logins_end() {
    for faults in databases() {
        let system = TestSystem::builder().faults(faults).build().await;
        let held = signed_up(&system, PHONE).await;
        let before = user_of(&system, PHONE).await.unwrap();
        let said = operate(&system, &["users", "move-phone", PHONE, OTHER]).await;
        let said = said.unwrap();
        assert!(
            said.contains("The user of 62812****789 has the phone 62812****543 now"),
            "{said}"
        );

        assert!(user_of(&system, PHONE).await.is_none());
        let after = user_of(&system, OTHER).await.unwrap();
        assert_eq!((after.id, after.ver), (before.id, before.ver + 1));
        assert_eq!(
            (after.email, after.password),
            (before.email, before.password)
        );
        for item in rows(&system, "UsersTable").await {
            let shown = format!("{item:?}");
            assert!(
                shown.contains("628129876543") && !shown.contains("628123456789"),
                "{shown}"
            );
        }
        assert_eq!(session(&system, &held["token"]).await.status, 401);
        assert_eq!(refresh(&system, &held["refreshToken"]).await.status, 401);
        assert!(rows(&system, "LoginsTable").await.is_empty());
        assert_eq!(
            sign_in(&system, PHONE, "kuda-lari-kencang").await.status,
            401
        );
        assert_eq!(
            sign_in(&system, OTHER, "kuda-lari-kencang").await.status,
            200
        );

        // The old phone is free for somebody else, and the address follows once more.
        let again = operate(&system, &["users", "move-phone", PHONE, OTHER]).await;
        let again = again.unwrap_err();
        assert!(again.contains("it may have been moved already"), "{again}");
        let back = operate(&system, &["users", "move-phone", OTHER, PHONE]).await;
        assert!(back.is_ok(), "{back:?}");
    }
}

/// The newest message on a phone.
fn newest(system: &TestSystem, phone: &str) -> Option<String> {
    let messages = system.simulator().messages(Some(&parsed(phone)));
    messages.last().map(|message| message.text.clone())
}

#[tokio::test(start_paused = true)]
async fn both_phones_are_told_each_in_the_language_of_its_country() {
    const AMERICAN: &str = "+15551234567";
    let system = TestSystem::start().await;
    add_user(&system, PHONE, BCRYPT).await;
    let said = operate(&system, &["users", "move-phone", PHONE, AMERICAN]).await;
    let said = said.unwrap();
    assert_eq!(said.matches(" was told by a message.").count(), 2, "{said}");
    let (old, new) = (newest(&system, PHONE), newest(&system, AMERICAN));
    let begins = |text: &Option<String>, with: &str| {
        let text = text.as_deref();
        assert!(text.is_some_and(|text| text.starts_with(with)), "{text:?}");
    };
    begins(&old, "Akun Anda telah dipindahkan ke nomor lain");
    begins(&new, "An account was moved to this phone number");
    let deliveries = rows(&system, "DeliveriesTable").await;
    let mut kept: Vec<_> = deliveries
        .iter()
        .map(|item| (item.text("purpose").unwrap(), item.text("outcome").unwrap()))
        .collect();
    kept.sort_unstable();
    assert_eq!(
        kept,
        [("phone-moved-away", "sent"), ("phone-moved-here", "sent")]
    );
}

#[tokio::test(start_paused = true)]
async fn a_move_is_made_all_the_same_when_nobody_can_be_told() {
    let (down, unset) = (
        TestSystem::start().await,
        TestSystem::builder().simulator(|options| options.sessions.clear()),
    );
    down.simulator().play(&Scenario::Unlinked);
    for (system, says) in [
        (down, "62812****789 was not told: no message went out."),
        (
            unset.build().await,
            "Neither phone was told: set WHATSAPP_SERVER_API",
        ),
    ] {
        add_user(&system, PHONE, BCRYPT).await;
        let began = Instant::now();
        let said = operate(&system, &["users", "move-phone", PHONE, OTHER]).await;
        let said = said.unwrap();
        assert!(said.contains(says), "{said}");
        assert!(
            began.elapsed() <= Duration::from_secs(12),
            "{:?}",
            began.elapsed()
        );
        assert!(user_of(&system, OTHER).await.is_some());
        assert!(system.simulator().messages(None).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_cannot_be_used_changes_nothing_neither_the_user_nor_the_state_of_the_session()
 {
    for case in ["token", "down"] {
        let system = TestSystem::start().await;
        add_user(&system, PHONE, BCRYPT).await;
        let mut settings = system.backends().settings.as_ref().clone();
        if case == "token" {
            settings.sessions[0].token = SessionToken::new("of another gateway");
        } else {
            let down = Scenario::GatewayDown { lasts_ms: 60_000 };
            system.simulator().play(&down);
        }
        let backends = Backends {
            settings: Arc::new(settings),
            ..system.backends().clone()
        };
        let refused = operate_with(&backends, &["users", "move-phone", PHONE, OTHER]).await;
        let refused = refused.expect_err(case);
        assert!(
            refused.contains("WHATSAPP_USER_TOKEN cannot be used, and nothing was changed"),
            "{case}: {refused}"
        );
        assert!(user_of(&system, PHONE).await.is_some(), "{case}");
        let shared_state = rows(&system, "WhatsAppSessionsTable").await;
        assert!(shared_state.is_empty(), "{case}: {shared_state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_not_on_whatsapp_is_moved_to_only_when_that_is_wanted() {
    let system = TestSystem::start().await;
    add_user(&system, PHONE, BCRYPT).await;
    system.simulator().play(&Scenario::NotOnWhatsapp {
        phones: vec![OTHER.into()],
        taken: false,
    });
    for dry_run in [&["--dry-run"][..], &[]] {
        let typed = [&["users", "move-phone", PHONE, OTHER], dry_run].concat();
        let refused = operate(&system, &typed).await.unwrap_err();
        assert!(
            refused.starts_with("62812****543 is not on WhatsApp"),
            "{refused}"
        );
        assert!(user_of(&system, PHONE).await.is_some());
    }
    let anyway = ["users", "move-phone", "--anyway", PHONE, OTHER];
    let said = operate(&system, &anyway).await.unwrap();
    assert!(said.contains("no code will reach its user"), "{said}");
    assert!(user_of(&system, OTHER).await.is_some());
}

/// An output that nobody reads.
struct Closed;

impl std::io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_is_made_to_its_end_when_nobody_reads_what_it_says() {
    let system = TestSystem::start().await;
    signed_up(&system, PHONE).await;
    let typed = ["local", "users", "move-phone", PHONE, OTHER];
    let command = Cli::try_parse_from(typed).unwrap().command.unwrap();
    let moved = operate::run(&command, system.backends(), &mut Closed).await;
    let error = moved.unwrap_err().to_string();
    assert!(error.starts_with("it is done"), "{error}");
    assert!(rows(&system, "LoginsTable").await.is_empty());
    for phone in [PHONE, OTHER] {
        assert!(newest(&system, phone).is_some(), "{phone} was not told");
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_was_told_whether_or_not_the_delivery_could_be_recorded() {
    let never_recorded = Faults::none().on_table("DeliveriesTable", Fault::StoppedBefore);
    for (case, faults) in [
        ("recorded", Faults::none()),
        ("never recorded", never_recorded),
    ] {
        let system = TestSystem::builder().faults(faults).build().await;
        // So long that the store has not given up the record when the time is over.
        system
            .simulator()
            .play(&Scenario::SendQueue { each_ms: 3_500 });
        let changes = AccountChanges::new(system.backends());
        let phone = parsed(PHONE);
        let notice = Notice {
            change: AccountChange::PhoneLeft,
            phone: &phone,
            served_by: None,
            language: None,
            request_id: "",
        };
        let deadline = system.backends().clock.now().plus(TOLD_WITHIN);
        let told = changes.tell(&notice, deadline).await;
        assert_eq!(told, Told::Yes, "{case}");
        assert_eq!(system.simulator().messages(None).len(), 1, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn ending_the_logins_of_a_user_who_was_moved_meanwhile_says_so() {
    let system = TestSystem::start().await;
    signed_up(&system, PHONE).await;
    let (users, seen) = (
        Users::new(system.backends()),
        user_of(&system, PHONE).await.unwrap(),
    );
    assert_eq!(users.end_logins(&seen).await.unwrap(), LoginsEnded::Done);
    let said = operate(&system, &["users", "move-phone", PHONE, OTHER]).await;
    assert!(said.is_ok(), "{said:?}");
    let ended = users.end_logins(&seen).await.unwrap();
    assert_eq!(ended, LoginsEnded::NoSuchUser);
}

#[tokio::test(start_paused = true)]
async fn a_phone_with_a_user_is_refused_and_nothing_changes() {
    let system = TestSystem::start().await;
    add_user(&system, PHONE, BCRYPT).await;
    add_user(&system, OTHER, BCRYPT).await;
    let before = rows(&system, "UsersTable").await;
    let taken = operate(&system, &["users", "move-phone", PHONE, OTHER]).await;
    assert_eq!(
        taken.unwrap_err(),
        "62812****543 has a user already, who would have to be erased first"
    );
    let same = operate(&system, &["users", "move-phone", PHONE, "+628123456789"]).await;
    assert_eq!(
        same.unwrap_err(),
        "the user has this phone already: give another one to move to"
    );
    let nobody = operate(
        &system,
        &["users", "move-phone", "08121111111", "08121111112"],
    )
    .await;
    assert_eq!(nobody.unwrap_err(), "62812****111 has no user");
    assert_eq!(rows(&system, "UsersTable").await, before);
    assert!(
        system.simulator().messages(None).is_empty(),
        "nothing to tell"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_moves_nobody() {
    let system = TestSystem::start().await;
    add_user(&system, PHONE, BCRYPT).await;
    let dry = ["users", "move-phone", "--dry-run", PHONE, OTHER];
    let said = operate(&system, &dry).await.unwrap();
    assert_eq!(
        said,
        "The user of 62812****789 would get the phone 62812****543.\n"
    );
    assert!(user_of(&system, PHONE).await.is_some());
    assert!(
        system.simulator().messages(None).is_empty(),
        "nothing to tell"
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_users_who_move_to_one_phone_one_gets_there() {
    for seed in 0..5 {
        let system = TestSystem::builder().seed(seed).build().await;
        add_user(&system, PHONE, BCRYPT).await;
        add_user(&system, "08121111111", BCRYPT).await;
        let (one, other) = (
            ["users", "move-phone", PHONE, OTHER],
            ["users", "move-phone", "08121111111", OTHER],
        );
        let (one, other) = tokio::join!(operate(&system, &one), operate(&system, &other));
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        assert_eq!(rows(&system, "UsersTable").await.len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_changed_meanwhile_moves_along() {
    for seed in 0..5 {
        let system = TestSystem::builder().seed(seed).build().await;
        add_user(&system, PHONE, BCRYPT).await;
        let moving = ["users", "move-phone", PHONE, OTHER];
        let (signed_in, moved) = tokio::join!(
            sign_in(&system, PHONE, "password"),
            operate(&system, &moving)
        );
        assert!([200, 401].contains(&signed_in.status));
        moved.unwrap();
        assert_eq!(rows(&system, "UsersTable").await.len(), 2);
        assert_eq!(sign_in(&system, OTHER, "password").await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn the_new_phone_is_the_number_that_it_is_however_it_is_typed() {
    let system = TestSystem::start().await;
    add_user(&system, PHONE, BCRYPT).await;
    let moved = operate(
        &system,
        &["users", "move-phone", PHONE, "+62 62812 9876 543"],
    )
    .await;
    assert!(moved.is_ok(), "{moved:?}");
    assert!(user_of(&system, OTHER).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_code_that_was_sent_before_the_move_opens_nothing_of_whoever_has_the_number_afterwards() {
    let system = TestSystem::start().await;
    let third = "08121111111";
    add_user(&system, PHONE, BCRYPT).await;
    add_user(&system, OTHER, BCRYPT).await;
    let asked = |path: &'static str, phone: &str| {
        let (system, body) = (system.clone(), json!({ "identifier": phone }));
        async move {
            let sent = system.post(path, body).await;
            let message = system.simulator().messages(None).pop().unwrap();
            let id = sent.json["data"]["challengeId"].clone();
            (id, message.text[..6].to_owned())
        }
    };
    let (id, code) = asked("/api/auth/sso-signin", PHONE).await;
    let used = json!({ "identifier": PHONE, "otp": code, "challengeId": id });
    let opened = system.post("/api/auth/sso-verify", used.clone()).await;
    assert_eq!(opened.status, 200, "{}", opened.json);
    let (id, code) = asked("/api/auth/send-password-reset-otp", PHONE).await;
    let pending = json!({
        "identifier": PHONE, "otp": code, "challengeId": id, "newPassword": "sapi-tidur-nyenyak",
    });

    // The two swap their numbers.
    for [from, to] in [[PHONE, third], [OTHER, PHONE], [third, OTHER]] {
        let moved = operate(&system, &["users", "move-phone", from, to]).await;
        assert!(moved.is_ok(), "{moved:?}");
    }
    for (path, body) in [
        ("/api/auth/sso-verify", used),
        ("/api/auth/verify-password-reset-otp", pending),
    ] {
        let late = system.post(path, body).await;
        assert_eq!(
            (late.status, &late.json["error"]),
            (400, &json!("INVALID_OTP"))
        );
    }
    assert_eq!(sign_in(&system, PHONE, "password").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_stored_under_the_number_of_before_is_moved_and_erased() {
    const NEW: &str = "+55 11 98765-4321";
    for old in ["+55 11 8765-4321", NEW] {
        let system = TestSystem::start().await;
        let former = Phone::from_digits("551187654321").unwrap();
        let user = User {
            phone: former.clone(),
            ..system.user(NEW)
        };
        let users = Users::new(&system.without_faults());
        assert!(users.add(&user).await.unwrap());
        let said = operate(&system, &["users", "move-phone", old, NEW]).await;
        assert!(said.unwrap().contains("has the phone 55119****321 now"));
        assert_eq!(user_of(&system, NEW).await.unwrap().id, user.id);
        assert!(users.by_phone(&former).await.unwrap().is_none());
        let again = operate(&system, &["users", "move-phone", old, NEW]).await;
        assert!(again.unwrap_err().contains("has this phone already"));

        let other = User {
            id: "another".into(),
            ..user
        };
        assert!(users.add(&other).await.unwrap());
        let said = operate(&system, &["users", "erase", old]).await;
        assert!(said.is_ok(), "{said:?}");
        assert!(rows(&system, "UsersTable").await.is_empty());
    }
}
