//! The limits of a deployment, and what a refusal by one of them says.
use std::time::Duration;

use crate::model::challenge::{Certainty, SendMade};

/// What "a day" is in the limits.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits of a deployment. [`decide`](super::decide) holds those of one phone's messages; the others are windows of the
/// store, which the flows ask.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The wait between two codes of one phone and purpose.
    pub cooldown: Duration,
    /// The same after a message of unknown outcome.
    pub cooldown_unconfirmed: Duration,
    /// Codes per phone and purpose within [`window`](Self::window).
    pub codes_per_window: usize,
    /// How long such a window is.
    pub window: Duration,
    /// Messages per phone and day for signing up.
    pub messages_per_day: usize,
    /// Messages per phone and day over all purposes, before one more for signing in or resetting. Whether the phone has a user
    /// makes no difference, or the limit would tell.
    pub messages_per_day_verified: usize,
    /// Codes per client address.
    pub codes_per_address: WindowLimit,
    /// How long a number is remembered not to be on WhatsApp.
    pub not_on_whatsapp: Duration,
    /// Wrong codes per client address.
    pub guesses_per_address: WindowLimit,
    /// Wrong passwords per account and client address.
    pub passwords_per_phone: WindowLimit,
    /// Wrong passwords per account from anywhere, before a password alone is not enough.
    pub passwords_before_code: WindowLimit,
    /// Phones per client address that a wrong password was given for.
    pub passwords_per_address: WindowLimit,
}

/// A limit within a window, which begins with the first of what it counts or at a fixed time.
#[derive(Clone, Copy, Debug)]
pub struct WindowLimit {
    /// Places per window.
    pub places: usize,
    /// How long a window is.
    pub window: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(60),
            cooldown_unconfirmed: Duration::from_secs(15),
            codes_per_window: 5,
            window: Duration::from_secs(600),
            messages_per_day: 10,
            messages_per_day_verified: 30,
            codes_per_address: WindowLimit {
                places: 100,
                window: Duration::from_secs(600),
            },
            not_on_whatsapp: Duration::from_secs(6 * 60 * 60),
            guesses_per_address: WindowLimit {
                places: 100,
                window: Duration::from_secs(900),
            },
            passwords_per_phone: WindowLimit {
                places: 10,
                window: Duration::from_secs(900),
            },
            passwords_before_code: WindowLimit {
                places: 100,
                window: Duration::from_secs(900),
            },
            passwords_per_address: WindowLimit {
                places: 100,
                window: Duration::from_secs(900),
            },
        }
    }
}

impl Policy {
    /// How long the next code has to wait after `send`.
    pub(super) fn wait_after(&self, send: &SendMade) -> Duration {
        match send.certainty {
            Certainty::Sent => self.cooldown,
            Certainty::Unconfirmed => self.cooldown_unconfirmed,
            Certainty::Lapsed => Duration::ZERO,
        }
    }
}

/// Which limit said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Another request for the same code is being served.
    InProgress,
    /// The last code is too fresh.
    Cooldown,
    /// Too many codes in the window.
    Window,
    /// Too many messages to this phone in a day.
    Day,
    /// Too many codes asked for from one client address.
    CodesFromAddress,
    /// Too many codes for one country in a day.
    Country,
    /// Too many wrong codes from one client address.
    WrongCodesFromAddress,
    /// Too many wrong passwords for an account from one client address.
    WrongPasswords,
    /// A wrong password for yet another phone from one client address.
    PhonesFailedFromAddress,
    /// Too many notices of one payment system in a day.
    NoticesOfCaller,
}

impl Limit {
    /// Its name in replies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Cooldown => "cooldown",
            Self::Window => "window",
            Self::Day => "day",
            Self::CodesFromAddress => "address",
            Self::Country => "country",
            Self::WrongCodesFromAddress => "code_address",
            Self::WrongPasswords => "password",
            Self::PhonesFailedFromAddress => "password_address",
            Self::NoticesOfCaller => "caller",
        }
    }
}

/// The refusal of a request by a limit. Nothing was charged, and nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The limit.
    pub limit: Limit,
    /// How long to wait before the next request.
    pub retry_after: Duration,
}
