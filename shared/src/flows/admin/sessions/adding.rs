//! One session more, which of ours messages are sent from, and how many of them.
use std::time::Duration;

use super::acts::{Act, ActError};
use super::key::SessionKey;
use super::{ANSWER_MAX, AdminSessions, Operator, Ours};
use crate::gateway::{GatewayError, NewUser, SessionToken};
use crate::model::weight::Weight;
use crate::platform::timestamp::Timestamp;
use crate::runtime::settings::{SYSTEM_SESSION, SessionSettings};
use crate::sender::pool::is_session_name;
use crate::store::keys::ListChanged;
use crate::store::session_list::ListedSession;
use crate::store::whatsapp_sessions::{SeenState, SessionState};

/// How often the list is read again when others change it at the same moment.
const RACES_MAX: usize = 5;
/// The longest wait for the gateway to make a session.
const MAKE_MAX: Duration = Duration::from_secs(8);
/// What a gateway answers that has a session with this token already.
const CONFLICT: u16 = 409;

impl AdminSessions {
    /// Makes a session on the gateway, sends from it once it is paired, and connects it, so that there is a QR code to scan.
    ///
    /// Its token is kept before the gateway has it: whoever is interrupted asks again under the same name.
    ///
    /// # Errors
    /// When there is a session of that name, the gateway makes none, or the store fails.
    pub async fn add(&self, name: &str, operator: Operator<'_>) -> Result<SessionKey, ActError> {
        let added = self.add_named(name, operator.now).await;
        let whom = if is_session_name(name) {
            name
        } else {
            "a name that cannot be"
        };
        self.keep("session-add", whom, (&added, operator)).await?;
        added?;
        let key = SessionKey::Ours(name.to_owned());
        // It is there, whatever comes of this: the page has the button, and the next look connects it.
        let connected = self.act(&key, &Act::Connect, operator).await;
        match connected {
            Ok(_) | Err(ActError::Gateway(_) | ActError::TooSoon(_)) => Ok(key),
            Err(error) => Err(error),
        }
    }

    async fn add_named(&self, name: &str, now: Timestamp) -> Result<(), ActError> {
        if !is_session_name(name) || name == SYSTEM_SESSION {
            return Err(ActError::NameTaken);
        }
        let admin_token = self.admin_token.as_ref().ok_or(ActError::NoAdminToken)?;
        let token = self.reserve(name).await?;
        self.make(admin_token, name, token).await?;
        // Nobody has scanned it: messages take others first.
        let unlinked = SeenState::beginning(SessionState::Unlinked, now);
        self.items.record_state(name, unlinked).await?;
        self.change(|sessions| edit(sessions, name, |listed| listed.sends = true))
            .await
    }

    /// Has the gateway make the session, unless an earlier request did so and nobody has ever paired it.
    async fn make(
        &self,
        admin_token: &SessionToken,
        name: &str,
        token: SessionToken,
    ) -> Result<(), ActError> {
        let user = NewUser {
            name: name.to_owned(),
            token,
        };
        let made = self.gateway.add_user(admin_token, &user, MAKE_MAX).await;
        match made {
            Err(GatewayError::Refused { status, .. }) if status == CONFLICT => {
                let status = self.gateway.status(&user.token, ANSWER_MAX).await;
                let status = status.map_err(ActError::Gateway)?;
                if status.logged_in || status.jid.is_some() {
                    Err(ActError::NameTaken)
                } else {
                    Ok(())
                }
            }
            made => made.map_err(ActError::Gateway),
        }
    }

    /// Keeps a token for the session called `name`, that nothing is sent from yet; or answers the one that was kept before.
    async fn reserve(&self, name: &str) -> Result<SessionToken, ActError> {
        let drawn: [u8; 32] = self.entropy.bytes();
        let drawn: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
        let drawn = SessionToken::new(drawn);
        let reserve = |sessions: &mut Vec<ListedSession>| {
            let is_named = |listed: &ListedSession| listed.session.name == name;
            match sessions.iter().find(|listed| is_named(listed)) {
                Some(there) if there.sends || there.session.gateway.is_some() => {
                    Err(ActError::NameTaken)
                }
                Some(_) => Ok(()),
                None => {
                    sessions.push(ListedSession {
                        session: SessionSettings::new(name, drawn.clone()),
                        sends: false,
                    });
                    Ok(())
                }
            }
        };
        self.change(reserve).await?;
        let listed = self.list.read().await?.sessions.into_iter();
        let mut named = listed.filter(|listed| listed.session.name == name);
        let listed = named.next().ok_or(ActError::LostRaces)?;
        Ok(listed.session.token)
    }

    /// Sends from one of ours from now on, or no more.
    pub(super) async fn put_in_pool(&self, ours: Ours, sends: bool) -> Result<(), ActError> {
        if ours.is_configured {
            return Err(ActError::Configured);
        }
        let name = ours.listed.session.name;
        self.change(|sessions| edit(sessions, &name, |listed| listed.sends = sends))
            .await
    }

    /// Gives one of ours another share of new recipients.
    pub(super) async fn weigh(&self, ours: Ours, weight: Weight) -> Result<(), ActError> {
        if ours.is_configured {
            return Err(ActError::Configured);
        }
        let name = ours.listed.session.name;
        self.change(|sessions| edit(sessions, &name, |listed| listed.session.weight = weight))
            .await
    }

    /// Changes the list as `edit` says.
    async fn change(
        &self,
        edit: impl Fn(&mut Vec<ListedSession>) -> Result<(), ActError>,
    ) -> Result<(), ActError> {
        for _ in 0..RACES_MAX {
            let seen = self.list.read().await?;
            let mut sessions = seen.sessions.clone();
            edit(&mut sessions)?;
            let is_change = sessions != seen.sessions;
            if !is_change || self.list.write(&seen, &sessions).await? == ListChanged::Done {
                return Ok(());
            }
        }
        Err(ActError::LostRaces)
    }
}

/// Changes the session of the list that is called `name`.
fn edit(
    sessions: &mut [ListedSession],
    name: &str,
    change: impl FnOnce(&mut ListedSession),
) -> Result<(), ActError> {
    let mut named = sessions
        .iter_mut()
        .filter(|listed| listed.session.name == name);
    let listed = named.next().ok_or(ActError::NoSuchSession)?;
    change(listed);
    Ok(())
}
