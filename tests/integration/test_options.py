"""
Options: flags beat variables; a wrong value ends the program with status 2 and a sentence that
names the option and what is allowed; --help tells them all.
"""

import os
import subprocess

import pytest

from harness import patience
from harness.client import Place
from harness.redis import free_port
from harness.relay import BINARY, SANITIZERS


def run(*arguments, **variables):
    return subprocess.run(
        [BINARY, *arguments],
        env={**os.environ, **SANITIZERS, **variables},
        capture_output=True,
        text=True,
        timeout=patience.SECONDS,
    )


def test_help():
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    for flag in (
        "--listen",
        "--redis-url",
        "--ttl-seconds",
        "--drain-seconds",
        "--admin-listen",
        "--message-bytes-max",
        "--outbox-bytes-max",
        "--connections-max",
        "--mesh-peers-max",
        "--profile",
        "--workers",
    ):
        assert flag in done.stdout
    assert "127.0.0.1:8080" in done.stdout, "defaults are told"


def test_version():
    done = run("--version")
    assert done.returncode == 0 and done.stdout.strip()


WRONG = {
    "--ttl-seconds": ["0", "-1", "3601", "x", "", "1.5", "1s", "99999999999999999999", " 5"],
    "--listen": [
        "",
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:x",
        "example.org:80",
    ],
    "--redis-url": [
        "",
        "http://x",
        "redis:/x",
        "unix:",
        "redis://h:99999",
        "redis://a,b",
        "rediss://",
        "redis+sentinel://h:1",
        "redis+cluster://h:1/2",
    ],
    "--message-bytes-max": ["0", "1023", "17MiB", "1XB", "-1"],
    "--replies": ["some", "TO", ""],
    "--liveness": ["sometimes"],
    "--log-level": ["loud"],
    "--log-format": ["xml"],
    "--auth": ["maybe"],
    "--redis-prefix": ["a{b", "a}b"],
    "--connections-max": ["0", "many"],
    "--profile": ["laptop"],
    "--allowed-origin": ["", "none", "example.org", "https://example.org/"],
    "--trusted-proxy": ["proxy.example", "10.0.0.0/33"],
}


@pytest.mark.parametrize("flag, value", [(flag, value) for flag in WRONG for value in WRONG[flag]])
def test_a_wrong_value(flag, value):
    done = run(flag, value)
    assert done.returncode == 2, done
    assert flag in done.stderr and done.stdout == "" and "Sanitizer" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr


@pytest.mark.parametrize("flag", ["--ttl-seconds", "--listen", "--replies"])
def test_a_value_that_is_missing(flag):
    done = run(flag)
    assert done.returncode == 2 and flag in done.stderr


@pytest.mark.parametrize("word", ["--no-such-option", "-x", "--ttl", "--ttl_seconds=3"])
def test_an_unknown_option(word):
    done = run(word)
    assert done.returncode == 2 and word.partition("=")[0] in done.stderr


def test_a_word_that_is_no_option():
    done = run("word")
    assert done.returncode == 2 and done.stderr.strip()


def test_values_that_contradict_each_other():
    done = run("--message-bytes-max", "1MiB", "--outbox-bytes-max", "64KiB")
    assert done.returncode == 2 and "--outbox-bytes-max" in done.stderr
    done = run("--ping-seconds", "60", "--pong-seconds-max", "30")
    assert done.returncode == 2 and "--pong-seconds-max" in done.stderr


def test_a_wrong_variable():
    done = run(RELAY_TTL_SECONDS="soon")
    assert done.returncode == 2 and "RELAY_TTL_SECONDS" in done.stderr
    done = run(PORT="x")
    assert done.returncode == 2 and "PORT" in done.stderr


async def test_variables_and_flags(start_relay, mesh):
    """A flag beats the variable."""
    by_variable = start_relay(environment={"RELAY_TTL_SECONDS": "11"})
    by_both = start_relay(environment={"RELAY_TTL_SECONDS": "11"}, ttl_seconds=12)
    for relay, wanted in ((by_variable, 11), (by_both, 12)):
        answer = await (await Place(relay, mesh).connect()).settle()
        assert answer["data"]["relay"]["ttl_seconds"] == wanted


def test_port_variable(start_relay):
    """PORT, as `agentcore dev` sets it, moves the default address and not one that was given."""
    port = free_port()
    assert start_relay(environment={"PORT": str(port)}, listen=None).port == port
    assert start_relay(environment={"PORT": str(port)}, listen="127.0.0.1:0").port != port


def test_the_port_is_taken(start_relay, redis):
    relay = start_relay()
    done = run("--listen", f"127.0.0.1:{relay.port}", "--redis-url", redis.url)
    assert done.returncode not in (0, 2) and str(relay.port) in done.stderr


def test_open_to_other_machines():
    """Without authentication that must be said explicitly."""
    done = run("--listen", "0.0.0.0:0")
    assert done.returncode == 2 and "--auth" in done.stderr


def test_open_to_other_machines_explicitly(start_relay):
    relay = start_relay(listen="0.0.0.0:0", auth="none")
    warnings = [line for line in relay.log().splitlines() if "level=warn" in line]
    assert len(warnings) == 1, relay.log()


FILES = [
    ("--redis-password-file", "redis://h"),
    ("--redis-sentinel-password-file", "redis+sentinel://h/m"),
    ("--redis-ca-file", "rediss://h"),
]
TLS_FILES = ("--tls-cert-file", "--tls-key-file")


@pytest.mark.parametrize("flag, url", FILES)
def test_a_file_that_is_not_there(flag, url):
    done = run("--listen", "127.0.0.1:0", "--redis-url", url, flag, "/none")
    assert done.returncode == 2 and f"{flag} must be a readable file: /none" in done.stderr


def test_files_for_tls_are_not_taken_without_tls(tmp_path):
    """A letter is missing: nobody shall believe that it is safe."""
    done = run("--redis-url", "redis://h", "--redis-ca-file", "/none")
    assert done.returncode == 2 and "rediss" in done.stderr


def test_files_for_tls_that_are_none(tmp_path, authority):
    """Not when the first connection fails, but at the start."""
    junk = tmp_path / "junk.pem"
    junk.write_text("no PEM")
    one, other = authority.issue("one"), authority.issue("other")
    for files, word in (
        (("--redis-ca-file", junk), "--redis-ca-file"),
        (("--redis-cert-file", one.cert), "--redis-key-file"),
        (("--redis-cert-file", junk, "--redis-key-file", one.key), "--redis-cert-file"),
        (("--redis-cert-file", one.cert, "--redis-key-file", other.key), "--redis-key-file"),
    ):
        done = run("--listen", "127.0.0.1:0", "--redis-url", "rediss://h", *map(str, files))
        assert done.returncode == 2 and word in done.stderr, done
        assert len(done.stderr.strip().splitlines()) == 1, done


def test_files_for_clients_that_make_no_pair(tmp_path, authority):
    one, other = authority.issue("one"), authority.issue("other")
    junk = tmp_path / "junk.pem"
    junk.write_text("no PEM")
    subprocess.run(
        ["openssl", "pkey", "-in", one.key, "-aes128", "-passout", "pass:x"]
        + ["-out", tmp_path / "locked.key"],
        check=True,
    )
    for cert, key, sentence in (
        (one.cert, None, "--tls-cert-file and --tls-key-file need each other"),
        (one.cert, "/none", "--tls-key-file must be a readable file: /none"),
        (junk, one.key, "--tls-cert-file holds no certificate"),
        (one.cert, other.key, "--tls-key-file holds no key, or not that of --tls-cert-file"),
        (one.cert, tmp_path / "locked.key", "--tls-key-file must hold a key without a password"),
    ):
        files = [word for pair in zip(TLS_FILES, (cert, key)) if pair[1] for word in pair]
        done = run("--listen", "127.0.0.1:0", *map(str, files))
        assert done.returncode == 2 and sentence in done.stderr, done
        assert len(done.stderr.strip().splitlines()) == 1, done


async def test_the_agentcore_profile(start_relays, redis, mesh):
    """Its defaults, without a word more."""
    port = free_port()
    (relay,) = start_relays(1, profile="agentcore", listen=f"127.0.0.1:{port}")
    limits = (await (await Place(relay).connect()).settle())["data"]["relay"]["limits"]
    assert limits["message_bytes_max"] == 65536
    assert relay.get("/ping").json["status"] == "HealthyBusy"
