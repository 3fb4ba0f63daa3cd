"""The OpenAPI 3.1 document, generated from the table of routes and the record types."""

import importlib.metadata
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from stanine.api.admin.queue_admin import ROUTES
from stanine.api.admin.queue_bodies import LETTER_PATTERN
from stanine.api.web.examples import EXAMPLES
from stanine.api.web.http import NDJSON
from stanine.api.web.problems import (
    INTERNAL,
    MALFORMED_REQUEST,
    MEDIA_TYPE,
    MISSING_SCOPE,
    NOT_FOUND,
    NOT_READY,
    UNAUTHENTICATED,
    UNAVAILABLE,
    Kind,
    ProblemDocument,
)
from stanine.api.web.routing import Content, Route, parameter_of
from stanine.domain import limits

_REFERENCE = "#/components/schemas/{name}"

#: Schemas of path parameters.
_PARAMETERS: dict[str, dict[str, Any]] = {
    "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
    "id": {"type": "string", "minLength": 1, "maxLength": limits.MAX_PARTICIPANT},
    "file": {"type": "string"},
    "queue": {"type": "string", "enum": sorted(ROUTES)},
    "invitation": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    "letter": {"type": "string", "pattern": LETTER_PATTERN},
}
_ATTEMPT_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI document."""
    routes = tuple(routes)
    contents = [
        content
        for route in routes
        for content in (*route.answers.values(), *([route.body] if route.body else []))
    ]
    types = {
        each
        for content in contents
        for some in content.types.values()
        for each in (some if isinstance(some, tuple) else (some,))
        if isinstance(each, type)
    } | {ProblemDocument}
    ordered = sorted(types, key=lambda each: each.__name__)
    _, plain_schemas = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    schemas = {name: _generatable(schema) for name, schema in plain_schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stanine",
            "version": importlib.metadata.version("stanine"),
            "description": "Runs psychometric assessments: publish instruments, submit attempts, read results.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {
                "url": ".",
                "description": "The origin of this description, also under a path prefix.",
            }
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of the keys file, or the token of a login with it.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the attempt or session that the path names.",
                },
                "code": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The code of an invitation.",
                },
                "login": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a login.",
                },
            },
        },
    }


def problems_of(route: Route) -> list[Kind]:
    """Return every problem that a route can answer."""
    kinds = [*route.problems, INTERNAL]
    if not route.always:
        kinds += [NOT_READY, UNAVAILABLE]
    if route.needs_credential:
        kinds.append(UNAUTHENTICATED)
    if route.scope is not None:
        kinds.append(MISSING_SCOPE)
    if "{" in route.path:
        kinds.append(NOT_FOUND)
    return list(dict.fromkeys([*kinds, MALFORMED_REQUEST]))


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [
            *_path_parameters(route),
            *_query_parameters(route),
            *_header_parameters(route),
        ],
        "responses": {
            str(status): _response(content) for status, content in sorted(route.answers.items())
        }
        | _problem_responses(route),
        "security": [],
    }
    ways = {
        "key": f"a key with the scope `{route.scope}`"
        if route.scope
        else "a key of any scopes"
        if route.takes_key
        else "",
        "token": f"the {'session' if '/sessions' in route.path else 'attempt'}'s token"
        if route.takes_token
        else "",
        "code": "an invitation's code" if route.takes_code else "",
        "login": "the token of a login" if route.takes_login else "",
    }
    if any(ways.values()):
        operation["description"] = f"Needs {', or '.join(filter(None, ways.values()))}."
        operation["security"] = [{way: []} for way, said in ways.items() if said]
    if route.body is not None:
        operation["requestBody"] = {"required": True, **_response(route.body)}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = [
        parameter_of(segment)[0] for segment in route.path.split("/") if segment.startswith("{")
    ]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _ATTEMPT_ID
            if name == "id" and route.path.startswith(("/v1/attempts", "/v1/sessions"))
            else _PARAMETERS[name],
        }
        for name in names
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": query.name,
            "in": "query",
            "required": False,
            "description": query.description,
            "schema": dict(query.schema),
        }
        for query in route.query
    ]


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": sentence,
            "schema": {"type": "string"},
        }
        for name, sentence in route.headers.items()
    ]


def _problem_responses(route: Route) -> dict[str, Any]:
    by_status: dict[int, list[Kind]] = {}
    for kind in problems_of(route):
        by_status.setdefault(kind.status, []).append(kind)
    reference = {"$ref": _REFERENCE.format(name=ProblemDocument.__name__)}
    return {
        str(status): {
            "description": "; ".join(f"{kind.title} (`{kind.type}`)" for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": reference}},
        }
        for status, kinds in sorted(by_status.items())
        if status not in route.answers
    }


def _response(content: Content) -> dict[str, Any]:
    described: dict[str, Any] = {"description": content.description or "Done."}
    if content.types:
        described["content"] = {
            media_type: _media(media_type, each) for media_type, each in content.types.items()
        }
    return described


def _media(media_type: str, each: Any) -> dict[str, Any]:
    if media_type == NDJSON.decode():
        # OpenAPI 3.1 cannot describe lines (3.2: `itemSchema`): given the schema of a line, generated clients send
        # and expect a single value.
        return {"schema": {"type": "string", "format": "binary"}, "x-item-schema": _schema(each)}
    example = {"example": EXAMPLES[each]} if isinstance(each, type) and each in EXAMPLES else {}
    return {"schema": _schema(each)} | example


def _generatable(schema: Any) -> Any:
    """Return a schema that client generators read correctly.

    They drop an operation with an enum of booleans (`Literal[True]`), so it gets a type. A default makes a property
    required (TypeScript) or sent (Python), although absence is meaningful, so it becomes part of the description.
    Of tuples they read only the length and a single item type.
    """
    if isinstance(schema, list):
        return [_generatable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {word: _generatable(each) for word, each in schema.items()}
    if found.get("enum") == [True]:
        found = {word: each for word, each in found.items() if word != "enum"} | {
            "type": "boolean",
            "const": True,
        }
    if found.get("items") is False and found.get("prefixItems"):
        # A tuple: client generators do not read lists with a type per position.
        kinds = list(found["prefixItems"])
        same = all(each == kinds[0] for each in kinds)
        found = {word: each for word, each in found.items() if word != "prefixItems"} | {
            "items": kinds[0] if same else {"anyOf": kinds},
            "minItems": len(kinds),
            "maxItems": len(kinds),
        }
    if "properties" in found:
        found["properties"] = {name: _in_words(each) for name, each in found["properties"].items()}
    return found


def _in_words(schema: dict[str, Any]) -> dict[str, Any]:
    default = schema.get("default")
    described = {word: each for word, each in schema.items() if word != "default"}
    if default not in (None, "", [], {}):
        described["description"] = (
            f"{described['description']}. " if "description" in described else ""
        )
        described["description"] += f"By default {json.dumps(default)}."
    return described


def _schema(each: Any) -> dict[str, Any]:
    if isinstance(each, tuple):
        return {"oneOf": [_schema(one) for one in each]}
    return {"$ref": _REFERENCE.format(name=each.__name__)} if isinstance(each, type) else dict(each)
