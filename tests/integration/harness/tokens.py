"""
Keys that tokens are signed with, and tokens as some issuers make them.

`sign()` signs whatever it is given: what makes a token a good one is up to the test.
"""

import base64
import json
import time
import uuid

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
EDWARDS = {"Ed25519": ed25519.Ed25519PrivateKey, "Ed448": ed448.Ed448PrivateKey}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url_number(number, size=None):
    return base64url(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Key:
    """
    `algorithm` is what it signs with unless it is told another; RS* and PS* are with the same kind
    of key. `curve` is for EdDSA.
    """

    def __init__(self, algorithm="RS256", bits=2048, curve="Ed25519", kid=None):
        self.algorithm, self.curve = algorithm, curve
        self.kid = kid or uuid.uuid4().hex
        if algorithm in CURVES:
            self.private = ec.generate_private_key(CURVES[algorithm])
        elif algorithm == "EdDSA":
            self.private = EDWARDS[curve].generate()
        else:
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    @property
    def size(self):
        return (self.private.curve.key_size + 7) // 8

    @property
    def public_part(self):
        public = self.private.public_key()
        if self.algorithm in CURVES:
            point = public.public_numbers()
            return {
                "kty": "EC",
                "crv": NAMES[self.algorithm],
                "x": base64url_number(point.x, self.size),
                "y": base64url_number(point.y, self.size),
            }
        if self.algorithm == "EdDSA":
            raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return {"kty": "OKP", "crv": self.curve, "x": base64url(raw)}
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": base64url_number(numbers.n), "e": base64url_number(numbers.e)}

    def jwk(self, **more):
        """None leaves a member out."""
        members = {**self.public_part, "kid": self.kid, "use": "sig", **more}
        return {name: value for name, value in members.items() if value is not None}

    def signature(self, algorithm, text):
        if algorithm in CURVES:
            numbers = decode_dss_signature(self.private.sign(text, ec.ECDSA(HASHES[algorithm[2:]])))
            return b"".join(number.to_bytes(self.size, "big") for number in numbers)
        if algorithm == "EdDSA":
            return self.private.sign(text)
        digest = HASHES[algorithm[2:]]
        if algorithm.startswith("PS"):
            scheme = padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size)
        else:
            scheme = padding.PKCS1v15()
        return self.private.sign(text, scheme, digest)

    def sign(self, claims, algorithm=None, **header):
        """None leaves a member of the header out."""
        algorithm = algorithm or self.algorithm
        members = {"alg": algorithm, "kid": self.kid, "typ": "JWT", **header}
        members = {name: value for name, value in members.items() if value is not None}
        text = f"{base64url(compact(members))}.{base64url(compact(claims))}"
        return f"{text}.{base64url(self.signature(algorithm, text.encode()))}"


# ---- What is in the tokens of some issuers; all of it can be replaced, and None leaves it out.


def claims(issuer, subject="alice", seconds=3600, **more):
    now = int(time.time())
    members = {"iss": issuer, "sub": subject, "iat": now, "exp": now + seconds, **more}
    return {name: value for name, value in members.items() if value is not None}


def cognito_id(issuer, client="client", **more):
    """No client_id: the client is the audience."""
    more = {
        "aud": client,
        "token_use": "id",
        "auth_time": int(time.time()),
        "cognito:username": "alice",
        "cognito:groups": ["writers"],
        "email": "alice@example.org",
        "email_verified": True,
        "event_id": str(uuid.uuid4()),
        "jti": str(uuid.uuid4()),
        "origin_jti": str(uuid.uuid4()),
        **more,
    }
    return claims(issuer, **more)


def cognito_access(issuer, client="client", scope="openid relay/connect", **more):
    """No audience."""
    more = {
        "client_id": client,
        "token_use": "access",
        "scope": scope,
        "auth_time": int(time.time()),
        "username": "alice",
        "version": 2,
        "event_id": str(uuid.uuid4()),
        "jti": str(uuid.uuid4()),
        "origin_jti": str(uuid.uuid4()),
        **more,
    }
    return claims(issuer, **more)


def okta(issuer, client="client", audience="api://default", scopes=("openid", "relay"), **more):
    """The client is `cid`, and scopes are a list."""
    more = {
        "ver": 1,
        "jti": f"AT.{uuid.uuid4().hex}",
        "aud": audience,
        "cid": client,
        "uid": "00u1a2b3c4",
        "scp": list(scopes),
        "auth_time": int(time.time()),
        **more,
    }
    return claims(issuer, **more)


def entra(issuer, client="client", audience="api://relay", scopes="relay.connect", **more):
    """Version 2.0: the client is `azp`, and scopes are words in `scp`."""
    more = {
        "aud": audience,
        "nbf": int(time.time()),
        "aio": "AXQAi/8TAAAA",
        "azp": client,
        "azpacr": "0",
        "name": "Alice",
        "oid": str(uuid.uuid4()),
        "preferred_username": "alice@example.org",
        "rh": "0.AXkA",
        "roles": ["Writer"],
        "scp": scopes,
        "tid": str(uuid.uuid4()),
        "uti": "abc",
        "ver": "2.0",
        **more,
    }
    return claims(issuer, **more)


def keycloak(issuer, client="client", scope="openid profile", **more):
    """The client is `azp`; the audience is of no use as it comes."""
    more = {
        "jti": str(uuid.uuid4()),
        "aud": "account",
        "typ": "Bearer",
        "azp": client,
        "auth_time": int(time.time()),
        "session_state": str(uuid.uuid4()),
        "acr": "1",
        "allowed-origins": ["https://app.example"],
        "realm_access": {"roles": ["offline_access", "writer"]},
        "resource_access": {"account": {"roles": ["view-profile"]}},
        "scope": scope,
        "preferred_username": "alice",
        **more,
    }
    return claims(issuer, **more)
