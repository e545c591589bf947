"""What the API server would say of an object: the schemas of Kubernetes and of what is installed beside it."""

import functools
import json

import jsonschema
import yaml

from chart import APIS


def strict(schema):
    """As JSON schema, in which a member that is not known is a mistake."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {name: strict(part) for name, part in schema.items() if name != "description" or not isinstance(part, str)}
    if isinstance(made.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


@functools.cache
def kinds():
    """The schema of each (apiVersion, kind)."""
    known = {}
    definitions = strict(json.loads((APIS / "swagger.json").read_text())["definitions"])
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            version = f"{kind['group']}/{kind['version']}".lstrip("/")
            known[version, kind["kind"]] = {"$ref": f"#/definitions/{name}", "definitions": definitions}
    for path in APIS.glob("*.yaml"):
        spec = yaml.safe_load(path.read_text())["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            known[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return known


def check(thing):
    jsonschema.Draft4Validator(kinds()[thing["apiVersion"], thing["kind"]]).validate(thing)
