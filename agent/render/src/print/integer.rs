//! Integers, with every verb that Go has for them.

use crate::error::Fault;
use crate::value::IntKind;

use super::printer::Printer;
use super::quote;

/// Writes it; false if the verb is none for integers.
pub(super) fn write(
    printer: &mut Printer<'_>,
    number: i64,
    kind: IntKind,
    verb: char,
) -> Result<bool, Fault> {
    let unsigned = match kind {
        IntKind::Uint8 | IntKind::Uint64 => true,
        IntKind::Int | IntKind::Int64 | IntKind::Int32 | IntKind::Month | IntKind::Weekday => false,
    };
    let negative = !unsigned && number < 0;
    let size = if unsigned {
        number.cast_unsigned()
    } else {
        number.unsigned_abs()
    };
    match verb {
        'v' if printer.spec.sharp_v && unsigned => {
            let before = std::mem::replace(&mut printer.spec.sharp, true);
            digits(printer, format!("{size:x}"), negative, 'x')?;
            printer.spec.sharp = before;
        }
        'v' | 'd' => digits(printer, size.to_string(), negative, verb)?,
        'b' => digits(printer, format!("{size:b}"), negative, verb)?,
        'o' | 'O' => digits(printer, format!("{size:o}"), negative, verb)?,
        'x' => digits(printer, format!("{size:x}"), negative, verb)?,
        'X' => digits(printer, format!("{size:X}"), negative, verb)?,
        'c' => printer.pad(character(number).encode_utf8(&mut [0; 4]))?,
        'q' => {
            let alphabet = quote::Alphabet::of(printer.spec.plus);
            printer.pad(&quote::quote_char(character(number), alphabet))?;
        }
        'U' => unicode(printer, number.cast_unsigned())?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn character(number: i64) -> char {
    u32::try_from(number)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Digits with sign, prefix, precision and width.
fn digits(
    printer: &mut Printer<'_>,
    digits: String,
    negative: bool,
    verb: char,
) -> Result<(), Fault> {
    let spec = printer.spec;
    let wanted = match (spec.precision, spec.width) {
        // Nothing at all, but for the width.
        (Some(0), width) if digits == "0" => return printer.fill(width.unwrap_or(0), ' '),
        (Some(precision), _) => precision,
        (None, Some(width)) if spec.zero_padded() => {
            width.saturating_sub(usize::from(negative || spec.plus || spec.space))
        }
        (None, _) => 0,
    };
    printer.charge(wanted.saturating_add(digits.len()))?;
    let zeros = "0".repeat(wanted.saturating_sub(digits.len()));
    let sign = match (negative, spec.plus, spec.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let starts_with_zero = !zeros.is_empty() || digits.starts_with('0');
    let prefix = match verb {
        'O' if spec.sharp && !starts_with_zero => "0o0",
        'O' => "0o",
        'o' if spec.sharp && !starts_with_zero => "0",
        'b' if spec.sharp => "0b",
        'x' if spec.sharp => "0x",
        'X' if spec.sharp => "0X",
        _ => "",
    };
    printer.pad_by(&format!("{sign}{prefix}{zeros}{digits}"), ' ')
}

/// `U+0078`, with `#` also the character.
fn unicode(printer: &mut Printer<'_>, number: u64) -> Result<(), Fault> {
    let wanted = printer.spec.precision.unwrap_or(4).max(4);
    printer.charge(wanted)?;
    let digits = format!("{number:X}");
    let zeros = "0".repeat(wanted.saturating_sub(digits.len()));
    let shown = u32::try_from(number)
        .ok()
        .and_then(char::from_u32)
        .filter(|char| printer.spec.sharp && quote::is_printable(*char));
    let text = match shown {
        Some(char) => format!("U+{zeros}{digits} '{char}'"),
        None => format!("U+{zeros}{digits}"),
    };
    printer.pad_by(&text, ' ')
}
