//! `breakglass-hub`. What it does is in the library; here is only the command line.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use breakglass_hub::args::{AuditCommand, Cli, Command};
use breakglass_hub::clock::RealClock;
use breakglass_hub::{api, serve, telemetry, verify};
use clap::Parser as _;

fn main() -> ExitCode {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            writeln!(std::io::stderr(), "breakglass-hub: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(args) => {
            telemetry::start_logging(args.log_format);
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            runtime.block_on(serve::serve(&args, Arc::new(RealClock::start())))?;
            Ok(())
        }
        Command::Openapi => {
            let document = api::openapi::document(&api::endpoints());
            print(&serde_json::to_string_pretty(&document)?)
        }
        Command::Crds => print(&breakglass_protocol::kinds::crds_yaml()?),
        Command::Audit(AuditCommand::Verify(args)) => print(&verify::verify(&args)?),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", text.trim_end())?;
    Ok(())
}
