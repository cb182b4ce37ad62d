//! One file per noun; each command is a request and a table.

mod apply;
mod binding;
mod check;
mod cluster;
mod explain;
mod history;
mod offer;
mod person;
mod pod_template;
mod render;
mod session;
mod template;
mod wait;
mod watch;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Cli, Command, Debug, OfflineTemplate};
use crate::client::Client;
use crate::output;
use crate::settings::Settings;

/// Runs one command.
pub async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Version => output::write_out(concat!("bgctl ", env!("CARGO_PKG_VERSION"), "\n"))?,
        Command::Template(OfflineTemplate::Check { files }) => return check::run(&files),
        Command::Template(OfflineTemplate::Render(args)) => {
            return render::run(&args, cli.global.context.as_deref());
        }
        Command::Apply(args) => {
            let settings = Settings::load(&cli.global)?;
            return apply::apply(&Client::new(&settings)?, settings.output, &args).await;
        }
        Command::Delete(args) => {
            let settings = Settings::load(&cli.global)?;
            return apply::delete(&Client::new(&settings)?, settings.output, &args).await;
        }
        Command::Explain(asked) => {
            let settings = Settings::load(&cli.global)?;
            return explain::run(&Client::new(&settings)?, settings.output, asked).await;
        }
        Command::Debug(debug) => {
            let settings = Settings::load(&cli.global)?;
            let client = Client::new(&settings)?;
            match debug {
                Debug::Session(command) => session::run(&client, settings.output, *command).await?,
                Debug::Template(command) => {
                    template::run(&client, settings.output, command).await?
                }
                Debug::Binding(command) => binding::run(&client, settings.output, command).await?,
                Debug::PodTemplate(command) => {
                    pod_template::run(&client, settings.output, command).await?
                }
            }
        }
        Command::Person(command) => {
            let settings = Settings::load(&cli.global)?;
            let client = Client::new(&settings)?;
            person::run(&client, settings.output, command).await?;
        }
        Command::Cluster(command) => {
            let settings = Settings::load(&cli.global)?;
            let client = Client::new(&settings)?;
            cluster::run(&client, settings.output, command).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `KEY=VALUE` flags as a map; the same key twice is a mistake.
fn key_values(flag: &str, items: &[String]) -> Result<std::collections::BTreeMap<String, String>> {
    let mut map = std::collections::BTreeMap::new();
    for item in items {
        let (key, value) = item
            .split_once('=')
            .ok_or_else(|| anyhow::anyhow!("{flag} {item:?} is not KEY=VALUE"))?;
        if map.insert(key.to_owned(), value.to_owned()).is_some() {
            anyhow::bail!("{flag} names {key:?} twice");
        }
    }
    Ok(map)
}

/// Asks before what cannot be undone; where nobody can answer, the command itself is the answer.
fn confirm(question: &str) -> Result<()> {
    use std::io::IsTerminal;
    if !std::io::stdin().is_terminal() {
        return Ok(());
    }
    output::note(&format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        anyhow::bail!("nothing was done")
    }
}
