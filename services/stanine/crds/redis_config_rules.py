"""The validation rules of a RedisConfig."""

import re
from typing import Any

from stanine.broker.connection.environment import DEFAULT_NAMESPACE
from stanine.crds.rules import Rule, chosen, given
from stanine.crds.server_parameters import (
    BYTES_OR_PERCENT_PATTERN,
    BYTES_PATTERN,
    INTEGER_PATTERN,
    PARAMETERS,
    ParameterType,
)


def _has_password_if_user(value: dict[str, Any]) -> bool:
    return not given(value, "usernameSecretRef") or given(value, "passwordSecretRef")


_NAMESPACE_CEL = f"(has({{0}}.keyNamespace) ? {{0}}.keyNamespace : '{DEFAULT_NAMESPACE}')"
_PASSWORD_CEL = "!has(self.usernameSecretRef) || has(self.passwordSecretRef)"  # noqa: S105 - a rule
_PASSWORD_MESSAGE = "a user name needs a password: add passwordSecretRef"  # noqa: S105 - a sentence


def _format_rule(names: list[str], pattern: str, message: str) -> Rule:
    """Return the rule that the values of some parameters match a pattern."""

    def holds(value: dict[str, Any]) -> bool:
        return value["name"] not in names or re.fullmatch(pattern, value["value"]) is not None

    cel = f"!(self.name in {_list(names)}) || self.value.matches('{pattern}')"
    return Rule(("server", "*"), cel, message, holds, field="value")


def _choice_rule(names: list[str], choices: tuple[str, ...]) -> Rule:
    """Return the rule that the values of some parameters are in a list."""

    def holds(value: dict[str, Any]) -> bool:
        # `casefold` and `lower` convert more letters than the server, which only knows A to Z.
        return value["name"] not in names or (
            value["value"].isascii() and value["value"].lower() in choices
        )

    cel = f"!(self.name in {_list(names)}) || self.value.lowerAscii() in {_list(choices)}"
    which = ", ".join(names) if len(names) <= 3 else f"{names[0]} and the like"
    return Rule(
        ("server", "*"), cel, f"{which}: write one of {', '.join(choices)}", holds, field="value"
    )


def _list(words: "list[str] | tuple[str, ...]") -> str:
    return "[" + ",".join(f"'{word}'" for word in words) + "]"


def _of(kind: ParameterType) -> list[str]:
    return [name for name, parameter in PARAMETERS.items() if parameter.type is kind]


def _choice_rules() -> list[Rule]:
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in _of(ParameterType.CHOICE):
        alike.setdefault(PARAMETERS[name].choices, []).append(name)
    return [_choice_rule(names, choices) for choices, names in alike.items()]


REDIS_CONFIG_RULES: tuple[Rule, ...] = (
    Rule(
        (),
        f"{_NAMESPACE_CEL.format('self')} == {_NAMESPACE_CEL.format('oldSelf')}",
        "it cannot be changed: make a new RedisConfig for another key namespace",
        lambda now, old: (
            chosen(now, "keyNamespace", DEFAULT_NAMESPACE)
            == chosen(old, "keyNamespace", DEFAULT_NAMESPACE)
        ),
        transition=True,
        field="keyNamespace",
    ),
    Rule(
        (),
        "!has(self.compatibility) || self.compatibility != 'DualWrite' || !has(self.layout) || self.layout == 'Hash'",
        "DualWrite writes the string layout beside the hash: set layout to Hash, or compatibility to None",
        lambda spec: (
            chosen(spec, "compatibility", "None") != "DualWrite"
            or chosen(spec, "layout", "Hash") == "Hash"
        ),
        field="compatibility",
    ),
    Rule(
        ("connection",),
        "has(self.host) != has(self.sentinel)",
        "say where Redis is: either host or sentinel",
        lambda connection: given(connection, "host") != given(connection, "sentinel"),
    ),
    Rule(
        ("connection",),
        "!has(self.port) || !has(self.sentinel)",
        "the sentinels say which port: leave it out, or write the ports of the sentinels into sentinel.nodes",
        lambda connection: not given(connection, "port") or not given(connection, "sentinel"),
        field="port",
    ),
    Rule(
        ("connection",),
        _PASSWORD_CEL,
        _PASSWORD_MESSAGE,
        _has_password_if_user,
        field="usernameSecretRef",
    ),
    Rule(
        ("connection", "sentinel"),
        _PASSWORD_CEL,
        _PASSWORD_MESSAGE,
        _has_password_if_user,
        field="usernameSecretRef",
    ),
    Rule(
        ("connection", "tls"),
        "has(self.certificateSecretRef) == has(self.privateKeySecretRef)",
        "a client certificate and its key belong together: write both certificateSecretRef and privateKeySecretRef, or neither",
        lambda tls: given(tls, "certificateSecretRef") == given(tls, "privateKeySecretRef"),
    ),
    _format_rule(
        _of(ParameterType.BYTES),
        BYTES_PATTERN,
        'a size: write a number of bytes, or one with b, k, kb, m, mb, g or gb, as "100mb"',
    ),
    _format_rule(
        _of(ParameterType.BYTES_OR_PERCENT),
        BYTES_OR_PERCENT_PATTERN,
        'a size as "100mb", or a percentage as "5%"',
    ),
    _format_rule(_of(ParameterType.INTEGER), INTEGER_PATTERN, "a whole number"),
    *_choice_rules(),
)
