"""Runtime settings in Redis: values, revisions, history, and the hash and string layouts.

`settings` says what can be set, `reading` is how services follow it, `changing` how the operator and the API read and change it;
`string_layout`, `standing` and `planning` decide, without I/O, what is written. docs/reference/settings.md tells users the same.
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
