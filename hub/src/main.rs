//! `breakglass-hub`. What it does is in the library; here is only the command line.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use breakglass_hub::args::{AuditCommand, Cli, Command};
use breakglass_hub::backup::{self, Restored};
use breakglass_hub::clock::{Clock as _, RealClock};
use breakglass_hub::store::sqlite::Extent;
use breakglass_hub::{api, serve, telemetry, verify};
use clap::Parser as _;

/// Measured against the C library's: less processor time, and less memory (docs/decisions/0030).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
        Command::Backup(args) => {
            let now = RealClock::start().now().wall;
            let extent = backup::backup(&args.state, &args.to, args.occupied(), now)?;
            print(&backup_text(&args.to, &extent))
        }
        Command::Restore(args) => {
            let now = RealClock::start().now().wall;
            let restored = backup::restore(&args.from, &args.state, args.occupied(), now)?;
            print(&restored_text(&args.state, &restored))
        }
        Command::Openapi => {
            let document = api::openapi::document(&api::endpoints());
            print(&serde_json::to_string_pretty(&document)?)
        }
        Command::Crds => print(&breakglass_protocol::kinds::crds_yaml()?),
        Command::Audit(AuditCommand::Verify(args)) => print(&verify::verify(&args)?),
    }
}

fn backup_text(to: &Path, extent: &Extent) -> String {
    format!(
        "{} holds {} objects and {} audit events, and the authorities' keys: keep it as secret as the state folder",
        to.display(),
        extent.objects,
        extent.events
    )
}

fn restored_text(state: &Path, restored: &Restored) -> String {
    let extent = &restored.extent;
    let mut text = format!(
        "{} holds {} objects and {} audit events again",
        state.display(),
        extent.objects,
        extent.events
    );
    if restored.keys.is_empty() {
        text.push_str(
            "\nno keys came with it: without those of the folder, agents must enrol anew",
        );
    } else {
        text.push_str("\nkeys restored: ");
        text.push_str(&restored.keys.join(", "));
    }
    for path in &restored.put_aside {
        text.push_str("\nput aside: ");
        text.push_str(&path.display().to_string());
    }
    text
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", text.trim_end())?;
    Ok(())
}
