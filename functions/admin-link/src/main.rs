//! Wires and runs the function; what it does is `lib.rs`.
use admin_link::{App, handle};
use shared::runtime::{Backends, Error, invoked};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let app = App::new(&Backends::from_env()?);
    invoked::run(async |wish, caller| handle(&app, wish, &caller).await).await
}
