"""A certificate authority of the tests' own, by the openssl command."""

import pathlib
import subprocess
from typing import NamedTuple

HERE = ("DNS:localhost", "IP:127.0.0.1", "IP:::1")


class Certificate(NamedTuple):
    cert: pathlib.Path
    key: pathlib.Path
    ca: pathlib.Path  # who issued it


class Authority:
    """
    `issue("good")`, `issue("other", names=["DNS:redis.example"])`, `issue("old", expired=True)`: a
    certificate whose time is over. Two authorities do not know each other.
    """

    def __init__(self, directory):
        self.directory = directory
        self.key, self.cert = directory / "ca.key", directory / "ca.pem"
        openssl(
            *("req", "-x509", *new_key(self.key), "-subj", "/CN=CA of the tests", "-days", 2),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.cert),
        )

    def issue(self, name, names=HERE, expired=False):
        key, cert = self.directory / f"{name}.key", self.directory / f"{name}.pem"
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        extensions.write_text(
            f"basicConstraints=critical,CA:FALSE\nsubjectAltName={','.join(names)}\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        openssl("req", *new_key(key), "-subj", f"/CN={name}", "-out", request)
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key),
            *("-days", 2, "-extfile", extensions, "-out", cert),
            when=["faketime", "3 days ago"] if expired else [],
        )
        return Certificate(cert, key, self.cert)


def new_key(path):
    return [
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", path),
    ]


def openssl(*words, when=()):
    done = subprocess.run([*when, "openssl", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
