//! Cases about one thing each: what a function makes of texts and numbers that are made for it.

use serde_json::{Value as Json, json};

use crate::contexts::{self, Alphabet};
use crate::dice::Dice;
use crate::oracle::Question;

/// Templates over `.s`, `.t`, `.u` (texts made for the family), `.n`, `.m` (numbers) and `.x` (anything).
struct Focus {
    templates: &'static [&'static str],
    text: fn(&mut Dice) -> String,
}

const FAMILIES: &[Focus] = &[
    Focus {
        templates: &[
            "{{ toYaml .s }}",
            "{{ toYaml (dict \"k\" .s \"l\" (list .t .u)) }}",
            "{{ toYaml (dict .s .t .u .s) }}",
            "{{ toYaml .x }}",
            "{{ dict \"a\" (list (list .s) (dict .t (list .u))) | toYaml | nindent 4 }}",
            "{{ yamlQuote .s }}|{{ yamlSafe .t }}|{{ k8sName .u }}",
            "{{ .s | yamlQuote }}{{ .s | quote }}{{ .s | squote }}{{ .s | toJson }}",
            "{{ fromYaml (toYaml .) | toJson }}",
        ],
        text: scalar,
    },
    Focus {
        templates: &[
            "{{ $y := fromYaml .s }}{{ if hasKey $y \"Error\" }}E{{ else }}{{ toJson $y }}{{ end }}",
            "{{ $y := fromYaml (printf \"a: %s\\nb: %s\" .s .t) }}{{ if hasKey $y \"Error\" }}E{{ else }}{{ toJson $y }}{{ toYaml $y }}{{ end }}",
        ],
        text: document,
    },
    Focus {
        templates: &[
            "{{ $y := fromYaml (printf \"a: %s\\nb:\\n- %s\\n- %s\\n%s: x\" .s .t .u .s) }}{{ if hasKey $y \"Error\" }}E{{ else }}{{ toJson $y }}{{ end }}",
            "{{ $y := fromYaml (printf \"a: %s\" .s) }}{{ if hasKey $y \"Error\" }}E{{ else }}{{ toJson $y }} {{ toYaml $y }}{{ end }}",
        ],
        text: number_like,
    },
    Focus {
        templates: &[
            "{{ $y := fromJson .s }}{{ if hasKey $y \"Error\" }}E{{ else }}{{ toJson $y }}{{ $y }}{{ end }}",
            "{{ mustFromJson .s | toJson }}",
            "{{ mustFromJson .s | toPrettyJson }}",
            "{{ mustFromJson .s | toRawJson }}{{ mustFromJson .s | toYaml }}",
        ],
        text: json_text,
    },
    Focus {
        templates: &[
            "{{ int .s }} {{ int64 .s }} {{ float64 .s }} {{ atoi .s }} {{ toDecimal .s }} {{ toString .s }}",
            "{{ add .s .t }} {{ sub .s 1 }} {{ mul .s .n }} {{ max .s .t .n }} {{ min .s .t }}",
            "{{ addf .s .t }} {{ mulf .s .n }} {{ subf .n .m }} {{ maxf .s .n }} {{ minf .s .n }}",
            "{{ div .s .t }}",
            "{{ mod .s .t }}",
            "{{ divf .n .m }}",
            "{{ divf .s .t }}",
            "{{ round .n 2 }} {{ round .m 0 }} {{ ceil .n }} {{ floor .n }} {{ round .s 3 }} {{ floor .s }}",
            "{{ round .n 5 0.3 }} {{ round .n -2 }}",
            "{{ .n }} {{ .m }} {{ toJson .n }} {{ toYaml .n }} {{ quote .n }} {{ printf \"%v %g %e %f %.3f %.0f\" .n .n .n .n .n .n }}",
            "{{ printf \"%8.2f|%-10.1e|%+g|%G|%x|%b\" .n .m .n .m .n .n }}",
            "{{ int .n }} {{ int64 .n }} {{ add .n 1 }} {{ toString .n }} {{ float64 .n }} {{ add1f .n }} {{ formatQuantity .n }}",
            "{{ until (int (mod .n 50)) }} {{ seq (int (mod .m 20)) }}",
        ],
        text: number_like,
    },
    Focus {
        templates: &[
            "{{ parseQuantity .s }}",
            "{{ parseQuantity .s | formatQuantity }}",
        ],
        text: quantity,
    },
    Focus {
        templates: &[
            "{{ semverCompare .s .t }}",
            "{{ semver .t }}",
            "{{ with semver .t }}{{ .Major }} {{ .Minor }} {{ .Patch }} {{ .Prerelease }} {{ .Metadata }} {{ .Original }}{{ end }}",
            "{{ (semver .t).Compare (semver .u) }}",
        ],
        text: version,
    },
    Focus {
        templates: &[
            "{{ date .s (toDate \"2006-01-02T15:04:05Z07:00\" .now) }}",
            "{{ dateInZone .s now \"Europe/Berlin\" }}|{{ dateInZone .s now \"America/St_Johns\" }}|{{ date .s (int .n) }}",
            "{{ $d := date .s now }}{{ toDate .s $d }}",
            "{{ toDate .s .t }}",
            "{{ mustToDate .s .t }}",
            "{{ now | date .s | mustToDate .s | unixEpoch }}",
        ],
        text: layout,
    },
    Focus {
        templates: &[
            "{{ now | dateModify .s }} {{ durationRound .s }} {{ duration .s }}",
            "{{ now | mustDateModify .s }}",
            "{{ now | dateModify .s | ago }} {{ durationRound (int64 .n) }} {{ duration (int64 .n) }}",
        ],
        text: duration,
    },
    Focus {
        templates: &[
            "{{ regexFind .s .t }}|{{ regexMatch .s .t }}|{{ regexFindAll .s .t -1 | toJson }}",
            "{{ mustRegexReplaceAll .s .t \"<$1|$0>\" }}",
            "{{ mustRegexSplit .s .t -1 | toJson }}",
            "{{ mustRegexFindAll .s .t 2 | toJson }} {{ regexReplaceAllLiteral .s .t \"$1\" }}",
            "{{ mustRegexMatch .s .t }}{{ regexQuoteMeta .s }}",
        ],
        text: pattern,
    },
    Focus {
        templates: &[
            "{{ camelcase .s }}|{{ snakecase .s }}|{{ kebabcase .s }}|{{ swapcase .s }}|{{ title .s }}|{{ untitle .s }}|{{ initials .s }}",
            "{{ trunc 7 .s }}|{{ abbrev 9 .s }}|{{ abbrevboth 5 12 .s }}|{{ substr 1 5 .s }}|{{ nospace .s }}",
            "{{ wrap 8 .s }}|{{ wrapWith 5 \"--\" .s }}|{{ wrap 20 (printf \"%s %s %s\" .s .t .u) }}",
            "{{ upper .s }}|{{ lower .s }}|{{ trim .s }}|{{ trimAll .t .s }}|{{ trimPrefix .t .s }}|{{ replace .t .u .s }}",
            "{{ split .t .s | toJson }}|{{ splitList .t .s | toJson }}|{{ splitn .t 2 .s | toJson }}|{{ sortAlpha (list .s .t .u) | toJson }}",
            "{{ html .s }}|{{ js .s }}|{{ urlquery .s }}|{{ printf \"%q %+q %x %X %#q %s %10s|%-10s|%.3s\" .s .s .s .s .s .s .s .s .s }}",
            "{{ indent 3 .s }}|{{ nindent 2 .s }}|{{ cat .s .t }}|{{ quote .s }}|{{ plural .s .t (len .u) }}|{{ join .s (list .t .u) }}",
            "{{ b64enc .s }}|{{ b32enc .s }}|{{ sha1sum .s }}|{{ adler32sum .s }}|{{ .s | b64enc | b64dec }}|{{ .s | b32enc | b32dec }}",
            "{{ range $i, $c := .s }}{{ $i }}{{ $c }}{{ end }}{{ len .s }}",
            "{{ truncName 9 .s }}|{{ k8sName .s }}|{{ contains .t .s }}|{{ hasPrefix .t .s }}|{{ repeat 3 .s }}",
        ],
        text: words,
    },
    Focus {
        templates: &[
            "{{ urlParse .s | toJson }}",
            "{{ urlParse .s | urlJoin }}",
            "{{ urlJoin (dict \"scheme\" \"http\" \"host\" \"h\" \"path\" .s \"query\" .t \"fragment\" .u) }}",
            "{{ base .s }}|{{ dir .s }}|{{ clean .s }}|{{ ext .s }}|{{ isAbs .s }}|{{ osBase .s }}|{{ osDir .s }}|{{ osClean .s }}|{{ osExt .s }}",
        ],
        text: address,
    },
    Focus {
        templates: &[
            "{{ printf .s .x }}",
            "{{ printf .s .n .t .x }}",
            "{{ printf .s (int .n) .t }}",
            "{{ printf .s (list .t .n) (dict .t .n) }}",
            "{{ printf .s nil true .m }}",
        ],
        text: format,
    },
    Focus {
        templates: &[
            "{{ merge (deepCopy .x) (deepCopy .y) | toJson }}",
            "{{ mergeOverwrite (deepCopy .x) (deepCopy .y) | toJson }}",
            "{{ merge (dict) .x .y | toJson }}{{ .x }}{{ .y }}",
            "{{ mustMergeOverwrite (dict) .x .y | toYaml }}",
            "{{ .x }}|{{ print .x }}|{{ printf \"%v %+v %#v\" .x .y .x }}",
            "{{ omit .x \"a\" \"k\" }}{{ pick .y \"a\" \"s\" }}{{ deepEqual .x .y }}{{ deepEqual .x (deepCopy .x) }}{{ dig \"k\" \"a\" \"d\" .x }}",
            "{{ range $k, $v := .x }}{{ $k }}={{ $v | toJson }};{{ typeOf $v }}{{ kindOf $v }}{{ end }}{{ keys .x }}{{ values .y | toJson }}",
            "{{ uniq (concat (values .x) (values .y)) | toJson }}{{ without (values .x) .n .s | toJson }}{{ has .n (values .x) }}{{ compact (values .y) | toJson }}{{ chunk 2 (values .x) }}",
            "{{ sortAlpha (values .x) }}|{{ join \",\" (values .x) }}|{{ toStrings (values .y) | toJson }}|{{ first (values .x) | quote }}",
        ],
        text: words,
    },
];

pub(crate) fn question(dice: &mut Dice) -> Question {
    let place = dice.below(FAMILIES.len());
    let Some(focus) = FAMILIES.get(place) else {
        return Question {
            template: String::new(),
            context: Json::Null,
        };
    };
    let context = json!({
        "s": (focus.text)(dice), "t": (focus.text)(dice), "u": (focus.text)(dice),
        "n": number(dice), "m": number(dice),
        "x": contexts::object(dice, Alphabet::Ascii, 0), "y": contexts::object(dice, Alphabet::Ascii, 0),
        "now": "2024-02-29T23:59:58Z",
    });
    Question {
        template: dice.word(focus.templates).to_owned(),
        context,
    }
}

fn number(dice: &mut Dice) -> Json {
    match dice.below(5) {
        0 => json!(i32::from(dice.next() as i16)),
        1 => json!((dice.next() >> 11) as f64),
        2 => json!(f64::from(dice.next() as i16) / 100.0),
        3 => {
            let exact = f64::from_bits(dice.next());
            if exact.is_finite() {
                json!(exact)
            } else {
                json!(0)
            }
        }
        _ => json!(
            (dice.next() % 10_000_000) as f64
                / 10_f64.powi(i32::try_from(dice.below(12)).unwrap_or(0))
        ),
    }
}

/// So many pieces in a row.
fn chain(dice: &mut Dice, pieces: &[&'static str], most: usize) -> String {
    (0..=dice.below(most)).map(|_| dice.word(pieces)).collect()
}

fn scalar(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => number_like(dice),
        1 => words(dice),
        _ => chain(
            dice,
            &[
                "a",
                "b",
                "word ",
                " ",
                "  ",
                "\n",
                "\n\n",
                "\t",
                ": ",
                ":",
                " #",
                "#",
                "- ",
                "-",
                "? ",
                "'",
                "\"",
                "\\",
                "{",
                "}",
                "[",
                "]",
                ",",
                "&",
                "*",
                "!",
                "|",
                ">",
                "%",
                "@",
                "`",
                "~",
                "=",
                "<<",
                "é",
                "😀",
                "日本",
                "\u{a0}",
                "\u{2028}",
                "\u{85}",
                "\r",
                "\u{7f}",
                "\u{1}",
                "\u{feff}",
                "...",
                "---",
                "true",
                "no",
                "1",
                "a long run of many words that goes on until the line must be folded ",
                "averyveryverylongwordwithoutanyblanksinitthatcannotbefoldedatallwhateverhappens",
            ],
            6,
        ),
    }
}

fn document(dice: &mut Dice) -> String {
    chain(
        dice,
        &[
            "a: 1\n",
            "b:\n",
            "  c: x\n",
            "  - y\n",
            "- z\n",
            "k: |\n  text\n   more\n\n",
            "k2: >-\n  folded\n  text\n\n  para\n",
            "d: {e: 1, f: [2, 3]}\n",
            "g: 'it''s'\n",
            "h: \"q\\n\\u00e9\"\n",
            "# note\n",
            "i: &x 5\n",
            "j: *x\n",
            "l: ~\n",
            "m: yes\n",
            "n: !!str 1\n",
            "o: plain text # note\n",
            "p:\n- 1\n- q: 2\n  r: 3\n",
            "---\n",
            "...\n",
            "? s\n: t\n",
            "u: -\n",
            " v: 1\n",
            "\n",
            "w: a: b\n",
            "\"x y\": 1\n",
            "1: one\n",
            "true: yes\n",
            "z: 2024-01-01\n",
            "aa: 0x1F\n",
            "bb: 1_000\n",
            "cc: [a, b: c]\n",
            "dd: {x}\n",
            "ee: \"a\n  b\"\n",
            "ff: a\n  b\n",
            "gg: !!binary aGk=\n",
        ],
        5,
    )
}

fn number_like(dice: &mut Dice) -> String {
    if dice.percent(40) {
        return dice
            .word(&[
                "yes",
                "No",
                "on",
                "OFF",
                "true",
                "False",
                "null",
                "Null",
                "NULL",
                "~",
                "",
                "n",
                "Y",
                ".inf",
                "-.INF",
                ".NaN",
                "inf",
                "nan",
                "Infinity",
                "0x1F",
                "0X1f",
                "-0x1f",
                "0o17",
                "0O17",
                "017",
                "08",
                "0b101",
                "0B1",
                "-0b1",
                "1_000",
                "1__0",
                "_1",
                "1_",
                "+5",
                "--5",
                "1e3",
                "1E+3",
                "1e",
                ".5",
                "5.",
                ".",
                "-.5",
                "1:30",
                "1:30:00",
                "2024-01-01",
                "2024-1-2",
                "2024-01-01T00:00:00Z",
                "2024-01-01 00:00:00",
                "=",
                "<<",
                "9223372036854775807",
                "9223372036854775808",
                "-9223372036854775808",
                "18446744073709551615",
                "18446744073709551616",
                "1e400",
                "1e-400",
                "00",
                "-0",
                "0",
                "0.0",
                "1.0",
                "12e03",
                "0x",
                "0b",
                "1.5.2",
            ])
            .to_owned();
    }
    chain(
        dice,
        &[
            "0", "1", "7", "9", "-", "+", ".", "e", "E", "x", "_", "0", "5", "23", "b", "o", "f",
        ],
        5,
    )
}

fn json_text(dice: &mut Dice) -> String {
    if dice.percent(60) {
        let mut text = contexts::object(dice, Alphabet::Unicode, 0).to_string();
        if dice.percent(40) {
            let place = dice.below(text.chars().count());
            text = text
                .chars()
                .enumerate()
                .filter(|(at, _)| *at != place)
                .map(|(_, char)| char)
                .collect();
        }
        return text;
    }
    chain(
        dice,
        &[
            "{",
            "}",
            "[",
            "]",
            "\"a\"",
            ":",
            ",",
            "1",
            "-1.5e3",
            "0.1",
            "01",
            "null",
            "true",
            "nul",
            " ",
            "\n",
            "\"\\u00e9\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\x\"",
            "\"<&>\"",
            "1e999",
            "-",
            "-0",
            "1.",
            "\"\u{2028}\"",
        ],
        7,
    )
}

/// Below zero no fraction and no binary unit: Kubernetes itself gives other numbers there, by how many digits it has.
fn quantity(dice: &mut Dice) -> String {
    let whole = chain(dice, &["0", "1", "5", "12", "999", "1024", "000"], 3);
    if dice.percent(20) {
        let suffix = dice.word(&["", "k", "M", "e3", "x", " ", "-"]);
        return format!("-{whole}{suffix}");
    }
    let sign = dice.word(&["", "", "", "+", "--", " "]);
    let part = dice.word(&[
        "",
        "",
        ".5",
        ".",
        ".125",
        ".0001",
        ".9999999999",
        ".0000000001",
        ".1.2",
    ]);
    let suffix = dice.word(&[
        "", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "e3",
        "E3", "e-3", "E+2", "K", "g", "mi", "e", "e20", "e1.5", "5Gi",
    ]);
    format!("{sign}{whole}{part}{suffix}")
}

fn version(dice: &mut Dice) -> String {
    if dice.percent(15) {
        return chain(
            dice,
            &["1", ".", "x", "-", "+", "v", " ", ">", "=", "a", "0"],
            6,
        );
    }
    let plain = |dice: &mut Dice| {
        let mut text = dice.word(&["", "", "v"]).to_owned();
        for place in 0..=dice.below(3) {
            if place > 0 {
                text.push('.');
            }
            text += dice
                .word(&["0", "1", "2", "3", "10", "x", "*", "X"])
                .trim_matches(|_: char| false);
        }
        text + dice.word(&[
            "", "", "", "-rc.1", "-0", "-alpha", "+b.1", "-rc.10+m", "-01",
        ])
    };
    if dice.percent(50) {
        return plain(dice);
    }
    let one = |dice: &mut Dice| {
        let operator = dice.word(&[
            "", "=", "!=", ">", ">=", "<", "<=", "^", "~", "~>", "=>", "=<", ">= ", "== ", "< ",
        ]);
        format!("{operator}{}", plain(dice))
    };
    let mut text = one(dice);
    for _ in 0..dice.below(3) {
        text += dice.word(&[", ", " ", " || ", " - ", ","]);
        text += &one(dice);
    }
    text
}

fn layout(dice: &mut Dice) -> String {
    if dice.percent(15) {
        return dice
            .word(&[
                "2024-02-29",
                "Feb 29 23:59:58",
                "2024-02-29T23:59:58+01:00",
                "11PM",
                "29/02/24",
                "23:59:58.123456",
                "2024-2-9",
                "060",
                "2024-366",
            ])
            .to_owned();
    }
    chain(
        dice,
        &[
            "2006",
            "06",
            "Jan",
            "January",
            "01",
            "1",
            "02",
            "2",
            "_2",
            "002",
            "__2",
            "15",
            "03",
            "3",
            "04",
            "4",
            "05",
            "5",
            ".000",
            ".999",
            ",000000",
            ".9",
            "PM",
            "pm",
            "Mon",
            "Monday",
            "MST",
            "Z07:00",
            "Z0700",
            "Z07",
            "-0700",
            "-07:00",
            "-07",
            "-07:00:00",
            "Z070000",
            "-",
            ":",
            " ",
            "/",
            "T",
            "x",
            "é",
            "day",
            "20",
            "0",
        ],
        8,
    )
}

fn duration(dice: &mut Dice) -> String {
    chain(
        dice,
        &[
            "1",
            "90",
            "0",
            "1.5",
            ".5",
            "-",
            "+",
            "h",
            "m",
            "s",
            "ms",
            "us",
            "µs",
            "ns",
            "d",
            " ",
            "9000h",
            "400h",
            "1h30m",
            "12345678901",
        ],
        4,
    )
}

fn pattern(dice: &mut Dice) -> String {
    chain(
        dice,
        &[
            "a",
            "b",
            "ab",
            "c",
            "x",
            ".",
            "*",
            "+",
            "?",
            "*?",
            "+?",
            "??",
            "|",
            "(",
            ")",
            "(?:",
            "(?i)",
            "(?P<n>",
            "(?<n>",
            "[a-c]",
            "[^a]",
            "[",
            "]",
            "^",
            "$",
            "\\d",
            "\\w",
            "\\s",
            "\\b",
            "\\B",
            "\\D",
            "\\pL",
            "\\p{Lu}",
            "[[:alpha:]]",
            "{2}",
            "{1,}",
            "{,2}",
            "{",
            "}",
            "\\.",
            "\\n",
            "\\Q",
            "\\E",
            "\\A",
            "\\z",
            "(?s)",
            "(?m)",
            "é",
            "1",
            "-",
            " ",
            "&&",
            "~",
            "--",
            "\\x41",
            "\\x{e9}",
            "\\a",
            "\\/",
            "\\-",
            "\\_",
            "\\G",
            "(?-i)",
            "(?U)",
            "\\C",
            "\\PN",
            "[a-\\d]",
            "[\\w.-]",
            "[]a]",
            "[^]a]",
        ],
        6,
    )
}

fn words(dice: &mut Dice) -> String {
    chain(
        dice,
        &[
            "hello", "World", " ", "  ", "_", "-", ".", "HTTP", "Server", "2", "42", "x", "é",
            "Ünï", "日本", "😀", "\n", "\t", "'", "\"", "<b>", "&", "\\", "ß", "ǆ", "İ", "ı", "Σ",
            "ς", "\u{a0}", "\u{301}", ",", ":", "/", "$", "%", "A", "bC", "\r\n", "=", "+", "~",
        ],
        7,
    )
}

fn address(dice: &mut Dice) -> String {
    chain(
        dice,
        &[
            "http", "https", "://", ":", "//", "/", "host", "user", ":pw", "@", ":80", ":x", "a/b",
            "..", ".", "/../", "?", "q=1", "&r=2", "#", "frag", "%20", "%zz", " ", "é", "[::1]",
            "[", ".txt", "mailto", "*", "+", ";", "'", "\\",
        ],
        7,
    )
}

fn format(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..=dice.below(3) {
        text += dice.word(&["", "", "x", " ", "%%", "é"]);
        text.push('%');
        text += &chain(dice, &["", "", "+", "-", "#", " ", "0"], 2);
        text += dice.word(&[
            "", "", "", "5", "10", "08", "*", "[1]", "[2]", "[2]*", "[9]", "[x]", "1",
        ]);
        text += dice.word(&["", "", "", ".2", ".0", ".", ".*", ".10"]);
        text += dice.word(&[
            "v", "v", "s", "d", "q", "x", "X", "t", "f", "e", "g", "G", "E", "F", "c", "U", "o",
            "O", "b", "T", "z", "!", "", "é",
        ]);
    }
    text
}
