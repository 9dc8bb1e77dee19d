//! What payment gateways post: what is genuine is taken, nothing else is, and facts about money are in order.
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::payments::Stored;
use crate::bridges::{Honesty, News};
use crate::facts::{Facts, Posted};
use crate::schedule::Schedule;
use crate::shop;

/// Something about a payment that somebody who may has told.
struct Told {
    process: u32,
    payment: u32,
    /// The notices that it can have become.
    notices: Vec<String>,
    at: Duration,
    done: Duration,
    /// Whether its caller knows that it is kept.
    is_kept: bool,
}

/// All checks of what payment gateways post.
pub fn check(schedule: &Schedule, items: &[Value], stored: &[Stored], wrong: &mut Vec<String>) {
    let facts = schedule.facts();
    let told = all_told(&facts);
    for posted in &facts.posted {
        check_answer(posted, wrong);
        check_reason(posted, &told, wrong);
    }
    mismatches_are_measured(schedule, &facts, wrong);
    genuine_is_taken_in_the_end(&facts, wrong);
    notices_have_a_cause(&told, stored, wrong);
    what_is_taken_is_kept(&told, stored, wrong);
    for payment in 0..schedule.plan.world.payments {
        facts_agree(&shop::name(payment), items, stored, wrong);
    }
}

fn all_told(facts: &Facts) -> Vec<Told> {
    let by_shop = facts.told.iter().map(|told| Told {
        process: told.process,
        payment: told.payment,
        notices: vec![told.event.notice()],
        at: told.at,
        done: told.done,
        is_kept: matches!(told.status, 200 | 202) && told.notice.is_some(),
    });
    let genuine = facts.posted.iter();
    let genuine = genuine.filter(|posted| posted.post.honesty == Honesty::Genuine);
    let by_gateway = genuine.map(|posted| Told {
        process: posted.process,
        payment: posted.payment,
        notices: posted.post.news.notices(),
        at: posted.at,
        done: posted.done,
        is_kept: posted.status == 200 && posted.ignored.is_none(),
    });
    by_shop.chain(by_gateway).collect()
}

/// What is not from the gateway is refused, and what is from it is not.
fn check_answer(posted: &Posted, wrong: &mut Vec<String>) {
    let expected = match (posted.post.honesty.is_from_gateway(), posted.status) {
        (_, 0 | 503) => true,
        (is_genuine, 200) => is_genuine,
        (is_genuine, 401) => !is_genuine,
        _ => false,
    };
    if !expected {
        wrong.push(format!(
            "webhook {} ({:?}) was answered {}",
            posted.process, posted.post, posted.status
        ));
    }
}

/// What leads to nothing does so for a reason that there is.
fn check_reason(posted: &Posted, told: &[Told], wrong: &mut Vec<String>) {
    let before = |one: &&Told| one.payment == posted.payment && one.at < posted.done;
    let mut others = told.iter().filter(before);
    let has_reason = match (posted.post.honesty, posted.ignored.as_deref()) {
        (Honesty::OtherAmount, None) => posted.status != 200,
        (_, None) => true,
        (Honesty::OtherAmount, Some(_)) => true,
        (_, Some("no_move")) => {
            others.any(|one| {
                let moves = |notice: &String| notice.starts_with("status.") || notice == "success";
                one.process != posted.process && one.notices.iter().any(moves)
            }) || matches!(posted.post.news, News::Refunded(_))
        }
        // The shop has told a refund that names no amount, which is one of the whole.
        (_, Some("another_amount")) => {
            matches!(posted.post.news, News::Refunded(_))
                && others.any(|one| one.notices.iter().any(|notice| notice == "status.refunded"))
        }
        (_, Some("no_recipient")) => !others.any(|one| one.is_kept && one.done < posted.at),
        (_, Some(_)) => false,
    };
    if !has_reason {
        wrong.push(format!(
            "webhook {} ({:?}) led to nothing for no reason: {:?}",
            posted.process, posted.post, posted.ignored
        ));
    }
}

/// Promise 9: that a gateway tells another amount than is stored is measured, so that it rings.
fn mismatches_are_measured(schedule: &Schedule, facts: &Facts, wrong: &mut Vec<String>) {
    let ledger = schedule.universe.ledger();
    let other = facts.posted.iter();
    for posted in other.filter(|one| one.ignored.as_deref() == Some("another_amount")) {
        let mut measured = ledger.measured.iter();
        let is_measured =
            measured.any(|one| one.process == posted.process && one.metric == "PaymentMismatch");
        if !is_measured {
            wrong.push(format!(
                "nobody is told that webhook {} is about another amount",
                posted.process
            ));
        }
    }
}

/// Once all is well, what a gateway has posted and posts again is taken.
fn genuine_is_taken_in_the_end(facts: &Facts, wrong: &mut Vec<String>) {
    let genuine = facts.posted.iter();
    for posted in genuine.filter(|one| one.post.honesty == Honesty::Genuine) {
        let what = (posted.payment, posted.post);
        let mut same = facts
            .posted
            .iter()
            .filter(|one| (one.payment, one.post) == what);
        if !same.any(|one| one.status == 200) {
            wrong.push(format!("webhook {} was never taken", posted.process));
        }
    }
}

/// Nobody is told what nobody who may has told: not what was forged, nor what is about another amount.
fn notices_have_a_cause(told: &[Told], stored: &[Stored], wrong: &mut Vec<String>) {
    for one in stored
        .iter()
        .filter(|one| !one.id.starts_with("expiry-warning"))
    {
        let mut causes = told
            .iter()
            .filter(|told| shop::name(told.payment) == one.payment);
        if !causes.any(|told| told.notices.contains(&one.id)) {
            wrong.push(format!("nobody has told {} {}", one.payment, one.id));
        }
    }
}

/// What a gateway or the shop knows to be kept is a notice.
fn what_is_taken_is_kept(told: &[Told], stored: &[Stored], wrong: &mut Vec<String>) {
    for told in told.iter().filter(|told| told.is_kept) {
        let name = shop::name(told.payment);
        let mut own = stored.iter().filter(|one| one.payment == name);
        if !own.any(|one| told.notices.contains(&one.id)) {
            wrong.push(format!(
                "{name} {:?} was taken ({}) and is not kept",
                told.notices, told.process
            ));
        }
    }
}

/// What is kept of a payment is one story: it is paid or called off, and only what was paid goes back.
fn facts_agree(payment: &str, items: &[Value], stored: &[Stored], wrong: &mut Vec<String>) {
    let own = stored.iter().filter(|one| one.payment == payment);
    let notices: BTreeSet<_> = own.map(|one| one.id.as_str()).collect();
    let has = |notice: &str| notices.contains(notice);
    let ends = ["status.cancelled", "status.failed", "status.expired"];
    let ended = ends.iter().filter(|end| has(end)).count();
    let goes_back = notices
        .iter()
        .filter(|notice| notice.starts_with("status.refunded"))
        .count();
    let item = items
        .iter()
        .find(|item| item["item"]["S"] == "payment" && item["payment_id"]["S"] == payment);
    let phase = item
        .and_then(|item| item["phase"]["S"].as_str())
        .unwrap_or("open");
    let is_one_story = ended <= 1
        && !(has("success") && has("status.cancelled"))
        // What is first heard of may be that it goes back.
        && (has("success") || goes_back == 0 || goes_back == notices.len())
        && (has("success") || !has("status.reversed"))
        && !(goes_back > 0 && has("status.reversed"))
        && (phase != "paid" || has("success"))
        && (!has("success") || matches!(phase, "paid" | "refunded" | "reversed"));
    if !is_one_story {
        wrong.push(format!(
            "{payment} is {phase}, and its notices are {notices:?}"
        ));
    }
}
