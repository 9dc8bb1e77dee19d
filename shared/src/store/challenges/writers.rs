//! People who write to the account: they are on WhatsApp, whatever a look-up has said.
use super::change::{Change, NOT_ON_WHATSAPP};
use super::{Challenges, Updated};
use crate::model::phone::Phone;
use crate::store::StoreError;

impl Challenges {
    /// Forgets that `phone` is not on WhatsApp. Does nothing where nobody has said so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_not_on_whatsapp(&self, phone: &Phone) -> Result<(), StoreError> {
        let change = Change::new("forget that a number is not on WhatsApp")
            .condition("attribute_exists(not_on_whatsapp_until)")
            .remove(NOT_ON_WHATSAPP);
        match self.update(phone, change).await? {
            Updated::Done(_) | Updated::Refused(_) => Ok(()),
        }
    }
}
