#!/usr/bin/env bash
# Puts a PgBouncer that knows prepared statements (1.21) at the given path: the machine's own, or one that is compiled from
# the source package of a later release of Debian than the machine's, which apt keeps apart from the machine's own.
set -euo pipefail
target=$(realpath -m "$1") release=trixie

enough() { [[ $(printf '%s\n' 1.21 "$("$1" --version 2>/dev/null | sed -n 's/^PgBouncer //p')" | sort -V | head -1) == 1.21 ]]; }

mkdir -p "$(dirname "$target")"
if own=$(command -v pgbouncer) && enough "$own"; then
	if [[ $own -ef $target ]]; then touch "$target"; else ln -sf "$own" "$target"; fi
	exit
fi
command -v apt-get >/dev/null || { echo "there is no PgBouncer 1.21 or newer; set PGBOUNCER to one" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" && cd "$work" && mkdir -p lists/partial cache/archives/partial
apt-get update -qq
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' | awk '$1 == "Debian" && $2 !~ /-/ { print $3; exit }')
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >sources.list
apt() { apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$work/lists" \
	-o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root "$@"; }
apt update
apt --download-only source pgbouncer
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gcc make pkg-config libevent-dev libssl-dev >/dev/null
mkdir source && tar xf pgbouncer_*.orig.tar.gz -C source --strip-components=1 && cd source
./configure --without-cares --quiet >configure.log && make -j2 pgbouncer >make.log 2>&1 || { tail -20 configure.log make.log >&2; exit 1; }
enough ./pgbouncer && install -m 755 pgbouncer "$target"
