//! Manifests that are wrong in different ways, and what their authors are told: line, field, message.

use breakglass_protocol::manifest::decode;

fn errors(text: &str) -> Vec<String> {
    decode("t.yaml", text)
        .errors
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Lines that are right in any object of a kind.
fn head(kind: &str) -> String {
    format!(
        "apiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: {kind}\nmetadata:\n  name: x\n"
    )
}

/// A body below `spec:` (which is line 5, so the body starts on line 6) and all that is told about it.
fn check(kind: &str, spec: &str, expected: &[&str]) {
    let mut text = format!("{}spec:\n", head(kind));
    for line in spec.lines() {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    assert_eq!(
        errors(&text),
        expected
            .iter()
            .map(|e| format!("t.yaml:{e}"))
            .collect::<Vec<_>>(),
        "\n{text}"
    );
}

#[test]
fn probe() {
    const POD: &str = "DebugPodTemplate";
    const TEMPLATE: &str = "DebugSessionTemplate";
    const BINDING: &str = "DebugSessionClusterBinding";
    const REF: &str = "podTemplateRef: {name: p}\n";
    let mut show = |kind: &str, spec: String| {
        let mut text = format!("{}spec:\n", head(kind));
        for line in spec.lines() {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
        println!("---- {kind}\n{spec}\n>>>>");
        for e in errors(&text) {
            println!("{e}");
        }
    };
    for s in [
        "allowed: {group: [sre]}\nreplicas: two\nreplicas: 3\nmode: workloads",
        "allowed: {groups: [sre], users: [\"system:masters\", \"a\\u200bb\"], clusters: [\"a[\"]}",
        "allowed: {clusters: [\"*\"]}\napprovers: {autoApproveFor: {groups: [x]}}",
        "constraints: {maxDuration: 1h, defaultDuration: 2h, renewalLimit: 1, maxRenewals: 2}",
        "constraints: {maxDuration: 1.5h, defaultDuration: 90, maxRenewals: -1}",
        "terminalSharing: {method: tmux, provider: screen, enabled: yes}",
        "additionalTolerations:\n  - {operator: Exists, effct: NoSchedule}",
        "schedulingOptions: {options: []}",
        "labels: {a: true, \"b c\": d}",
        "replicas: 0\npriority: 99999999999",
        "resourceQuota: {maxCPU: 2 cores, maxMemory: 2}",
        "hidden: \"yes\"\ndeprecated: no\ndescription: 12",
    ] {
        show(TEMPLATE, format!("{REF}{s}"));
    }
    show(POD, "template: {spec: {containers: [{name: a, imag: b}, {name: a, resources: {limits: {cpu: x, memory: 1}}}], restartPolicy: Never}}".into());
    show(POD, "template: {spec: {}}\ntemplateString: x".into());
    show(BINDING, "clusters: [\"prod-*\"]".into());
    println!(
        "{:?}",
        errors("a: [\n---\nkind: Foo\n---\n- x\n---\nkind: DebugPodTemplat\n")
    );
    check("Cluster", "{}", &[]);
}
