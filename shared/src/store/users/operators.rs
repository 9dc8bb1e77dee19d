//! What operators do to users: they import one, give one another phone, and remove one.
use aws_sdk_dynamodb::types::{Delete, Update};

use super::{Users, email_id, parse, phone_key, pointer_ids};
use crate::model::account::User;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::store::challenges::Challenges;
use crate::store::{Item, StoreError, Transacted, Write, number, text, transact};

/// What became of a user of another system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It was added, with its e-mail address if it has one.
    Added,
    /// It was added without its e-mail address, which is another user's alias.
    WithoutEmail,
    /// It was not added: its phone has a user.
    PhoneHasUser,
    /// It was not added: another phone's user has its id.
    IdHasUser,
}

/// A change of a user's phone.
#[derive(Clone, Copy, Debug)]
pub struct PhoneChange<'a> {
    /// The phone that the user has.
    pub from: &'a Phone,
    /// The phone that the user gets.
    pub to: &'a Phone,
}

/// What became of a change of phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The user has the new phone.
    Done,
    /// The old phone has no user.
    NoUser,
    /// The new phone has a user already.
    Taken,
    /// Others changed the user time and again; nothing was done.
    LostRace,
}

/// How often a change of phone is tried when others change the user or the codes meanwhile.
const RACES_MAX: usize = 5;

/// What [`Users::change_phone`] does.
const CHANGE_PHONE: &str = "change a phone";

impl Users {
    /// Adds a user of another system with its id and e-mail address; without the address when that is another user's. One
    /// transaction, or two of which the first wrote nothing.
    pub async fn import(&self, user: &User) -> Result<Imported, StoreError> {
        const ACT: &str = "import a user";
        let mut writes = self.creation(user)?;
        if let Some(email) = &user.email {
            writes.push(self.put_new(self.pointer(email_id(email), &user.phone))?);
        }
        let refusals = match transact(ACT, &self.client, writes).await? {
            Transacted::Done => return Ok(Imported::Added),
            Transacted::Refused(refusals) => refusals,
        };
        match refusals.iter().position(Option::is_some) {
            Some(0) => Ok(Imported::PhoneHasUser),
            Some(1) => Ok(Imported::IdHasUser),
            _ => {
                let without = User {
                    email: None,
                    ..user.clone()
                };
                if self.add(&without).await? {
                    Ok(Imported::WithoutEmail)
                } else {
                    Ok(Imported::PhoneHasUser)
                }
            }
        }
    }

    /// Gives a user another phone, moves its pointers, ends all logins made before, and forgets the codes of both phones: a
    /// code that was sent before opens nothing of whoever has the number afterwards. One transaction, made again when the
    /// user or a code changes meanwhile.
    pub async fn change_phone(
        &self,
        challenges: &Challenges,
        phones: &PhoneChange<'_>,
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        let PhoneChange { from, to } = *phones;
        for _ in 0..RACES_MAX {
            let Some(before) = self.item_of(CHANGE_PHONE, from).await? else {
                return Ok(Moved::NoUser);
            };
            let user = parse(&before, from).ok_or(StoreError::unreadable(CHANGE_PHONE, "user"))?;
            let mut after = before.clone();
            after.insert("id".into(), phone_key(to));
            after.insert("ver".into(), number(user.ver + 1));
            let mut writes = vec![self.put_new(after)?, self.delete_seen(&before)?];
            for phone in [from, to] {
                let seen = challenges.read(phone, now).await?;
                writes.push(challenges.forget(phone, &seen)?);
            }
            for pointer in pointer_ids(&user) {
                writes.push(self.pointer_change(pointer, phones)?);
            }
            match transact(CHANGE_PHONE, &self.client, writes).await? {
                Transacted::Done => return Ok(Moved::Done),
                Transacted::Refused(refusals) if matches!(refusals.first(), Some(Some(_))) => {
                    // The reply to the first attempt may be lost: then it is this very user who is there.
                    let there = self.by_phone(to).await?;
                    let is_moved = there.is_some_and(|there| there.id == user.id);
                    return Ok(if is_moved { Moved::Done } else { Moved::Taken });
                }
                Transacted::Refused(_) => {}
            }
        }
        Ok(Moved::LostRace)
    }

    /// The write that lets a pointer name the new phone, refused when it does not name the old one.
    fn pointer_change(
        &self,
        pointer: String,
        phones: &PhoneChange<'_>,
    ) -> Result<Write, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", text(pointer))
            .update_expression("SET phone = :to")
            .condition_expression("phone = :from")
            .expression_attribute_values(":from", text(phones.from.digits()))
            .expression_attribute_values(":to", text(phones.to.digits()))
            .build()
            .map_err(StoreError::building(CHANGE_PHONE))?;
        Ok(Write::update(update))
    }

    /// The writes that remove the user of a phone and its pointers, for a transaction: refused when the user has changed
    /// since it was read here. `None` when the phone has no user.
    pub async fn removal(&self, phone: &Phone) -> Result<Option<Vec<Write>>, StoreError> {
        const ACT: &str = "remove a user";
        let Some(item) = self.item_of(ACT, phone).await? else {
            return Ok(None);
        };
        let user = parse(&item, phone).ok_or(StoreError::unreadable(ACT, "user"))?;
        let mut writes = vec![self.delete_seen(&item)?];
        for pointer in pointer_ids(&user) {
            let delete = Delete::builder()
                .table_name(&self.table)
                .key("id", text(pointer))
                .condition_expression("attribute_not_exists(id) OR phone = :phone")
                .expression_attribute_values(":phone", text(phone.digits()))
                .build()
                .map_err(StoreError::building(ACT))?;
            writes.push(Write::delete(delete));
        }
        Ok(Some(writes))
    }

    /// Makes the writes of a removal, in one transaction: whether they were made. Nobody may have changed what was read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_with(&self, removal: Vec<Write>) -> Result<bool, StoreError> {
        let removed = transact("erase a phone", &self.client, removal).await?;
        Ok(matches!(removed, Transacted::Done))
    }

    /// A delete, refused unless the item is exactly the one that was seen.
    fn delete_seen(&self, seen: &Item) -> Result<Write, StoreError> {
        let mut delete = Delete::builder().table_name(&self.table);
        let mut conditions = Vec::new();
        for (number, (name, value)) in seen.iter().enumerate() {
            if name == "id" {
                delete = delete.key("id", value.clone());
                continue;
            }
            conditions.push(format!("#n{number} = :v{number}"));
            delete = delete
                .expression_attribute_names(format!("#n{number}"), name)
                .expression_attribute_values(format!(":v{number}"), value.clone());
        }
        for name in ["email", "password"] {
            if !seen.contains_key(name) {
                conditions.push(format!("attribute_not_exists({name})"));
            }
        }
        let delete = delete
            .condition_expression(conditions.join(" AND "))
            .build()
            .map_err(StoreError::building("remove a user"))?;
        Ok(Write::delete(delete))
    }
}
