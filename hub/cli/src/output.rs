//! How results are shown: tables for people, JSON and YAML whole for machines; notes on stderr.

use std::io::Write;

use anyhow::{Context, Result};
use breakglass_protocol::person::is_unseen;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::args::Format;

/// Something a list or a single object can be shown as.
pub struct Shown<'a, T: Serialize> {
    /// What `-o json` and `-o yaml` print.
    pub whole: &'a T,
    /// What `-o name` prints, one a line.
    pub names: Vec<String>,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

/// Prints a result in the asked format on stdout.
pub fn show<T: Serialize>(format: Format, shown: &Shown<'_, T>) -> Result<()> {
    let text = match format {
        Format::Json => {
            serde_json::to_string_pretty(shown.whole).context("cannot write JSON")? + "\n"
        }
        Format::Yaml => yaml(shown.whole)?,
        Format::Name => shown
            .names
            .iter()
            .map(|name| printable(name) + "\n")
            .collect(),
        Format::Table | Format::Wide => table(&shown.columns, &shown.rows),
    };
    write_out(&text)
}

/// Any value as YAML that Kubernetes's own tools read back alike.
pub fn yaml<T: Serialize>(value: &T) -> Result<String> {
    serde_saphyr::to_string(value).context("cannot write YAML")
}

/// Writes to stdout; a reader that went away (`| head`) is no error.
pub fn write_out(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}

/// One line for people, on stderr.
pub fn note(text: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{}", printable_lines(text));
}

/// Columns as kubectl prints them: two or more spaces between, no frame.
fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                printable(cell)
            }
        }));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim());
        text.push('\n');
    }
    text
}

/// Text of other people's making, safe for a terminal (S20): what cannot be seen is spelled out.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if is_unseen(c) {
                format!("\\u{{{:x}}}", u32::from(c))
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// As [`printable`], with line breaks kept.
pub fn printable_lines(text: &str) -> String {
    text.split('\n')
        .map(printable)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s20_terminal_controls_are_spelled_out() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}"), "a\\u{1b}[31mb\\u{202e}");
        assert_eq!(printable_lines("a\nb\r"), "a\nb\\u{d}");
    }

    #[test]
    fn tables_read_like_kubectl() {
        let text = table(
            &["NAME", "STATE"],
            &[
                vec!["debug-session-abc123".into(), "Active".into()],
                vec!["x".into(), String::new()],
            ],
        );
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("NAME"), "{text}");
        assert!(
            lines[1].contains("debug-session-abc123") && lines[1].contains("  Active"),
            "{text}"
        );
        assert!(lines[2].ends_with('-'), "{text}");
    }
}
