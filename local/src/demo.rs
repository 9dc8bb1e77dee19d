//! The account that exists from the start, so that the first request already delivers a code.
use shared::model::account::{PersonName, User};
use shared::model::phone::Phone;
use shared::runtime::Backends;
use shared::store::transact;
use shared::store::users::Users;

/// The demo account's phone, as people type it.
pub const PHONE: &str = "08123456789";

/// Makes the demo account, unless its phone has a user.
///
/// # Errors
/// When the store fails.
pub async fn seed(backends: &Backends) -> anyhow::Result<()> {
    let users = Users::new(backends);
    let id = u128::from_be_bytes(backends.entropy.bytes());
    let user = User {
        id: format!("{id:032x}"),
        phone: Phone::parse(PHONE)?,
        name: PersonName::parse("Demo")?,
        email: None,
        wanted_email: None,
        password: None,
        ver: 1,
        role: "user".into(),
        created_at: backends.clock.now(),
    };
    // Refused means that the account exists.
    let writes = users.creation(&user)?;
    transact("make the demo account", &backends.dynamodb, writes).await?;
    Ok(())
}
