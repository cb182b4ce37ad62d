//! What some of the words about sessions take.

use clap::Args;

#[derive(Args)]
pub struct Decide {
    pub name: String,
    #[arg(long)]
    pub reason: Option<String>,
    /// Only this renewal (status.pendingRenewal.id)
    #[arg(long, value_name = "ID")]
    pub renewal: Option<String>,
}

#[derive(Args, Default)]
pub struct Filters {
    #[arg(long)]
    pub cluster: Option<String>,
    /// States, comma-separated, in any case
    #[arg(long, value_delimiter = ',')]
    pub state: Vec<String>,
    #[arg(long)]
    pub user: Option<String>,
    /// Only sessions that you asked for
    #[arg(long)]
    pub mine: bool,
}

#[derive(Args)]
pub struct Watch {
    #[command(flatten)]
    pub filters: Filters,
    /// Kept for scripts: the hub tells changes when they happen
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,
    /// All columns
    #[arg(long)]
    pub show_full: bool,
}
