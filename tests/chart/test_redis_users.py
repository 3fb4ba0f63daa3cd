"""The rendered aclfile equals the one that tests/integration/acl uses."""

import hashlib
from typing import Any

import pytest
from tests.chart.rendering import render, secret_texts
from tests.integration.acl.rules import USERS, acl_file


def rendered(helm: str = "helm", **values: Any) -> tuple[str, dict[str, str]]:
    """Return the aclfile and the passwords of a release."""
    (secret,) = [
        texts for texts in secret_texts(render(values, helm=helm)).values() if "users.acl" in texts
    ]
    return secret["users.acl"], {user: secret[f"{user}-password"] for user in USERS}


@pytest.mark.parametrize("with_operator", [True, False])
@pytest.mark.parametrize("old_server", [True, False])
def test_the_file_equals_the_rendered_rules(
    helm: str, with_operator: bool, old_server: bool
) -> None:
    text, passwords = rendered(
        helm,
        keyNamespace="trial",
        operator={"enabled": with_operator},
        valkey={"auth": {"redisBefore72": old_server}},
    )
    assert (
        text.strip()
        == acl_file("trial", passwords, with_operator=with_operator, old_server=old_server).strip()
    )


def test_no_password_is_in_the_file() -> None:
    text, passwords = rendered()
    for password in passwords.values():
        assert password not in text
        assert hashlib.sha256(password.encode()).hexdigest() in text


def test_the_default_user_is_disabled_and_the_probe_may_only_ping() -> None:
    lines = rendered()[0].splitlines()
    assert "user default off resetpass resetkeys resetchannels -@all" in lines
    assert "user health on nopass resetkeys resetchannels -@all +ping" in lines
