//! The table of users.
//!
//! A user is one item under its phone, so that a phone has one user by construction: `id` (key: `phone#` and the digits),
//! `user_id`, `name`, `email`, `wanted_email`, `password`, `ver`, `role`, `created_at` (milliseconds). Beside it stand pointers that name
//! the phone: `user#` and the user id, `email#` and the address.
use aws_lc_rs::digest;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, Update};

use super::batch::Read;
use super::{
    Fields, Item, StoreError, Transacted, Write, condition_failed, number, retrying_conflicts,
    text, transact,
};
use crate::model::account::{PersonName, User};
use crate::model::identifier::{Email, Identifier};
use crate::model::password::PasswordHash;
use crate::model::phone::{NOBODYS, Phone};
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::runtime::log::name_phone;

/// What operators do to users.
pub mod operators;

/// All users.
#[derive(Clone, Debug)]
pub struct Users {
    client: Client,
    table: String,
}

/// What became of the claim to an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailClaim {
    /// It is this user's alias now.
    Claimed,
    /// Another user has it.
    Taken,
}

/// What became of the logins of a user.
#[must_use = "another user may have the phone by now"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginsEnded {
    /// All that were opened before have ended.
    Done,
    /// The phone has another user by now, or none. Nothing was changed.
    NoSuchUser,
}

/// What [`Users::by_phone`] does.
const READ: &str = "read the user";

impl Users {
    /// The users of `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            client: backends.dynamodb.clone(),
            table: backends.settings.tables.users.clone(),
        }
    }

    /// The phone of an account. For an e-mail address it takes one read, strongly consistent; one that is nobody's alias
    /// gets a number that no phone has, the same each time, so that it is limited like any other. The log names the phone
    /// from now on.
    pub async fn phone_of(&self, identifier: &Identifier) -> Result<Phone, StoreError> {
        const ACT: &str = "look an e-mail address up";
        let email = match identifier {
            Identifier::Phone(phone) => return Ok(phone.clone()),
            Identifier::Email(email) => email,
        };
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", email_key(email))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        let digits = match &found.item {
            Some(item) => item
                .text("phone")
                .ok_or(StoreError::unreadable(ACT, "phone"))?
                .into(),
            None => nobodys_digits(email),
        };
        let phone = Phone::from_digits(&digits);
        let phone = phone.map_err(|_| StoreError::unreadable(ACT, "phone"))?;
        name_phone(&phone);
        Ok(phone)
    }

    /// The user of a phone, strongly consistent.
    pub async fn by_phone(&self, phone: &Phone) -> Result<Option<User>, StoreError> {
        let item = self.item_of(READ, phone).await?;
        item.map(|item| parse(&item, phone).ok_or(StoreError::unreadable(READ, "user")))
            .transpose()
    }

    /// The same read, to be made together with others.
    pub fn reading(&self, phone: &Phone) -> Read<Option<User>> {
        let of = phone.clone();
        let user = move |item: Option<&Item>| {
            let user =
                item.map(|item| parse(item, &of).ok_or(StoreError::unreadable(READ, "user")));
            user.transpose()
        };
        Read::new(&self.table, "id", phone_id(phone), user)
    }

    /// The user with this id, by two reads, strongly consistent. The log names its phone from now on.
    pub async fn by_id(&self, id: &str) -> Result<Option<User>, StoreError> {
        const ACT: &str = "look a user's id up";
        let pointer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(user_id_key(id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(ACT))?;
        let Some(pointer) = pointer.item else {
            return Ok(None);
        };
        let phone = pointer.text("phone").map(Phone::from_digits);
        let phone = phone.and_then(Result::ok);
        let phone = phone.ok_or(StoreError::unreadable(ACT, "phone"))?;
        name_phone(&phone);
        let user = self.by_phone(&phone).await?;
        Ok(user.filter(|user| user.id == id))
    }

    async fn item_of(&self, act: &'static str, phone: &Phone) -> Result<Option<Item>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", phone_key(phone))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::during(act))?;
        Ok(found.item)
    }

    /// The writes that make `user`, for a transaction: refused when the phone has a user.
    pub fn creation(&self, user: &User) -> Result<Vec<Write>, StoreError> {
        let mut item = Item::from([
            ("id".into(), phone_key(&user.phone)),
            ("user_id".into(), text(&user.id)),
            ("name".into(), text(user.name.as_str())),
            ("ver".into(), number(user.ver)),
            ("role".into(), text(&user.role)),
            ("created_at".into(), number(user.created_at.millis())),
        ]);
        if let Some(email) = &user.email {
            item.insert("email".into(), text(email.as_str()));
        }
        if let Some(password) = &user.password {
            item.insert("password".into(), text(password.phc()));
        }
        if let Some(email) = &user.wanted_email {
            item.insert("wanted_email".into(), text(email.as_str()));
        }
        let pointer = self.pointer(user_id_key(&user.id), &user.phone);
        [item, pointer]
            .into_iter()
            .map(|item| self.put_new(item))
            .collect()
    }

    /// Adds `user` unless its phone has one: whether it was added. One transaction.
    pub async fn add(&self, user: &User) -> Result<bool, StoreError> {
        let writes = self.creation(user)?;
        let added = transact("add a user", &self.client, writes).await?;
        Ok(matches!(added, Transacted::Done))
    }

    /// The write that sets the user's password and ends all logins made before, for a transaction: refused when the phone
    /// has another user by now.
    pub fn password_change(
        &self,
        user: &User,
        password: &PasswordHash,
    ) -> Result<Write, StoreError> {
        let update = self
            .update(user)
            .update_expression("SET password = :password, ver = ver + :one")
            .expression_attribute_values(":password", text(password.phc()))
            .expression_attribute_values(":one", number(1))
            .build()
            .map_err(StoreError::building("change a password"))?;
        Ok(Write::update(update))
    }

    /// Replaces `before`, the hash of a password, with another hash of the same password, in one conditional update. Does
    /// nothing when the password was changed meanwhile.
    pub async fn rehash_password(
        &self,
        user: &User,
        before: &PasswordHash,
        after: &PasswordHash,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", phone_key(&user.phone))
            .update_expression("SET password = :after")
            .condition_expression("user_id = :user AND password = :before")
            .expression_attribute_values(":user", text(&user.id))
            .expression_attribute_values(":before", text(before.phc()))
            .expression_attribute_values(":after", text(after.phc()));
        match retrying_conflicts(|| update.clone().send()).await {
            Ok(_) => Ok(()),
            Err(failed) => condition_failed("hash a password anew", failed).map(drop),
        }
    }

    /// Raises the user's `ver`, which ends all logins made before. One transaction, so that a lost reply raises it once.
    pub async fn end_logins(&self, user: &User) -> Result<LoginsEnded, StoreError> {
        const ACT: &str = "end all logins";
        let update = self
            .update(user)
            .update_expression("SET ver = ver + :one")
            .expression_attribute_values(":one", number(1))
            .build()
            .map_err(StoreError::building(ACT))?;
        let write = Write::update(update);
        match transact(ACT, &self.client, vec![write]).await? {
            Transacted::Done => Ok(LoginsEnded::Done),
            Transacted::Refused(_) => Ok(LoginsEnded::NoSuchUser),
        }
    }

    /// An update of the user's item, refused when the phone has another user by now.
    fn update(&self, user: &User) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .key("id", phone_key(&user.phone))
            .condition_expression("user_id = :user")
            .expression_attribute_values(":user", text(&user.id))
    }

    /// Makes `email` the alias of `user`, unless another user has it. One transaction, which changes nothing when it is the
    /// user's already: the same confirmation may come twice at once.
    pub async fn claim_email(&self, user: &User, email: &Email) -> Result<EmailClaim, StoreError> {
        const ACT: &str = "claim an e-mail address";
        let alias = self
            .update(user)
            .update_expression("SET email = :email REMOVE wanted_email")
            .expression_attribute_values(":email", text(email.as_str()))
            .build()
            .map_err(StoreError::building(ACT))?;
        let pointer = Put::builder()
            .table_name(&self.table)
            .set_item(Some(self.pointer(email_id(email), &user.phone)))
            .condition_expression("attribute_not_exists(id) OR phone = :phone")
            .expression_attribute_values(":phone", text(user.phone.digits()))
            .build()
            .map_err(StoreError::building(ACT))?;
        let writes = vec![Write::put(pointer), Write::update(alias)];
        match transact(ACT, &self.client, writes).await? {
            Transacted::Done => Ok(EmailClaim::Claimed),
            Transacted::Refused(_) => Ok(EmailClaim::Taken),
        }
    }

    fn pointer(&self, id: String, phone: &Phone) -> Item {
        Item::from([
            ("id".into(), text(id)),
            ("phone".into(), text(phone.digits())),
        ])
    }

    fn put_new(&self, item: Item) -> Result<Write, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(id)")
            .build()
            .map_err(StoreError::building("create a user"))?;
        Ok(Write::put(put))
    }
}

/// The keys of the items that name the user's phone.
fn pointer_ids(user: &User) -> impl Iterator<Item = String> {
    let email = user.email.as_ref().map(email_id);
    [user_id_key(&user.id)].into_iter().chain(email)
}

fn user_id_key(id: &str) -> String {
    format!("user#{id}")
}

fn email_id(email: &Email) -> String {
    format!("email#{}", email.as_str())
}

fn email_key(email: &Email) -> AttributeValue {
    text(email_id(email))
}

/// Twelve digits of the address's hash behind a country code that nobody has. Nobody can ask for such a number either.
fn nobodys_digits(email: &Email) -> String {
    let hash = digest::digest(&digest::SHA256, email.as_str().as_bytes());
    let number = hash.as_ref()[..8]
        .iter()
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{NOBODYS}{:012}", number % 1_000_000_000_000)
}

fn phone_key(phone: &Phone) -> AttributeValue {
    text(phone_id(phone))
}

fn phone_id(phone: &Phone) -> String {
    format!("phone#{}", phone.digits())
}

fn parse(item: &Item, phone: &Phone) -> Option<User> {
    Some(User {
        id: item.text("user_id")?.into(),
        phone: phone.clone(),
        name: PersonName::parse(item.text("name")?).ok()?,
        email: item
            .text("email")
            .and_then(|email| Email::parse(email).ok()),
        wanted_email: item
            .text("wanted_email")
            .and_then(|email| Email::parse(email).ok()),
        password: item.text("password").map(PasswordHash::stored),
        ver: item.number("ver")?,
        role: item.text("role")?.into(),
        created_at: Timestamp::from_millis(item.number("created_at")?),
    })
}
