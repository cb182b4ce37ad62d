//! Defaults, choices and errors that templates raise themselves.

use super::Param::{Any, Bool, Str};
use super::{Args, Env, Function};
use crate::error::Fault;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::with_rest("default", &[Any], Any, default),
    Function::new("empty", &[Any], |args, _| {
        Ok(Value::Bool(!args.any(0)?.is_true()))
    }),
    Function::with_rest("coalesce", &[], Any, coalesce),
    Function::with_rest("all", &[], Any, |args, _| {
        Ok(Value::Bool(args.rest(0).iter().all(Value::is_true)))
    }),
    Function::with_rest("any", &[], Any, |args, _| {
        Ok(Value::Bool(args.rest(0).iter().any(Value::is_true)))
    }),
    Function::new("ternary", &[Any, Any, Bool], ternary),
    Function::new("fail", &[Str], |args, _| Err(Fault::new(args.str(0)?))),
    Function::new("required", &[Str, Any], required),
];

/// `default D V`: V unless it is empty.
fn default(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let given = args.rest(1).first().filter(|given| given.is_true());
    Ok(given.unwrap_or(args.any(0)?).clone())
}

fn coalesce(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let first = args.rest(0).iter().find(|value| value.is_true());
    Ok(first.cloned().unwrap_or(Value::Nil))
}

/// `ternary YES NO CONDITION`
fn ternary(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    args.any(usize::from(!args.bool(2)?)).cloned()
}

/// `required MESSAGE V`: an error on nil and "" (ours, as Helm has it).
fn required(args: Args<'_>, _: &mut Env<'_>) -> Result<Value, Fault> {
    let value = args.any(1)?;
    let is_blank = matches!(value, Value::Str(text) if text.is_empty());
    if is_blank || matches!(value, Value::Nil) {
        return Err(Fault::new(args.str(0)?));
    }
    Ok(value.clone())
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use crate::value::Value;

    #[test]
    fn as_sprig_does() {
        testing::check(include_str!("flow/cases.jsonl"));
    }

    #[test]
    fn required_refuses_nothing_else() {
        for missing in [Value::Nil, Value::str("")] {
            let fault = testing::call("required", &[Value::str("set .vars.image"), missing]);
            assert_eq!(
                fault.map_err(|fault| fault.message).unwrap_err(),
                "set .vars.image"
            );
        }
        assert!(testing::call("required", &[Value::str("m"), Value::Bool(false)]).is_ok());
    }
}
