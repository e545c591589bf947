"""
docs/agentcore.md and .bedrock_agentcore.yaml: what they say is what the platform takes and the relay knows. The commands
that run a container are run by tests/compose; those that need AWS are marked, and nothing runs them.
"""

import json
import re
import subprocess

import pytest

from harness import browser, patience, tokens
from harness.browser import Browser
from harness.platform import Platform
from harness.process import ROOT
from harness.relay import BINARY

yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")
jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")

PAGE = (ROOT / "docs/agentcore.md").read_text()
FENCE = re.compile(r"(<!-- needs AWS -->\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [(language, text, bool(needs_aws)) for needs_aws, language, text in FENCE.findall(PAGE)]
TRUST, PERMISSIONS, RUNTIME = (json.loads(text) for language, text, _ in BLOCKS if language == "json")
TOOLKIT = yaml.safe_load((ROOT / ".bedrock_agentcore.yaml").read_text())
VARIABLES_BYTES_MAX = 2560  # V2's; V1 takes 4 KB


def a(type, **more):
    return {"type": type, **more}


def members(**properties):
    """All must be there, and no other."""
    return a("object", properties=properties, required=list(properties), additionalProperties=False)


NAME = a("string", pattern="^[a-zA-Z][a-zA-Z0-9_]{0,47}$")
TEXT, FLAG, NUMBER, TEXTS = a("string", minLength=1), a("boolean"), a("integer"), a("array", items={"type": "string"})
MAYBE = {"type": ["string", "null"]}
ROLE = a("string", pattern="^arn:aws:iam::[0-9]{12}:role/.+$")
SECONDS = a("integer", minimum=60, maximum=28800)
HEADERS = a("array", items=a("string", pattern="^(Authorization|X-[A-Za-z0-9-]+)$"), maxItems=20)
SUBNETS = a("array", items=a("string", pattern="^subnet-[0-9a-f]{17}$"), minItems=2)
GROUPS = a("array", items=a("string", pattern="^sg-[0-9a-f]{17}$"), minItems=1)
AUTHORIZER = members(
    customJWTAuthorizer=members(
        discoveryUrl=a("string", pattern="^https://.+/\\.well-known/openid-configuration$"),
        allowedClients=a("array", items=TEXT, minItems=1),
    )
)

OF_THE_TOOLKIT = members(  # utils/runtime/schema.py of the starter toolkit 0.3.10
    default_agent=NAME,
    agents=members(
        p2p_relay=members(
            name=NAME,
            language={"enum": ["python", "typescript"]},
            node_version=MAYBE,
            entrypoint=TEXT,
            deployment_type={"enum": ["container", "direct_code_deploy"]},
            runtime_type=MAYBE,
            platform={"const": "linux/arm64"},
            container_runtime={"enum": ["docker", "finch", "podman", "none"]},
            source_path=MAYBE,
            aws=members(
                execution_role=ROLE,
                execution_role_auto_create=FLAG,
                account=a("string", pattern="^[0-9]{12}$"),
                region=a("string", pattern="^[a-z]{2}-[a-z]+-[0-9]$"),
                ecr_repository=a("string", pattern="^[0-9]{12}\\.dkr\\.ecr\\..+/p2p-relay$"),
                ecr_auto_create=FLAG,
                s3_path=MAYBE,
                s3_auto_create=FLAG,
                network_configuration=members(
                    network_mode={"enum": ["PUBLIC", "VPC"]},
                    network_mode_config=members(security_groups=GROUPS, subnets=SUBNETS),
                ),
                protocol_configuration=members(server_protocol={"enum": ["HTTP", "MCP", "A2A", "AGUI"]}),
                observability=members(enabled=FLAG),
                lifecycle_configuration=members(idle_runtime_session_timeout=SECONDS, max_lifetime=SECONDS),
            ),
            bedrock_agentcore=members(agent_id=MAYBE, agent_arn=MAYBE, agent_session_id=MAYBE),
            codebuild=members(project_name=MAYBE, execution_role=MAYBE, source_bucket=MAYBE),
            memory=members(
                mode={"enum": ["NO_MEMORY", "STM_ONLY", "STM_AND_LTM"]},
                memory_id=MAYBE,
                memory_arn=MAYBE,
                memory_name=MAYBE,
                event_expiry_days=NUMBER,
                first_invoke_memory_check_done=FLAG,
                was_created_by_toolkit=FLAG,
            ),
            identity=members(credential_providers=a("array"), workload={"type": ["object", "null"]}),
            aws_jwt=members(
                enabled=FLAG, audiences=TEXTS, signing_algorithm=TEXT, issuer_url=MAYBE, duration_seconds=NUMBER
            ),
            authorizer_configuration=AUTHORIZER,
            request_header_configuration=members(requestHeaderAllowlist=HEADERS),
            oauth_configuration={"type": ["object", "null"]},
            api_key_env_var_name=MAYBE,
            api_key_credential_provider_name=MAYBE,
            is_generated_by_agentcore_create=FLAG,
        )
    ),
)

OF_THE_API = members(  # CreateAgentRuntime
    agentRuntimeName=NAME,
    agentRuntimeArtifact=members(containerConfiguration=members(containerUri=TEXT)),
    roleArn=ROLE,
    networkConfiguration=members(
        networkMode={"const": "VPC"}, networkModeConfig=members(securityGroups=GROUPS, subnets=SUBNETS)
    ),
    protocolConfiguration=members(serverProtocol={"const": "HTTP"}),
    metadataConfiguration=members(requireMMDSV2={"const": True}),
    lifecycleConfiguration=members(idleRuntimeSessionTimeout=SECONDS, maxLifetime=SECONDS),
    authorizerConfiguration=AUTHORIZER,
    requestHeaderConfiguration=members(requestHeaderAllowlist=HEADERS),
    environmentVariables=a("object", maxProperties=50, additionalProperties=a("string", maxLength=5000)),
)


def test_the_file_of_the_toolkit():
    jsonschema.validate(TOOLKIT, OF_THE_TOOLKIT)
    (agent,) = TOOLKIT["agents"].values()
    assert agent["name"] == TOOLKIT["default_agent"]
    assert (ROOT / agent["entrypoint"]).is_file(), "agentcore configure looks for it"
    assert agent["source_path"] is None and (ROOT / "Dockerfile").is_file(), "nothing is copied"


def test_the_runtime():
    jsonschema.validate(RUNTIME, OF_THE_API)
    variables = RUNTIME["environmentVariables"]
    assert sum(len(name) + len(value) for name, value in variables.items()) < VARIABLES_BYTES_MAX


def test_all_ways_make_the_same_runtime():
    (agent,) = TOOLKIT["agents"].values()
    network = RUNTIME["networkConfiguration"]["networkModeConfig"]
    of_toolkit = agent["aws"]["network_configuration"]["network_mode_config"]
    assert (network["subnets"], network["securityGroups"]) == (of_toolkit["subnets"], of_toolkit["security_groups"])
    assert RUNTIME["authorizerConfiguration"] == agent["authorizer_configuration"]
    assert RUNTIME["requestHeaderConfiguration"] == agent["request_header_configuration"]
    assert RUNTIME["roleArn"] == agent["aws"]["execution_role"]
    (cli,) = [text for _, text, _ in BLOCKS if "agentcore add agent" in text]
    for value in [agent["name"], *network["subnets"], *network["securityGroups"], agent["entrypoint"]]:
        assert value in cli
    authorizer = RUNTIME["authorizerConfiguration"]["customJWTAuthorizer"]
    assert authorizer["discoveryUrl"] in cli and authorizer["allowedClients"][0] in cli


def test_the_policies():
    """Who may take the role, and what it may: nothing of the relay's own."""
    (trust,) = TRUST["Statement"]
    assert trust["Principal"] == {"Service": "bedrock-agentcore.amazonaws.com"} and trust["Condition"]
    actions = set()
    for statement in PERMISSIONS["Statement"]:
        assert statement["Effect"] == "Allow" and statement["Resource"]
        action = statement["Action"]
        actions.update([action] if isinstance(action, str) else action)
    assert {"ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"} <= actions
    assert {action.partition(":")[0] for action in actions} == {"ecr", "logs", "xray"}


def test_options_that_the_page_names_are_some():
    listed = json.loads(subprocess.run([BINARY, "--options=json"], check=True, capture_output=True).stdout)
    known = {option["name"] for option in listed}
    for name in re.findall(r"RELAY_([A-Z_]+)", PAGE):
        assert name.lower() in known, name
    flags = {name.replace("_", "-") for name in known}
    for text in re.findall(r"`--([a-z-]+)", PAGE):
        assert text in flags | {"env", "local-build", "non-interactive"}, text


def test_commands_are_run_or_marked():
    """tests/compose/test_agentcore.py runs the one block that needs no AWS."""
    shell = [(text, needs_aws) for language, text, needs_aws in BLOCKS if language == "sh"]
    assert [needs_aws for _, needs_aws in shell].count(False) == 1
    for text, needs_aws in shell:
        subprocess.run(["bash", "-n"], input=text.encode(), check=True)
        assert needs_aws == bool(re.search(r"^(aws|agentcore|npm|pip) ", text, re.MULTILINE)), text


@pytest.mark.skipif(not browser.PROGRAM, reason="chromium is not installed")
async def test_two_browsers_talk(start_redis, start_runtimes, issuer, tmp_path):
    """
    The page's own runtime and script, with our issuer in the place of Cognito and a stand-in for the platform: two
    sessions, two containers, one mesh.
    """
    authorizer = RUNTIME["authorizerConfiguration"]["customJWTAuthorizer"]
    (client,) = authorizer["allowedClients"]
    redis = start_redis()
    variables = {**RUNTIME["environmentVariables"], "RELAY_AUTH_CA_FILE": str(issuer.ca)}
    assert variables.pop("RELAY_REDIS_URL") and variables["RELAY_DISCOVERY_URL"] == authorizer["discoveryUrl"]
    variables["RELAY_DISCOVERY_URL"] = issuer.url()
    token = issuer.sign(tokens.cognito_access(issuer.name(), client=client))

    (script,) = [text for language, text, _ in BLOCKS if language == "js"]
    (send,) = re.findall(r"`(socket\.send\('\{.*?\}'\))`", PAGE)
    (alice, bob) = re.findall(r"`(join\(connect\(token, \"demo\"\), \"\w+\"\))`", PAGE)
    allowlist = RUNTIME["requestHeaderConfiguration"]["requestHeaderAllowlist"]
    start = lambda: start_runtimes(redis=redis, environment=variables)[0]  # noqa: E731
    async with Platform(start, allowlist) as platform, Browser(tmp_path) as chromium:
        script = script.replace("wss://bedrock-agentcore.${region}.amazonaws.com", f"ws://127.0.0.1:{platform.port}")
        page = f"http://127.0.0.1:{start().port}/livez"

        async def open_tab(joins):
            tab = await chromium.open(page)
            heard = "globalThis.heard = []; console.log = (message) => heard.push(message);"
            source = f"{heard}\nconst token = {json.dumps(token)};\n{script}\n"
            source += joins.replace('join(connect(token, "demo"), ', 'join(globalThis.socket = connect(token, "demo"), ')
            await tab.evaluate(f"(0, eval)({json.dumps(source)}); 0")
            return tab

        async def heard(tab, what):
            return await tab.evaluate(f"heard.some((m) => {what})")

        first = await open_tab(alice)
        second = await open_tab(bob)
        await patience.eventually(lambda: heard(first, "m.type == 'presence' && m.from == 'bob'"), "bob's presence")
        await patience.eventually(lambda: heard(second, "m.type == 'presence' && m.from == 'alice'"), "alice's")
        await first.evaluate(f"{send}; 0")
        await patience.eventually(lambda: heard(second, "m.type == 'direct' && m.data == 'hello'"), "hello")
        assert len(platform.containers) == 2
        nodes = [node.request("POST", "/invocations") for node in platform.containers.values()]
        assert {answer.status for answer in nodes} == {401}, "nobody without a token"
