//! Placeholder until the local server exists.
fn main() {}
