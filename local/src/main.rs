//! Starts the whole system on this machine, or does what an operator asks for.
use std::process::ExitCode;

use clap::Parser;
use local::cli::Cli;
use local::machine::Machine;
use local::operate;
use shared::runtime::settings::vars::Vars;

/// What a function's main thread has on Lambda. Unoptimised builds need more than the usual 2 MiB of a thread.
const STACK_BYTES: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .compact()
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(operate::exit_status(&error))
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let settings = operate::settings(cli.command.as_ref(), Vars::from_env())?;
    if let Some(command) = &cli.command {
        let backends = operate::backends(command, &cli.data, settings).await?;
        return operate::run(command, &backends, &mut std::io::stdout().lock()).await;
    }
    let machine = Machine::prepare(cli, settings).await?;
    println!("\n{machine}\nCtrl-C ends it.\n");
    machine.serve(interrupted()).await
}

/// Returns at Ctrl-C, or when the system asks the process to end.
async fn interrupted() {
    let ctrl_c = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = ctrl_c => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = ctrl_c.await;
}
