//! The functions that calls are made of, with their parameters' types, as the oracle knows them.

/// A type of Go, as far as arguments go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Any,
    Str,
    Int,
    Float,
    Bool,
    Map,
    List,
    Strings,
    Time,
}

#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) params: Vec<Kind>,
    pub(crate) rest: Option<Kind>,
    pub(crate) result: Kind,
}

/// Not the same twice in Go, or kept to the Rust engine's own stream: `tests/it` looks at their alphabets.
const RANDOM: &[&str] = &[
    "randAlpha",
    "randAlphaNum",
    "randAscii",
    "randBytes",
    "randInt",
    "randNumeric",
    "shuffle",
    "uuidv4",
];

/// Always an error, which makes any template around it dull.
const DULL: &[&str] = &["fail", "hello"];

/// Of text/template itself; Go's own signatures take reflected values.
const BUILTINS: &[(&str, &str)] = &[
    ("and", "func(interface {}, ...interface {}) interface {}"),
    ("or", "func(interface {}, ...interface {}) interface {}"),
    ("not", "func(interface {}) bool"),
    ("eq", "func(interface {}, ...interface {}) bool"),
    ("ne", "func(interface {}, interface {}) bool"),
    ("lt", "func(interface {}, interface {}) bool"),
    ("le", "func(interface {}, interface {}) bool"),
    ("gt", "func(interface {}, interface {}) bool"),
    ("ge", "func(interface {}, interface {}) bool"),
    ("len", "func(interface {}) int"),
    ("index", "func(interface {}, ...interface {}) interface {}"),
    ("print", "func(...interface {}) string"),
    ("println", "func(...interface {}) string"),
    ("printf", "func(string, ...interface {}) string"),
    ("html", "func(...interface {}) string"),
    ("js", "func(...interface {}) string"),
    ("urlquery", "func(...interface {}) string"),
];

/// Reads `NAME SIGNATURE` lines.
pub(crate) fn read(signatures: &str) -> Vec<Function> {
    let mapped = signatures.lines().filter_map(|line| line.split_once(' '));
    mapped
        .chain(BUILTINS.iter().copied())
        .filter(|(name, _)| !RANDOM.contains(name) && !DULL.contains(name))
        .map(|(name, signature)| function(name, signature))
        .collect()
}

fn function(name: &str, signature: &str) -> Function {
    let inner = signature.strip_prefix("func(").unwrap_or(signature);
    let (params, result) = inner.split_once(')').unwrap_or((inner, ""));
    let mut function = Function {
        name: name.to_owned(),
        params: Vec::new(),
        rest: None,
        result: kind(first_result(result)),
    };
    for param in params.split(", ").filter(|param| !param.is_empty()) {
        match param.strip_prefix("...") {
            Some(rest) => function.rest = Some(kind(rest)),
            None => function.params.push(kind(param)),
        }
    }
    function
}

fn first_result(text: &str) -> &str {
    let text = text.trim().trim_start_matches('(');
    text.split([',', ')']).next().unwrap_or(text)
}

fn kind(text: &str) -> Kind {
    match text {
        "string" => Kind::Str,
        "int" | "int64" => Kind::Int,
        "float64" => Kind::Float,
        "bool" => Kind::Bool,
        "map[string]interface {}" | "map[string]string" => Kind::Map,
        "[]interface {}" | "[]int" | "[][]interface {}" => Kind::List,
        "[]string" => Kind::Strings,
        "time.Time" => Kind::Time,
        _ => Kind::Any,
    }
}
