"""The validation rules of Queue and Instrument."""

from typing import Any

from stanine.crds.rules import Rule, chosen, given
from stanine.domain.instruments.records import RedisConfigRef

_DEFAULT_CONFIG = RedisConfigRef().name
_REDIS_CONFIG_CEL = f"(has({{0}}.redisConfigRef) && has({{0}}.redisConfigRef.name) ? {{0}}.redisConfigRef.name : '{_DEFAULT_CONFIG}')"


def _redis_config(spec: dict[str, Any]) -> Any:
    return chosen(chosen(spec, "redisConfigRef", {}), "name", _DEFAULT_CONFIG)


def _backoffs_ascend(spec: dict[str, Any]) -> bool:
    least, most = spec.get("minBackoffMilliseconds"), spec.get("maxBackoffMilliseconds")
    return least is None or most is None or least <= most


def _tokens_differ(spec: dict[str, Any]) -> bool:
    return (
        not (given(spec, "purge") and given(spec, "requeueDead"))
        or spec["purge"]["token"] != spec["requeueDead"]["token"]
    )


#: Objects in one Redis are not moved to another: the old ones would be left behind.
REDIS_CONFIG_REF_RULE = Rule(
    (),
    f"{_REDIS_CONFIG_CEL.format('self')} == {_REDIS_CONFIG_CEL.format('oldSelf')}",
    "it cannot be changed: make a new resource for another Redis",
    lambda now, old: _redis_config(now) == _redis_config(old),
    transition=True,
    field="redisConfigRef",
)

QUEUE_RULES: tuple[Rule, ...] = (
    REDIS_CONFIG_REF_RULE,
    Rule(
        ("queueName",),
        "self == oldSelf",
        "it cannot be changed: make a new Queue",
        lambda now, old: now == old,
        transition=True,
    ),
    Rule(
        (),
        "!has(self.minBackoffMilliseconds) || !has(self.maxBackoffMilliseconds)"
        " || self.minBackoffMilliseconds <= self.maxBackoffMilliseconds",
        "minBackoffMilliseconds is above maxBackoffMilliseconds",
        _backoffs_ascend,
        field="minBackoffMilliseconds",
    ),
    Rule(
        ("purge",),
        "self.part == 'Dead' || (!has(self.reason) && !has(self.actor))",
        "only dead letters are chosen by reason or actor: leave them out, or set part to Dead",
        lambda purge: (
            purge["part"] == "Dead" or not (given(purge, "reason") or given(purge, "actor"))
        ),
    ),
    Rule(
        (),
        "!has(self.purge) || !has(self.requeueDead) || self.purge.token != self.requeueDead.token",
        "purge and requeueDead are two requests: give each a token of its own",
        _tokens_differ,
        field="requeueDead",
    ),
)

INSTRUMENT_RULES: tuple[Rule, ...] = (REDIS_CONFIG_REF_RULE,)
