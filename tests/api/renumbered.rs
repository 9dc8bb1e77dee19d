//! Phones of countries that have changed their numbers: one phone is one account, and WhatsApp may know it by the old number.
use super::*;

/// A phone's number, and the one from before its country changed the numbers.
const PHONES: [(&str, &str); 4] = [
    ("+55 11 98765-4321", "+55 11 8765-4321"),
    ("+229 01 97 12 34 56", "+229 97 12 34 56"),
    ("+241 66 03 12 34", "+241 06 03 12 34"),
    ("+52 55 1234 5678", "+52 1 55 1234 5678"),
];

fn as_written(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_digit).collect()
}

/// The last message: to which number it went, and its code.
fn last_message(system: &TestSystem) -> (String, String) {
    let last = system.simulator().messages(None).pop();
    let last = last.expect("a message");
    (last.phone, last.text[..6].to_owned())
}

#[tokio::test(start_paused = true)]
async fn one_account_answers_to_both_spellings_and_is_reached_where_whatsapp_has_it() {
    for (new, old) in PHONES {
        let system = TestSystem::start().await;
        system.simulator().play(&Scenario::MovedNumber {
            phone: new.into(),
            to: as_written(old),
        });
        let sent = check_sent(&system.post(SIGNUP, applicant(old)).await);
        let (to, code) = last_message(&system);
        assert_eq!(to, as_written(old));
        let confirmed = confirm(&system, new, &code, &sent.challenge).await;
        assert_eq!(check_ok(&confirmed)["user"]["phone"], as_written(new));

        pass(MINUTE).await;
        let again = system.post(SIGNUP, applicant(new)).await;
        assert_eq!(again.status, 409, "{new}");
        for (asked, answered) in [(old, new), (new, old)] {
            let sent = check_sent(&ask_code(&system, asked).await);
            let (to, code) = last_message(&system);
            assert_eq!(to, as_written(old), "{asked}");
            check_ok(&guess(&system, answered, &code, Some(&sent.challenge)).await);
            pass(MINUTE).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_whatsapp_has_under_the_old_number_only_is_reached() {
    for (new, old) in PHONES {
        let system = TestSystem::start().await;
        system.simulator().play(&Scenario::NotOnWhatsapp {
            phones: vec![new.into()],
            taken: true,
        });
        check_sent(&system.post(SIGNUP, applicant(new)).await);
        assert_eq!(last_message(&system).0, as_written(old));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_learns_by_the_look_up_of_such_a_phone_whether_it_has_an_account() {
    let [(known, _), (unknown, _), ..] = PHONES;
    let system = TestSystem::start().await;
    add_user(&system, known).await;
    let mut calls = Vec::new();
    for typed in [known, unknown] {
        let before = system.simulator().calls().count("/user/check");
        check_sent(&ask_code(&system, typed).await);
        calls.push(system.simulator().calls().count("/user/check") - before);
    }
    assert_eq!(calls, [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_gateway_is_not_asked_about_such_a_phone_where_that_is_off() {
    let system = TestSystem::builder();
    let system = system.settings(|settings| settings.check_first_contact = false);
    let system = system.build().await;
    check_sent(&system.post(SIGNUP, applicant(PHONES[0].1)).await);
    assert_eq!(system.simulator().calls().count("/user/check"), 0);
    assert_eq!(last_message(&system).0, as_written(PHONES[0].0));
}
