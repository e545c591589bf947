"""
The relay as a service of a real systemd, with the unit and the package that ship: how it starts, ends, is reloaded,
and is kept from what it does not need.
"""

import ssl

import pytest

from harness import patience
from harness.certificates import Authority
from host import SERVICE, meet

OPTION_IS_WRONG = "2"
WORKERS = pytest.mark.parametrize("workers", [1, 2], ids=["alone", "workers"])


@WORKERS
async def test_who_is_started_serves(host, mesh, workers):
    """`systemctl start` returns when clients are served: the first one is not refused."""
    host.start(workers=workers)
    alice, bob = await host.join(mesh, "alice"), await host.join(mesh, "bob")
    await meet(alice, bob)


@WORKERS
async def test_stop_drains(host, mesh, workers):
    """Its clients are told to move first, and it ends well, although that takes longer than the unit says."""
    host.start("TimeoutStopSec=1", workers=workers, drain_seconds=1)
    alice, bob = await host.join(mesh, "alice"), await host.join(mesh, "bob")
    host.systemctl("stop", "--no-block", SERVICE)
    for client in (alice, bob):
        await client.expect(type="drain")
    for client in (alice, bob):
        await client.expect_close(1012)
    await patience.eventually(lambda: host.shown("ActiveState") == "inactive", host.log)
    assert (host.shown("Result"), host.shown("ExecMainStatus")) == ("success", "0")
    assert host.log().count("event=stopped ") >= workers


def test_a_wrong_option_is_not_tried_again(host):
    host.configure(ttl_seconds="soon")
    assert host.systemctl("start", SERVICE).returncode != 0
    assert (host.shown("ActiveState"), host.shown("NRestarts")) == ("failed", "0")
    assert host.shown("ExecMainStatus") == OPTION_IS_WRONG
    assert "RELAY_TTL_SECONDS must be" in host.systemctl("status", SERVICE).stdout


@WORKERS
async def test_who_crashes_is_started_again(host, mesh, workers):
    """On old groups (cgroup v1) systemd is not told that the last process is gone: it looks after that time."""
    host.start("TimeoutStopSec=1", workers=workers)
    alice = await host.join(mesh, "alice")
    dead = host.pid
    host.systemctl("kill", "-s", "KILL", SERVICE)
    await patience.eventually(lambda: alice.closed, "its clients to notice")
    patience.until(lambda: host.shown("ActiveState") == "active" and host.pid not in (0, dead), host.log)
    await meet(await host.join(mesh, "bob"), await host.join(mesh, "carol"))


@pytest.mark.long
async def test_it_waits_for_a_port_that_is_taken(host, mesh):
    """As long as that takes: the fifth attempt within seconds is not the last."""
    host.configure("RestartSec=100ms")
    host.sh(f"systemd-run -q --unit squatter redis-server --port {host.port}")
    host.systemctl("start", "--no-block", SERVICE)
    patience.until(lambda: int(host.shown("NRestarts")) > 6, host.log)
    host.systemctl("stop", "squatter", check=True)
    patience.until(lambda: host.shown("ActiveState") == "active", host.log)
    await meet(await host.join(mesh, "alice"), await host.join(mesh, "bob"))


@WORKERS
async def test_reload_ends_nothing(host, mesh, workers):
    """There is no certificate to read again."""
    host.start(workers=workers)
    alice, bob = await host.join(mesh, "alice"), await host.join(mesh, "bob")
    pid = host.pid
    host.systemctl("reload", SERVICE, check=True)
    await meet(alice, bob)
    assert host.pid == pid and host.shown("ActiveState") == "active"


def test_it_is_locked_in(host):
    """What the unit asks for is so, for the worker as for the supervisor."""
    host.start(workers=2)
    pids = host.pids()
    assert len(pids) == 3
    for pid in pids:
        status = dict(line.split(":\t", 1) for line in host.sh(f"cat /proc/{pid}/status").stdout.splitlines())
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0, kind
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert all(int(id) > 60000 for id in status["Uid"].split()), "a user of systemd's making"
        limits = host.sh(f"cat /proc/{pid}/limits").stdout
        assert "Max core file size 0 0" in " ".join(limits.split())
        mounts = host.sh(f"cat /proc/{pid}/mounts").stdout
        root = [line.split() for line in mounts.splitlines() if line.split()[1] == "/"][-1]
        assert root[3].startswith("ro,"), root


def test_it_may_raise_its_bound_of_descriptors(host):
    """The filter of system calls lets that through, of the group that it forbids."""
    host.start(connections_max=1000)
    limits = host.sh(f"grep 'open files' /proc/{host.pid}/limits").stdout.split()
    assert 1000 < int(limits[3]) < int(limits[4]), "it took what it needs"


async def test_a_password_that_only_root_can_read(host, mesh):
    password = "pa55word-of-this-host"
    host.configure(
        f"LoadCredential=redis-password:/etc/{SERVICE}/redis-password\n"
        "Environment=RELAY_REDIS_PASSWORD_FILE=%d/redis-password"
    )
    host.sh(f"umask 077; echo {password} >/etc/{SERVICE}/redis-password; redis-cli CONFIG SET requirepass {password}")
    try:
        host.systemctl("start", SERVICE, check=True)
        await meet(await host.join(mesh, "alice"), await host.join(mesh, "bob"))
        shown = host.systemctl("show", SERVICE).stdout + host.log() + host.sh(f"cat /proc/{host.pid}/cmdline").stdout
        assert password not in shown
    finally:
        host.sh(f"redis-cli -a {password} CONFIG SET requirepass '' 2>/dev/null")


async def test_a_certificate_is_read_again(host, mesh, tmp_path, monkeypatch):
    """At reload, by a relay that may read it because of its group; open sockets do not notice."""
    authority = Authority(tmp_path)

    def put(name):
        certificate = authority.issue(name, names=[f"IP:{host.address}"])
        host.copy(certificate.cert, "/root/cert.pem")
        host.copy(certificate.key, "/root/key.pem")
        host.sh(f"install -m 640 -g relay-tests /root/cert.pem /root/key.pem /etc/{SERVICE}/")

    def shown():
        pem = ssl.get_server_certificate((host.address, host.port), timeout=patience.SECONDS)
        (tmp_path / "shown.pem").write_text(pem)
        return (tmp_path / "shown.pem").read_text().strip()

    def issued(name):
        return (tmp_path / f"{name}.pem").read_text().strip()

    host.sh("getent group relay-tests || groupadd --system relay-tests")
    put("first")
    files = {"tls_cert_file": f"/etc/{SERVICE}/cert.pem", "tls_key_file": f"/etc/{SERVICE}/key.pem"}
    host.start("SupplementaryGroups=relay-tests", **files)
    monkeypatch.setattr(host, "tls", ssl.create_default_context(cafile=authority.cert), raising=False)
    alice, bob = await host.join(mesh, "alice"), await host.join(mesh, "bob")
    assert shown() == issued("first")
    put("second")
    host.systemctl("reload", SERVICE, check=True)
    patience.until(lambda: shown() == issued("second"), host.log)
    await meet(alice, bob)


@pytest.mark.long
async def test_hosts_that_share_a_redis_are_one(host, start_host, package, mesh):
    other = start_host("--add-host", f"redis.of.all:{host.address}")
    other.sh(f"apt-get -qq install -y --no-install-recommends ./{package.name} >/dev/null")
    host.sh("redis-cli CONFIG SET protected-mode no; redis-cli CONFIG SET bind '* -::*'")
    host.start()
    other.start(redis_url="redis://redis.of.all:6379")
    other.options = host.options
    alice, bob = await host.join(mesh, "alice"), await other.join(mesh, "bob")
    await meet(alice, bob)
