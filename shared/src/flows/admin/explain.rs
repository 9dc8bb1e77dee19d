//! What would happen if somebody asked for a code now, for an operator. Nothing is sent, charged or written.
use crate::flows::codes::Codes;
use crate::flows::codes::explain::{Explanation, Question};
use crate::model::admin::AdminPhones;
use crate::model::code::Purpose;
use crate::model::phone::Phone;
use crate::platform::timestamp::Timestamp;
use crate::runtime::Backends;
use crate::store::StoreError;

/// Explains codes.
#[derive(Clone, Debug)]
pub struct AdminExplain {
    codes: Codes,
    operators: AdminPhones,
}

impl AdminExplain {
    /// Over `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            codes: Codes::new(backends),
            operators: backends.settings.admins.clone(),
        }
    }

    /// What would happen if somebody asked for a code for `purpose` on `phone`, in the language of the phone's country.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn explain(
        &self,
        phone: &Phone,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Explanation, StoreError> {
        let question = Question {
            phone,
            purpose,
            is_operator: self.operators.contains(phone),
            language: None,
        };
        self.codes.explain(&question, now).await
    }
}
