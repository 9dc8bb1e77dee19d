//! What is answered, as JSON.
use serde_json::{Value, json};
use shared::flows::admin::deliveries::{DeliveryPage, StoredDelivery};
use shared::flows::admin::incidents::{
    CurrentIncident, Incident, IncidentsPage, Missed, PastIncident,
};
use shared::flows::admin::outbox::{OutboxItem, OutboxPage};
use shared::flows::admin::people::Person;
use shared::flows::admin::sessions::SessionsView;
use shared::flows::admin::sessions::glance::{Glance, Wrong};
use shared::flows::admin::sessions::view::{Doing, SessionView};
use shared::flows::codes::explain::{Explanation, Verdict};
use shared::model::challenge::Certainty;
use shared::model::code::Purpose;
use shared::model::identifier::Email;
use shared::model::limits::Limit;
use shared::model::phone::Phone;
use shared::model::weight::Weight;
use shared::platform::timestamp::Timestamp;
use shared::sender::SessionForPhone;
use shared::store::logins::Login;

/// All sessions, and the channel in one glance.
pub fn sessions(all: &SessionsView) -> Value {
    let sessions: Vec<_> = all.sessions.iter().map(session).collect();
    json!({
        "channel": glance(&all.glance),
        "sessions": sessions,
        "customers": all.customers.as_str(),
        "nextPage": all.next,
    })
}

fn glance(glance: &Glance) -> Value {
    let wrong: Vec<_> = glance.wrong.iter().map(wrong).collect();
    json!({
        "verdict": glance.verdict.as_str(),
        "since": time(glance.since),
        "wrong": wrong,
        "moreWrong": glance.more_wrong,
        "unseen": glance.unseen,
    })
}

fn wrong(wrong: &Wrong) -> Value {
    json!({
        "id": wrong.key.to_string(),
        "name": wrong.name,
        "health": wrong.health.as_str(),
        "doing": doing(wrong.doing),
        "incident": wrong.incident.as_ref().map(incident),
    })
}

fn doing(doing: Doing) -> Value {
    json!({ "what": doing.as_str(), "at": time(doing.at()) })
}

/// One session.
pub fn session(view: &SessionView) -> Value {
    let last = view.last_sends;
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    json!({
        "id": view.key.to_string(),
        "name": view.name,
        "owner": view.owner.as_str(),
        "pool": view.pool.as_str(),
        "gateway": view.gateway,
        "health": view.health.as_str(),
        "since": time(view.since),
        "seenAt": time(view.seen_at),
        "connected": view.flags.map(|flags| flags.connected),
        "loggedIn": view.flags.map(|flags| flags.logged_in),
        "doing": doing(view.doing),
        "number": view.number,
        "lastSends": {
            "of": last.of,
            "taken": last.taken,
            "medianMs": last.median.map(millis),
            "failure": last.failed.map(|(end, _)| end.as_str()),
            "failedAt": time(last.failed.map(|(_, at)| at)),
        },
        "deliveredAt": time(view.delivered_at),
        "arrivals": view.arrivals.map(|counts| json!({ "of": counts.taken, "delivered": counts.delivered })),
        "newChatsToday": view.new_chats,
        "newChatsPerDay": view.new_chats_most,
        "weight": view.weight.map(Weight::get),
        "connectsLastHour": view.connects_last_hour,
    })
}

/// What goes on with a session.
fn incident(incident: &Incident) -> Value {
    json!({
        "since": incident.began.rfc3339(),
        "cause": incident.cause,
        "lastCause": incident.last_cause,
        "connects": incident.connects,
        "restarts": incident.restarts,
        "codes": missed(incident.codes),
        "notices": missed(incident.notices),
    })
}

fn missed(missed: Missed) -> Value {
    json!({
        "failed": missed.failed,
        "unconfirmed": missed.unconfirmed,
        "waited": missed.waited,
        "elsewhere": missed.elsewhere,
    })
}

/// Each time messages could not be sent from a session.
pub fn incidents(current: &[CurrentIncident], page: &IncidentsPage) -> Value {
    let current: Vec<_> = current
        .iter()
        .map(|one| json!({ "session": one.session, "incident": incident(&one.incident) }))
        .collect();
    let past: Vec<_> = page.past.iter().map(past_incident).collect();
    let older = page.older.as_ref().map(|key| key.as_str());
    json!({ "current": current, "past": past, "older": older })
}

fn past_incident(one: &PastIncident) -> Value {
    json!({
        "session": one.session,
        "since": one.began.rfc3339(),
        "until": one.ended.rfc3339(),
        "seconds": one.ended.since(one.began).as_secs(),
        "cause": one.cause,
        "lastCause": one.last_cause,
        "connects": one.connects,
        "restarts": one.restarts,
        "codes": missed(one.codes),
        "notices": missed(one.notices),
    })
}

/// Payment notices.
pub fn outbox(page: &OutboxPage) -> Value {
    let items: Vec<_> = page.items.iter().map(notice).collect();
    json!({ "notices": items, "moreLeft": page.more_left })
}

fn notice(item: &OutboxItem) -> Value {
    json!({
        "id": item.key.to_string(),
        "paymentId": item.payment,
        "about": item.purpose,
        "phone": item.phone,
        "state": item.state.name(),
        "stage": item.stage.as_str(),
        "at": item.at.rfc3339(),
        "deliverBy": item.deliver_by.rfc3339(),
        "attempts": item.attempts,
        "reason": item.last_error,
        "messageId": item.message_id,
    })
}

/// Messages.
pub fn deliveries(page: &DeliveryPage) -> Value {
    let deliveries: Vec<_> = page.deliveries.iter().map(delivery).collect();
    let older = page.older.as_ref().map(ToString::to_string);
    json!({ "deliveries": deliveries, "older": older })
}

/// One message.
fn delivery(found: &StoredDelivery) -> Value {
    let steps = found.steps.iter();
    let steps: Vec<_> = steps
        .map(|(what, elapsed_ms)| json!({ "what": what, "elapsedMs": elapsed_ms }))
        .collect();
    json!({
        "messageId": found.message_id,
        "purpose": found.purpose,
        "phone": found.phone,
        "paymentId": found.payment,
        "requestId": found.request_id,
        "session": found.session,
        "outcome": found.outcome,
        "reason": found.reason,
        "chatOffered": found.chat_offered,
        "at": found.at.rfc3339(),
        "deliveredAt": time(found.delivered_at),
        "readAt": time(found.read_at),
        "steps": steps,
    })
}

/// What would happen to a code.
pub fn explanation(phone: &Phone, purpose: Purpose, explained: &Explanation) -> Value {
    let live = explained.live_code.as_ref().map(|code| {
        json!({
            "expiresAt": code.expires_at.rfc3339(),
            "digits": code.digits,
            "challenges": code.ids,
            "challengesWithTries": code.ids_with_tries,
        })
    });
    let last = explained.last.as_ref().map(|last| {
        json!({
            "at": last.at.rfc3339(),
            "confirmed": last.certainty == Certainty::Sent,
            "seemsLost": last.is_silent,
        })
    });
    let sessions: Vec<_> = explained.sessions.iter().map(session_for_phone).collect();
    json!({
        "phone": phone.to_string(),
        "purpose": purpose.name(),
        "accountSince": time(explained.account_since),
        "recipient": explained.recipient.as_str(),
        "atHome": explained.at_home.map(verdict),
        "elsewhere": verdict(explained.elsewhere),
        "liveCode": live,
        "last": last,
        "sessions": sessions,
        "order": explained.order.as_str(),
        "opensChat": explained.opens_chat,
        "language": explained.language.tag(),
        "text": explained.text,
    })
}

fn verdict(verdict: Verdict) -> Value {
    json!({
        "answer": verdict.as_str(),
        "limit": verdict.limit().map(Limit::name),
        "until": time(verdict.until()),
    })
}

fn session_for_phone(session: &SessionForPhone) -> Value {
    json!({
        "name": session.name,
        "rank": session.rank.as_str(),
        "contact": session.contact.as_str(),
        "servedBefore": session.served_before,
        "lastSeemsLost": session.is_silent,
    })
}

/// A user with their logins.
pub fn person(phone: &Phone, person: &Person) -> Value {
    let user = person.user.as_ref().map(|user| {
        json!({
            "id": user.id,
            "name": user.name.as_str(),
            "email": user.email.as_ref().map(Email::as_str),
            "role": user.role,
            "hasPassword": user.password.is_some(),
            "since": user.created_at.rfc3339(),
        })
    });
    let login = |login: &Login| {
        json!({
            "id": login.id,
            "openedAt": login.opened_at.rfc3339(),
            "usedAt": login.rotated_at.rfc3339(),
            "endsAt": login.expires_at.rfc3339(),
        })
    };
    let logins: Vec<_> = person.logins.iter().map(login).collect();
    json!({
        "phone": phone.to_string(),
        "user": user,
        "logins": logins,
        "moreLeft": person.more_left,
    })
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::rfc3339)
}
