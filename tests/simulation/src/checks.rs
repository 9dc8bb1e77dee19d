//! What must hold of every schedule. Each check says what it found in the words of a person.
use crate::bench::Bench;
use crate::schedule::Schedule;

/// What may be said of codes.
mod codes;

/// What becomes of accounts and logins.
mod accounts;

/// How many messages a phone may get.
mod limits;

/// What becomes of notices.
mod payments;

/// What payment gateways post.
mod bridges;

/// Chats that people open.
mod chats;

/// What the system says of its sessions.
mod looks;

/// What is recorded of messages.
mod receipts;

/// How often sessions are connected.
mod connects;

/// What is wrong with a schedule that has come to its end.
pub fn all(schedule: &Schedule, bench: &Bench) -> Vec<String> {
    let mut wrong = Vec::new();
    codes::replies_are_true(schedule, &mut wrong);
    codes::replies_are_in_time(schedule, &mut wrong);
    codes::one_message_per_request(schedule, &mut wrong);
    codes::guesses_are_few_and_codes_work_once(schedule, &mut wrong);
    codes::old_codes_do_not_come_back(schedule, &mut wrong);
    codes::everybody_gets_a_code_in_the_end(schedule, &mut wrong);
    limits::are_kept(schedule, &mut wrong);
    limits::one_at_a_time(schedule, &mut wrong);
    limits::refuse_with_reason(schedule, &mut wrong);
    accounts::check(schedule, bench, &mut wrong);
    payments::check(schedule, bench, &mut wrong);
    chats::check(schedule, bench, &mut wrong);
    receipts::check(schedule, bench, &mut wrong);
    looks::check(schedule, bench, &mut wrong);
    connects::are_spaced(schedule, &mut wrong);
    connects::are_made_by_right(schedule, &mut wrong);
    wrong
}
