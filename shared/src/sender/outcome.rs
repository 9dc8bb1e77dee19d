//! How a message ends.
use std::time::Duration;

/// When it is worth asking again for what only a person can end.
pub const HUMAN_TAKES: Duration = Duration::from_secs(300);

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// WhatsApp took it.
    Sent,
    /// It was certainly not sent.
    NotSent(Reason),
    /// The gateway may have sent it.
    Unknown,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// More messages than the session can send.
    Busy,
    /// The session did not come back in time.
    SessionDown,
    /// The session waits for somebody to pair it.
    NeedsPairing,
    /// Only a restart of the gateway helps.
    NeedsRestart,
    /// WhatsApp keeps the account from sending.
    Restricted,
    /// The number is not on WhatsApp.
    NotOnWhatsApp,
    /// This recipient or this text can never be sent.
    WrongRecipient,
    /// The address or the token of the gateway is wrong.
    Misconfigured,
    /// There is no gateway behind the address.
    GatewayUnreachable,
    /// WhatsApp said no, twice.
    Rejected,
    /// The time was over before the message could be sent.
    Deadline,
}

impl Outcome {
    /// The word for it in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::NotSent(_) => "not_sent",
            Self::Unknown => "unknown",
        }
    }

    /// Why it was not sent.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::NotSent(reason) => Some(reason),
            Self::Sent | Self::Unknown => None,
        }
    }
}

impl Reason {
    /// Whether waiting does not help: only somebody who acts does.
    pub const fn needs_human(self) -> bool {
        matches!(
            self,
            Self::NeedsPairing | Self::NeedsRestart | Self::Restricted | Self::Misconfigured
        )
    }

    /// Whether WhatsApp itself has said so. It counts what it is asked against the account.
    pub const fn is_of_whatsapp(self) -> bool {
        matches!(
            self,
            Self::Restricted | Self::Rejected | Self::NotOnWhatsApp
        )
    }

    /// Whether it says something about the sessions, and not only about the recipient.
    pub const fn concerns_the_channel(self) -> bool {
        !matches!(self, Self::NotOnWhatsApp | Self::WrongRecipient)
    }

    /// Whether it says that the session could not send, whoever the message was for.
    pub const fn is_of_the_session(self) -> bool {
        matches!(
            self,
            Self::SessionDown
                | Self::NeedsPairing
                | Self::NeedsRestart
                | Self::Restricted
                | Self::Misconfigured
                | Self::GatewayUnreachable
        )
    }

    /// The word for it in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::SessionDown => "session_down",
            Self::NeedsPairing => "needs_pairing",
            Self::NeedsRestart => "needs_restart",
            Self::Restricted => "restricted",
            Self::NotOnWhatsApp => "not_on_whatsapp",
            Self::WrongRecipient => "wrong_recipient",
            Self::Misconfigured => "misconfigured",
            Self::GatewayUnreachable => "gateway_unreachable",
            Self::Rejected => "rejected",
            Self::Deadline => "deadline",
        }
    }
}
