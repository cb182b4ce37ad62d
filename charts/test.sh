#!/usr/bin/env bash
# Lints the chart and compares what it renders with the golden files. usage: test.sh HELM     UPDATE_GOLDEN=1 writes them anew.
set -euo pipefail
HELM=$(realpath "${1:?path of helm}")
cd "$(dirname "${BASH_SOURCE[0]}")"
export HELM_CACHE_HOME HELM_CONFIG_HOME HELM_DATA_HOME
HELM_CACHE_HOME=$(mktemp -d); HELM_CONFIG_HOME=$HELM_CACHE_HOME; HELM_DATA_HOME=$HELM_CACHE_HOME
trap 'rm -rf "$HELM_CACHE_HOME"' EXIT
passed=0 failed=0

check() { # what, command …
  local what=$1; shift
  if "$@"; then passed=$((passed + 1)); echo "ok    $what"; else failed=$((failed + 1)); echo "WRONG $what"; fi
}

golden() { # values file
  local name; name=$(basename "$1" .yaml)
  local rendered; rendered=$("$HELM" template breakglass-agent agent --namespace breakglass-agent --values "$1") || return 1
  if [ -n "${UPDATE_GOLDEN:-}" ]; then echo "$rendered" > "agent-golden/$name.golden"; return 0; fi
  diff -u "agent-golden/$name.golden" <(echo "$rendered") || { echo "reviewed? then: UPDATE_GOLDEN=1 charts/test.sh HELM"; return 1; }
}

refused() { # words that the refusal must hold, --set …
  local words=$1; shift
  local said
  if said=$("$HELM" template breakglass-agent agent "$@" 2>&1); then echo "  was accepted: $*"; return 1; fi
  grep -q "$words" <<<"$said" || { echo "  refused otherwise: $said"; return 1; }
}

check "helm lint" "$HELM" lint --strict --quiet agent
for values in agent-golden/*.yaml; do check "rendered with $values" golden "$values"; done
check "an unknown value is refused" refused "ceilling" --set ceilling.privileged=true
check "a wrong type is refused" refused "privileged" --set-string ceiling.privileged=maybe
check "a kind without its group is refused" refused "with its group" --set 'ceiling.extraKinds={PodMonitor}'
check "a ServiceAccount without its namespace is refused" refused "impersonation" --set 'ceiling.impersonation.serviceAccounts={deployer}'
echo "charts: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
