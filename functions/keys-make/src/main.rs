//! Wires and runs the function; what it does is `lib.rs`.
use keys_make::{App, handle};
use shared::runtime::{Backends, Error, custom_resource};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let app = Backends::from_env().map(|backends| App::new(&backends));
    custom_resource::run(|request| handle(app.as_ref(), request)).await
}
