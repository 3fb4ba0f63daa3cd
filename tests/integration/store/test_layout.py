"""Advice for a server that would not store blocks compactly."""

from tests.integration.stores import Store

from stanine.store.layout import advice_on_layout


def test_a_server_with_the_default_parameter_gets_advice(store: Store) -> None:
    assert advice_on_layout(store.client) is None
    store.client.config_set("hash-max-listpack-value", 64)
    try:
        advice = advice_on_layout(store.client)
    finally:
        store.client.config_set("hash-max-listpack-value", 1024)
    assert advice is not None
    assert "hash-max-listpack-value is 64" in advice
    assert "set it to 1024" in advice


def test_an_unreadable_parameter_gives_no_advice(store: Store) -> None:
    store.client.acl_setuser("looker", enabled=True, nopass=True, commands=["+ping"], keys=[])
    client = type(store.client)(
        connection_pool=None,
        host="127.0.0.1",
        port=int(store.url.rsplit(":", 1)[1].split("/")[0]),
        username="looker",
        password="x",
    )
    try:
        assert advice_on_layout(client) is None
    finally:
        client.close()
        store.client.acl_deluser("looker")
