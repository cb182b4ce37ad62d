//! Random templates that are mostly right: nested actions, pipelines, calls with arguments of the right type, and now and
//! then of a wrong one.

use std::fmt::Write as _;

use crate::contexts::{self, Alphabet};
use crate::dice::Dice;
use crate::functions::{Function, Kind};

/// What cut inside a character gives bytes that are no Rust text, and what makes bytes of its own.
pub(crate) const BYTE_CUTTERS: &[&str] = &[
    "trunc",
    "truncName",
    "substr",
    "abbrev",
    "abbrevboth",
    "initials",
    "b64dec",
    "b32dec",
    "index",
    "slice",
    "wrap",
    "wrapWith",
];

pub(crate) struct Generator<'a> {
    functions: &'a [Function],
    pub(crate) dice: Dice,
    alphabet: Alphabet,
    /// Variables in scope, with what they most likely hold.
    variables: Vec<(String, Kind)>,
    loops: u32,
    /// How often dot was changed around here: fields are then mostly reached by `$`.
    dots: u32,
    templates: u32,
    budget: u32,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(functions: &'a [Function], dice: Dice, alphabet: Alphabet) -> Self {
        Self {
            functions,
            dice,
            alphabet,
            variables: Vec::new(),
            loops: 0,
            dots: 0,
            templates: 0,
            budget: 40,
        }
    }

    pub(crate) fn template(&mut self) -> String {
        let mut out = String::new();
        if self.dice.percent(12) {
            self.templates = 1;
            let body = self.nodes(2);
            let _ = write!(out, "{{{{ define \"t\" }}}}{body}{{{{ end }}}}");
        }
        out += &self.nodes(0);
        out
    }

    fn nodes(&mut self, depth: u32) -> String {
        let known = self.variables.len();
        let count = 1 + self.dice.below(if depth == 0 { 4 } else { 2 });
        let text = (0..count).map(|_| self.node(depth)).collect();
        self.variables.truncate(known);
        text
    }

    fn node(&mut self, depth: u32) -> String {
        let choice = if depth > 2 {
            self.dice.below(55)
        } else {
            self.dice.below(100)
        };
        match choice {
            0..10 => self.text(),
            10..45 => {
                let kind = self.any_kind();
                let pipeline = self.pipeline(kind, 0);
                self.action(&pipeline)
            }
            45..55 => self.declaration(),
            55..70 => self.if_node(depth),
            70..84 => self.range_node(depth),
            84..93 => self.with_node(depth),
            93..96 => self
                .action("/* note */")
                .replace("{{ /*", "{{/*")
                .replace("*/ }}", "*/}}"),
            _ if self.templates > 0 => {
                let dot = if self.dice.percent(80) {
                    "$".to_owned()
                } else {
                    self.expression(Kind::Any, 1)
                };
                self.action(&format!("template \"t\" {dot}"))
            }
            _ if self.loops > 0 => {
                let word = self.dice.word(&["break", "continue"]);
                let body = self.action(word);
                let condition = self.pipeline(Kind::Bool, 1);
                format!("{{{{ if {condition} }}}}{body}{{{{ end }}}}")
            }
            _ => {
                let inner = self.nodes(depth + 1);
                let dot = self.expression(Kind::Any, 1);
                format!(
                    "{{{{ block \"b{depth}{}\" {dot} }}}}{inner}{{{{ end }}}}",
                    self.dice.below(1000)
                )
            }
        }
    }

    fn text(&mut self) -> String {
        self.dice
            .word(&[
                "x", " ", "\n", "  \n  ", "key: ", "- item\n", "a\tb", "}", "{ ", "\r\n", "ü",
            ])
            .to_owned()
    }

    fn action(&mut self, inside: &str) -> String {
        let open = if self.dice.percent(15) { "{{- " } else { "{{ " };
        let close = if self.dice.percent(15) { " -}}" } else { " }}" };
        format!("{open}{inside}{close}")
    }

    fn declaration(&mut self) -> String {
        let kind = self.any_kind();
        let value = self.pipeline(kind, 0);
        if !self.variables.is_empty() && self.dice.percent(40) {
            let place = self.dice.below(self.variables.len());
            let name = self
                .variables
                .get(place)
                .map_or("v0", |(name, _)| name.as_str());
            let text = format!("${name} = {value}");
            return self.action(&text);
        }
        let name = format!("v{}", self.dice.below(4));
        let text = self.action(&format!("${name} := {value}"));
        self.variables.push((name, kind));
        text
    }

    fn if_node(&mut self, depth: u32) -> String {
        let kind = if self.dice.percent(60) {
            Kind::Bool
        } else {
            Kind::Any
        };
        let condition = self.pipeline(kind, 0);
        let mut text = self.action(&format!("if {condition}"));
        text += &self.nodes(depth + 1);
        if self.dice.percent(20) {
            let second = self.pipeline(Kind::Any, 1);
            text += &self.action(&format!("else if {second}"));
            text += &self.nodes(depth + 1);
        }
        if self.dice.percent(40) {
            text += &self.action("else");
            text += &self.nodes(depth + 1);
        }
        text + &self.action("end")
    }

    fn range_node(&mut self, depth: u32) -> String {
        let kind = match self.dice.below(10) {
            0..5 => Kind::List,
            5..8 => Kind::Map,
            8 => Kind::Strings,
            _ => Kind::Any,
        };
        let over = self.pipeline(kind, 0);
        let known = self.variables.len();
        let mut text = match self.dice.below(3) {
            0 => self.action(&format!("range {over}")),
            1 => {
                self.variables.push(("e".to_owned(), Kind::Any));
                self.action(&format!("range $e := {over}"))
            }
            _ => {
                self.variables.push(("i".to_owned(), Kind::Int));
                self.variables.push(("e".to_owned(), Kind::Any));
                self.action(&format!("range $i, $e := {over}"))
            }
        };
        self.loops += 1;
        self.dots += 1;
        text += &self.nodes(depth + 1);
        self.dots -= 1;
        self.loops -= 1;
        self.variables.truncate(known);
        if self.dice.percent(25) {
            text += &self.action("else");
            text += &self.nodes(depth + 1);
        }
        text + &self.action("end")
    }

    fn with_node(&mut self, depth: u32) -> String {
        let value = self.pipeline(Kind::Any, 0);
        let mut text = self.action(&format!("with {value}"));
        self.dots += 1;
        text += &self.nodes(depth + 1);
        self.dots -= 1;
        if self.dice.percent(30) {
            let word = self
                .dice
                .word(&["else", "else with .s0", "else with .missing"]);
            text += &self.action(word);
            text += &self.nodes(depth + 1);
        }
        text + &self.action("end")
    }

    fn any_kind(&mut self) -> Kind {
        match self.dice.below(12) {
            0..5 => Kind::Str,
            5 => Kind::Int,
            6 => Kind::Bool,
            7 => Kind::Float,
            8 => Kind::Map,
            9 => Kind::List,
            10 => Kind::Time,
            _ => Kind::Any,
        }
    }

    /// A value of this type, most of the time, as a pipeline.
    fn pipeline(&mut self, kind: Kind, depth: u32) -> String {
        self.budget = self.budget.saturating_sub(1);
        if depth < 3 && self.budget > 0 && self.dice.percent(45) {
            if let Some(function) = self.function(kind) {
                let (mut arguments, last) = self.arguments(&function, depth);
                if let Some(last) = last {
                    let first = if self.dice.percent(50) {
                        arguments.push(last);
                        return call(&function.name, &arguments);
                    } else {
                        last
                    };
                    return format!("{} | {}", first, call(&function.name, &arguments));
                }
                return call(&function.name, &arguments);
            }
        }
        self.expression(kind, depth)
    }

    /// As [`Generator::pipeline`], but usable as an argument.
    fn expression(&mut self, kind: Kind, depth: u32) -> String {
        self.budget = self.budget.saturating_sub(1);
        let kind = if self.dice.percent(6) {
            self.any_kind()
        } else {
            kind
        };
        if depth < 3 && self.budget > 0 && self.dice.percent(35) {
            return format!("({})", self.pipeline(kind, depth + 1));
        }
        if self.dice.percent(20) && !self.variables.is_empty() {
            let place = self.dice.below(self.variables.len());
            if let Some((name, held)) = self.variables.get(place)
                && (*held == kind || kind == Kind::Any)
            {
                return format!("${name}");
            }
        }
        if self.dice.percent(3) {
            return self.dice.word(contexts::NOTHING).to_owned();
        }
        self.leaf(kind)
    }

    /// A constant or a field.
    fn leaf(&mut self, kind: Kind) -> String {
        let leaf = self.root_leaf(kind);
        let field = leaf.starts_with('.') && leaf.len() > 1;
        if field && self.dots > 0 && self.dice.percent(90) {
            return format!("${leaf}");
        }
        leaf
    }

    fn root_leaf(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Str if self.dice.percent(55) => self.dice.word(contexts::STRINGS).to_owned(),
            Kind::Str => {
                let text = contexts::text(&mut self.dice, self.alphabet);
                quoted(&text)
            }
            Kind::Int => self
                .dice
                .word(&[
                    "0",
                    "1",
                    "2",
                    "3",
                    "5",
                    "-1",
                    "-2",
                    "10",
                    "20",
                    "80",
                    "0x10",
                    "(int .n0)",
                    "(len .l0)",
                    "1_0",
                    "017",
                ])
                .to_owned(),
            Kind::Float => self
                .dice
                .word(&["0.5", "1.5", "2.0", "-3.25", "1e3", ".n0", ".n1"])
                .to_owned(),
            Kind::Bool => {
                let mut choices = vec!["true", "false"];
                choices.extend(contexts::BOOLS);
                self.dice.word(&choices).to_owned()
            }
            Kind::Map if self.dice.percent(70) => self.dice.word(contexts::MAPS).to_owned(),
            Kind::Map => self
                .dice
                .word(&[
                    "(dict)",
                    "(dict \"a\" 1 \"b\" .s0)",
                    "(dict \"s\" .s1 \"l\" .l0 \"k\" (dict \"n\" 1))",
                    "(fromJson \"{\\\"a\\\":{\\\"b\\\":[1,2.5]}}\")",
                ])
                .to_owned(),
            Kind::List if self.dice.percent(60) => self.dice.word(contexts::LISTS).to_owned(),
            Kind::List => self
                .dice
                .word(&[
                    "(list)",
                    "(list 1 2 3)",
                    "(list .s0 .n0 nil)",
                    "(until 3)",
                    "(list \"b\" \"a\" \"c\")",
                    "(list 1 1.0 \"1\")",
                    "(splitList \",\" .s0)",
                ])
                .to_owned(),
            Kind::Strings => self
                .dice
                .word(&[
                    "(splitList \",\" \"a,b,c\")",
                    "(keys .m0)",
                    "(sortAlpha .l0)",
                    "(toStrings .l1)",
                ])
                .to_owned(),
            Kind::Time => self
                .dice
                .word(&[
                    "now",
                    "(now | dateModify \"-36h\")",
                    "(toDate \"2006-01-02\" \"2024-02-29\")",
                ])
                .to_owned(),
            Kind::Any => match self.dice.below(12) {
                0 => ".".to_owned(),
                1 => self
                    .dice
                    .word(&["nil", "'a'", "1e6", "`raw`", "$"])
                    .to_owned(),
                2 => ".x".to_owned(),
                3..6 => self.leaf(Kind::Str),
                6 => self.leaf(Kind::Int),
                7 => self.dice.word(contexts::NUMBERS).to_owned(),
                8 => self.leaf(Kind::Bool),
                9 => self.leaf(Kind::Map),
                _ => self.leaf(Kind::List),
            },
        }
    }

    fn function(&mut self, kind: Kind) -> Option<Function> {
        for _ in 0..30 {
            let place = self.dice.below(self.functions.len());
            let function = self.functions.get(place)?;
            let fits = function.result == kind
                || kind == Kind::Any
                || (function.result == Kind::Any && self.dice.percent(30));
            let cuts = BYTE_CUTTERS.contains(&function.name.as_str());
            if fits && !(cuts && self.alphabet == Alphabet::Unicode) {
                return Some(function.clone());
            }
        }
        None
    }

    /// The arguments but the last, and the last.
    fn arguments(&mut self, function: &Function, depth: u32) -> (Vec<String>, Option<String>) {
        let mut arguments = Vec::new();
        for (place, kind) in function.params.iter().enumerate() {
            let special = special(&mut self.dice, &function.name, place);
            arguments.push(match special {
                Some(text) => text,
                None => {
                    let kind = hidden_kind(&function.name, place).unwrap_or(*kind);
                    self.expression(kind, depth + 1)
                }
            });
        }
        if let Some(kind) = function.rest {
            let pairs = usize::from(function.name == "dict") + 1;
            for place in 0..self.dice.below(4) * pairs {
                let kind = if function.name == "dict" && place % 2 == 0 {
                    Kind::Str
                } else {
                    kind
                };
                arguments.push(self.expression(kind, depth + 1));
            }
        }
        if self.dice.percent(2) {
            arguments.pop();
        } else if self.dice.percent(2) {
            arguments.push(self.leaf(Kind::Any));
        }
        let last = arguments.pop();
        (arguments, last)
    }
}

/// The type behind an `interface {}`: what is no error.
fn hidden_kind(name: &str, place: usize) -> Option<Kind> {
    let name = name
        .strip_prefix("must")
        .map_or_else(|| name.to_owned(), str::to_lowercase);
    match (name.as_str(), place) {
        (
            "first" | "last" | "rest" | "initial" | "append" | "push" | "prepend" | "uniq"
            | "without" | "reverse" | "compact" | "slice" | "concat" | "sortAlpha" | "toStrings",
            0,
        )
        | ("has" | "chunk" | "join", 1) => Some(Kind::List),
        ("merge" | "mergeoverwrite", _) => Some(Kind::Map),
        ("lt" | "le" | "gt" | "ge" | "eq" | "ne", _) => Some(Kind::Str),
        ("ceil" | "floor" | "round" | "subf" | "divf" | "mulf", 0)
        | ("div" | "mod" | "sub" | "mul" | "addf" | "maxf" | "minf", _) => Some(Kind::Float),
        _ => None,
    }
}

/// What a function wants there, where any text would be dull.
fn special(dice: &mut Dice, name: &str, place: usize) -> Option<String> {
    if dice.percent(10) {
        return None;
    }
    let text = match (name, place) {
        ("printf", 0) => dice.word(&[
            "%s",
            "%d",
            "%v",
            "%q",
            "%5d",
            "%-5s|",
            "%05d",
            "%.2f",
            "%8.3f",
            "%t",
            "%x",
            "%X",
            "%c",
            "%U",
            "%e",
            "%g",
            "%T",
            "%#v",
            "%+v",
            "%s-%s",
            "%d %s",
            "%[2]v %[1]v",
            "%*d",
            "%.3s",
            "%%",
            "%z",
            "%6.2f|",
            "% d",
            "%+d",
            "%o",
            "%b",
            "%#x",
            "% x",
            "%G",
            "%-8v|",
            "%08v",
            "%.1v",
            "%v%v%v",
            "%+q",
        ]),
        (
            "regexSplit"
            | "mustRegexSplit"
            | "regexMatch"
            | "mustRegexMatch"
            | "regexFind"
            | "mustRegexFind"
            | "regexFindAll"
            | "mustRegexFindAll"
            | "regexReplaceAll"
            | "mustRegexReplaceAll"
            | "regexReplaceAllLiteral"
            | "mustRegexReplaceAllLiteral",
            0,
        ) => dice.word(&[
            "[a-z]+",
            "^a",
            "o",
            "(a)(b)?",
            "",
            "\\\\d+",
            "\\\\s*",
            "[^a-z]",
            "(?i)HELLO",
            "a|b|",
            "x*",
            "(?P<n>[a-z])",
            "\\\\bw",
            "[[:upper:]]",
            ".",
            "(?s).",
            "$",
            "(",
            "[",
            "a{2}",
            "a{,2}",
            "\\\\pL",
            "[&&a]",
            "\\\\Qa.b\\\\E",
            "(?m)^",
            "a+?",
            "\\\\w\\\\W",
            "(?U)o+",
            "[\\\\s,]+",
        ]),
        ("regexReplaceAll" | "mustRegexReplaceAll", 2) => dice.word(&[
            "$1", "${1}W", "$1W", "$$", "<$0>", "$n", "", "-", "${n}x", "$2$1",
        ]),
        ("date" | "dateInZone" | "date_in_zone" | "toDate" | "mustToDate", 0) => dice.word(&[
            "2006-01-02",
            "2006-01-02T15:04:05Z07:00",
            "Jan _2 15:04",
            "Monday, 02-Jan-06 15:04:05 MST",
            "3:04PM",
            "002",
            ".000",
            "",
            "15h04m",
            "Mon Jan 2 2006 -0700",
        ]),
        ("dateInZone" | "date_in_zone", 2) | ("htmlDateInZone", 1) => dice.word(&[
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Asia/Kolkata",
            "Nosuch",
            "",
            "Local",
        ]),
        ("toDate" | "mustToDate", 1) => dice.word(&[
            "2024-02-29",
            "2024-02-30",
            "2024-02-29T12:00:00+02:00",
            "Jan  3 15:04",
            "3:04AM",
            "x",
            "060",
            "",
        ]),
        ("dateModify" | "date_modify" | "mustDateModify" | "must_date_modify", 0) => {
            dice.word(&["1h", "-36h", "1.5s", "bad", "1h30m", "10ms", "0"])
        }
        ("durationRound" | "duration", 0) => {
            dice.word(&["90", "1h30m", "400h", "9000h", "x", "1500ms", "-3h"])
        }
        ("semver", 0) | ("semverCompare", 1) => dice.word(&[
            "1.2.3",
            "v1.2",
            "1",
            "1.2.3-rc.1",
            "1.2.3+b",
            "x",
            "01.2.3",
            "1.30.2-gke.1",
            "0.2.3",
            "1.2.3.4",
        ]),
        ("semverCompare", 0) => dice.word(&[
            "1.2.3",
            "^1.2",
            "~1.2.3",
            ">=1.0 <2",
            "1.x",
            "*",
            "1.2 - 1.4",
            "<1 || >2",
            "!=1.2.3",
            ">=1.2-0",
            "^0.2",
            "x",
            "=1",
            "~1",
            ">1.2",
            "<=1.2",
            "~>1.2.1",
            "",
            "^1.2.3-rc",
            "!=1.x",
            ">=v1",
            "1.2.x",
            "^0.0.3",
            "^0.0",
            "~0",
            "> 1, < 3",
        ]),
        ("b64dec", 0) => dice.word(&["aGVsbG8=", "YQ==", "YWI=", "bad!", "aGVsbG8", "", "eA==\\n"]),
        ("b32dec", 0) => dice.word(&["MFRA====", "NBSWY3DP", "bad", "", "mfra===="]),
        ("fromJson" | "mustFromJson", 0) => dice.word(&[
            "{}",
            "{\\\"a\\\":1}",
            "{\\\"a\\\":[1,2.5,null,true,\\\"x\\\"],\\\"b\\\":{\\\"c\\\":1e3}}",
        ]),
        ("fromJsonArray" | "fromYamlArray", 0) => {
            dice.word(&["[]", "[1,2]", "[\\\"a\\\",null,{\\\"b\\\":1}]"])
        }
        ("fromYaml", 0) => dice.word(&[
            "a: 1",
            "a:\\n- x\\n- y\\nb: {c: yes, d: 010, e: 1e3, f: ~}",
            "{}",
            "",
            "a: |\\n  x\\n  y\\nb: 'q'",
            "a: &x {b: 1}\\nc: *x",
            "n: 1_000\\nt: 2024-01-01\\ns: \\\"\\\\u00e9\\\"",
        ]),
        ("parseQuantity", 0) => dice.word(&[
            "1Gi", "500m", "1.5", "1e3", "", "x", "-1Ki", "12E", "3M", "0.1",
        ]),
        ("typeIs" | "typeIsLike", 0) => dice.word(&[
            "string",
            "int",
            "float64",
            "bool",
            "[]interface {}",
            "map[string]interface {}",
            "<nil>",
            "int64",
        ]),
        ("kindIs", 0) => dice.word(&[
            "string", "int", "float64", "bool", "slice", "map", "invalid",
        ]),
        ("get" | "hasKey" | "unset" | "set", 1) | ("pluck" | "dig", 0) => {
            dice.word(&["a", "s", "l", "k", "n", "missing"])
        }
        (
            "replace" | "split" | "splitList" | "splitn" | "join" | "trimAll" | "trimall"
            | "trimPrefix" | "trimSuffix" | "contains" | "hasPrefix" | "hasSuffix",
            0,
        ) => dice.word(&["a", ",", " ", "", "-", "o", "l", "\\n", "he", "."]),
        ("toDecimal" | "atoi", 0) => dice.word(&[
            "17",
            "0777",
            "x",
            "-5",
            "+5",
            "",
            "1_0",
            "99999999999999999999",
        ]),
        ("urlParse", 0) => dice.word(&[
            "http://h/p",
            "https://u:p@h:1/a%20b?q=1#f",
            "/p",
            "",
            "mailto:a@b",
            "http://[",
            "//h/p",
            "a b",
            "http://h/é",
        ]),
        _ => return None,
    };
    Some(format!("\"{text}\""))
}

fn call(name: &str, arguments: &[String]) -> String {
    if arguments.is_empty() {
        return name.to_owned();
    }
    format!("{name} {}", arguments.join(" "))
}

/// As a constant of Go.
fn quoted(text: &str) -> String {
    if !text.contains(['`', '\r']) && text.len() % 3 == 0 && !text.is_empty() {
        return format!("`{text}`");
    }
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                out.push('\\');
                out.push(char);
            }
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}
