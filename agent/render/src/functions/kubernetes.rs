//! Our own: names, quantities, safe scalars (spec 2 says what each of them does).

use breakglass_protocol::quantity::{Quantity, QuantityError};

use super::{Args, Env, Function, Param, encoding, yaml};
use crate::error::Fault;
use crate::value::Value;

/// The longest name of most kinds, and of a label's value.
const MAX_NAME: usize = 63;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("truncName", &[Param::Int, Param::Str], trunc_name),
    Function::new("k8sName", &[Param::Str], k8s_name),
    Function::new("yamlQuote", &[Param::Str], yaml_quote),
    Function::new("yamlSafe", &[Param::Str], yaml_safe),
    Function::new("parseQuantity", &[Param::Str], parse_quantity),
    Function::new("formatQuantity", &[Param::Any], format_quantity),
];

fn trunc_name(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (length, text) = (args.int(0)?, args.str(1)?);
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length > 0)
        .unwrap_or(MAX_NAME);
    match text.as_bytes().get(..length) {
        Some(start) => {
            env.meter.bytes(length.saturating_mul(3))?;
            Ok(Value::str(encoding::lossy(start)))
        }
        None => Ok(args.any(1)?.clone()),
    }
}

fn k8s_name(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    env.meter.bytes(text.len().saturating_mul(2))?;
    let mut name = String::with_capacity(text.len().min(MAX_NAME + 1));
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            '-' | '_' | ' ' | '.' if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
        if name.len() >= MAX_NAME {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    Ok(Value::str(if name.is_empty() { "resource" } else { name }))
}

fn is_special(c: char) -> bool {
    ":#{}[]|>!&*?-'\"\\`@,".contains(c)
}

fn yaml_quote(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    env.meter.bytes(text.len().saturating_mul(2))?;
    let safe = !text.contains(|c: char| is_special(c) || c.is_whitespace()) && yaml::is_plain(text);
    if safe {
        return Ok(args.any(0)?.clone());
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => out.push(c),
        }
    }
    out.push('"');
    Ok(Value::str(out))
}

fn yaml_safe(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    env.meter.bytes(text.len())?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let (c, run) = match c {
            _ if is_special(c) => ('-', '-'),
            _ if c.is_whitespace() => (' ', ' '),
            _ => (c, '\0'),
        };
        if !out.ends_with(run) {
            out.push(c);
        }
    }
    Ok(Value::str(out.trim_matches(['-', ' '])))
}

fn parse_quantity(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    const NANOS: i128 = 1_000_000_000;
    let text = args.str(0)?;
    if text.is_empty() {
        return Ok(Value::int64(0));
    }
    match Quantity::parse(text) {
        Ok(quantity) => {
            // Away from zero, as Kubernetes rounds.
            let (whole, rest) = (quantity.nanos() / NANOS, quantity.nanos() % NANOS);
            Ok(Value::int64(
                i64::try_from(whole + rest.signum()).unwrap_or(i64::MAX),
            ))
        }
        // Kubernetes reads a unit without a number as none of it.
        Err(QuantityError::Syntax(_)) if is_bare_unit(text) => Ok(Value::int64(0)),
        Err(error @ (QuantityError::Syntax(_) | QuantityError::TooLarge(_))) => {
            Err(Fault::new(format!("parseQuantity: {error}")))
        }
    }
}

fn is_bare_unit(text: &str) -> bool {
    let unit = text.strip_prefix(['-', '+']).unwrap_or(text);
    let unit = unit.strip_prefix('.').unwrap_or(unit);
    !unit.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && Quantity::parse(&format!("0{unit}")).is_ok()
}

fn format_quantity(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    // Whatever it is, `int64` makes a number of it.
    let int64 = super::find("int64")
        .ok_or_else(|| Fault::new("formatQuantity: there is no function int64"))?;
    let value = (int64.run)(args, env)?;
    if let Value::Int(number, _) = value {
        return Ok(Value::str(canonical(number)));
    }
    Err(super::unexpected(0, &value))
}

/// As `resource.NewQuantity(n, resource.BinarySI).String()`: whole units of 1024, and below 1024 units of 1000.
fn canonical(number: i64) -> String {
    // Kubernetes takes the smallest number as it is.
    if number == i64::MIN {
        return number.to_string();
    }
    let (base, units) = if number.unsigned_abs() < 1024 {
        (1000, ["", "k", "", "", "", "", ""])
    } else {
        (1024, ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
    };
    let (mut number, mut unit) = (number, 0);
    while number != 0 && number % base == 0 && unit < 6 {
        number /= base;
        unit += 1;
    }
    format!("{number}{}", units.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use crate::functions::golden;

    #[test]
    fn as_go() {
        golden::check(include_str!("golden/kubernetes.jsonl"));
    }
}
