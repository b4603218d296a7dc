# SPDX-License-Identifier: GPL-2.0
# Sourced by the other scripts.

set -eu
TOP=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${BUILD:-$TOP/build}

say() { printf '[%s] %s\n' "$(date +%H:%M:%S)" "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# apt_private COMMAND...: apt with the package sources and lists under $apt alone, so that
# the machine keeps its own.
apt_private() {
	cmd=$1
	shift
	"$cmd" -q -o Dir::Etc::SourceList="$apt/none" -o Dir::Etc::SourceParts="$apt/sources" \
		-o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

# private_suite SUITE TYPES: let apt_private know another suite of Debian's archive. The
# archive and its keys are the machine's.
private_suite() {
	archive=$(debian_archive)
	mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/none"
	cat >"$apt/sources/$1.sources" <<-EOF
		Types: $2
		URIs: $archive
		Suites: $1
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	EOF
	apt_private apt-get update
}

# Files of the overlay, as they lie in a kernel tree. A folder is ours alone.
overlay() {
	(cd "$TOP" && find include arch drivers samples Documentation -type f | LC_ALL=C sort)
}

# Copy $1 to $2 unless it is the same, so that make doesn't build it again.
refresh() {
	cmp -s "$1" "$2" && return 0
	mkdir -p "$(dirname "$2")"
	cp "$1" "$2.new"
	mv "$2.new" "$2"
}

# taken FRAGMENT CONFIG: each line of FRAGMENT must have taken, the last one of a
# name counts; else end, naming those that haven't.
taken() {
	refused=$(awk -F= '/^CONFIG_/ { want[$1] = $2 }
		END { for (n in want) print n, want[n] }' "$1" |
	while read -r name value; do
		have=$(sed -n "s/^$name=//p" "$2")
		[ "${have:-n}" = "$value" ] || printf '%s is %s, not %s; ' "$name" "${have:-n}" "$value"
	done)
	[ -z "$refused" ] || die "Kconfig refused: ${refused%; }"
}

# Where this machine has Debian's packages from.
debian_archive() {
	from=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
		'Label: Debian' | head -n 1)
	[ -n "$from" ] || die "no archive of Debian's in this machine's package sources"
	echo "$from"
}
