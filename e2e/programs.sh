#!/bin/bash
# Builds the real programs that test clusters consist of (Kubernetes, etcd, helm, crane), once, into a cache outside the tree.
# usage: programs.sh [--print-dir]     --print-dir only says which folder, builds nothing
#
# The folder's name is a checksum of every go.mod and go.sum here and of the Go version, so a changed
# pin builds into a new folder and an old one is never half right. A program that is there is never built again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# folder of its go.mod, package, name of the program. The slow ones first: they warm Go's own cache for the rest.
PROGRAMS="
kubernetes k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver
kubernetes k8s.io/kubernetes/cmd/kube-controller-manager kube-controller-manager
kubernetes k8s.io/kubernetes/cmd/kubelet kubelet
kubernetes k8s.io/kubernetes/cmd/kube-scheduler kube-scheduler
kubernetes k8s.io/kubernetes/cmd/kube-proxy kube-proxy
kubernetes k8s.io/kubernetes/cmd/kubectl kubectl
etcd go.etcd.io/etcd/server/v3 etcd
crane github.com/google/go-containerregistry/cmd/crane crane
helm helm.sh/helm/v3/cmd/helm helm
"

command -v go >/dev/null || { echo "programs.sh: no go on the PATH; e2e/prepare.sh says how to get it" >&2; exit 1; }
VERSION=$(go env GOVERSION)
KEY=$({ echo "$VERSION $(go env GOOS GOARCH | xargs)"; cat {kubernetes,etcd,crane,helm}/go.{mod,sum}; } | sha256sum | cut -c1-16)
DIR=${BREAKGLASS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/breakglass}/programs/$KEY
case "${1:-}" in
  --print-dir) echo "$DIR"; exit 0 ;;
  "") ;;
  *) echo "usage: $0 [--print-dir]" >&2; exit 2 ;;
esac

missing() { while read -r module package name; do [ -z "$name" ] || [ -x "$DIR/$name" ] || echo "$module $package $name"; done <<<"$PROGRAMS"; }
[ -n "$(missing)" ] || { echo "$DIR"; exit 0; }

mkdir -p "$DIR"
exec 9>"$DIR/.lock"
flock --nonblock 9 || { echo "another run is building into $DIR; waiting for it" >&2; flock 9; }
# Leftovers of a run that was killed; nobody else writes here while the lock is held.
rm -f "$DIR"/.building.*

K8S=$(awk '$2 == "k8s.io/kubernetes" {print $3; exit} $1 == "k8s.io/kubernetes" {print $2; exit}' kubernetes/go.mod)
MINOR=${K8S#v1.}; MINOR=${MINOR%%.*}
BASE=k8s.io/component-base/version
LDFLAGS="-s -w"
K8S_LDFLAGS="$LDFLAGS -X $BASE.gitVersion=$K8S -X $BASE.gitMajor=1 -X $BASE.gitMinor=$MINOR"

# Go's own cache of these builds is gigabytes, and of no use once the programs are there. A run that was killed finds it again.
export GOCACHE=$DIR/.go-build

TODO=$(missing)
# Another run built it all while this one waited.
[ -n "$TODO" ] || { rm -rf "$GOCACHE"; echo "$DIR"; exit 0; }
TOTAL=$(wc -l <<<"$TODO"); N=0; START=$SECONDS
while read -r module package name; do
  N=$((N + 1)); SINCE=$SECONDS
  echo "building $name ($N/$TOTAL, ${SECONDS}s so far) with $VERSION …" >&2
  flags=$LDFLAGS; [ "$module" != kubernetes ] || flags=$K8S_LDFLAGS
  PART=$DIR/.building.$name
  if ! (cd "$module" && env CGO_ENABLED=0 GOFLAGS="-mod=readonly -trimpath -buildvcs=false" go build -ldflags "$flags" -o "$PART" "$package") 9>&-; then
    rm -f "$PART"; echo "programs.sh: $name did not build (see above); nothing half built was left" >&2; exit 1
  fi
  mv "$PART" "$DIR/$name"
  echo "built $name in $((SECONDS - SINCE))s" >&2
done <<<"$TODO"
rm -rf "$GOCACHE"
echo "all programs built in $((SECONDS - START))s: $DIR" >&2
echo "$DIR"
