//! Corpus templates with something changed, for the parser's sake above all.

use crate::dice::Dice;

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    "(",
    ")",
    "|",
    ".",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    "\"",
    "`",
    "'",
    "0",
    "-1",
    "1.5",
    "nil",
    "true",
    ".missing",
    ".str",
    ".list",
    ".map",
    " | quote",
    " | default \"d\"",
    "end",
    "else",
    "if",
    "range",
    "with",
    "define",
    "template",
    "{{ end }}",
    "{{ else }}",
    "{{ break }}",
    "/*",
    "*/",
    "\\",
    "{{ $x := 1 }}",
    "{{ $x }}",
    "..",
    "x",
];

pub(crate) fn mutate(dice: &mut Dice, template: &str, other: &str) -> String {
    let mut text: Vec<char> = template.chars().collect();
    for _ in 0..=dice.below(3) {
        let place = dice.below(text.len() + 1);
        match dice.below(6) {
            0 if place < text.len() => {
                text.remove(place);
            }
            1 => {
                let end = (place + 1 + dice.below(8)).min(text.len());
                text.drain(place..end);
            }
            2 => {
                let end = (place + 1 + dice.below(12)).min(text.len());
                let copy: Vec<char> = text.get(place..end).unwrap_or_default().to_vec();
                let to = dice.below(text.len() + 1);
                text.splice(to..to, copy);
            }
            3 => {
                let from = dice.below(other.chars().count() + 1);
                let copy: Vec<char> = other.chars().skip(from).take(1 + dice.below(16)).collect();
                text.splice(place..place, copy);
            }
            _ => {
                text.splice(place..place, dice.word(PIECES).chars());
            }
        }
    }
    text.into_iter().collect()
}
