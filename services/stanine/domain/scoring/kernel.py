"""The kernel: scores a batch of attempts as matrices. The modules `kernel_*` are its parts.

Called by the resultWatcher and by `stanine score`. Only these modules, `formulas.evaluation` with `columns` and
`vectors`, and `rounding_vectors` use NumPy. An attempt's bits do not depend on its batch: `kernel_sums` explains this
for its sums, and all other steps are elementwise. Scales of items come first, then composites and formulas after their
parts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stanine.domain.scoring import kernel_terms
from stanine.domain.scoring.kernel_answers import Codes, Damage, Floats
from stanine.domain.scoring.kernel_attributes import AttributeColumns, attribute_columns
from stanine.domain.scoring.kernel_formula import FormulaScale
from stanine.domain.scoring.kernel_steps import Finished, Groups, Steps
from stanine.domain.scoring.kernel_sums import FastScales, Integers, is_summed_here
from stanine.domain.scoring.kernel_terms import ItemScale
from stanine.domain.scoring.plan import Plan
from stanine.domain.scoring.result_records import (
    NO_BAND,
    NO_GROUP,
    NO_ROW,
    Extension,
    extension_bytes,
    extensions,
)

__all__ = ["AttributeColumns", "Codes", "Floats", "Kernel", "Scores", "attribute_columns"]

#: Attempts per chunk, and cells of a step's matrix: the data between two steps fit into the processor's cache.
CHUNK, CHUNK_CELLS = 1024, 1 << 18

_BODY = np.dtype([("raw", "<f8"), ("valid", "<u2"), ("status", "u1"), ("band", "u1")])


class Scores:
    """Scores of a batch: one row per attempt, one column per scale; `result` documents the fields."""

    def __init__(
        self, table: npt.NDArray[Any], extension: npt.NDArray[np.uint8] | None = None
    ) -> None:
        self.table = table
        self._extension = extension

    @property
    def raw(self) -> Floats:
        """The raw scores, NaN for none."""
        raw: Floats = self.table["raw"]
        return raw

    def packed(self) -> list[bytes]:
        """Return one result body per attempt."""
        width = self.table.dtype.itemsize * self.table.shape[1]
        body = self.table.tobytes()
        if self._extension is not None:
            own = np.frombuffer(body, dtype=np.uint8).reshape(len(self.table), width)
            body = np.concatenate((own, self._extension), axis=1).tobytes()
            width += self._extension.shape[1]
        return [body[start : start + width] for start in range(0, len(body), width)]


class _Sheet:
    """The scores of a chunk during their computation: one row per scale, one column per attempt."""

    def __init__(self, scales: int, attempts: int) -> None:
        self.raw = np.empty((scales, attempts))
        self.valid = np.zeros((scales, attempts), dtype=np.int64)
        self.status = np.zeros((scales, attempts), dtype=np.int64)


class Kernel:
    """A plan prepared for scoring. Holds no data of a batch; thread-safe."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._damage = Damage(plan)
        scales = plan.scales
        fast = [place for place, scale in enumerate(scales) if is_summed_here(scale)]
        self.fast = FastScales(plan, [scales[place] for place in fast]) if fast else None
        #: The indices of the scales that are summed together; None: all of them.
        self.fast_places = None if len(fast) == len(scales) else np.array(fast, dtype=np.intp)
        self.items = [
            (place, ItemScale(plan, scale))
            for place, scale in enumerate(scales)
            if scale.kind == "Items" and place not in fast
        ]
        self.formulas = {
            place: FormulaScale(plan, scale)
            for place, scale in enumerate(scales)
            if scale.kind == "Formula"
        }
        self.steps = [Steps(scale) for scale in scales]
        needed = {part.scale for scale in scales for part in scale.parts}
        needed |= {
            one.place
            for scale in scales
            if scale.formula
            for one in scale.formula.numbers
            if one.source == "Scale"
        }
        self.plain = [
            steps.are_plain and place not in needed for place, steps in enumerate(self.steps)
        ]
        self._extensions = extensions(plan)
        self._extension_bytes = extension_bytes(plan)
        width = self.fast.width if self.fast is not None else 1
        self._chunk = max(64, min(CHUNK, CHUNK_CELLS // max(width, 1)))

    def unreadable(self, codes: Codes) -> list[int]:
        """Return the rows of damaged attempts: a code is invalid for its item. Never score them."""
        return self._damage.rows(codes)

    def columns(self, people: Sequence[Mapping[str, Any]]) -> AttributeColumns:
        """Return people's attributes in the form that `score` requires."""
        return attribute_columns(self.plan, people, len(people))

    def score(self, codes: Codes, attributes: AttributeColumns | None = None) -> Scores:
        """Score attempts: one row of answers each, in the format of `answer_codes`.

        Without attributes, all attributes are missing.
        """
        attempts, width = codes.shape
        if width != self.plan.row_bytes or codes.dtype != np.uint8:
            raise ValueError(
                f"{self.plan.row_bytes} bytes a row belong here ({len(self.plan.cells)} items), not {width} of {codes.dtype}"
            )
        table = np.empty((attempts, len(self.plan.scales)), dtype=_BODY)
        extension = (
            np.zeros((attempts, self._extension_bytes), dtype=np.uint8)
            if self._extension_bytes
            else None
        )
        if attributes is None:
            attributes = attribute_columns(self.plan, None, attempts)
        elif len(attributes.matrix) != attempts:
            raise ValueError(
                f"attributes of {attempts} attempts belong here, not of {len(attributes.matrix)}"
            )
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for start in range(0, attempts, self._chunk):
                stop = min(start + self._chunk, attempts)
                self._score_chunk(
                    codes[start:stop],
                    attributes.rows(start, stop),
                    table[start:stop],
                    None if extension is None else extension[start:stop],
                )
        return Scores(table, extension)

    def _score_chunk(
        self,
        codes: Codes,
        attributes: AttributeColumns,
        table: npt.NDArray[Any],
        extension: npt.NDArray[np.uint8] | None,
    ) -> None:
        chunk = _Chunk(self, codes, attributes)
        sheet, bands = chunk.run()
        # As 32-bit words, three per scale: writing the unaligned fields one by one takes twice as long.
        words = table.view("<u4").reshape(*table.shape, 3)
        words[:, :, :2] = (
            sheet.raw.astype("<f8", copy=False)
            .view("<u4")
            .reshape(*sheet.raw.shape, 2)
            .swapaxes(0, 1)
        )
        words[:, :, 2] = (sheet.valid | sheet.status << 16 | bands << 24).T
        if extension is not None:
            for one in self._extensions:
                extension[:, one.offset : one.offset + one.width] = chunk.extension(one)


class _Chunk:
    """The scoring of one chunk of attempts."""

    def __init__(self, kernel: Kernel, codes: Codes, attributes: AttributeColumns) -> None:
        self._kernel, self._codes, self._attributes = kernel, codes, attributes
        self._groups = Groups(kernel.plan, attributes.matrix)
        self._finished: dict[int, Finished] = {}
        self._counts: dict[int, Integers] = {}
        self._ranges: dict[int, tuple[Floats, Floats]] = {}

    def run(self) -> tuple[_Sheet, Integers]:
        kernel = self._kernel
        sheet = self._sums()
        bands = np.full_like(sheet.valid, NO_BAND)
        for place, scale in enumerate(kernel.plan.scales):
            if scale.kind == "Items":
                self._finish(place, sheet, bands)
        for place in kernel.plan.order:
            self._score(place, sheet)
            self._finish(place, sheet, bands)
        return sheet, bands

    def _sums(self) -> _Sheet:
        """Return the raw scores of all scales of items."""
        kernel, codes = self._kernel, self._codes
        sheet = _Sheet(0 if kernel.fast_places is None else len(kernel.plan.scales), len(codes))
        if kernel.fast is not None:
            raw, valid, status = kernel.fast.score(codes)
            if kernel.fast_places is None:
                sheet.raw, sheet.valid, sheet.status = raw, valid, status
                return sheet
            (
                sheet.raw[kernel.fast_places],
                sheet.valid[kernel.fast_places],
                sheet.status[kernel.fast_places],
            ) = raw, valid, status
        for place, scale in kernel.items:
            sheet.raw[place], sheet.status[place], sums, gone = scale.score(codes)
            sheet.valid[place] = sums.valid
            if gone is not None:
                self._counts[place] = sums.count
                self._ranges[place] = scale.ranges(gone)
        return sheet

    def _score(self, place: int, sheet: _Sheet) -> None:
        """Score a composite or a formula whose parts are finished."""
        scale = self._kernel.plan.scales[place]
        if scale.kind == "Formula":
            found = self._kernel.formulas[place].score(self._codes, self._attributes, self._part)
            sheet.raw[place], sheet.status[place], sheet.valid[place] = found
            return
        parts = [self._part(part.scale, part.part) for part in scale.parts]
        sheet.raw[place], sheet.status[place], sums = kernel_terms.composite(scale, parts)
        sheet.valid[place] = sums.valid

    def _part(self, place: int, part: str) -> Floats:
        return self._finished[place].part(part)

    def _finish(self, place: int, sheet: _Sheet, bands: Integers) -> None:
        steps = self._kernel.steps[place]
        if self._kernel.plain[place]:
            if steps.scale.bands:
                bands[place] = steps.plain_bands(sheet.raw[place])
            return
        done = steps.run(sheet.raw[place], sheet.status[place], self._groups)
        sheet.raw[place] = done.raw
        if done.band is not None:
            bands[place] = done.band
        self._finished[place] = done

    def extension(self, one: Extension) -> npt.NDArray[np.uint8]:
        """Return the bytes of one extension field, which only some scales have."""
        done = self._finished.get(one.scale)
        match one.field:
            case "norm" | "band_group":
                assert done is not None
                groups = done.norm if one.field == "norm" else done.band_group
                assert groups is not None
                return _as_bytes(np.where(groups < 0, NO_GROUP, groups), "u1")
            case "row":
                assert done is not None
                assert done.row is not None
                return _as_bytes(np.where(done.row < 0, NO_ROW, done.row), "<u2")
            case "items":
                return _as_bytes(self._counts[one.scale], "<u2")
        low, high = self._ranges[one.scale]
        return _as_bytes(low if one.field == "low" else high, "<f8")


def _as_bytes(values: Any, kind: str) -> npt.NDArray[np.uint8]:
    data: npt.NDArray[np.uint8] = (
        np.ascontiguousarray(values.astype(kind)).view(np.uint8).reshape(len(values), -1)
    )
    return data
