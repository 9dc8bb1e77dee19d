//! A process that dies between any two of its steps: the next one finds nothing half done.
use std::time::Duration;

use local::database::Faults;
use local::simulator::Scenario;
use shared::model::challenge::{
    AttemptId, ChallengeHash, IssuedCode, NewCode, OpenSend, Origin, TRIES,
};
use shared::model::code::{CodeLength, Purpose};
use shared::model::phone::Phone;
use shared::store::challenges::Challenges;
use shared::store::challenges::sends::{Release, Reservation, Reserved};
use tests::deaths::{Death, STEPS, die};
use tests::{Reply, TestSystem};
use tokio::time::{sleep, timeout};

use super::act::*;

/// How long a reservation outlives its request: the time of a code request and the slack of clocks.
const LEASE: Duration = Duration::from_secs(15 + 2);

/// Lets `act` die at every step of some kinds, each time in a system that `prepare` makes, and `check` what is left.
async fn dying_at_each<T>(
    steps: &[fn(u64) -> Death],
    prepare: impl AsyncFn() -> (TestSystem, T),
    act: impl AsyncFn(&TestSystem, &T) -> Reply,
    check: impl AsyncFn(&TestSystem, &T),
) {
    for death in steps {
        for step in 1.. {
            assert!(step < 400, "a request that does not end");
            let death = death(step);
            println!("{death:?}");
            let (system, given) = prepare().await;
            let survived = die(&system, death, async |system| act(system, &given).await).await;
            check(&system, &given).await;
            if survived {
                println!("survived");
                break;
            }
        }
    }
}

/// A system with a user who is at home, and a small window.
async fn two_codes_per_window() -> TestSystem {
    let system = TestSystem::builder().settings(|settings| settings.policy.codes_per_window = 2);
    let system = with_user(system.build().await).await;
    at_home(&system, &phone(1)).await;
    system
}

/// Asks as often as the replies allow, until the window was full and has room again. It never has more messages than it
/// may, whatever happened before.
async fn fill_the_window(system: &TestSystem, ask: impl AsyncFn(&TestSystem) -> Reply) {
    while messages(system, &phone(1)).len() < 4 {
        let asked = ask(system).await;
        let seconds = asked.json["retryAfterSeconds"].as_u64().unwrap_or(60);
        sleep(Duration::from_secs(seconds)).await;
    }
    let messages = messages(system, &phone(1));
    for three in messages.windows(3) {
        let span = three[2].at_ms - three[0].at_ms;
        assert!(span >= 600_000, "{messages:?}");
    }
}

/// Asks until a code is granted. That takes no longer than the lease, unless the limit was charged with a message that
/// is there.
async fn granted_again(system: &TestSystem, ask: impl AsyncFn(&TestSystem) -> Reply) -> Reply {
    let before = messages(system, &phone(1));
    let began = system.now();
    loop {
        let asked = ask(system).await;
        if asked.status != 429 {
            let waited = system.now().since(began);
            assert!(waited <= LEASE + SECOND || before.len() == 1, "{waited:?}");
            assert_eq!(delivery(&asked), Some("sent"), "{}", asked.json);
            let code = code_on(system, &phone(1));
            assert!(before.iter().all(|message| code_in(message) == code));
            return asked;
        }
        let seconds = asked.json["retryAfterSeconds"].as_u64().unwrap();
        sleep(Duration::from_secs(seconds)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_while_a_session_is_recovered() {
    let prepare = async || {
        let system = system().await;
        system.simulator().play(&Scenario::ColdSession);
        (system, ())
    };
    let act = async |system: &TestSystem, (): &()| ask_to_sign_in(system).await;
    dying_at_each(&STEPS[..2], prepare, act, async |system, ()| {
        sleep(SECOND).await;
        granted_again(system, ask_to_sign_in).await;
        assert!(connects(system) <= 2);
    })
    .await;
}

async fn ask_to_sign_in(system: &TestSystem) -> Reply {
    sign_in(system, &phone(1)).await
}

async fn ask_to_sign_up(system: &TestSystem) -> Reply {
    sign_up(system, &phone(1), "Siti", PASSWORD).await
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_while_a_sign_in_code_is_sent() {
    let act = async |system: &TestSystem, (): &()| ask_to_sign_in(system).await;
    dying_at_each(
        &STEPS,
        async || (two_codes_per_window().await, ()),
        act,
        async |system, ()| {
            // The gateway goes on with what it was given.
            sleep(SECOND).await;
            let again = granted_again(system, ask_to_sign_in).await;
            let code = code_on(system, &phone(1));
            let signed_in = verify(system, &phone(1), &code, challenge(&again)).await;
            assert_eq!(signed_in.status, 200, "{}", signed_in.json);
            fill_the_window(system, ask_to_sign_in).await;
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_code_of_whoever_died_works_if_it_reached_the_phone() {
    let act = async |system: &TestSystem, (): &()| ask_to_sign_in(system).await;
    dying_at_each(
        &STEPS,
        async || (lenient().await, ()),
        act,
        async |system, ()| {
            // While it may still be taken back it is compared with no guess.
            sleep(LEASE).await;
            if let Some(message) = messages(system, &phone(1)).first() {
                let signed_in = verify_unbound(system, &phone(1), code_in(message)).await;
                assert_eq!(signed_in.status, 200, "{}", signed_in.json);
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_message_of_whoever_died_counts_from_when_it_went_out() {
    let system = two_codes_per_window().await;
    let each_ms = 9_000;
    system.simulator().play(&Scenario::SendQueue { each_ms });
    let process = system.with_faults(Faults::none());
    let dead = timeout(SECOND, ask_to_sign_in(&process)).await;
    assert!(dead.is_err());
    sleep(10 * SECOND).await;
    assert_eq!(messages(&system, &phone(1)).len(), 1);
    let each_ms = 400;
    system.simulator().play(&Scenario::SendQueue { each_ms });
    fill_the_window(&system, ask_to_sign_in).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_while_a_sign_up_code_is_sent() {
    let prepare = async || (TestSystem::start().await, ());
    let act = async |system: &TestSystem, (): &()| ask_to_sign_up(system).await;
    dying_at_each(&STEPS, prepare, act, async |system, ()| {
        sleep(SECOND).await;
        assert_eq!(rows(system, "UsersTable").await, 0);
        let again = granted_again(system, ask_to_sign_up).await;
        let code = code_on(system, &phone(1));
        let confirmed = confirm(system, &phone(1), &code, challenge(&again)).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.json);
        is_one_user_with_one_login(system).await;
    })
    .await;
}

/// The user, the pointer from its id, and its login.
async fn is_one_user_with_one_login(system: &TestSystem) {
    assert_eq!(rows(system, "UsersTable").await, 2);
    assert_eq!(rows(system, "LoginsTable").await, 1);
}

/// A challenge id and the code that was sent for it.
type Sent = (String, String);

async fn code_sent(
    ask: impl AsyncFn(&TestSystem) -> Reply,
    system: TestSystem,
) -> (TestSystem, Sent) {
    let asked = ask(&system).await;
    let sent = (challenge(&asked).to_owned(), code_on(&system, &phone(1)));
    (system, sent)
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_while_signing_in() {
    let prepare = async || code_sent(ask_to_sign_in, system().await).await;
    let act =
        async |system: &TestSystem, (id, code): &Sent| verify(system, &phone(1), code, id).await;
    dying_at_each(&STEPS, prepare, act, async |system, (id, code)| {
        let died_with = rows(system, "LoginsTable").await;
        let state = state_of(system, &phone(1)).await;
        let used = state.code(Purpose::Sso).unwrap().used.is_some();
        assert_eq!(used, died_with == 1);
        opens_one_login(system, async |system| {
            verify(system, &phone(1), code, id).await
        })
        .await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_while_a_sign_up_is_confirmed() {
    let prepare = async || code_sent(ask_to_sign_up, TestSystem::start().await).await;
    let act =
        async |system: &TestSystem, (id, code): &Sent| confirm(system, &phone(1), code, id).await;
    dying_at_each(&STEPS, prepare, act, async |system, (id, code)| {
        match user_of(system, &phone(1)).await {
            Some(_) => is_one_user_with_one_login(system).await,
            None => assert_eq!(
                rows(system, "UsersTable").await + rows(system, "LoginsTable").await,
                0
            ),
        }
        opens_one_login(system, async |system| {
            confirm(system, &phone(1), code, id).await
        })
        .await;
        is_one_user_with_one_login(system).await;
    })
    .await;
}

/// The same answer again and again opens the same login, and no other.
async fn opens_one_login(system: &TestSystem, answer: impl AsyncFn(&TestSystem) -> Reply) {
    let first = claims_of(system, &answer(system).await).await.unwrap();
    let second = claims_of(system, &answer(system).await).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(rows(system, "LoginsTable").await, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_with_a_wrong_guess_has_used_up_one_try_at_most() {
    let prepare = async || code_sent(ask_to_sign_in, system().await).await;
    let act = async |system: &TestSystem, (id, code): &Sent| {
        verify(system, &phone(1), &wrong(code, 1), id).await
    };
    dying_at_each(&STEPS, prepare, act, async |system, (id, code)| {
        let guess = wrong(code, 2);
        let next = verify(system, &phone(1), &guess, id).await;
        let left = next.json["attemptsLeft"].as_u64().unwrap();
        assert!(
            (u64::from(TRIES) - 2..u64::from(TRIES)).contains(&left),
            "{left}"
        );
        assert_eq!(verify(system, &phone(1), code, id).await.status, 200);
    })
    .await;
}

fn release_of(reservation: &Reservation) -> Release<'_> {
    Release {
        reservation,
        not_on_whatsapp: None,
        also: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_is_written_after_its_release_finds_nothing() {
    for seen_before in [false, true] {
        let system = system().await;
        if seen_before {
            assert_eq!(ask_to_sign_in(&system).await.status, 200);
        }
        let challenges = Challenges::new(&system.without_faults());
        let of_phone = Phone::parse(&phone(1)).unwrap();
        let seen = state_of(&system, &phone(1)).await;
        let (now, id) = (system.now(), ChallengeHash("an id".into()));
        let reservation = Reservation {
            purpose: Purpose::PasswordReset,
            sends: seen.sends.clone(),
            live: None,
            open: OpenSend {
                attempt: AttemptId("late".into()),
                message_id: "m".into(),
                session: "s".into(),
                at: now,
                until: now.plus(LEASE),
                from: None,
                challenge: id.clone(),
                origin: Origin::New,
                code: Some(IssuedCode::fresh(
                    NewCode {
                        nonce: [1; 16],
                        kid: "k".into(),
                        length: CodeLength::Six,
                    },
                    &id,
                    now,
                )),
            },
            seen: seen.clone(),
        };
        // The request of the first write is still on its way.
        let released = challenges.release(&of_phone, release_of(&reservation));
        released.await.unwrap();
        let written = challenges.reserve(&of_phone, &reservation, Vec::new());
        assert!(matches!(written.await.unwrap(), Reserved::LostRace));
        let mut after = state_of(&system, &phone(1)).await;
        after.rev = seen.rev;
        assert_eq!(after, seen);

        // In the right order nothing stays, either.
        let seen = state_of(&system, &phone(1)).await;
        let reservation = Reservation {
            seen: seen.clone(),
            ..reservation
        };
        let written = challenges.reserve(&of_phone, &reservation, Vec::new());
        assert!(matches!(written.await.unwrap(), Reserved::Granted));
        let released = challenges.release(&of_phone, release_of(&reservation));
        released.await.unwrap();
        let mut after = state_of(&system, &phone(1)).await;
        after.rev = seen.rev;
        assert_eq!(after, seen);
    }
}
