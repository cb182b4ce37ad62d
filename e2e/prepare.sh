#!/bin/bash
# Makes a Debian or Ubuntu machine ready for the testbed (and for `make demo` and `make test`): says what must be there
# already, installs the packages that are missing, and does nothing at all when none is.
set -euo pipefail

GO_WANTED=1.24
RUST_WANTED=1.91

say() { echo "prepare: $*" >&2; }
fail() { say "$@"; exit 1; }
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -1)" = "$1" ]; }

[ "$(id -u)" = 0 ] || fail "run this as root: test clusters need namespaces, mounts and cgroups"

command -v cargo >/dev/null || fail "no cargo on the PATH. Install Rust with rustup: it then takes the version in rust-toolchain.toml by itself"
rust=$(cargo --version | awk '{print $2}')
at_least "$RUST_WANTED" "$rust" || fail "cargo is $rust, wanted is $RUST_WANTED or newer: \`rustup update\`, or install Rust with rustup"

command -v go >/dev/null || fail "no go on the PATH. Install Go $GO_WANTED or newer: unpack the Go project's own archive to /usr/local and add /usr/local/go/bin to the PATH"
go=$(go env GOVERSION | sed -E 's/^go([0-9.]+).*/\1/')
at_least "$GO_WANTED" "$go" || fail "go is $go, wanted is $GO_WANTED or newer"

# What is looked for, and the package that brings it. By program and not by package, because another package may bring it too.
NEEDED="
cc gcc
git git
make make
containerd containerd
containerd-shim-runc-v2 containerd
runc runc
/usr/lib/cni/bridge containernetworking-plugins
iptables-restore iptables
conntrack conntrack
socat socat
ethtool ethtool
tmux tmux
ip iproute2
jq jq
nsenter util-linux
sysctl procps
ps procps
curl curl
python3 python3
"
# Debian's plain `busybox` needs shared libraries and cannot run alone in an image.
busybox_is_static() { [ -x /bin/busybox ] && ! head -c 4096 /bin/busybox | grep -aq /ld-; }
# For `make fuzz-api`; Debian's python3 comes without it.
venv_is_there() { python3 -c 'import ensurepip' 2>/dev/null; }

packages() {
  while read -r program package; do
    [ -z "$program" ] || command -v "$program" >/dev/null || echo "$package"
  done <<<"$NEEDED"
  busybox_is_static || echo busybox-static
  venv_is_there || echo python3-venv
}

PATH=$PATH:/usr/sbin:/sbin
missing=$(packages | sort -u | xargs)
[ -n "$missing" ] || { say "this machine has everything"; exit 0; }
command -v apt-get >/dev/null || fail "this is no Debian or Ubuntu; install what brings these Debian packages' programs: $missing"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
step() {
  say "$1 … (${SECONDS}s so far)"; shift
  DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 || { tail -20 "$log" >&2; fail "failed: $*"; }
}
step "reading the package lists" apt-get update -q
# shellcheck disable=SC2086  # one word per package
step "installing $missing" apt-get install -qy --no-install-recommends $missing
left=$(packages | sort -u | xargs)
[ -z "$left" ] || fail "installed, but still missing: $left"
say "done in ${SECONDS}s"
