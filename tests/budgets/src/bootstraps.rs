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
    build_apart(&functions, &target()?, &[])
}

/// Builds the bootstrap of one function; answers the folder that holds it.
pub fn build_one(function: &str) -> anyhow::Result<PathBuf> {
    build_apart(&["-p", function], &target()?, &[])
}

/// Builds the program of `cargo run`; answers its path.
pub fn build_local() -> anyhow::Result<PathBuf> {
    let target = target()?;
    cargo(&["-p", "local"], &target, &[])?;
    Ok(target.join("release/local"))
}

/// Builds the bootstrap of one function, and [`HELLO`], with some settings of the release profile replaced.
pub fn build_with(function: &str, name: &str, profile: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
    let target = target()?.join("profiles").join(name);
    build_apart(&["-p", function], &target, profile)
}

fn build_apart(
    functions: &[&str],
    target: &Path,
    profile: &[(&str, &str)],
) -> anyhow::Result<PathBuf> {
    cargo(functions, target, profile)?;
    // On its own, so that it gets no feature that only the others need.
    cargo(&["-p", HELLO], target, profile)?;
    Ok(target.join("release"))
}

/// The folder of all that is built.
fn target() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let target = this.parent().and_then(Path::parent);
    Ok(target.context("the target folder")?.to_owned())
}

fn cargo(packages: &[&str], target: &Path, profile: &[(&str, &str)]) -> anyhow::Result<()> {
    let variable = |name: &str| format!("CARGO_PROFILE_RELEASE_{name}");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--target-dir"])
        .arg(target)
        .args(packages)
        .envs(profile.iter().map(|(name, value)| (variable(name), value)))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    ensure!(
        status.success(),
        "cargo build --release {}: {status}",
        packages.join(" ")
    );
    Ok(())
}
