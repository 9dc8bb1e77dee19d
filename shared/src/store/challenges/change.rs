//! An update of one phone's item, put together from its parts.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;

use crate::model::challenge::PhoneState;
use crate::model::code::Purpose;
use crate::store::{Item, number};

/// The attributes that say that the number is not on WhatsApp.
pub(super) const NOT_ON_WHATSAPP: &str = "not_on_whatsapp_until, not_on_whatsapp_from";

/// An update of one phone's item under a condition. It raises `rev` by itself.
#[derive(Clone)]
pub(super) struct Change {
    /// What the update is for, as errors name it.
    pub(super) act: &'static str,
    condition: String,
    sets: String,
    removes: BTreeSet<String>,
    names: BTreeMap<String, String>,
    values: BTreeMap<String, AttributeValue>,
}

impl Change {
    pub(super) fn new(act: &'static str) -> Self {
        Self {
            act,
            condition: String::new(),
            sets: "rev = if_not_exists(rev, :rev_0) + :rev_1".into(),
            removes: BTreeSet::new(),
            names: BTreeMap::new(),
            values: BTreeMap::from([(":rev_0".into(), number(0)), (":rev_1".into(), number(1))]),
        }
    }

    /// A change about one purpose, whose map is `#p`.
    pub(super) fn of(act: &'static str, purpose: Purpose) -> Self {
        Self::new(act).name("#p", purpose.name())
    }

    /// Makes it refused when the item has changed since it was seen.
    pub(super) fn if_seen(self, seen: &PhoneState) -> Self {
        match seen.rev {
            0 => self.condition("attribute_not_exists(phone)"),
            rev => self.condition("rev = :seen").value(":seen", number(rev)),
        }
    }

    pub(super) fn condition(mut self, condition: impl Into<String>) -> Self {
        self.condition = condition.into();
        self
    }

    pub(super) fn set(mut self, sets: &str) -> Self {
        self.sets = format!("{}, {sets}", self.sets);
        self
    }

    /// Removes attributes, each of which may have been named before.
    pub(super) fn remove(mut self, paths: &str) -> Self {
        self.removes.extend(paths.split(", ").map(str::to_owned));
        self
    }

    /// Removes what the item may still have although the state that was seen has it no more: TTL may be late. What the change
    /// sets by itself is left out.
    pub(super) fn remove_unseen(mut self, seen: &PhoneState) -> Self {
        for (number, purpose) in Purpose::ALL.into_iter().enumerate() {
            let is_set = self.names.get("#p").is_some_and(|p| p == purpose.name());
            if !is_set && !seen.challenges.contains_key(&purpose) {
                let placeholder = format!("#other{number}");
                self = self.remove(&placeholder).name(&placeholder, purpose.name());
            }
        }
        if seen.known_networks.is_empty() && !self.values.contains_key(":known") {
            self = self.remove("known");
        }
        if seen.not_on_whatsapp.is_none() {
            self = self.remove(NOT_ON_WHATSAPP);
        }
        for (attribute, is_unseen) in [
            ("served_by", seen.served_by.is_none()),
            ("pretended_by", seen.pretended_by.is_none()),
            ("taken_at", seen.taken_at.is_none()),
        ] {
            if is_unseen && !self.values.contains_key(&format!(":{attribute}")) {
                self = self.remove(attribute);
            }
        }
        self
    }

    pub(super) fn name(mut self, placeholder: &str, attribute: &str) -> Self {
        self.names.insert(placeholder.into(), attribute.into());
        self
    }

    pub(super) fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.into(), value);
        self
    }

    /// The change as a call of its own.
    pub(super) fn put_into_call(self, call: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        call.update_expression(self.expression())
            .set_expression_attribute_names(self.names())
            .condition_expression(self.condition)
            .set_expression_attribute_values(Some(Item::from_iter(self.values)))
    }

    /// The change as a write of a transaction.
    pub(super) fn put_into_write(self, write: UpdateBuilder) -> UpdateBuilder {
        write
            .update_expression(self.expression())
            .set_expression_attribute_names(self.names())
            .condition_expression(self.condition)
            .set_expression_attribute_values(Some(Item::from_iter(self.values)))
    }

    fn expression(&self) -> String {
        let mut expression = format!("SET {}", self.sets);
        for (number, path) in self.removes.iter().enumerate() {
            expression += if number == 0 { " REMOVE " } else { ", " };
            expression += path;
        }
        expression
    }

    /// The names behind the placeholders. DynamoDB takes no empty map.
    fn names(&self) -> Option<HashMap<String, String>> {
        let names: HashMap<_, _> = self.names.clone().into_iter().collect();
        (!names.is_empty()).then_some(names)
    }
}
