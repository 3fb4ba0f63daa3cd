"""Files that come with the package: what `stanine init` writes, and what `stanine demo` scores (as in examples/instruments)."""

from importlib import resources


def read(name: str) -> bytes:
    """Return the bytes of a file of this package."""
    return resources.files(__name__).joinpath(name).read_bytes()
