# Sourced, after lib.sh, by the scripts that take something from Debian 13 whatever this machine's own
# release.
#
# An apt of our own, beside the machine's: same mirror, proxy and keys, but only one source, none of
# the machine's hooks, none of its packages, and nothing written outside of $apt.

apt_private() { apt-get -qq -c "$apt/apt.conf" "$@"; }

# apt_of_debian_13 FOLDER TYPE: makes one in the folder, for `deb` or `deb-src`, and reads its index.
apt_of_debian_13() {
	local codename uri
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	uri=$(mirror "$codename")
	if [ -z "$uri" ]; then # apt knows nothing of its sources before their lists are here
		as_root apt-get -qq update
		uri=$(mirror "$codename")
	fi
	[ -n "$uri" ] || die "no Debian mirror among apt's sources (see 'apt-get indextargets'); Debian 12 or 13 is needed"

	apt=$1
	mkdir -p "$apt"/{none,lists/partial,cache/archives/partial}
	: >"$apt/status"
	cat >"$apt/apt.conf" <<-CONF
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Dir::Cache "$apt/cache";
		Dir::Etc::SourceList "$apt/sources.list";
		Dir::Etc::SourceParts "$apt/none";
		Dir::State::Lists "$apt/lists";
		Dir::State::Status "$apt/status";
	CONF
	echo "$2 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri trixie main" >"$apt/sources.list"
	apt_private update || die "apt could not read Debian 13's index at $uri"
}

mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
		'Label: Debian' "Codename: $1" | head -n1
}

# debian_13_root FOLDER PACKAGE...: unpacks them with all that they need, the C library too, into
# FOLDER/root, so that no library of this machine is used, nor one installed. Nothing is set up or started.
debian_13_root() {
	local folder=$1 package
	shift
	apt_of_debian_13 "$folder/apt" deb
	apt_private install --download-only --no-install-recommends -y "$@" >/dev/null ||
		die "apt could not fetch Debian 13's $*"
	for package in "$folder"/apt/cache/archives/*.deb; do
		dpkg-deb -x "$package" "$folder/root"
	done
	rm -rf "$folder/apt" "$folder"/root/{etc,usr/share,var}
}

# debian_13_program FOLDER NAME COMMAND PROGRAM: makes FOLDER/NAME/bin/COMMAND, which starts PROGRAM of
# the root by the root's own loader.
debian_13_program() {
	mkdir -p "$1/$2/bin"
	cat >"$1/$2/bin/$3" <<-SCRIPT
		#!/bin/sh
		root=\${0%/*}/../../root
		exec "\$root"/usr/lib/*/ld-linux-*.so.? --library-path "\$(echo "\$root"/usr/lib/*-linux-gnu)" \\
			--argv0 "\$0" "\$root/$4" "\$@"
	SCRIPT
	chmod +x "$1/$2/bin/$3"
}
