//! One call to the database goes wrong, whichever it is: nobody notices.
use local::database::{Fault, Faults};
use tests::{Reply, TestSystem};

use super::act::*;

/// Each call that `act` makes fails once, in the two ways that the SDK cannot make good by itself. `check` sees the system
/// and the reply, as if nothing had been.
async fn check<T>(
    prepare: impl AsyncFn() -> (TestSystem, T),
    act: impl AsyncFn(&TestSystem, &T) -> Reply,
    check: impl AsyncFn(&TestSystem, Reply),
) {
    for fault in [Fault::ReplyLost, Fault::Conflict] {
        for call in 1.. {
            println!("{fault:?} {call}");
            let (system, given) = prepare().await;
            let faults = Faults::none().at(call, fault);
            let reply = act(&system.with_faults(faults.clone()), &given).await;
            check(&system, reply).await;
            if faults.attempts() < call {
                break;
            }
        }
    }
}

type Sent = (String, String);

/// A system with a sign-in code on its way to being answered.
async fn code_sent() -> (TestSystem, Sent) {
    let system = system().await;
    let asked = sign_in(&system, &phone(1)).await;
    let sent = (challenge(&asked).to_owned(), code_on(&system, &phone(1)));
    (system, sent)
}

#[tokio::test(start_paused = true)]
async fn a_right_guess_is_made() {
    let act =
        async |system: &TestSystem, (id, code): &Sent| verify(system, &phone(1), code, id).await;
    check(code_sent, act, async |system, reply| {
        assert!(claims_of(system, &reply).await.is_ok());
        assert_eq!(rows(system, "LoginsTable").await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn somebody_signs_up() {
    let prepare = async || (TestSystem::start().await, ());
    let act = async |system: &TestSystem, (): &()| {
        let asked = sign_up(system, &phone(1), "Siti", PASSWORD).await;
        confirm(
            system,
            &phone(1),
            &code_on(system, &phone(1)),
            challenge(&asked),
        )
        .await
    };
    check(prepare, act, async |system, reply| {
        assert!(claims_of(system, &reply).await.is_ok());
        assert_eq!(rows(system, "UsersTable").await, 2);
        assert_eq!(rows(system, "LoginsTable").await, 1);
    })
    .await;
}
