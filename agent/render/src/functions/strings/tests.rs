use super::super::testing;

#[test]
fn as_sprig_does() {
    testing::check(include_str!("cases.jsonl"));
}
