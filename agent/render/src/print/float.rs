//! Floating-point numbers as Go's strconv and fmt write them.

use crate::error::Fault;

use super::printer::Printer;

/// No double has more digits behind the point; what is asked beyond is zeros.
const EXACT: usize = 1100;

/// `form` is one of `bgGxXfeE`; a precision of the directive stands above the form's own.
pub(super) fn write(
    printer: &mut Printer<'_>,
    number: f64,
    form: char,
    precision: Option<usize>,
) -> Result<(), Fault> {
    let spec = printer.spec;
    let precision = spec.precision.or(precision);
    printer.charge(precision.unwrap_or(0).saturating_add(350))?;
    if number.is_nan() || number.is_infinite() {
        let sign = match (number < 0.0, spec.plus, spec.space) {
            (true, _, _) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) if number.is_nan() => "",
            // Go writes +Inf with its sign.
            (false, false, false) => "+",
        };
        let name = if number.is_nan() { "NaN" } else { "Inf" };
        return printer.pad_by(&format!("{sign}{name}"), ' ');
    }
    let negative = number.is_sign_negative();
    let mut text = unsigned(number.abs(), form, precision);
    if spec.sharp && form != 'b' {
        text = pointed(&text, form, precision);
    }
    let sign = match (negative, spec.plus, spec.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let width = spec.width.unwrap_or(0);
    if !sign.is_empty() && spec.zero_padded() && width > text.len() + 1 {
        printer.write(sign)?;
        printer.fill(width - text.len() - 1, '0')?;
        return printer.write(&text);
    }
    printer.pad(&format!("{sign}{text}"))
}

/// A finite number that is not negative.
fn unsigned(number: f64, form: char, precision: Option<usize>) -> String {
    match form {
        'b' => binary(number),
        'x' => hexadecimal(number, precision),
        'X' => hexadecimal(number, precision).to_ascii_uppercase(),
        'f' => fixed(number, precision.unwrap_or(6)),
        'e' | 'E' => {
            let precision = precision.unwrap_or(6);
            Digits::rounded(number, precision).scientific(precision, form)
        }
        _ => general(number, precision, if form == 'G' { 'E' } else { 'e' }),
    }
}

/// `%g`, and `%v` without precision.
fn general(number: f64, precision: Option<usize>, mark: char) -> String {
    let (digits, limit, precision) = match precision {
        None => {
            let digits = Digits::shortest(number);
            let count = digits.text.len();
            (digits, 6, count)
        }
        Some(precision) => {
            let precision = precision.max(1);
            let digits = Digits::rounded(number, precision - 1);
            let count = digits.text.len();
            let limit = if precision > count && digits.point <= count as i64 {
                count
            } else {
                precision
            };
            (digits, limit, precision)
        }
    };
    let exponent = digits.point - 1;
    let limit = limit as i64;
    if exponent < -4 || exponent >= limit {
        let precision = precision.min(digits.text.len()).max(1) - 1;
        return digits.scientific(precision, mark);
    }
    digits.plain()
}

fn fixed(number: f64, precision: usize) -> String {
    let exact = precision.min(EXACT);
    let mut text = format!("{number:.exact$}");
    text.extend(std::iter::repeat_n('0', precision - exact));
    text
}

/// Decimal digits without zeros at the end: `0.DIGITS × 10^point`.
struct Digits {
    text: String,
    point: i64,
}

/// `1.5e3`: the fewest digits that are read as this number; halfway between two such texts the even digit, as in Go.
pub(crate) fn shortest(number: f64) -> String {
    let text = format!("{number:e}");
    let digits = text
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    // Only the longest texts are ever halfway.
    if digits < 15 {
        return text;
    }
    let even = format!("{number:.*e}", digits.saturating_sub(1));
    if even.parse() == Ok(number) {
        even
    } else {
        text
    }
}

/// As [`shortest`], without an exponent.
pub(crate) fn shortest_plain(number: f64) -> String {
    let text = number.to_string();
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    if places == 0 || text.len() < 15 {
        return text;
    }
    let even = format!("{number:.places$}");
    if even.parse() == Ok(number) {
        even
    } else {
        text
    }
}

impl Digits {
    /// As few as tell this number from any other.
    fn shortest(number: f64) -> Self {
        Self::read(&shortest(number))
    }

    /// One digit before the point and `precision` behind it.
    fn rounded(number: f64, precision: usize) -> Self {
        let exact = precision.min(EXACT);
        Self::read(&format!("{number:.exact$e}"))
    }

    fn read(scientific: &str) -> Self {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
        let digits: String = mantissa.chars().filter(|char| *char != '.').collect();
        let text = digits.trim_end_matches('0').to_owned();
        let exponent: i64 = exponent.parse().unwrap_or(0);
        let point = if text.is_empty() { 0 } else { exponent + 1 };
        Self { text, point }
    }

    fn exponent(&self) -> i64 {
        if self.text.is_empty() {
            return 0;
        }
        self.point - 1
    }

    fn scientific(&self, precision: usize, mark: char) -> String {
        let mut chars = self.text.chars();
        let mut out = String::from(chars.next().unwrap_or('0'));
        if precision > 0 {
            out.push('.');
            out.extend(chars.chain(std::iter::repeat('0')).take(precision));
        }
        let exponent = self.exponent();
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("{mark}{sign}{:02}", exponent.abs()));
        out
    }

    fn plain(&self) -> String {
        let Ok(before) = usize::try_from(self.point) else {
            let zeros = usize::try_from(-self.point).unwrap_or(0);
            return format!("0.{}{}", "0".repeat(zeros), self.text);
        };
        let (whole, rest) = self.text.split_at(before.min(self.text.len()));
        let zeros = "0".repeat(before.saturating_sub(self.text.len()));
        let whole = if before == 0 { "0" } else { whole };
        let point = if rest.is_empty() { "" } else { "." };
        format!("{whole}{zeros}{point}{rest}")
    }
}

/// Mantissa and exponent of the bits.
fn parts(number: f64) -> (u64, i64) {
    let bits = number.to_bits();
    let exponent = (bits >> 52 & 0x7ff).cast_signed();
    let mantissa = bits & ((1 << 52) - 1);
    if exponent == 0 {
        return (mantissa, -1022);
    }
    (mantissa | 1 << 52, exponent - 1023)
}

fn binary(number: f64) -> String {
    let (mantissa, exponent) = parts(number);
    format!("{mantissa}p{:+}", exponent - 52)
}

fn hexadecimal(number: f64, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(number);
    mantissa <<= 8;
    if mantissa == 0 {
        exponent = 0;
    }
    while mantissa != 0 && mantissa & (1 << 60) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(precision) = precision.filter(|precision| *precision < 15) {
        let shift = precision * 4;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut out = format!("0x{}", mantissa >> 60 & 1);
    let digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    match precision {
        None if mantissa << 4 == 0 => {}
        None => {
            out.push('.');
            out.push_str(digits.trim_end_matches('0'));
        }
        Some(0) => {}
        Some(precision) => {
            out.push('.');
            out.extend(digits.chars().chain(std::iter::repeat('0')).take(precision));
        }
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    out.push_str(&format!("p{sign}{:02}", exponent.abs()));
    out
}

/// The `#` flag: always a point, and the zeros that `%g` drops.
fn pointed(text: &str, form: char, precision: Option<usize>) -> String {
    let mut missing = match form {
        'g' | 'G' | 'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let hexadecimal = matches!(form, 'x' | 'X');
    let end = text
        .find(|char: char| matches!(char, 'p' | 'P') || (!hexadecimal && matches!(char, 'e' | 'E')))
        .unwrap_or(text.len());
    let (number, tail) = text.split_at(end);
    let mut has_point = false;
    let mut counting = false;
    for char in number.chars() {
        if char == '.' {
            has_point = true;
            continue;
        }
        counting = counting || char != '0';
        if counting {
            missing = missing.saturating_sub(1);
        }
    }
    let mut out = String::from(number);
    if !has_point {
        if number == "0" {
            missing = missing.saturating_sub(1);
        }
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', missing));
    out.push_str(tail);
    out
}
