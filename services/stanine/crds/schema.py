"""Generate structural OpenAPI v3 schemas from records: no $ref, all values bounded.

Called by `generate`. msgspec's own JSON Schema is not structural. What a schema cannot express (a value that is a
number or a string, maps of lists) is left to the domain's validation and marked
`x-kubernetes-preserve-unknown-fields`.
"""

import inspect as source_inspection
from collections.abc import Iterable
from typing import Any

import msgspec
import msgspec.inspect as inspection

from stanine.crds.field_comments import field_comments
from stanine.crds.references import MAX_INT32, SecretKeyRef
from stanine.crds.rules import Rule
from stanine.domain import limits
from stanine.domain.instruments.records import RedisConfigRef

Schema = dict[str, Any]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_RULES = "x-kubernetes-validations"
#: References that are replaced as a whole, because halves of two field owners are not a valid reference.
_ATOMIC = (RedisConfigRef, SecretKeyRef)


def schema_of(record: type[msgspec.Struct], rules: Iterable[Rule] = ()) -> Schema:
    """Return the schema of a record, with its rules."""
    schema = _object(inspection.type_info(record))
    for rule in rules:
        node = _at(schema, rule.at)
        written = {"rule": rule.cel, "message": rule.message}
        if rule.field:
            written["fieldPath"] = f".{rule.field}"
        node.setdefault(_RULES, []).append(written)
    return schema


def _at(schema: Schema, path: tuple[str, ...]) -> Schema:
    for name in path:
        schema = schema["items"] if name == "*" else schema["properties"][name]
    return schema


def _object(info: Any) -> Schema:
    record = info.cls
    comments = field_comments(record)
    properties: Schema = {}
    for field in info.fields:
        schema = _value(field.type)
        if comment := comments.get(field.name):
            schema["description"] = comment
        properties[field.encode_name] = schema
    schema = {"type": "object", "description": _docstring(record), "properties": properties}
    if required := [field.encode_name for field in info.fields if field.required]:
        schema["required"] = required
    if record in _ATOMIC:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _value(info: Any) -> Schema:
    about: Schema = {}
    keys: tuple[str, ...] = ()
    while isinstance(info, inspection.Metadata):
        about |= info.extra_json_schema or {}
        keys = (info.extra or {}).get("keys", keys)
        about |= {name: value for name, value in (info.extra or {}).items() if name == "format"}
        if (info.extra or {}).get("schemaless"):
            return {_PRESERVE: True}
        info = info.type
    if isinstance(info, inspection.UnionType):
        return about | _union(info)
    return _without_none(_plain(info, keys)) | about


def _union(info: Any) -> Schema:
    choices = [one for one in info.types if not isinstance(one, inspection.NoneType)]
    if len(choices) == 1:
        return _value(choices[0])
    bare = [_bare(one) for one in choices]
    if all(isinstance(one, inspection.IntType | inspection.FloatType) for one in bare):
        return _number(bare)
    return {_PRESERVE: True}


def _bare(info: Any) -> Any:
    while isinstance(info, inspection.Metadata):
        info = info.type
    return info


def _plain(info: Any, keys: tuple[str, ...]) -> Schema:
    match info:
        case inspection.StructType():
            return _object(info)
        case inspection.DictType():
            return _map(info)
        case inspection.VarTupleType():
            return _list(info, keys)
        case inspection.StrType():
            return {
                "type": "string",
                "minLength": info.min_length,
                "maxLength": info.max_length,
                "pattern": info.pattern,
            }
        case inspection.LiteralType():
            return {"type": "string", "enum": list(info.values)}
        case inspection.BoolType():
            return {"type": "boolean"}
        case inspection.IntType() | inspection.FloatType():
            return _number([info])
    raise TypeError(f"a custom resource cannot hold {info}")


def _number(choices: list[Any]) -> Schema:
    lows, highs = [one.ge for one in choices], [one.le for one in choices]
    low = None if None in lows else min(lows)
    high = None if None in highs else max(highs)
    if not all(isinstance(one, inspection.IntType) for one in choices):
        return {"type": "number", "minimum": low, "maximum": high}
    fits = low is not None and high is not None and low >= -MAX_INT32 and high <= MAX_INT32
    return {
        "type": "integer",
        "format": "int32" if fits else "int64",
        "minimum": low,
        "maximum": high,
    }


def _map(info: Any) -> Schema:
    values = _value(info.value_type)
    if "type" not in values or values["type"] == "array":
        return {_PRESERVE: True}
    return {
        "type": "object",
        "additionalProperties": values,
        "maxProperties": info.max_length or limits.MAX_ITEMS,
    }


def _list(info: Any, keys: tuple[str, ...]) -> Schema:
    schema: Schema = {
        "type": "array",
        "items": _value(info.item_type),
        "minItems": info.min_length or None,
        "maxItems": info.max_length,
    }
    if keys:
        return schema | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
    return schema | {"x-kubernetes-list-type": "atomic"}


def _without_none(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if value is not None}


def _docstring(record: type) -> str:
    return " ".join((source_inspection.getdoc(record) or "").split())
