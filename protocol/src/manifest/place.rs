//! A place inside a field's text → its place in the file. Only a literal block (`|`) keeps lines and columns apart from
//! its indentation; in folded, quoted and flow scalars a text's lines are not the file's.

use super::tree::Node;

/// What a document was read from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) text: String,
    /// Lines of the file before it.
    pub(super) lines_before: u32,
}

/// A place in a file. 1 is the first line and the first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePlace {
    pub line: u32,
    /// `None` where only the line of the field is known.
    pub column: Option<u32>,
}

impl Source {
    pub(super) fn place(&self, tree: &Node, path: &str, line: u32, column: u32) -> FilePlace {
        let field = tree.line_of(path);
        self.in_literal_block(tree, path, field, line, column)
            .unwrap_or(FilePlace {
                line: field,
                column: None,
            })
    }

    fn in_literal_block(
        &self,
        tree: &Node,
        path: &str,
        field: u32,
        line: u32,
        column: u32,
    ) -> Option<FilePlace> {
        let header = field.checked_sub(self.lines_before)?;
        let index = usize::try_from(header).ok()?;
        let is_literal = self
            .text
            .lines()
            .nth(index.checked_sub(1)?)
            .is_some_and(opens_literal_block);
        if !is_literal {
            return None;
        }
        let text = tree.text_at(path)?;
        let nth = usize::try_from(line.checked_sub(1)?).ok()?;
        let wanted = text.split('\n').nth(nth)?;
        let written = self.text.lines().nth(index + nth).unwrap_or_default();
        // The indentation is what the line has more; if it has something else more, this is not that line.
        let indent = written
            .trim_end_matches('\r')
            .strip_suffix(wanted.trim_end_matches('\r'))?;
        if !indent.bytes().all(|b| b == b' ') {
            return None;
        }
        Some(FilePlace {
            line: field.checked_add(line)?,
            column: Some(column.checked_add(u32::try_from(indent.len()).ok()?)?),
        })
    }
}

/// Whether a line ends with the header of a literal block: `key: |`, `- |-`, `key: &anchor |2+ # comment`.
fn opens_literal_block(line: &str) -> bool {
    let line = line
        .find(" #")
        .map_or(line, |comment| line.get(..comment).unwrap_or(line));
    let before = line
        .trim_end()
        .trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
    before
        .strip_suffix('|')
        .is_some_and(|rest| rest.is_empty() || rest.ends_with([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::FilePlace;
    use crate::manifest::decode;

    fn place(spec: &str, path: &str, line: u32, column: u32) -> FilePlace {
        let text = format!(
            "# a file\n---\napiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: DebugPodTemplate\nmetadata: {{name: p}}\nspec:\n{spec}"
        );
        let outcome = decode("f.yaml", &text);
        assert_eq!(outcome.errors, []);
        outcome.documents[0].place_in_text(path, line, column)
    }

    fn at(line: u32, column: u32) -> FilePlace {
        FilePlace {
            line,
            column: Some(column),
        }
    }

    fn field(line: u32) -> FilePlace {
        FilePlace { line, column: None }
    }

    #[test]
    fn literal_blocks_are_exact_and_other_texts_have_the_fields_line() {
        let path = "spec.templateString";
        let block =
            "  displayName: x\n  templateString: |\n\n    containers:\n      - name: {{ .x }}\n";
        assert_eq!(
            place(block, path, 1, 1),
            at(9, 1),
            "an empty line has no indentation"
        );
        assert_eq!(place(block, path, 2, 1), at(10, 5));
        assert_eq!(place(block, path, 3, 11), at(11, 15));
        assert_eq!(place(block, path, 99, 1), field(8), "no such line");
        let indented = "  templateString: |2-  # words | here\n      containers: []\n";
        assert_eq!(place(indented, path, 1, 3), at(8, 7));
        let crlf = "  templateString: |\r\n    a: b\r\n    c: d\r\n";
        assert_eq!(place(crlf, path, 2, 1), at(9, 5));
        for other in [
            "  templateString: >\n    containers:\n    x\n",
            "  templateString: \"containers: |\\n  a\"\n",
            "  templateString: 'a |'\n",
            "  templateString: containers\n",
            "  {templateString: \"a\\nb\"}\n",
        ] {
            assert_eq!(place(other, path, 2, 1).column, None, "{other}");
            assert_eq!(place(other, path, 1, 1), field(7), "{other}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_has_the_line_of_what_is_above_it() {
        let text = "  templateString: |\n    a\n";
        assert_eq!(place(text, "spec.template.spec", 1, 1), field(6));
    }
}
