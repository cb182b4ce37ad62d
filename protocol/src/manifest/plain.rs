//! YAML that holds objects of any kind: read as Kubernetes reads it, bounded, repeated keys refused.

use serde_json::Value;

use super::tree::{Content, Node};
use super::yaml;
use crate::kinds::check::{join_field, join_item};
use crate::limits::MAX_YAML_NODES;

/// One document that is not empty.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainDocument {
    /// Where it starts; 1 is the first line of the text.
    pub line: u32,
    pub value: Value,
}

/// Why a text is not YAML that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainError {
    /// Within the text.
    pub line: Option<u32>,
    pub message: String,
}

/// Reads every document of a text; those without content are left out.
///
/// # Errors
/// The first thing that cannot be read, a repeated key, or more than [`MAX_YAML_NODES`] nodes after aliases (S13).
pub fn read_plain(text: &str) -> Result<Vec<PlainDocument>, PlainError> {
    let mut documents = Vec::new();
    let mut nodes_left = MAX_YAML_NODES;
    for chunk in yaml::split(text) {
        let read = yaml::read(&chunk, nodes_left).map_err(|unreadable| PlainError {
            line: unreadable.line,
            message: unreadable.message,
        })?;
        let Some(node) = read else { continue };
        nodes_left = nodes_left.saturating_sub(node.count());
        if let Some(error) = repeated_key(&node, "") {
            return Err(error);
        }
        documents.push(PlainDocument {
            line: node.line,
            value: node.to_json(),
        });
    }
    Ok(documents)
}

/// Of two entries with one key Kubernetes would take the last, and a reader of the text sees the first.
fn repeated_key(node: &Node, path: &str) -> Option<PlainError> {
    match &node.content {
        Content::Map(entries) => {
            let mut seen = std::collections::HashSet::new();
            entries.iter().find_map(|entry| {
                let path = join_field(path, &entry.key);
                if seen.insert(entry.key.as_str()) {
                    return repeated_key(&entry.value, &path);
                }
                Some(PlainError {
                    line: Some(entry.line),
                    message: format!("{path} is there twice; remove one"),
                })
            })
        }
        Content::List(items) => items
            .iter()
            .enumerate()
            .find_map(|(place, item)| repeated_key(item, &join_item(path, place))),
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_lines_and_empty_ones_are_left_out() {
        let documents =
            read_plain("# nothing\n---\na: 1\n---\n\n---\n# only this\n---\nb: [x, \"1\", 0644]\n")
                .unwrap();
        let told: Vec<_> = documents
            .iter()
            .map(|d| (d.line, d.value.to_string()))
            .collect();
        assert_eq!(
            told,
            [
                (3, r#"{"a":1}"#.to_owned()),
                (9, r#"{"b":["x","1",420]}"#.to_owned())
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_has_a_line() {
        let error = read_plain("a: 1\nb: [\n").unwrap_err();
        assert!(error.line.is_some(), "{error:?}");
        let error = read_plain("a:\n- x: 1\n  x: 2\n").unwrap_err();
        assert_eq!(
            (error.line, error.message.as_str()),
            (Some(3), "a[0].x is there twice; remove one")
        );
    }

    #[test]
    fn s13_an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..8 {
            let list = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        assert!(read_plain(&text).is_err());
    }
}
