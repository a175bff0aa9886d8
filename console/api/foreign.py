"""Endpoints under ``/api/v1`` that are not JSON in, JSON out (see console.library), described by hand for OpenAPI."""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def _operation(name: str, summary: str, description: str, **more: Any) -> dict[str, Any]:
    words = {"description": "What went wrong.", "content": {"application/json": {"schema": PROBLEM}}}
    more["responses"] = more["responses"] | {"default": words}
    return {"operationId": name, "tags": ["files"], "summary": summary, "description": description} | more


def _given(place: str, name: str, schema: dict[str, Any], words: str = "", *, needed: bool = False) -> dict[str, Any]:
    required = needed or place == "path"
    return {"in": place, "name": name, "schema": schema, "description": words, "required": required}


def _json(words: str, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _body(kind: str, *, required: bool = True) -> dict[str, Any]:
    return {"required": required, "content": {kind: {"schema": {"type": "string", "format": "binary"}}}}


TUS = _given("header", "Tus-Resumable", {"const": "1.0.0"}, needed=True)
OFFSET = {"Upload-Offset": {"schema": WHOLE, "description": "bytes that have arrived"}}
PIECE = "application/offset+octet-stream"
STORED = {
    "id": {"type": ["integer", "null"], "description": "in the timeline; null for what is no photo or video"},
    "path": {"type": "string", "description": "on the drive"},
    "digest": {"type": "string", "description": "BLAKE3, hex"},
    "size": WHOLE,
    "known": {"type": "boolean", "description": "it was there already"},
    "copies": {"type": "integer", "minimum": 1},
}
DIGESTS = {"type": "array", "items": {"type": "string"}, "maxItems": 1000}
WHICH = [_given("path", "tag", TEXT), _given("path", "upload_id", TEXT), TUS]

FOREIGN: dict[str, dict[str, Any]] = {
    "/files/{name}": {
        "put": _operation(
            "put_file",
            "Store a file in one request",
            "Answered when it is safe on the drive. The name may be anything; it is made safe.",
            parameters=[
                _given("path", "name", TEXT),
                _given(
                    "query", "folder", TEXT, "below your Files, or from / on the path of a folder; without it by date"
                ),
                _given("query", "drive", TEXT, "of a folder that begins with /, such as HOT-1"),
                _given(
                    "query", "modified", TEXT, "when the file was last changed, ISO 8601, or milliseconds since 1970"
                ),
                _given("query", "digest", TEXT, "BLAKE3 in hex; another content is refused"),
            ],
            requestBody=_body("application/octet-stream"),
            responses={"201": _json("It was stored.", STORED), "200": _json("It was there already.", STORED)},
        )
    },
    "/known": {
        "post": _operation(
            "known_files",
            "Which of these files need not be sent",
            "Ask before an upload: what is known is on the drive already.",
            requestBody={
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"type": "object", "properties": {"digests": DIGESTS}, "required": ["digests"]}
                    }
                },
            },
            responses={"200": _json("Those that are there.", {"known": DIGESTS})},
        )
    },
    "/uploads": {
        "options": _operation(
            "upload_options",
            "What this tus server can do",
            "tus 1.0.0, see tus.io: creation, creation-with-upload, termination, checksum, expiration.",
            security=[],
            responses={"204": {"description": "In the headers Tus-*."}},
        ),
        "post": _operation(
            "upload_create",
            "Begin a resumable upload",
            "Its first piece may come along.",
            parameters=[
                TUS,
                _given("header", "Upload-Length", WHOLE, "bytes of the whole file", needed=True),
                _given("header", "Upload-Metadata", TEXT, "filename, modified, digest, folder; each in base64"),
            ],
            requestBody=_body(PIECE, required=False),
            responses={"201": {"description": "Location says where to go on.", "headers": OFFSET}},
        ),
    },
    "/uploads/{tag}/{upload_id}": {
        "head": {"operationId": "upload_head", "tags": ["files"], "summary": "How far an upload is"}
        | {"parameters": WHICH, "responses": {"200": {"description": "Go on from here.", "headers": OFFSET}}},
        "patch": _operation(
            "upload_patch",
            "Send the next piece",
            "The answer to the last piece means that the file is safe on the drive.",
            parameters=[*WHICH, _given("header", "Upload-Offset", WHOLE, needed=True)],
            requestBody=_body(PIECE),
            responses={"204": {"description": "It has arrived.", "headers": OFFSET}},
        ),
        "delete": _operation(
            "upload_delete",
            "Give an upload up",
            "What has arrived of it is thrown away.",
            parameters=WHICH,
            responses={"204": {"description": "Done."}},
        ),
    },
}
