//! Whether a number is on WhatsApp, and under which account.
use std::time::Duration;

use super::classify::Observation;
use super::run::{Run, SEND_ROOM};
use crate::gateway::{Jid, UserCheck};
use crate::model::phone::Phone;

/// How long a question whether a number is on WhatsApp may take.
const CHECK_MAX: Duration = Duration::from_millis(1_500);

/// What a look-up of a number came to.
pub(super) enum LookUp {
    /// It is on WhatsApp, perhaps under another number.
    There(Option<Jid>),
    /// It is not on WhatsApp.
    NotThere,
    /// The answer does not name it.
    Unlisted,
    /// There was no answer, or an error.
    NoAnswer,
}

impl LookUp {
    /// What `checks` say of a phone in its `spellings`, of which the first one counts.
    fn new(checks: &[UserCheck], spellings: &[Phone]) -> Self {
        // A gateway that corrects the number may name it by the corrected one.
        let only = checks.first().filter(|_| checks.len() == 1);
        let check_of = |phone: &Phone| checks.iter().find(|check| check.query == phone.digits());
        let mut named: Vec<_> = spellings.iter().filter_map(check_of).collect();
        if let (true, Some(only)) = (named.is_empty(), only) {
            named.push(only);
        }
        match named.iter().find(|check| check.on_whatsapp) {
            Some(check) => Self::There(check.other_account(&spellings[0])),
            None if named.is_empty() => Self::Unlisted,
            None => Self::NotThere,
        }
    }

    const fn step(&self) -> &'static str {
        match self {
            Self::There(None) => "look-up: on WhatsApp",
            Self::There(Some(_)) => "look-up: on WhatsApp under another number",
            Self::NotThere => "look-up: not on WhatsApp",
            Self::Unlisted => "look-up: not named",
            Self::NoAnswer => "look-up: no answer",
        }
    }
}

impl Run<'_> {
    /// Looks a number up that took no message lately, and one that WhatsApp may have under another spelling. Refuses one
    /// that is not on WhatsApp.
    pub(super) async fn look_up_if_new(&mut self) -> Result<(), Observation> {
        let first = self.message.first_contact;
        // A session before this one has looked it up.
        if self.looked_up
            || !self.services.check_first_contact
            || !(first || self.message.phone.former().is_some())
        {
            return Ok(());
        }
        self.looked_up = true;
        match self.look_up().await {
            LookUp::NotThere if first => Err(Observation::NotOnWhatsApp),
            LookUp::There(jid) => {
                self.jid = jid;
                Ok(())
            }
            LookUp::NotThere | LookUp::Unlisted | LookUp::NoAnswer => Ok(()),
        }
    }

    /// Asks the gateway whether the recipient is on WhatsApp. That does not wait in the queue of the sends.
    async fn look_up(&mut self) -> LookUp {
        let began = self.now();
        let within = CHECK_MAX.min(self.deadline.since(began).saturating_sub(SEND_ROOM));
        let phone = &self.message.phone;
        let spellings: Vec<_> = [phone.clone()].into_iter().chain(phone.former()).collect();
        let (gateway, token) = (&self.place.gateway, &self.place.token);
        let checks = gateway.check_users(token, &spellings, within).await;
        let answer = match checks {
            Ok(checks) => LookUp::new(&checks, &spellings),
            Err(_) => LookUp::NoAnswer,
        };
        self.add_step(answer.step(), self.now().since(began));
        answer
    }

    /// A send said that the number is not on WhatsApp, which is a hint and not a fact. What the gateway says when it is
    /// asked decides.
    pub(super) async fn confirm_not_on_whatsapp(&mut self) -> Observation {
        match self.look_up().await {
            LookUp::NotThere | LookUp::Unlisted => Observation::NotOnWhatsApp,
            LookUp::There(Some(jid)) if self.jid.as_ref() != Some(&jid) => {
                self.jid = Some(jid);
                Observation::OtherNumber
            }
            LookUp::There(_) | LookUp::NoAnswer => Observation::Rejected,
        }
    }
}
