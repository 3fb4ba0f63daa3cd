"""Files of the package: templates of `stanine init` and the instrument of `stanine demo`."""

from importlib import resources


def read(name: str) -> bytes:
    """Return the bytes of a file in this package."""
    return resources.files(__name__).joinpath(name).read_bytes()
