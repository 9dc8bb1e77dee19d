//! Wires and runs the function; the endpoint itself is `lib.rs`.
use admin_api::{App, handle};
use shared::runtime::{Backends, Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let backends = Backends::from_env()?;
    let app = App::new(&backends);
    backends.warm_up(app.warm_up()).await;
    run(|request| handle(&app, request)).await
}
