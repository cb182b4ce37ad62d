//! How Go's fmt writes values. [`to_text`] is its `%v`; `print`, `println` and `printf` of templates come here too.
//!
//! Everything that is written goes through [`printer::Printer`], which asks the meter before it makes a byte.

use crate::error::Fault;
use crate::limits::Meter;
use crate::value::Value;

mod directive;
mod float;
mod integer;
mod moment;
mod printer;
mod quote;

pub(crate) use quote::is_printable;

pub(crate) use float::{shortest, shortest_plain};

use printer::Printer;

/// Go's `%v`.
pub(crate) fn to_text(value: &Value, meter: &mut Meter) -> Result<String, Fault> {
    if let Value::Str(text) = value {
        meter.bytes(text.len())?;
        return Ok(String::from(&**text));
    }
    let mut printer = Printer::new(meter);
    printer.argument(value, 'v')?;
    Ok(printer.finish())
}

/// As [`to_text`], to the end of `out`.
pub(crate) fn append_text(value: &Value, out: &mut String, meter: &mut Meter) -> Result<(), Fault> {
    if let Value::Str(text) = value {
        meter.bytes(text.len())?;
        out.push_str(text);
        return Ok(());
    }
    let mut printer = Printer::new(meter);
    printer.argument(value, 'v')?;
    out.push_str(&printer.finish());
    Ok(())
}

/// Go's `fmt.Sprint`: a blank between two arguments neither of which is a text.
pub(crate) fn print(args: &[Value], meter: &mut Meter) -> Result<String, Fault> {
    let mut printer = Printer::new(meter);
    let mut after_text = true;
    for value in args {
        let is_text = matches!(value, Value::Str(_));
        if !is_text && !after_text {
            printer.write(" ")?;
        }
        printer.argument(value, 'v')?;
        after_text = is_text;
    }
    Ok(printer.finish())
}

/// Go's `fmt.Sprintln`: a blank between any two, and a line feed.
pub(crate) fn println(args: &[Value], meter: &mut Meter) -> Result<String, Fault> {
    let mut printer = Printer::new(meter);
    for (place, value) in args.iter().enumerate() {
        if place > 0 {
            printer.write(" ")?;
        }
        printer.argument(value, 'v')?;
    }
    printer.write("\n")?;
    Ok(printer.finish())
}

/// Go's `fmt.Sprintf`; what does not fit is written into the text as Go does (`%!d(string=x)`).
pub(crate) fn sprintf(format: &str, args: &[Value], meter: &mut Meter) -> Result<String, Fault> {
    directive::run(format, args, meter)
}

#[cfg(test)]
mod tests;
