//! Wires and runs the function; what it does is `lib.rs`.
use outbox_deliver::{App, handle};
use shared::runtime::{Backends, Error, schedule};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let app = App::new(&Backends::from_env()?);
    schedule::run(async |deadline| handle(&app, deadline).await.map(drop)).await
}
