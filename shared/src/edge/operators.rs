//! What operators' acts are refused with: for programs a status and a code, for people a text. A page that is told the code
//! shows the text.
use lambda_http::http::StatusCode;

use super::problem::Problem;
use crate::flows::admin::outbox::OutboxError;
use crate::flows::admin::people::PersonError;
use crate::flows::admin::sessions::acts::ActError;
use crate::model::replies::{self, Text};

/// Why an act was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What it is about is not there.
    NotFound,
    /// Somebody has to prove again who they are.
    ProofNeeded,
    /// The session is a customer's.
    NotOurs,
    /// The settings say that messages are sent from it.
    InSettings,
    /// No session can be added under this name.
    NameTaken,
    /// A setting is missing: `WHATSAPP_ADMIN_TOKEN`.
    NoAdminToken,
    /// A setting is missing: `PUBLIC_BASE_URL`.
    NoPublicAddress,
    /// The session was connected a moment ago.
    TooSoon,
    /// The session waits for a scan.
    WaitsForScan,
    /// The gateway did not do it.
    GatewayRefused,
    /// The notice is being sent, or has ended.
    NoticeChanged,
    /// What was typed is neither a phone nor an id.
    NotRecognised,
    /// Another phone was typed to confirm an act.
    NotConfirmed,
}

impl Refusal {
    const ALL: [Self; 13] = [
        Self::NotFound,
        Self::ProofNeeded,
        Self::NotOurs,
        Self::InSettings,
        Self::NameTaken,
        Self::NoAdminToken,
        Self::NoPublicAddress,
        Self::TooSoon,
        Self::WaitsForScan,
        Self::GatewayRefused,
        Self::NoticeChanged,
        Self::NotRecognised,
        Self::NotConfirmed,
    ];

    /// Its code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::ProofNeeded => "SUDO_REQUIRED",
            Self::NotOurs => "NOT_OURS",
            Self::InSettings => "IN_SETTINGS",
            Self::NameTaken => "NAME_TAKEN",
            Self::NoAdminToken => "NO_ADMIN_TOKEN",
            Self::NoPublicAddress => "NO_PUBLIC_ADDRESS",
            Self::TooSoon => "TOO_SOON",
            Self::WaitsForScan => "WAITS_FOR_SCAN",
            Self::GatewayRefused => "GATEWAY_REFUSED",
            Self::NoticeChanged => "NOTICE_CHANGED",
            Self::NotRecognised => "NOT_RECOGNISED",
            Self::NotConfirmed => "NOT_CONFIRMED",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::ProofNeeded => StatusCode::FORBIDDEN,
            Self::GatewayRefused => StatusCode::BAD_GATEWAY,
            Self::NotRecognised => StatusCode::BAD_REQUEST,
            _ => StatusCode::CONFLICT,
        }
    }

    const fn text(self) -> Text {
        match self {
            Self::NotFound => replies::ADMIN_NOT_THERE,
            Self::ProofNeeded => replies::ADMIN_PROOF_NEEDED,
            Self::NotOurs => replies::ADMIN_NOT_OURS,
            Self::InSettings => replies::ADMIN_IN_SETTINGS,
            Self::NameTaken => replies::ADMIN_NAME_TAKEN,
            Self::NoAdminToken => replies::ADMIN_NO_TOKEN,
            Self::NoPublicAddress => replies::ADMIN_NO_ADDRESS,
            Self::TooSoon => replies::ADMIN_TOO_SOON,
            Self::WaitsForScan => replies::ADMIN_WAITS_FOR_SCAN,
            Self::GatewayRefused => replies::ADMIN_GATEWAY_REFUSED,
            Self::NoticeChanged => replies::ADMIN_NOTICE_CHANGED,
            Self::NotRecognised => replies::ADMIN_NOT_RECOGNISED,
            Self::NotConfirmed => replies::ADMIN_NOT_CONFIRMED,
        }
    }
}

/// What a page says of the refusal called `code`. A code of another kind gets a text that fits all.
pub fn told(code: &str) -> Text {
    let known = Refusal::ALL
        .into_iter()
        .find(|refusal| refusal.code() == code);
    known.map_or(replies::ADMIN_NOT_DONE, Refusal::text)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status(), refusal.code(), refusal.text())
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::NoSuchSession => Refusal::NotFound.into(),
            ActError::NotOurs => Refusal::NotOurs.into(),
            ActError::Configured => Refusal::InSettings.into(),
            ActError::NameTaken => Refusal::NameTaken.into(),
            ActError::NoAdminToken => Refusal::NoAdminToken.into(),
            ActError::NoPublicAddress => Refusal::NoPublicAddress.into(),
            ActError::TooSoon(_) => Refusal::TooSoon.into(),
            ActError::WaitsForScan => Refusal::WaitsForScan.into(),
            ActError::Gateway(error) => Self::from(Refusal::GatewayRefused).because_of(&error),
            ActError::LostRaces => Self::internal(&error),
            ActError::Store(error) => Self::internal(&error),
        }
    }
}

impl From<PersonError> for Problem {
    fn from(error: PersonError) -> Self {
        match error {
            PersonError::NotThere => Refusal::NotFound.into(),
            PersonError::NotConfirmed => Refusal::NotConfirmed.into(),
            PersonError::InUse => Self::internal(&error),
            PersonError::Store(error) => Self::internal(&error),
        }
    }
}

impl From<OutboxError> for Problem {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::NoSuchNotice => Refusal::NotFound.into(),
            OutboxError::Changed => Refusal::NoticeChanged.into(),
            OutboxError::Store(error) => Self::internal(&error),
        }
    }
}
