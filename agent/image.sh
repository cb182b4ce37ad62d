#!/bin/sh
# Packs the agent's static binary into a container image, as a tar that `docker load`, `ctr images import`, `crane push`
# and `skopeo copy docker-archive:` read. Needs only tar and sha256sum; the same binary gives the same bytes.
#
#   agent/image.sh BINARY OUT.tar TAG        for instance: agent/image.sh …/breakglass-agent agent.tar breakglass-agent:0.1.0
#
# The binary must be static, since nothing else is in the image. Build it, in a target folder of its own because the flag
# would rebuild everything in the ordinary one, with
#
#   RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked -p breakglass-agent \
#     --target x86_64-unknown-linux-gnu --target-dir target/static
#
# which leaves it in target/static/x86_64-unknown-linux-gnu/release/breakglass-agent. (--target matters: without it the
# flag would also reach build scripts and procedural macros, which cannot be static.)
set -eu

fail() {
  echo "image.sh: $*" >&2
  exit 1
}

[ $# -eq 3 ] || fail "usage: agent/image.sh BINARY OUT.tar TAG"
binary=$1
out=$2
tag=$3
[ -f "$binary" ] || fail "$binary: no such file; the head of this script says how to build it"
case $tag in
  *[!A-Za-z0-9._:/@-]* | '') fail "TAG $tag is not an image reference such as breakglass-agent:0.1.0" ;;
  *:*) ;;
  *) fail "TAG $tag has no tag; write $tag:VERSION" ;;
esac

# e_machine of the ELF header, two bytes at offset 18.
case $(od -An -tu1 -j18 -N1 "$binary" | tr -d ' ') in
  62) architecture=amd64 ;;
  183) architecture=arm64 ;;
  *) fail "$binary is not an ELF program for x86-64 or arm64" ;;
esac
# A program that is not static names its loader near the start of the file.
if head -c 8192 "$binary" | grep -q 'ld-linux\|ld-musl'; then
  fail "$binary is not static; the head of this script says how to build it"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/etc" "$root/tmp"
chmod 755 "$root" "$root/etc"
chmod 1777 "$root/tmp"
cp "$binary" "$root/breakglass-agent"
chmod 755 "$root/breakglass-agent"
# The chart runs it as this user; a name for it keeps tools that look users up content.
printf 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n' >"$root/etc/passwd"
printf 'nonroot:x:65532:\n' >"$root/etc/group"
# Without it glibc asks DNS before it reads the hosts file.
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
chmod 644 "$root/etc/passwd" "$root/etc/group" "$root/etc/nsswitch.conf"

# Names in order, no times, no users: the same files give the same bytes.
pack() {
  folder=$1
  shift
  LC_ALL=C tar --create --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
    --directory="$folder" "$@"
}

image=$work/image
mkdir "$image"
pack "$root" --file="$image/layer.tar" breakglass-agent etc tmp
layer=$(sha256sum "$image/layer.tar" | cut -d' ' -f1)
cat >"$image/config.json" <<CONFIG
{"architecture":"$architecture","os":"linux","created":"1970-01-01T00:00:00Z","config":{"User":"65532:65532","Entrypoint":["/breakglass-agent"],"WorkingDir":"/","Labels":{"org.opencontainers.image.title":"breakglass-agent","org.opencontainers.image.licenses":"Apache-2.0"}},"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"agent/image.sh"}]}
CONFIG
config=$(sha256sum "$image/config.json" | cut -d' ' -f1)
mv "$image/config.json" "$image/$config.json"
printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]\n' "$config" "$tag" >"$image/manifest.json"
chmod 644 "$image"/*
pack "$image" --file="$out.part" manifest.json "$config.json" layer.tar
mv "$out.part" "$out"
echo "$tag $architecture $(wc -c <"$out") bytes, config sha256:$config" >&2
