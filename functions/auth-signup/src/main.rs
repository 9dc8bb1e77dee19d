//! Wires and runs the function; the endpoint itself is `lib.rs`.
use auth_signup::{App, handle};
use shared::runtime::{Backends, Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let app = App::new(&Backends::from_env()?);
    run(|request| handle(&app, request)).await
}
