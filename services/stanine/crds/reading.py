"""Read the specs of custom resources into records; report every error with its location.

Called by the operator and `stanine validate`.
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from stanine.crds import server_parameters
from stanine.crds.errors import InvalidInstrument, InvalidResource
from stanine.crds.queue import QueueSpec
from stanine.crds.queue_rules import QUEUE_RULES
from stanine.crds.redis_config import RedisConfigSpec
from stanine.crds.redis_config_rules import REDIS_CONFIG_RULES
from stanine.crds.rules import Rule
from stanine.domain.errors import Faults, InvalidDocument
from stanine.domain.instruments import decoding
from stanine.domain.instruments.document import canonical
from stanine.domain.instruments.instrument import Instrument, parse_instrument
from stanine.domain.instruments.records import Record, RedisConfigRef, RescoreRequest

API_VERSION = "stanine.dev/v1alpha1"


class InstrumentResource(msgspec.Struct, frozen=True):
    """An Instrument's document and resource settings."""

    instrument: Instrument
    #: The document as canonical JSON, as for `PUT /v1/instruments/NAME`: it is published and digested.
    document: bytes
    redis_config_ref: RedisConfigRef
    deletion_policy: Literal["Retain", "Delete"]
    rescore: RescoreRequest | None = None


class _RedisConfig(Record, frozen=True):
    spec: RedisConfigSpec


class _Queue(Record, frozen=True):
    spec: QueueSpec


def read_redis_config(spec: object) -> RedisConfigSpec:
    """Return the record of a RedisConfig's spec. Raises InvalidResource."""
    faults = Faults()
    read = decoding.read({"spec": spec}, _RedisConfig, faults).spec
    _check_rules(spec, REDIS_CONFIG_RULES, faults)
    taken: dict[str, int] = {}
    for index, parameter in enumerate(read.server):
        place = f"spec.server[{index}]"
        if faults.touches(place):
            continue
        if parameter.name in taken:
            faults.add(
                f"{place}.name",
                "DuplicateId",
                f"{parameter.name} is a duplicate of spec.server[{taken[parameter.name]}]",
            )
        taken.setdefault(parameter.name, index)
        if fault := server_parameters.find_fault(parameter.name, parameter.value):
            faults.add(f"{place}.value", "WrongText", f"{parameter.name}: {fault}")
    _raise_if_any(faults)
    return read


def read_queue(spec: object) -> QueueSpec:
    """Return the record of a Queue's spec. Raises InvalidResource."""
    faults = Faults()
    read = decoding.read({"spec": spec}, _Queue, faults).spec
    _check_rules(spec, QUEUE_RULES, faults)
    _raise_if_any(faults)
    return read


def read_instrument(name: str, spec: object) -> InstrumentResource:
    """Return the instrument of a resource's name and spec. Raises InvalidResource."""
    plain = instrument_document(name, spec)
    try:
        instrument = parse_instrument(plain)
    except InvalidDocument as error:
        raise InvalidInstrument(error.faults, error.count) from None
    own = instrument.spec
    return InstrumentResource(
        instrument,
        canonical(plain),
        own.redis_config_ref or RedisConfigRef(),
        own.deletion_policy or "Retain",
        own.rescore,
    )


def instrument_document(name: str, spec: object) -> dict[str, Any]:
    """Return the plain document of an Instrument, without metadata added by Kubernetes."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Instrument",
        "metadata": {"name": name},
        "spec": spec,
    }


def _check_rules(spec: object, rules: Iterable[Rule], faults: Faults) -> None:
    """Report broken rules where the spec is otherwise well-formed."""
    if any(fault.place == "spec" for fault in faults.kept):
        return
    places = frozenset(fault.place for fault in faults.kept)
    for rule in rules:
        if not _has_error(rule, places):
            for place in rule.broken_at(spec):
                faults.add(place, "Contradiction", rule.message)


def _has_error(rule: Rule, places: frozenset[str]) -> bool:
    """Return whether a rule's place contains an error already; rules assume correct types."""
    place = "spec" + "".join("" if name == "*" else f".{name}" for name in rule.at)
    if not rule.at:
        return bool(places)
    return any(one == place or one.startswith((f"{place}.", f"{place}[")) for one in places)


def _raise_if_any(faults: Faults) -> None:
    if faults.count:
        raise InvalidResource(faults.kept, faults.count)
