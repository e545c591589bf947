"""What is in the package, and what is there after `cmake --install`: that, and nothing else."""

import gzip
import re
import subprocess

import pytest

from harness.process import ROOT
from harness.relay import BINARY
from project import docker, run

VERSION = re.search(r"project\(p2p-relay VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
CONTENTS = """
-rw-r----- /etc/p2p-relay/p2p-relay.env
-rwxr-xr-x /usr/bin/p2p-relay
-rw-r--r-- /usr/lib/systemd/system/p2p-relay.service
-rw-r--r-- /usr/share/doc/p2p-relay/changelog.gz
-rw-r--r-- /usr/share/doc/p2p-relay/copyright
-rw-r--r-- /usr/share/man/man1/p2p-relay.1.gz
"""
INSTALLED = """
bin/p2p-relay
lib/systemd/system/p2p-relay.service
share/doc/p2p-relay/copyright
share/doc/p2p-relay/examples/p2p-relay.env
share/man/man1/p2p-relay.1.gz
"""
# It calls systemctl as the operator would; and the file may hold a password.
MEANT = "maintainer-script-calls-systemctl,non-standard-file-perm"


def field(package, name):
    return run(["dpkg-deb", "--field", package, name]).stdout.strip()


def test_what_is_in_it(package):
    listed = run(["dpkg-deb", "--contents", package]).stdout
    files = re.findall(r"^(-\S+) root/root .* \.(/\S+)$", listed, re.M)
    assert [" ".join(file) for file in files] == CONTENTS.split("\n")[1:-1]
    folders = re.findall(r"^d(\S+) root/root ", listed, re.M)
    assert set(folders) == {"rwxr-xr-x"} and len(files) + len(folders) == len(listed.splitlines())


def test_what_it_says_of_itself(package):
    assert field(package, "Package") == "p2p-relay" and field(package, "Section") == "net"
    assert field(package, "Version") == VERSION
    assert package.name == f"p2p-relay_{VERSION}_{field(package, 'Architecture')}.deb"
    changelog = (ROOT / "packaging/debian/changelog").read_text()
    assert re.match(r"p2p-relay \((\S+)\) ", changelog)[1] == VERSION, "no word of this version"
    libraries = {re.sub(r"-?[\d.-]+(t64)? .*", "", library) for library in field(package, "Depends").split(", ")}
    assert libraries == {"libc", "libssl", "libevent-core", "libevent-extra", "libevent-openssl"}


def test_lintian_has_nothing_to_say(package):
    words = ("--fail-on", "error,warning", "--suppress-tags", MEANT, "--allow-root")
    done = run(["lintian", *words, package], check=False)
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr


def test_cmake_installs_the_same(tmp_path):
    run(["cmake", "--install", "build/release", "--strip", "--prefix", tmp_path])
    files = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*")) if not path.is_dir()]
    assert files == INSTALLED.split()
    manual = gzip.decompress((tmp_path / "share/man/man1/p2p-relay.1.gz").read_bytes()).decode()
    assert manual == subprocess.run([BINARY, "--options=man"], capture_output=True, text=True).stdout
    assert run([tmp_path / "bin/p2p-relay", "--version"]).stdout == f"p2p-relay {VERSION}\n"


@pytest.fixture
def clean_host(start_host):
    return start_host()


def test_it_comes_and_goes(clean_host, package):
    """Nothing runs that nobody asked for, and nothing stays."""
    before = files_of(clean_host)
    clean_host.sh(f"apt-get install -y --no-install-recommends ./{package.name}")
    assert clean_host.sh("p2p-relay --version").stdout == f"p2p-relay {VERSION}\n"
    states = clean_host.systemctl("is-active", "p2p-relay").stdout, clean_host.systemctl("is-enabled", "p2p-relay").stdout
    assert states == ("inactive\n", "disabled\n")
    assert files_of(clean_host) > before
    clean_host.sh("systemctl enable --now p2p-relay; apt-get remove -y p2p-relay 'libevent*'")
    assert clean_host.systemctl("is-active", "p2p-relay").stdout == "inactive\n"
    assert files_of(clean_host) - before == {"/etc/p2p-relay", "/etc/p2p-relay/p2p-relay.env"}
    clean_host.sh("apt-get purge -y p2p-relay")
    assert files_of(clean_host) == before


def files_of(host):
    return set(host.sh("find /etc /usr ! -path '*/__pycache__*' ! -name ld.so.cache").stdout.splitlines())


@pytest.mark.long
def test_it_runs_where_systemd_does_not(image, package):
    """In a container, say: the package's scripts find nothing to do."""
    install = f"apt-get -qq install -y --no-install-recommends /{package.name}"
    script = f"{install}; p2p-relay --version; apt-get -qq purge -y p2p-relay"
    mount = f"{package}:/{package.name}:ro"
    done = docker("run", "--rm", "-v", mount, image, "bash", "-euc", script)
    assert f"p2p-relay {VERSION}\n" in done.stdout
