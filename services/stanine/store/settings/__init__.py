"""The runtime configuration in Redis: settings, their revisions and history, and the two layouts they may lie in.

`settings` says what can be set, `reading` is how services follow it, `changing` how the operator and the API read and change it;
`string_layout`, `standing` and `planning` decide, without I/O, what is written. docs/reference/settings.md tells users the same.
"""

from importlib.resources import files

from stanine.broker.connection.functions import Library
from stanine.broker.connection.ownership import managing_source


def load_library() -> Library:
    """Read the configuration's Redis Function library. Called once by each composition root that changes or shows the configuration."""
    own = files(__package__).joinpath("functions.lua").read_text()
    return Library(
        "stanine_config", "\n".join(("#!lua name=stanine_config_@VERSION@", managing_source(), own))
    )
