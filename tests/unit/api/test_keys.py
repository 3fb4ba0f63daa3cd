import hashlib
from pathlib import Path

import pytest

from stanine.api.web.auth import Caller, KeyEntry, Keyring, KeysError, Scope, read_entries
from stanine.store.digests import KEY_SPACE_BYTES

DIGEST = hashlib.sha256(b"secret").hexdigest()
GOOD = f"- {{name: ward, sha256: {DIGEST}, scopes: ['attempts:write'], instruments: ['phq-*', gad-7]}}\n"


def test_a_keys_file_may_be_yaml_or_json() -> None:
    yaml = read_entries(GOOD.encode(), "keys.yaml")
    json = read_entries(
        b'[{"name":"ward","sha256":"%b","scopes":["attempts:write"],"instruments":["phq-*","gad-7"]}]'
        % DIGEST.encode(),
        "keys.json",
    )
    assert yaml == json == (KeyEntry("ward", DIGEST, (Scope.ATTEMPTS_WRITE,), ("phq-*", "gad-7")),)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: x", "must be a list"),
        ("- [", "keys: "),
        (GOOD.replace(DIGEST, "abc"), "[0]"),
        (GOOD.replace(DIGEST, DIGEST.upper()), "[0]"),
        (GOOD.replace("attempts:write", "attempts:all"), "[0]"),
        (GOOD.replace("name: ward", "nome: ward"), "[0]"),
        (GOOD.replace(", instruments: ['phq-*', gad-7]", ""), "[0]"),
        (GOOD.replace("name: ward", "name: ward, keySpace: ''"), "[0]"),
        (GOOD.replace("name: ward", f"name: ward, keySpace: {'s' * 65}"), "[0]"),
        (GOOD.replace("name: ward", "name: ward, keyspace: x"), "[0]"),
        (GOOD + GOOD, "[1].name"),
        (GOOD + GOOD.replace("ward", "clinic"), "[1].sha256"),
        ("", "keys: "),
    ],
)
def test_an_invalid_file_is_rejected_with_the_place(text: str, place: str) -> None:
    with pytest.raises(KeysError) as raised:
        read_entries(text.encode(), "keys")
    assert str(raised.value).startswith("keys: ")
    assert place in str(raised.value)


def test_a_caller_sees_only_matching_instruments() -> None:
    caller = Caller(read_entries(GOOD.encode(), "keys")[0])
    assert [
        caller.sees(name) for name in ("phq-9", "phq-", "gad-7", "gad-77", "xphq-9", "PHQ-9")
    ] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert not Caller(KeyEntry("none", DIGEST, (), ())).sees("gad-7")
    assert Caller(KeyEntry("all", DIGEST, (), ("*",))).sees("anything")


def test_the_default_key_space_has_the_name_of_the_key() -> None:
    def caller(name: str, key_space: str = "") -> Caller:
        more = f", keySpace: {key_space}" if key_space else ""
        return Caller(
            read_entries(GOOD.replace("name: ward", f"name: {name}{more}").encode(), "keys")[0]
        )

    assert caller("ward").key_space == caller("ward").key_space, "a rotated key of the same name"
    assert caller("ward").key_space != caller("clinic").key_space
    assert caller("clinic", "ward").key_space == caller("ward").key_space
    assert (
        caller("ward", "shared").key_space
        == caller("clinic", "shared").key_space
        != caller("ward").key_space
    )
    assert {len(caller(name).key_space) for name in ("ward", "clinic")} == {KEY_SPACE_BYTES}


def test_a_keyring_knows_the_keys_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(GOOD)
    keyring = Keyring(path)
    assert keyring.find(b"secret") is None
    assert keyring.load() == 1
    found = keyring.find(b"secret")
    assert found is not None
    assert found.name == "ward"
    for wrong in (b"", b"Secret", b"secret ", b"x" * 10_000, DIGEST.encode(), b"\xff\x00"):
        assert keyring.find(wrong) is None


def test_an_invalid_or_missing_file_keeps_the_previous_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(GOOD)
    keyring = Keyring(path)
    keyring.load()
    assert not keyring.has_changed()
    path.write_text("nonsense: true")
    assert keyring.has_changed()
    with pytest.raises(KeysError):
        keyring.load()
    assert not keyring.has_changed()  # reported once, not every second
    path.unlink()
    assert keyring.has_changed()
    with pytest.raises(KeysError, match="STANINE_KEYS_FILE"):
        keyring.load()
    assert not keyring.has_changed()
    assert keyring.find(b"secret") is not None
