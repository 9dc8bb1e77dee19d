//! Makes a link that signs an operator in once: for when WhatsApp itself is down, or nobody has a phone in `ADMIN_PHONES`.
//! No route leads here. Whoever may invoke it with IAM is an operator.
//!
//! `{"for":"sign-in"}` is answered with `{"path":"/admin/link/…","url":"https://…","expiresAt":"…"}`. `url` is left out where
//! `PUBLIC_BASE_URL` is not set.
use serde::{Deserialize, Serialize};
use shared::flows::admin::links::AdminLinks;
use shared::model::caller::Caller;
use shared::platform::clock::Clock;
use shared::runtime::Backends;
use shared::store::StoreError;

/// What this function may touch.
#[derive(Debug)]
pub struct App {
    links: AdminLinks,
    clock: Clock,
    public_base_url: Option<String>,
}

impl App {
    /// Takes what this function may touch from `backends`.
    pub fn new(backends: &Backends) -> Self {
        Self {
            links: AdminLinks::new(backends),
            clock: backends.clock.clone(),
            public_base_url: backends.settings.public_base_url.clone(),
        }
    }
}

/// Which link is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// What it is for.
    pub r#for: For,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum For {
    /// It signs in.
    SignIn,
}

/// A link that was made. It is a secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Its path.
    pub path: String,
    /// Its whole address, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it stops to work.
    pub expires_at: String,
}

/// Answers one call.
///
/// # Errors
/// When the store fails.
pub async fn handle(app: &App, wish: Wish, caller: &Caller) -> Result<Made, StoreError> {
    let For::SignIn = wish.r#for;
    let link = app.links.make(caller, app.clock.now()).await?;
    let path = link.path();
    let base_url = app.public_base_url.as_ref();
    Ok(Made {
        url: base_url.map(|base_url| format!("{base_url}{path}")),
        path,
        expires_at: link.expires_at.rfc3339(),
    })
}
