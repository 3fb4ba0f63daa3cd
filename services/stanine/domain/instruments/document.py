"""Document texts: strict YAML and JSON to plain data; canonical JSON for storage and digests.

Plain data are dict, list, str, int, float, bool and None. Called by the API and the CLI (documents of users) and by the
indexWatcher (stored documents).
"""

import hashlib
import json

from stanine.domain.instruments import strict_json

#: Members of a custom resource's spec that configure its storage: not part of the instrument.
_NOT_OF_THE_INSTRUMENT = frozenset({"redisConfigRef", "deletionPolicy", "rescore"})


def read_yaml(text: bytes) -> object:
    """Return the plain data of one YAML document, read as kubectl does.

    YAML 1.1, with booleans such as a bare `Yes`. Raises InvalidDocument with line and column: broken syntax, duplicate
    or non-text keys, several documents, alias bombs, depth, NaN.
    """
    from stanine.domain.instruments import strict_yaml  # noqa: PLC0415 - the watchers do without PyYAML

    return strict_yaml.read(text)


def read_json(text: bytes) -> object:
    """Return the plain data of a JSON text.

    Raises InvalidDocument: broken syntax, duplicate members, depth, NaN, numbers beyond 2**53.
    """
    return strict_json.read(text)


def canonical(plain: object) -> bytes:
    """Return the canonical JSON of a checked document.

    Members are sorted and without nulls, whole floats are integers, the encoding is UTF-8. Excluded are
    spec.redisConfigRef, spec.deletionPolicy, spec.rescore, and all metadata except the name.
    """
    if isinstance(plain, dict):
        plain = dict(plain)
        if isinstance(metadata := plain.get("metadata"), dict):
            plain["metadata"] = {name: value for name, value in metadata.items() if name == "name"}
        if isinstance(spec := plain.get("spec"), dict):
            plain["spec"] = {
                name: value for name, value in spec.items() if name not in _NOT_OF_THE_INSTRUMENT
            }
    return json.dumps(
        _settled(plain), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def digest(canonical: bytes) -> str:
    """Return the SHA-256 of a canonical document, in hex."""
    return hashlib.sha256(canonical).hexdigest()


def _settled(plain: object) -> object:
    if isinstance(plain, dict):
        return {name: _settled(value) for name, value in plain.items() if value is not None}
    if isinstance(plain, list):
        return [_settled(one) for one in plain]
    if isinstance(plain, float) and plain.is_integer():
        return int(plain)
    return plain
