//! What an edit changed, as paths: the record tells where, never what a value was (S20).

use serde_json::Value;

/// Paths told of one edit; the rest is counted.
const MAX_PATHS: usize = 50;

/// The fields below `metadata` (labels and annotations) and `spec` that differ, comma-separated.
pub(super) fn paths(before: Option<&Value>, after: &Value) -> String {
    let Some(before) = before else {
        return "everything".to_owned();
    };
    let mut found = Vec::new();
    for field in ["labels", "annotations"] {
        let path = format!("metadata.{field}");
        compare(
            &before["metadata"][field],
            &after["metadata"][field],
            &path,
            &mut found,
        );
    }
    compare(&before["spec"], &after["spec"], "spec", &mut found);
    let more = found.len().saturating_sub(MAX_PATHS);
    found.truncate(MAX_PATHS);
    let mut text = found.join(",");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn compare(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            let fields = one
                .keys()
                .chain(other.keys().filter(|key| !one.contains_key(*key)));
            for field in fields {
                let none = Value::Null;
                let (was, is) = (
                    one.get(field).unwrap_or(&none),
                    other.get(field).unwrap_or(&none),
                );
                compare(was, is, &format!("{path}.{field}"), found);
            }
        }
        (one, other) if one != other => found.push(path.to_owned()),
        _the_same => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn s20_an_edit_is_told_by_place_not_by_value() {
        let before = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"x": {"y": 1, "z": [1]}, "gone": true}});
        let after = json!({"metadata": {}, "spec": {"x": {"y": 1, "z": [2]}, "new": "secret"}});
        let told = paths(Some(&before), &after);
        let mut told: Vec<&str> = told.split(',').collect();
        told.sort_unstable();
        assert_eq!(
            told,
            ["metadata.labels", "spec.gone", "spec.new", "spec.x.z"]
        );
        assert_eq!(paths(Some(&before), &before), "");
        assert_eq!(paths(None, &before), "everything");
    }
}
