//! The release bootstraps: the functions of this repository, and the smallest one to compare with.
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use local::functions;

/// The function that the others are measured against.
pub const HELLO: &str = "hello";

/// The functions' names, in folder order.
pub fn names() -> impl Iterator<Item = &'static str> {
    functions::ALL.iter().map(|(name, _)| *name)
}

/// Builds all bootstraps for release; answers the folder that holds them.
pub fn build() -> anyhow::Result<PathBuf> {
    let functions: Vec<_> = names().flat_map(|name| ["-p", name]).collect();
    cargo(&functions)?;
    // On its own, so that it gets no feature that only the others need.
    cargo(&["-p", HELLO])?;
    let this = std::env::current_exe()?;
    let target = this.parent().and_then(Path::parent);
    Ok(target.context("the target folder")?.join("release"))
}

fn cargo(packages: &[&str]) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release"])
        .args(packages)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    ensure!(
        status.success(),
        "cargo build --release {}: {status}",
        packages.join(" ")
    );
    Ok(())
}
