//! YAML, as Helm's toYaml and fromYaml have it: what goes wrong becomes a value.

use super::json::NoJson;
use super::{Args, Env, Function, Param};
use crate::error::Fault;
use crate::value::Value;

mod emit;
mod order;
mod resolve;
mod scalar;

pub(super) const FUNCTIONS: &[Function] = &[function("toYaml", &[Param::Any], to_yaml)];

const fn function(
    name: &'static str,
    params: &'static [Param],
    run: fn(Args<'_>, &mut Env<'_>) -> Result<Value, Fault>,
) -> Function {
    Function {
        name,
        params,
        rest: None,
        run,
    }
}

fn to_yaml(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    match emit::document(args.any(0)?, env.meter) {
        Ok(mut text) => {
            if text.ends_with('\n') {
                text.pop();
            }
            Ok(Value::str(text))
        }
        // As Helm has it.
        Err(NoJson::Unsupported(_)) => Ok(Value::str("")),
        Err(NoJson::Limit(fault)) => Err(fault),
    }
}

/// Whether toYaml writes this text as it is.
pub(super) fn is_plain(text: &str) -> bool {
    scalar::style(text, scalar::Role::Other) == scalar::Style::Plain && emit::survives_json(text)
}

#[cfg(test)]
mod tests {
    use crate::functions::golden;

    #[test]
    fn writes_as_go() {
        golden::check(include_str!("yaml/write.jsonl"));
    }
}
