"""
p2p-relay --healthcheck, which containers run: by the relay's variables it finds the relay, and it asks
whether the loop turns, whatever Redis does.
"""

import os
import subprocess

import pytest

from harness import patience
from harness.client import Place
from harness.redis import free_port
from harness.relay import BINARY, SANITIZERS


def healthcheck(**variables):
    return subprocess.run(
        [BINARY, "--healthcheck"],
        env={**os.environ, **SANITIZERS, **variables},
        capture_output=True,
        text=True,
        timeout=patience.SECONDS,
    )


def test_alive(start_relay):
    relay = start_relay()
    done = healthcheck(RELAY_LISTEN=f"0.0.0.0:{relay.port}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert healthcheck(PORT=str(relay.port)).returncode == 0


def test_nobody_there():
    port = free_port()
    done = healthcheck(RELAY_LISTEN=f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stderr == f"p2p-relay: port {port}: Connection refused\n"


def test_frozen(start_relay):
    relay = start_relay()
    relay.freeze()
    assert healthcheck(PORT=str(relay.port)).returncode == 1
    relay.thaw()
    assert healthcheck(PORT=str(relay.port)).returncode == 0


def test_redis_is_not_asked(start_relays):
    (relay,) = start_relays(1, redis_url=f"redis://127.0.0.1:{free_port()}", ready=False)
    assert relay.get("/readyz").status == 503
    assert healthcheck(PORT=str(relay.port)).returncode == 0


async def test_a_full_relay_is_well(start_relay, mesh):
    relay = start_relay(connections_max=1)
    await Place(relay, mesh).join("somebody")
    assert relay.get("/readyz").status == 503
    assert healthcheck(PORT=str(relay.port)).returncode == 0


@pytest.mark.parametrize("admin", [True, False], ids=["admin port", "one port"])
def test_tls(start_relay, authority, admin):
    port = free_port()
    options = {"admin_listen": f"127.0.0.1:{port}"} if admin else {}
    relay = start_relay(tls=authority.issue("listener"), **options)
    variables = {"RELAY_LISTEN": f"127.0.0.1:{relay.port}", "RELAY_TLS_CERT_FILE": "cert.pem"}
    if admin:
        variables["RELAY_ADMIN_LISTEN"] = options["admin_listen"]
    assert healthcheck(**variables).returncode == 0
    relay.freeze()
    assert healthcheck(**variables).returncode == 1
    relay.thaw()
