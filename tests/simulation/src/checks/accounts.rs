//! Promise 3: nobody is half registered, and nobody has a password that somebody else has chosen. And logins last while refreshed.
use std::collections::BTreeSet;

use serde_json::Value;

use crate::accounts::Who;
use crate::bench::Bench;
use crate::schedule::Schedule;

/// All checks of accounts.
pub fn check(schedule: &Schedule, bench: &Bench, wrong: &mut Vec<String>) {
    let users = bench.items("UsersTable").unwrap_or_default();
    nobody_is_half_registered(&users, wrong);
    passwords_are_of_owners(schedule, wrong);
    logins_last(schedule, wrong);
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

/// Each user has the pointer of its id, and each pointer leads to its user.
fn nobody_is_half_registered(users: &[Value], wrong: &mut Vec<String>) {
    let phones: BTreeSet<(&str, &str)> = users
        .iter()
        .filter_map(|item| {
            Some((
                text(item, "id").strip_prefix("phone#")?,
                text(item, "user_id"),
            ))
        })
        .collect();
    let pointers: BTreeSet<(&str, &str)> = users
        .iter()
        .filter_map(|item| Some((text(item, "phone"), text(item, "id").strip_prefix("user#")?)))
        .collect();
    for (phone, id) in phones.symmetric_difference(&pointers) {
        wrong.push(format!("the user {id} of {phone} is half registered"));
    }
}

/// No stranger gets in, and whoever has confirmed a password can sign in with one of theirs once all is well.
fn passwords_are_of_owners(schedule: &Schedule, wrong: &mut Vec<String>) {
    let facts = schedule.facts();
    for one in &facts.signed_in {
        if one.who == Who::Stranger && one.status == 200 {
            let (process, person) = (one.process, one.person);
            wrong.push(format!(
                "process {process} signed in as person {person} with a stranger's password"
            ));
        }
    }
    let statuses = facts.signed_in.iter().map(|one| (one.process, one.status));
    let statuses = statuses.chain(facts.confirmed.iter().map(|one| (one.process, one.status)));
    let statuses = statuses.chain(facts.signed_up.iter().map(|one| (one.process, one.status)));
    for (process, status) in statuses {
        if !matches!(status, 0 | 200 | 400 | 401 | 409 | 429 | 503) {
            wrong.push(format!("process {process} answered {status}"));
        }
    }
    for one in &facts.confirmed {
        let (process, person, status) = (one.process, one.person, one.status);
        if one.who == Who::Stranger && status == 200 {
            wrong.push(format!(
                "process {process} confirmed a stranger's sign-up for person {person}"
            ));
        }
        let mut last = facts.signed_in.iter().filter(|sign_in| {
            sign_in.person == person && schedule.is_last_request(sign_in.process)
        });
        if one.who == Who::Owner && status == 200 && !last.any(|sign_in| sign_in.status == 200) {
            wrong.push(format!(
                "person {person} has a password by process {process}, and cannot sign in with it"
            ));
        }
    }
}

/// A refresh token that is presented for the first time is taken, and gives tokens of its own login; all that are answered while
/// it may be repeated get the same.
fn logins_last(schedule: &Schedule, wrong: &mut Vec<String>) {
    let facts = schedule.facts();
    for (number, one) in facts.refreshed.iter().enumerate() {
        let (process, login) = (one.process, &one.login);
        if !matches!(one.status, 0 | 200 | 401 | 429 | 503) {
            wrong.push(format!("process {process} answered {}", one.status));
        }
        if one.next_login.as_ref().is_some_and(|next| next != login) {
            wrong.push(format!(
                "process {process} refreshed {login} and got another login"
            ));
        }
        let of_login = || facts.refreshed.iter().filter(|other| other.login == *login);
        let tokens: BTreeSet<_> = of_login().map(|other| &other.spent).collect();
        let repeated = of_login().count() > tokens.len();
        if one.status == 401 && !repeated {
            wrong.push(format!(
                "process {process} was refused a refresh token that was never used"
            ));
        }
        for other in &facts.refreshed[number + 1..] {
            let same = one.spent == other.spent && one.at == other.at;
            if same && one.next.is_some() && other.next.is_some() && one.next != other.next {
                wrong.push(format!(
                    "processes {process} and {} spent one token and got two",
                    other.process
                ));
            }
        }
    }
}
