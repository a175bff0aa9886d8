"""Endpoints under ``/api/v1`` that are not JSON in, JSON out (see console.library), described by hand for OpenAPI."""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def operation(name: str, summary: str, description: str, **more: Any) -> dict[str, Any]:
    """One method of one path; ``responses`` is needed."""
    words = {"description": "What went wrong.", "content": {"application/json": {"schema": PROBLEM}}}
    more["responses"] = more["responses"] | {"default": words}
    return {"operationId": name, "tags": ["files"], "summary": summary, "description": description} | more


def given(place: str, name: str, schema: dict[str, Any], words: str = "", *, needed: bool = False) -> dict[str, Any]:
    """A parameter."""
    required = needed or place == "path"
    return {"in": place, "name": name, "schema": schema, "description": words, "required": required}


def answer(words: str, properties: dict[str, Any]) -> dict[str, Any]:
    """A JSON object that comes back."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def binary(kind: str, *, required: bool = True) -> dict[str, Any]:
    """A body of bytes."""
    return {"required": required, "content": {kind: {"schema": {"type": "string", "format": "binary"}}}}


TUS = given("header", "Tus-Resumable", {"const": "1.0.0"}, needed=True)
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
WHICH = [given("path", "tag", TEXT), given("path", "upload_id", TEXT), TUS]

FOREIGN: dict[str, dict[str, Any]] = {
    "/files/{name}": {
        "put": operation(
            "put_file",
            "Store a file in one request",
            "Answered when it is safe on the drive. The name may be anything; it is made safe.",
            parameters=[
                given("path", "name", TEXT),
                given(
                    "query", "folder", TEXT, "below your Files, or from / on the path of a folder; without it by date"
                ),
                given("query", "drive", TEXT, "of a folder that begins with /, such as HOT-1"),
                given(
                    "query", "modified", TEXT, "when the file was last changed, ISO 8601, or milliseconds since 1970"
                ),
                given("query", "digest", TEXT, "BLAKE3 in hex; another content is refused"),
            ],
            requestBody=binary("application/octet-stream"),
            responses={"201": answer("It was stored.", STORED), "200": answer("It was there already.", STORED)},
        )
    },
    "/known": {
        "post": operation(
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
            responses={"200": answer("Those that are there.", {"known": DIGESTS})},
        )
    },
    "/uploads": {
        "options": operation(
            "upload_options",
            "What this tus server can do",
            "tus 1.0.0, see tus.io: creation, creation-with-upload, termination, checksum, expiration.",
            security=[],
            responses={"204": {"description": "In the headers Tus-*."}},
        ),
        "post": operation(
            "upload_create",
            "Begin a resumable upload",
            "Its first piece may come along.",
            parameters=[
                TUS,
                given("header", "Upload-Length", WHOLE, "bytes of the whole file", needed=True),
                given("header", "Upload-Metadata", TEXT, "filename, modified, digest, folder; each in base64"),
            ],
            requestBody=binary(PIECE, required=False),
            responses={"201": {"description": "Location says where to go on.", "headers": OFFSET}},
        ),
    },
    "/uploads/{tag}/{upload_id}": {
        "head": {"operationId": "upload_head", "tags": ["files"], "summary": "How far an upload is"}
        | {"parameters": WHICH, "responses": {"200": {"description": "Go on from here.", "headers": OFFSET}}},
        "patch": operation(
            "upload_patch",
            "Send the next piece",
            "The answer to the last piece means that the file is safe on the drive.",
            parameters=[*WHICH, given("header", "Upload-Offset", WHOLE, needed=True)],
            requestBody=binary(PIECE),
            responses={"204": {"description": "It has arrived.", "headers": OFFSET}},
        ),
        "delete": operation(
            "upload_delete",
            "Give an upload up",
            "What has arrived of it is thrown away.",
            parameters=WHICH,
            responses={"204": {"description": "Done."}},
        ),
    },
}
