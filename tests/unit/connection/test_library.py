"""Function libraries are named by their content."""

from stanine.broker.connection.functions import VERSION_PLACEHOLDER, Library


def test_the_version_follows_the_text_and_is_in_every_name() -> None:
    one = Library("l", f"#!lua name=l_{VERSION_PLACEHOLDER}\n-- 1")
    two = Library("l", f"#!lua name=l_{VERSION_PLACEHOLDER}\n-- 2")
    assert one.version != two.version
    assert one.version == Library("l", f"#!lua name=l_{VERSION_PLACEHOLDER}\n-- 1").version
    assert VERSION_PLACEHOLDER not in one.source
    assert f"name={one.name}\n" in one.source
    assert one.command("l_f", ["k"], [1]) == ("FCALL", f"l_f_{one.version}", 1, "k", 1)
