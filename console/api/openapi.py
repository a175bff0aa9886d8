"""The OpenAPI 3.1 document, made from the declared endpoints.

pydantic turns the annotations into JSON Schema; it is imported here only, when somebody asks for the document.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from appliance import VERSION
from console.access import ADMIN, PUBLIC
from console.api.routes import Endpoint

PART = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
REF = "#/components/schemas/{model}"

#: What ``shapes.dump`` makes of a Message.
SENTENCE = {"type": "string", "description": "a sentence in the reader's language"}
PROBLEM = {
    "type": "object",
    "required": ["error", "message", "hint"],
    "properties": {
        "error": {"type": "string", "description": "stable code"},
        "message": {"type": "string", "description": "what happened"},
        "hint": {"type": "string", "description": "what still works, and what you can do"},
        "problems": {"type": "object", "additionalProperties": {"type": "string"}, "description": "field: sentence"},
    },
}


def document(endpoints: Sequence[Endpoint], foreign: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The whole document; ``foreign``: what is described by hand, by path."""
    schemas, definitions = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, schemas)
        paths.setdefault(PART.sub(r"{\2}", endpoint.path), {})[endpoint.method.lower()] = operation
    for path, operations in foreign.items():
        paths.setdefault(path, {}).update(operations)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Everpx",
            "version": VERSION,
            "description": "Everything the console can do. Errors look the same everywhere; see the schema Problem.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}, {"session": [], "csrf": []}],
        "paths": paths,
        "components": {
            "schemas": definitions | {"Problem": PROBLEM},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "an API token, see POST /tokens"},
                "session": {"type": "apiKey", "in": "cookie", "name": "everpx", "description": "POST /session"},
                "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRFToken", "description": "with a session"},
            },
        },
    }


def _schemas(endpoints: Sequence[Endpoint]) -> tuple[dict[tuple[str, str, str], Any], dict[str, Any]]:
    """(method, path, "body" or "return") -> schema, and the named schemas they refer to."""
    from pydantic import TypeAdapter

    wanted: list[tuple[tuple[str, str, str], Any, Any]] = []
    for endpoint in endpoints:
        hints = endpoint.hints
        for part, mode in (("body", "validation"), ("return", "serialization")):
            kind = hints.get(part, type(None))
            if kind is not type(None) and not _is_response(kind):
                wanted.append(((endpoint.method, endpoint.path, part), mode, TypeAdapter(kind)))
    found, definitions = TypeAdapter.json_schemas(wanted, ref_template=REF)
    named = definitions.get("$defs", {}) | {"Message": SENTENCE}
    return {key: schema for (key, _), schema in found.items()}, named


def _is_response(kind: Any) -> bool:
    from flask import Response

    return isinstance(kind, type) and issubclass(kind, Response)


def _operation(endpoint: Endpoint, schemas: dict[tuple[str, str, str], Any]) -> dict[str, Any]:
    key = endpoint.method, endpoint.path
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.room],
        "summary": endpoint.summary,
        "description": f"{(endpoint.function.__doc__ or '').strip()} {_who(endpoint.access)}".strip(),
        "parameters": _parameters(endpoint),
        "responses": {
            **_success(endpoint, schemas.get((*key, "return"))),
            "default": _answer("What went wrong.", {"$ref": REF.format(model="Problem")}),
        },
    }
    if endpoint.access == PUBLIC:
        operation["security"] = []
    if (body := schemas.get((*key, "body"))) is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _who(access: str) -> str:
    return {PUBLIC: "For everybody.", ADMIN: "For admins."}.get(access, "For everybody who is signed in.")


def _success(endpoint: Endpoint, schema: Any) -> dict[str, Any]:
    if _is_response(endpoint.hints.get("return")):
        file = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        return {"200": {"description": "The bytes.", "content": file}}
    if schema is None:
        return {"204": {"description": "Done."}}
    return {str(endpoint.status): _answer("Done.", schema)}


def _answer(words: str, schema: Any) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    listed = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 0} if converter == "int" else {"type": "string"},
        }
        for converter, name in PART.findall(endpoint.path)
    ]
    query = endpoint.hints.get("query")
    if query is not None:
        from pydantic import TypeAdapter

        schema = TypeAdapter(query).json_schema(ref_template=REF)
        needed = schema.get("required", [])
        for name, part in schema["properties"].items():
            if "$ref" in part:
                part = schema["$defs"][part["$ref"].rpartition("/")[2]]
            listed.append({"name": name, "in": "query", "required": name in needed, "schema": part})
    return listed
