//! Random functions, drawn from the grant's seed: the same template renders to the same bytes again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Args, Env, Function, Param};
use crate::error::Fault;
use crate::value::Value;

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const LETTERS_AND_DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("randAlphaNum", &[Param::Int], |args, env| {
        text(args, env, LETTERS_AND_DIGITS)
    }),
    Function::new("randAlpha", &[Param::Int], |args, env| {
        text(args, env, LETTERS)
    }),
    Function::new("randNumeric", &[Param::Int], |args, env| {
        text(args, env, DIGITS)
    }),
    Function::new("randAscii", &[Param::Int], |args, env| {
        let printable: String = (' '..='~').collect();
        text(args, env, &printable)
    }),
    Function::new("randInt", &[Param::Int, Param::Int], int),
    Function::new("randBytes", &[Param::Int], bytes),
    Function::new("uuidv4", &[], uuid),
    Function::new("shuffle", &[Param::Str], shuffle),
];

fn text(args: Args<'_>, env: &mut Env<'_>, letters: &str) -> Result<Value, Fault> {
    // Less than one is none, as in Sprig.
    let count = usize::try_from(args.int(0)?).unwrap_or(0);
    env.meter.steps(count)?;
    env.meter.bytes(count)?;
    let letters = letters.as_bytes();
    Ok(Value::str(
        (0..count)
            .map(|_| {
                let place = env.random.below(letters.len() as u64);
                let letter = usize::try_from(place).ok().and_then(|at| letters.get(at));
                letter.copied().map_or(' ', char::from)
            })
            .collect::<String>(),
    ))
}

fn int(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (min, max) = (args.int(0)?, args.int(1)?);
    let span = max.wrapping_sub(min);
    match u64::try_from(span) {
        Ok(span) if span > 0 => {
            let drawn = i64::try_from(env.random.below(span)).unwrap_or(0);
            Ok(Value::int(min.wrapping_add(drawn)))
        }
        _ => Err(Fault::new(format!(
            "randInt: there is no number from {min} up to below {max}"
        ))
        .hinting("the first number must be less than the second")),
    }
}

fn bytes(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let count = args.int(0)?;
    let count = usize::try_from(count)
        .map_err(|_| Fault::new(format!("randBytes: {count} is less than no byte")))?;
    env.meter.steps(count)?;
    env.meter.bytes(count.saturating_mul(3))?;
    let bytes: Vec<u8> = (0..count).map(|_| env.random.byte()).collect();
    Ok(Value::str(STANDARD.encode(bytes)))
}

fn uuid(_: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let number = u128::from(env.random.next()) << 64 | u128::from(env.random.next());
    // Version 4, variant 1.
    let number = number & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let digits = format!("{number:032x}");
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    Ok(Value::str(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )))
}

fn shuffle(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let text = args.str(0)?;
    env.meter.steps(text.len())?;
    env.meter.bytes(text.len().saturating_mul(5))?;
    let mut chars: Vec<char> = text.chars().collect();
    for last in (1..chars.len()).rev() {
        let other = env.random.below(last as u64 + 1);
        chars.swap(last, usize::try_from(other).unwrap_or(last));
    }
    Ok(Value::str(chars.into_iter().collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::golden::call;

    fn text(name: &str, args: &[Value]) -> String {
        match call(name, args) {
            Ok(Value::Str(text)) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn draws_what_was_asked_for() {
        for (name, allowed) in [
            ("randAlphaNum", LETTERS_AND_DIGITS),
            ("randAlpha", LETTERS),
            ("randNumeric", DIGITS),
        ] {
            let drawn = text(name, &[Value::int(500)]);
            assert_eq!(drawn.len(), 500);
            assert!(drawn.chars().all(|c| allowed.contains(c)), "{drawn}");
            assert_eq!(drawn, text(name, &[Value::int(500)]), "the same seed");
            assert_eq!(text(name, &[Value::int(-1)]), "");
        }
        let uuid = text("uuidv4", &[]);
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.get(14..15), Some("4"));
        assert!(matches!(uuid.get(19..20), Some("8" | "9" | "a" | "b")));
        let mut shuffled: Vec<char> = text("shuffle", &[Value::str("añb😀c")]).chars().collect();
        shuffled.sort_unstable();
        assert_eq!(shuffled, ['a', 'b', 'c', 'ñ', '😀']);
        assert_eq!(text("randBytes", &[Value::int(4)]).len(), 8);
        for _ in 0..20 {
            let drawn = call("randInt", &[Value::int(-2), Value::int(1)]);
            assert!(matches!(drawn, Ok(Value::Int(-2..=0, _))));
        }
        for (min, max) in [(1, 1), (2, 1), (i64::MIN, i64::MAX)] {
            assert!(call("randInt", &[Value::int(min), Value::int(max)]).is_err());
        }
        assert!(call("randBytes", &[Value::int(-1)]).is_err());
        assert!(call("randAlpha", &[Value::int(i64::MAX)]).is_err());
    }
}
