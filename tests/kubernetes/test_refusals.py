"""What can't work is refused with a sentence, before anything is made."""

import json

import pytest

from chart import Refused, needs_helm, render

pytestmark = needs_helm

SENTENCES = [
    ("config.auth must be said", {"config__auth": ""}),
    ("config.auth jwt needs config.discoveryUrl", {"config__auth": "jwt", "config__allowedClient": "page"}),
    ("config.auth jwt needs at least one of", {"config__auth": "jwt", "config__discoveryUrl": "https://issuer"}),
    ("are for config.auth jwt, and it is none", {"config__allowedScope": ["relay"]}),
    ("are for config.auth jwt, and it is none", {"config__meshClaim": "mesh"}),
    ("needs a Redis", {"redis__url": ""}),
    ("exclude each other", {"redis__bundled__enabled": True}),
    ("exclude each other", {"redis__existingSecret": {"name": "redis", "urlKey": "url"}}),
    ("keys and no Secret", {"redis__existingSecret__passwordKey": "password"}),
    ("a Secret and no key", {"redis__existingSecret__name": "redis"}),
    ("must begin with rediss", {"redis__tls__existingSecret": "ca"}),
    ("need each other", {"redis__tls__certKey": "tls.crt"}),
    ("leads to port 6380, which networkPolicy", {"redis__url": "redis://user:word@host:6380/1"}),
    ("leads to port 7001, which networkPolicy", {"redis__url": "redis+cluster://a:6379,b:7001"}),
    ("leads to port 26379, which networkPolicy", {"redis__url": "redis+sentinel://a,b/master"}),
    ("minReplicas is more than maxReplicas", {"autoscaling": {"enabled": True, "minReplicas": 11}}),
    ("autoscaling needs target", {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": 0}}),
    ("resources.requests.cpu, which is not set", {"autoscaling__enabled": True, "resources__requests__cpu": None}),
    (
        "less than config.connectionsMax (100)",
        {"autoscaling": {"enabled": True, "targetConnections": 100}, "config__connectionsMax": 100},
    ),
    ("either maxUnavailable or minAvailable", {"podDisruptionBudget__minAvailable": 1}),
    ("either maxUnavailable or minAvailable", {"podDisruptionBudget__maxUnavailable": None}),
    ("ingress needs hosts", {"ingress__enabled": True}),
    ("httpRoute needs parentRefs", {"httpRoute__enabled": True}),
    ("are for the one that serviceAccount.create makes", {"serviceAccount": {"create": False, "annotations": {"a": "b"}}}),
]
AGAINST_THE_SCHEMA = [
    {"replica": 3},
    {"replicas": -1},
    {"replicas": "3"},
    {"redis__uri": "redis://redis"},
    {"redis__url": "http://redis"},
    {"redis__bundled__password": "a b"},
    {"config__ttlSecond": 30},
    {"config__drainSeconds": None},
    {"config__ttlSeconds": 0},
    {"config__ttlSeconds": "30s"},
    {"config__auth": "basic"},
    {"config__listen": "0.0.0.0:80"},
    {"config__messageBytesMax": "1M"},
    {"config__messageBytesMax": 12},
    {"config__dropTypes": ["a b"]},
    {"config__requiredClaim": ["team"]},
    {"config__redisPrefix": "relay{}"},
    {"service__type": "Headless"},
    {"service__port": 70000},
    {"networkPolicy__redisPorts": []},
    {"networkPolicy__issuerPorts": ["https"]},
    {"podDisruptionBudget__maxUnavailable": "half"},
    {"image__pullPolicy": "Sometimes"},
]


def values(given):
    return {name: json.dumps(value) for name, value in given.items()}


@pytest.mark.parametrize("sentence, given", SENTENCES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_sentence_says_why(sentence, given):
    with pytest.raises(Refused, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        render(**values(given))


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(Refused) as refused:
        render(**values({"config__auth": "", "redis__url": "", "ingress__enabled": True}))
    for sentence in ("config.auth must be said", "needs a Redis", "ingress needs hosts"):
        assert sentence in refused.value.args[0]


@pytest.mark.parametrize("given", AGAINST_THE_SCHEMA, ids=str)
def test_values_that_the_schema_refuses(given):
    with pytest.raises(Refused, match="values don't meet the specifications of the schema"):
        render(**values(given))


@pytest.mark.parametrize(
    "given",
    [
        {"config__ttlSeconds": 60, "config__messageBytesMax": "2MiB"},
        {"config__dropTypes": "none", "config__allowedOrigin": ["https://a", "https://b"]},
        {"config__coreDumps": True},
        {"redis__url": "rediss+cluster://user:word@a:6379,b:6379"},
        {"redis__url": "redis://[fd00::1]/3"},
        {"podDisruptionBudget__maxUnavailable": "25%"},
        {"global__anything": 1},
    ],
    ids=str,
)
def test_values_that_are_right(given):
    render(**values(given))
