//! `bgctl person …`.

use clap::Subcommand;

/// For admins
#[derive(Subcommand)]
pub enum Person {
    /// End their sessions, cut their streams, refuse what they ask
    Bar {
        user: String,
        /// For the other admins and the audit
        #[arg(long)]
        reason: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Let them ask again; what was ended stays ended
    Unbar { user: String },
    /// Who is barred
    List,
}
