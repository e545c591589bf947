# Sourced by the other scripts. They all run from the root of the repository.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
[ -t 2 ] || say() { printf '%s\n' "$*" >&2; }

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs those of the named Debian packages that are missing, and asks for
# nothing, not even for root, when none is.
need_packages() {
	local present missing log
	command -v apt-get >/dev/null || die "this machine has no apt-get; install by hand: $*"
	present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p') || true
	missing=$(printf '%s\n' "$@" | grep -vxF -e "$present" || true)
	[ -n "$missing" ] || return 0

	# shellcheck disable=SC2086 # one word per package
	set -- $missing
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		die "neither root nor sudo here; let root do: apt-get install --no-install-recommends $*"
	say "Installing $#: $*"
	as_root apt-get -qq update >/dev/null || true # a third party's broken source is not our concern
	log=$(mktemp)
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "apt could not install: $*"
	}
	rm -f "$log"
}

# Sets $cache: a folder that all clones on this machine share, else one in build/.
find_cache() {
	if ! mkdir -p build "${cache:=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/p2p-relay}" 2>/dev/null; then
		cache=$PWD/build/cache
		mkdir -p "$cache"
	fi
}

# build_preset NAME [CMAKE-OPTION...]: configures and builds it. Shows the compiler's
# words only if it has something to say; the rest is in build/NAME.log.
build_preset() {
	local preset=$1 log=build/$1.log
	shift
	mkdir -p build
	{ cmake --preset "$preset" "$@" && cmake --build --preset "$preset"; } >"$log" 2>&1 || {
		sed -n '/^FAILED:/,$p; /CMake Error/,$p' "$log" | head -n 100 >&2
		return 1
	}
}
