//! Text → trees, one per document. JSON is read as the YAML that it is, so that its errors have lines too.

use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Options};

use super::tree::{Content, Node};
use crate::limits::MAX_DEPTH;

/// All text of a document after aliases are followed: four times the largest file, so that only copying of long
/// texts is refused.
const MAX_SCALAR_BYTES: usize = 4 * crate::limits::MAX_MANIFEST_BYTES;

/// One document's text and where it starts.
pub(super) struct Chunk<'a> {
    pub(super) text: &'a str,
    /// Lines of the file before it.
    pub(super) lines_before: u32,
}

/// Why a document cannot be read.
pub(super) struct Unreadable {
    /// Within the file.
    pub(super) line: Option<u32>,
    pub(super) message: String,
}

/// Cuts a text where a line starts with `---`, which ends a document wherever it stands. So a document that cannot be
/// read does not hide the errors of the next one.
pub(super) fn split(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut start, mut lines_before) = (0, 0);
    let mut offset = 0;
    for (line, content) in (0_u32..).zip(text.split_inclusive('\n')) {
        let rest = content.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r'])) {
            chunks.extend(chunk(text, start, offset, lines_before));
            (start, lines_before) = (offset, line);
        }
        offset += content.len();
    }
    chunks.extend(chunk(text, start, text.len(), lines_before));
    chunks
}

fn chunk(text: &str, start: usize, end: usize, lines_before: u32) -> Option<Chunk<'_>> {
    let text = text
        .get(start..end)
        .filter(|text| !text.trim().is_empty())?;
    Some(Chunk { text, lines_before })
}

/// Reads the document of a chunk; `None` if there is nothing but comments in it.
///
/// `nodes_left` is what the file's other documents leave of [`MAX_YAML_NODES`](crate::limits::MAX_YAML_NODES).
pub(super) fn read(chunk: &Chunk<'_>, nodes_left: usize) -> Result<Option<Node>, Unreadable> {
    let unreadable = |line: Option<u32>, message: String| Unreadable { line, message };
    let documents: Vec<Node> =
        serde_saphyr::from_multiple_with_options(chunk.text, options(nodes_left)).map_err(
            |error| {
                let line = error
                    .location()
                    .and_then(|location| u32::try_from(location.line()).ok());
                let line = line
                    .filter(|line| *line > 0)
                    .map(|line| line + chunk.lines_before);
                unreadable(
                    line,
                    format!("is not YAML: {}", without_place(&error.to_string())),
                )
            },
        )?;
    let mut documents = documents
        .into_iter()
        .filter(|node| !matches!(node.content, Content::Null));
    let Some(mut document) = documents.next() else {
        return Ok(None);
    };
    document.shift(chunk.lines_before);
    if let Some(mut second) = documents.next() {
        second.shift(chunk.lines_before);
        return Err(unreadable(
            Some(second.line),
            "is a second document; put a line --- before it".to_owned(),
        ));
    }
    Ok(Some(document))
}

/// The place stands before the message already, counted in the file and not in the document.
fn without_place(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
}

fn options(nodes_left: usize) -> Options {
    serde_saphyr::options! {
        // As the libraries of Kubernetes read it; the default reads 0644 as 644.
        legacy_octal_numbers: true,
        // The reader of the tree names the path of a repeated key.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Merge,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: nodes_left,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_total_scalar_bytes: MAX_SCALAR_BYTES,
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            // Two events for a list or map, one for the rest.
            max_total_replayed_events: 2 * nodes_left,
        },
    }
}
