//! Random contexts: always the same names with a fixed type each, so that templates hit them, and values of all sorts.

use serde_json::{Map, Value as Json, json};

use crate::dice::Dice;

pub(crate) const STRINGS: &[&str] = &[".s0", ".s1", ".s2", ".m0.s", "$.s0", ".m1.k.s"];
pub(crate) const NUMBERS: &[&str] = &[".n0", ".n1", ".n2", ".m0.n", "$.n1"];
pub(crate) const BOOLS: &[&str] = &[".b0", ".b1"];
pub(crate) const LISTS: &[&str] = &[".l0", ".l1", ".l2", ".m0.l", "$.l0"];
pub(crate) const MAPS: &[&str] = &[".m0", ".m1", ".m1.k", ".m2", "$.m0"];
pub(crate) const NOTHING: &[&str] = &[
    ".missing",
    ".m0.missing",
    ".missing.x.y",
    ".nil",
    "$.missing",
];

const ASCII: &[&str] = &[
    "",
    " ",
    "a",
    "hello world",
    "Hello-World_foo.bar",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "n",
    "y",
    "null",
    "~",
    "0",
    "1",
    "42",
    "-7",
    "010",
    "08",
    "0x1F",
    "3.7",
    "1e3",
    "1_000",
    "10Gi",
    "500m",
    "1.2.3",
    "v2.0.0-rc.1+b",
    "a,b,,c",
    "a: b",
    "- a",
    "line one\nline two\n",
    "\n\nx\n",
    "  indented",
    "trailing ",
    "tab\there",
    "say \"hi\"",
    "it's",
    "back\\slash",
    "<b>&</b>",
    "#c",
    "a #b",
    "{x}",
    "[1]",
    "&a",
    "*a",
    "!t",
    "%p",
    "@x",
    "`q`",
    "|",
    ">",
    "?",
    "-",
    "---",
    "...",
    ",",
    "2024-02-29",
    "2024-02-29T12:30:45Z",
    "12:30:45",
    "1h30m",
    "90",
    "camelCaseText",
    "HTTPServer2xx",
    "snake_case_text",
    "http://u:p@host:80/p?q=1#f",
    "a/b/../c.txt",
    "(a+)b",
    "[a-z]+",
    "$1x",
    "{\"k\":[1,2]}",
    "k: v\nl:\n- 1\n",
    "aGVsbG8=",
    "the quick brown fox jumps over the lazy dog and runs on and on until the line is longer than eighty columns",
    "word word word word word word word word word word word word word word word word word: word",
    "\r\n",
    "a\rb",
    "\u{1}",
];

const OTHERS: &[&str] = &[
    "ä",
    "Größe",
    "日本語",
    "😀 smile",
    "e\u{301}",
    "İstanbul",
    "ß",
    "\u{a0}nbsp\u{a0}",
    "\u{2028}ls",
    "\u{feff}bom",
    "ǆ",
    "Ünïcödé text with wörds",
    "\u{85}",
    "ﬁ",
    "Σς",
    "\u{7f}",
    "\u{e000}",
    "١٢٣",
];

/// How far from plain a context's texts may go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    Ascii,
    /// With these, nothing that cuts inside a character is called: what is left of it is no Rust text.
    Unicode,
}

pub(crate) fn text(dice: &mut Dice, alphabet: Alphabet) -> String {
    let choices = match alphabet {
        Alphabet::Unicode if dice.percent(50) => OTHERS,
        Alphabet::Ascii | Alphabet::Unicode => ASCII,
    };
    if dice.percent(85) {
        return dice.word(choices).to_owned();
    }
    let length = dice.below(12);
    let characters = b" !\"#$%&'()*+,-./0123456789:;<=>?@AZ[\\]^_`az{|}~\n\t";
    (0..length)
        .map(|_| {
            char::from(
                characters
                    .get(dice.below(characters.len()))
                    .copied()
                    .unwrap_or(b' '),
            )
        })
        .collect()
}

fn number(dice: &mut Dice) -> Json {
    let choices = [
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(-1),
        json!(42),
        json!(-7),
        json!(100),
        json!(0.5),
        json!(3.75),
        json!(-2.5),
        json!(1_000_000),
        json!(20_971_520),
        json!(1e21),
        json!(1e-7),
        json!(9_007_199_254_740_993_i64),
        json!(1.0),
        json!(123_456.789),
        json!(0.1),
        json!(1e20),
        json!(2.5),
        json!(65),
    ];
    let place = dice.below(choices.len());
    choices.get(place).cloned().unwrap_or(Json::Null)
}

fn any(dice: &mut Dice, alphabet: Alphabet, depth: u32) -> Json {
    match dice.below(if depth > 2 { 5 } else { 8 }) {
        0 => Json::Null,
        1 => Json::Bool(dice.percent(50)),
        2 => number(dice),
        3 | 4 => Json::String(text(dice, alphabet)),
        5 | 6 => list(dice, alphabet, depth + 1),
        _ => object(dice, alphabet, depth),
    }
}

pub(crate) fn object(dice: &mut Dice, alphabet: Alphabet, depth: u32) -> Json {
    let mut fields = Map::new();
    for _ in 0..dice.below(4) {
        let key = if dice.percent(70) {
            dice.word(&["s", "n", "l", "k", "a", "b", "a10", "a2"])
                .to_owned()
        } else {
            text(dice, alphabet)
        };
        fields.insert(key, any(dice, alphabet, depth + 1));
    }
    Json::Object(fields)
}

fn list(dice: &mut Dice, alphabet: Alphabet, depth: u32) -> Json {
    let length = dice.below(5);
    let kind = dice.below(4);
    (0..length)
        .map(|_| match kind {
            0 => number(dice),
            1 | 2 => Json::String(text(dice, alphabet)),
            _ => any(dice, alphabet, depth),
        })
        .collect::<Vec<_>>()
        .into()
}

pub(crate) fn context(dice: &mut Dice, alphabet: Alphabet) -> Json {
    let inner = json!({
        "s": text(dice, alphabet), "n": number(dice), "l": list(dice, alphabet, 1), "a": any(dice, alphabet, 1),
    });
    let mut fields = json!({
        "s0": text(dice, alphabet), "s1": text(dice, alphabet), "s2": text(dice, alphabet),
        "n0": number(dice), "n1": number(dice), "n2": dice.below(5),
        "b0": true, "b1": false, "nil": null,
        "l0": list(dice, alphabet, 0), "l1": list(dice, alphabet, 0), "l2": ["a", "b", "c"],
        "m0": inner, "m1": {"k": {"s": text(dice, alphabet), "n": number(dice)}}, "m2": object(dice, alphabet, 0),
        "now": dice.word(&["2024-02-29T23:59:58Z", "2025-07-01T00:00:00Z", "1999-12-31T12:00:00Z"]),
    });
    if let Some(fields) = fields.as_object_mut() {
        if dice.percent(20) {
            fields.remove(dice.word(&["s0", "n0", "l0", "m0", "m1"]));
        }
        fields.insert("x".to_owned(), any(dice, alphabet, 0));
    }
    fields
}
