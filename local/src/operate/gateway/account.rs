//! Whether the session is paired and logged in, and whether numbers can be looked up from it.
use std::io;
use std::time::Duration;

use shared::gateway::{GatewayVersion, Jid, SessionStatus};
use shared::model::phone::Phone;

use super::advice::{self, Flags};
use super::checkup::{ANSWER_MAX, Checkup, said};

/// How often a session that logs in is looked at, once a second.
const LOGIN_LOOKS: usize = 5;
/// The longest wait for what WhatsApp says about a number.
const LOOK_UP_MAX: Duration = Duration::from_secs(10);

/// How a session is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    Usable,
    WaitsForScan,
    NotLoggedIn(Flags),
}

impl Checkup<'_, '_> {
    /// Says how the session is. Answers how it was at the end, and whether messages can be sent from it.
    pub(super) async fn account(
        &mut self,
        status: SessionStatus,
    ) -> io::Result<(SessionStatus, bool)> {
        let (status, account) = self.settle(status).await;
        match account {
            Account::Usable => self.tell_usable(&status)?,
            Account::WaitsForScan => {
                let fix =
                    "Scan the code with the phone: docs/gateway.md, \"A session and its token\"";
                self.lines
                    .wrong_with("paired", "no, it waits for a scan", fix)?;
                self.lines
                    .left_out("logged in", "a session is paired first")?;
            }
            Account::NotLoggedIn(flags) => {
                if flags == Flags::Closed {
                    self.tell_pairing(&status)?;
                }
                let record = self.target.record();
                let advice = advice::for_trouble(flags, record, self.backends.clock.now());
                self.lines
                    .wrong_with("logged in", &advice.found, &advice.fix)?;
            }
        }
        Ok((status, account == Account::Usable))
    }

    fn tell_usable(&mut self, status: &SessionStatus) -> io::Result<()> {
        let owner = owner(status).map_or("yes".into(), |phone| format!("with {phone}"));
        self.lines.good("paired", &owner)?;
        self.lines.good("logged in", "yes, and connected")?;
        let record = self.target.record();
        match advice::for_usable(record, self.backends.clock.now()) {
            Some(advice) => self.lines.warn("account", &advice.found, &advice.fix),
            None => Ok(()),
        }
    }

    /// What is known of the pairing of a session that is closed.
    fn tell_pairing(&mut self, status: &SessionStatus) -> io::Result<()> {
        match owner(status) {
            Some(phone) => {
                let found = format!("it was, with {phone}; only a connect shows whether it is");
                self.lines.left_out("paired", &found)
            }
            None if status.version == GatewayVersion::Spring2025 => {
                self.lines.left_out("paired", "only a connect shows that")
            }
            None => {
                self.lines
                    .wrong_with("paired", "it never was", "Connect it, and scan its code")
            }
        }
    }

    /// Looks until a login has ended, or has taken long.
    async fn settle(&self, mut status: SessionStatus) -> (SessionStatus, Account) {
        for _ in 0..LOGIN_LOOKS {
            let account = match (status.connected, status.logged_in) {
                (true, true) => Account::Usable,
                (false, true) => Account::NotLoggedIn(Flags::LostConnection),
                (false, false) => Account::NotLoggedIn(Flags::Closed),
                (true, false) if self.waits_for_scan(&status).await => Account::WaitsForScan,
                (true, false) => Account::NotLoggedIn(Flags::LogsIn),
            };
            if account != Account::NotLoggedIn(Flags::LogsIn) {
                return (status, account);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            status = self.status_again(status).await;
        }
        (status, Account::NotLoggedIn(Flags::LogsIn))
    }

    /// The status as it is now, or as it was where there is no answer.
    pub(super) async fn status_again(&self, status: SessionStatus) -> SessionStatus {
        let Some(token) = &self.target.token else {
            return status;
        };
        let again = self.target.gateway.status(token, ANSWER_MAX).await;
        again.unwrap_or(status)
    }

    async fn waits_for_scan(&self, status: &SessionStatus) -> bool {
        match (status.has_qr_code, &self.target.token) {
            (Some(has_qr_code), _) => has_qr_code,
            (None, Some(token)) => {
                let code = self.target.gateway.qr(token, ANSWER_MAX).await;
                matches!(code, Ok(Some(_)))
            }
            (None, None) => false,
        }
    }

    /// Looks up the session's own number, or that of the test message where the version does not say the own one.
    pub(super) async fn look_up(&mut self, status: &SessionStatus, usable: bool) -> io::Result<()> {
        const WHAT: &str = "look-up";
        let Some(token) = self.target.token.clone().filter(|_| usable) else {
            return self
                .lines
                .left_out(WHAT, "a session looks up nothing until it is logged in");
        };
        let Some(phone) = owner(status).or_else(|| self.orders.to.cloned()) else {
            let why =
                "this version does not say the session's number: give one to look up with --to";
            return self.lines.left_out(WHAT, why);
        };
        let phones = [phone];
        let answer = self
            .target
            .gateway
            .check_users(&token, &phones, LOOK_UP_MAX);
        let (answer, ms) = self.timed(answer).await;
        let phone = &phones[0];
        match answer {
            Ok(found) if found.iter().any(|one| one.on_whatsapp) => self
                .lines
                .good(WHAT, &format!("{phone} is on WhatsApp; asked in {ms} ms")),
            Ok(_) => {
                let found = format!("WhatsApp does not say that {phone} is there, after {ms} ms");
                let fix = "Sign-ups with such a number are refused: update the gateway if others are not found either";
                self.lines.wrong_with(WHAT, &found, fix)
            }
            Err(error) => {
                let fix = "Until it works, numbers get their first message unseen. Try again later, and send less if WhatsApp \
                           throttles it";
                self.lines.wrong_with(WHAT, &said(&error), fix)
            }
        }
    }
}

/// The phone that the session was paired with last.
fn owner(status: &SessionStatus) -> Option<Phone> {
    let jid = Jid(status.jid.clone()?);
    Phone::from_digits(jid.digits()?).ok()
}
