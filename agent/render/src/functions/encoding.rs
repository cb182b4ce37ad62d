//! Base64, base32, hashes. A text that cannot be decoded gives the error's text, as in Sprig.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

use super::{Args, Env, Function, Param};
use crate::error::Fault;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    function("b64enc", |args, env| {
        let text = args.str(0)?;
        env.meter.bytes(text.len().saturating_mul(2))?;
        Ok(Value::str(STANDARD.encode(text)))
    }),
    function("b64dec", |args, env| decoded(args, env, "base64", base64)),
    function("b32enc", |args, env| {
        let text = args.str(0)?;
        env.meter.bytes(text.len().saturating_mul(2))?;
        Ok(Value::str(to_base32(text.as_bytes())))
    }),
    function("b32dec", |args, env| decoded(args, env, "base32", base32)),
    function("sha1sum", |args, env| {
        hash(args, env, |text| hex::encode(sha1::Sha1::digest(text)))
    }),
    function("sha256sum", |args, env| {
        hash(args, env, |text| hex::encode(sha2::Sha256::digest(text)))
    }),
    function("sha512sum", |args, env| {
        hash(args, env, |text| hex::encode(sha2::Sha512::digest(text)))
    }),
    function("adler32sum", |args, env| {
        hash(args, env, |text| adler32(text).to_string())
    }),
];

const fn function(
    name: &'static str,
    run: fn(Args<'_>, &mut Env<'_>) -> Result<Value, Fault>,
) -> Function {
    Function {
        name,
        params: &[Param::Str],
        rest: None,
        run,
    }
}

fn hash(args: Args<'_>, env: &mut Env<'_>, sum: fn(&[u8]) -> String) -> Result<Value, Fault> {
    let text = args.str(0)?;
    // About ten bytes in the time of a step, at worst.
    env.meter.steps(text.len() / 10)?;
    Ok(Value::str(sum(text.as_bytes())))
}

fn adler32(bytes: &[u8]) -> u32 {
    const PRIME: u32 = 65_521;
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % PRIME;
        (low, (high + low) % PRIME)
    });
    high << 16 | low
}

fn decoded(
    args: Args<'_>,
    env: &mut Env<'_>,
    name: &str,
    decode: fn(&[u8]) -> Result<Vec<u8>, usize>,
) -> Result<Value, Fault> {
    let text = args.str(0)?;
    // What is not UTF-8 becomes three bytes.
    env.meter.bytes(text.len().saturating_mul(3))?;
    Ok(Value::str(match decode(text.as_bytes()) {
        Ok(bytes) => lossy(&bytes),
        Err(place) => format!("illegal {name} data at input byte {place}"),
    }))
}

/// Bytes as text: each byte that is not UTF-8 becomes U+FFFD, as Go's encoding/json has it.
pub(super) fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn base64_value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// The bytes of a base64 text.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    base64(text.as_bytes()).ok()
}

/// The bytes, or the place that Go would complain about.
fn base64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_usize);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        if is_line_end(*byte) {
            continue;
        }
        if let Some(value) = base64_value(*byte) {
            bits = bits << 6 | u32::from(value);
            count += 1;
            if count == 4 {
                out.extend(bits.to_be_bytes().into_iter().skip(1));
                (bits, count) = (0, 0);
            }
            continue;
        }
        if *byte != b'=' || count < 2 {
            return Err(at - 1);
        }
        base64_end(text, at, count)?;
        let bytes = (bits << (6 * (4 - count))).to_be_bytes();
        out.extend(bytes.into_iter().skip(1).take(count - 1));
        return Ok(out);
    }
    match count {
        0 => Ok(out),
        _ => Err(at - count),
    }
}

/// What may follow the first `=`: a second one if two characters stand before it, and then nothing.
fn base64_end(text: &[u8], mut at: usize, count: usize) -> Result<(), usize> {
    let line_ends = |at: &mut usize| {
        while text.get(*at).is_some_and(|byte| is_line_end(*byte)) {
            *at += 1;
        }
    };
    if count == 2 {
        line_ends(&mut at);
        match text.get(at) {
            None => return Err(text.len()),
            Some(b'=') => at += 1,
            Some(_) => return Err(at - 1),
        }
    }
    line_ends(&mut at);
    if at < text.len() { Err(at) } else { Ok(()) }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn to_base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.chunks(5) {
        let bits = chunk
            .iter()
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte))
            << (8 * (5 - chunk.len()));
        let count = (chunk.len() * 8).div_ceil(5);
        for place in 0..8 {
            let value = (bits >> (35 - 5 * place)) & 31;
            let letter = usize::try_from(value).ok().and_then(|at| BASE32.get(at));
            out.push(match letter {
                Some(letter) if place < count => char::from(*letter),
                _ => '=',
            });
        }
    }
    out
}

/// As [`base64`]. Places are counted without line ends, as Go does.
fn base32(text: &[u8]) -> Result<Vec<u8>, usize> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !is_line_end(*byte))
        .collect();
    let mut out = Vec::with_capacity(text.len() / 8 * 5);
    let (mut bits, mut count) = (0_u64, 0_usize);
    for (at, byte) in text.iter().enumerate() {
        let left = text.len() - at - 1;
        if *byte == b'=' && count >= 2 && left < 8 {
            if left + count < 7 {
                return Err(text.len());
            }
            let padding = text.iter().enumerate().skip(at + 1).take(7 - count);
            if let Some((wrong, _)) = padding.into_iter().find(|(_, byte)| **byte != b'=') {
                return Err(wrong - 1);
            }
            if matches!(count, 1 | 3 | 6) {
                return Err(at);
            }
            let bytes = (bits << (5 * (8 - count))).to_be_bytes();
            out.extend(bytes.into_iter().skip(3).take(count * 5 / 8));
            return Ok(out);
        }
        let value = BASE32
            .iter()
            .zip(0_u64..)
            .find_map(|(letter, value)| (letter == byte).then_some(value))
            .ok_or(at)?;
        bits = bits << 5 | value;
        count += 1;
        if count == 8 {
            out.extend(bits.to_be_bytes().into_iter().skip(3));
            (bits, count) = (0, 0);
        }
    }
    match count {
        0 => Ok(out),
        _ => Err(text.len() - count),
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::golden;

    #[test]
    fn as_go() {
        golden::check(include_str!("golden/encoding.jsonl"));
    }
}
