"""Runtime settings in Redis: values, revisions, history, and the hash and string layouts.

`model` defines the settings, `reader` how services follow them, `changes` how the operator and the API read and change
them; `string_layout`, `snapshot` and `plan` decide, without I/O, what is written. User documentation:
docs/reference/settings.md.
"""

from importlib.resources import files

from stanine.broker.connection.functions import Library
from stanine.broker.connection.ownership import ownership_source


def load_library() -> Library:
    """Read the Redis Function library of the settings. Called by composition roots."""
    own = files(__package__).joinpath("functions.lua").read_text()
    return Library(
        "stanine_config",
        "\n".join(("#!lua name=stanine_config_@VERSION@", ownership_source(), own)),
    )
