//! What is asked of phones and their people, and done to them: their messages, what would happen to a code, their logins.
use shared::edge::admin::{self, query_field};
use shared::edge::fields;
use shared::edge::operators::Refusal;
use shared::edge::problem::Problem;
use shared::edge::reply::Reply;
use shared::edge::request::Incoming;
use shared::flows::admin::deliveries::{DeliveryKey, MessageId, RequestId, Sought};
use shared::flows::admin::people::{PersonAct, PersonDone};
use shared::flows::admin::sessions::Operator;
use shared::model::admin::AdminPath;
use shared::model::code::Purpose;
use shared::model::payment::PaymentId;
use shared::model::phone::Phone;
use shared::model::replies;
use shared::runtime::log;

use super::posted::{Outcome, Posted};
use super::{App, invalid, prove, views};

/// The messages of a phone or of a request, or one message.
pub async fn deliveries(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let sought = sought(incoming)?;
    let from = match query_field(incoming.request, "before") {
        Some(before) => Some(DeliveryKey::parse(&before).ok_or_else(|| invalid("before"))?),
        None => None,
    };
    let page = app.deliveries.find(&sought, from.as_ref()).await;
    let page = page.map_err(|error| Problem::internal(&error))?;
    Ok(Reply::new(
        replies::ADMIN_DELIVERIES,
        views::deliveries(&page),
    ))
}

/// What a program looks for: it names one field.
fn sought(incoming: &Incoming<'_>) -> Result<Sought, Problem> {
    let field = |name| query_field(incoming.request, name);
    match (field("phone"), field("messageId"), field("requestId")) {
        (Some(phone), None, None) => fields::phone(Some(&phone), "phone").map(Sought::Phone),
        (None, Some(id), None) => {
            let id = MessageId::parse(&id).map(Sought::Message);
            id.ok_or_else(|| invalid("messageId"))
        }
        (None, None, Some(id)) => {
            let id = RequestId::parse(&id).map(Sought::Request);
            id.ok_or_else(|| invalid("requestId"))
        }
        _ => Err(invalid("phone")),
    }
}

/// Answers which page shows what somebody looks for. A phone is sealed in its address: a browser keeps addresses. So what may be one
/// with a slip in it is a payment only if there is such a payment.
pub async fn find(app: &App, incoming: &Incoming<'_>, posted: &Posted) -> Result<Outcome, Problem> {
    let text = posted.field("sought").unwrap_or_default();
    let sought = Sought::recognise(text).map_err(|_| Refusal::NotRecognised)?;
    let page = match posted.field("page").unwrap_or("deliveries") {
        "deliveries" => "/admin/dashboard/deliveries",
        "explain" => "/admin/dashboard/explain",
        "people" => "/admin/dashboard/people",
        _ => return Err(invalid("page")),
    };
    let mut found = match sought {
        Sought::Phone(phone) => vec![("who", sealed(incoming, &phone)?)],
        _ if page != "/admin/dashboard/deliveries" => return Err(Refusal::NotRecognised.into()),
        Sought::Message(id) => vec![("messageId", id.as_str().to_owned())],
        Sought::Request(id) => vec![("requestId", id.as_str().to_owned())],
        Sought::Payment(id) => {
            if id.may_be_a_phone() && !is_known(app, incoming, &id).await? {
                return Err(Refusal::NotRecognised.into());
            }
            vec![("paymentId", id.as_str().to_owned())]
        }
    };
    if let Some(purpose) = posted.field("purpose") {
        let purpose = Purpose::named(purpose).ok_or_else(|| invalid("purpose"))?;
        found.push(("purpose", purpose.name().to_owned()));
    }
    let page = AdminPath::parse(page).unwrap_or_else(AdminPath::home);
    Ok(Outcome::found(&page.with_query(&found)))
}

/// Whether anything is stored of a payment.
async fn is_known(app: &App, incoming: &Incoming<'_>, id: &PaymentId) -> Result<bool, Problem> {
    let found = app.outbox.of_payment(id, incoming.now).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    Ok(found.is_some())
}

/// The phone as the addresses of this login's pages have it.
fn sealed(incoming: &Incoming<'_>, phone: &Phone) -> Result<String, Problem> {
    let cookie = admin::login_cookie(incoming.request);
    let sealed = cookie.and_then(|cookie| cookie.seal(phone));
    sealed.ok_or_else(|| Refusal::NotRecognised.into())
}

/// What would happen if somebody asked for a code now.
pub async fn explain(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let field = |name| query_field(incoming.request, name);
    let phone = fields::phone(field("phone").as_deref(), "phone")?;
    let purpose = field("purpose").and_then(|name| Purpose::named(&name));
    let purpose = purpose.ok_or_else(|| invalid("purpose"))?;
    let explained = app.explain.explain(&phone, purpose, incoming.now).await;
    let explained = explained.map_err(|error| Problem::internal(&error))?;
    let data = views::explanation(&phone, purpose, &explained);
    Ok(Reply::new(replies::ADMIN_EXPLAINED, data))
}

/// The user of a phone, and their logins.
pub async fn person(app: &App, incoming: &Incoming<'_>) -> Result<Reply, Problem> {
    let phone = query_field(incoming.request, "phone");
    let phone = fields::phone(phone.as_deref(), "phone")?;
    let person = app.people.find(&phone, incoming.now).await;
    let person = person.map_err(|error| Problem::internal(&error))?;
    Ok(Reply::new(
        replies::ADMIN_PERSON,
        views::person(&phone, &person),
    ))
}

/// Does what is posted to the user of a phone.
pub async fn act(
    app: &App,
    (incoming, posted): (&Incoming<'_>, &Posted),
    name: &str,
    operator: Operator<'_>,
) -> Result<Outcome, Problem> {
    let act = act_on_person(name, posted)?;
    if act.needs_proof() {
        prove(operator.login, incoming)?;
    }
    let phone = whom(incoming, posted)?;
    Ok(match app.people.act(&phone, &act, operator).await? {
        PersonDone::Done => Outcome::done(act.as_str(), ""),
        PersonDone::Erased(erased) => Outcome::erased(&erased),
    })
}

/// The phone of somebody to act on: a page has it sealed, and a program as it is.
fn whom(incoming: &Incoming<'_>, posted: &Posted) -> Result<Phone, Problem> {
    let Some(sealed) = posted.field("who") else {
        return fields::phone(posted.field("phone"), "phone");
    };
    let cookie = admin::login_cookie(incoming.request);
    let phone = cookie.and_then(|cookie| cookie.open(sealed));
    let phone = phone.ok_or(Refusal::NotFound)?;
    log::name_phone(&phone);
    Ok(phone)
}

/// The act of that name, with what it needs.
fn act_on_person(name: &str, posted: &Posted) -> Result<PersonAct, Problem> {
    Ok(match name {
        "end-login" => {
            let login = posted.field("login").ok_or_else(|| invalid("login"))?;
            PersonAct::EndLogin(login.to_owned())
        }
        "end-logins" => PersonAct::EndLogins,
        "erase" => PersonAct::Erase {
            confirmed: posted
                .field("confirm")
                .and_then(|text| Phone::parse(text).ok()),
        },
        _ => return Err(Refusal::NotFound.into()),
    })
}
