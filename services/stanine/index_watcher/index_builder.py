"""Construction of index entries from documents. Called by the actor and by the sweep.

An entry is a pure function of its instrument's documents, so builds are idempotent. The store keeps an existing entry
unless the new one is newer or replaces a corrupt one.
"""

import msgspec

from stanine.domain.errors import InvalidDocument
from stanine.domain.instruments.document import read_json
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry, encode_entry
from stanine.store.check import due_entries
from stanine.store.index import Index
from stanine.store.instruments import History, InstrumentHistory
from stanine.store.keys import index_field


class Built(msgspec.Struct):
    """Result of a build, by entry."""

    built: int = 0
    unchanged: int = 0
    #: `<name>/<form>` of entries whose document this version cannot read, with the reason.
    failed: list[tuple[str, str]] = []


class IndexBuilder:
    """Builds index entries of instruments and stores them."""

    def __init__(self, instruments: InstrumentHistory, index: Index, engine: int) -> None:
        self._instruments = instruments
        self._index = index
        self._engine = engine

    def build(self, names: list[str]) -> Built:
        """Build the entries of all forms of the named instruments, each with its newest scoring."""
        built = Built()
        for name in names:
            history = self._instruments.history(name)
            if history is None:
                continue
            for form, revision in history.newest_of_forms().items():
                self._build_one(name, history, form, revision, None, built)
            if self._instruments.history(name) is None:
                self._drop_strays()  # removed during the build: its new entries would be served until the next sweep
        return built

    def repair(self) -> Built:
        """Build missing, stale and corrupt entries, and drop entries without a form.

        Run by the sweep.
        """
        built = Built()
        for due in due_entries(self._instruments, self._index, self._engine):
            history = self._instruments.history(due.name)
            if history is not None:
                corrupt = due.data if due.fault in ("corrupt", "foreign") else None
                self._build_one(due.name, history, due.form, due.revision, corrupt, built)
        self._drop_strays()
        self._index.renew_view()
        return built

    def _build_one(
        self,
        name: str,
        history: History,
        form: int,
        revision: int,
        corrupt: bytes | None,
        built: Built,
    ) -> None:
        stored = self._instruments.document(name, revision)
        if stored is None:
            built.failed.append((index_field(name, form), f"revision {revision} has no document"))
            return
        document, digest = stored
        try:
            instrument = parse_instrument(read_json(document), name=name)
        except InvalidDocument as error:
            # Published by a newer version, or damaged: a retry cannot succeed.
            built.failed.append(
                (
                    index_field(name, form),
                    "; ".join(f"{fault.place}: {fault.code}" for fault in error.faults[:3]),
                )
            )
            return
        entry = encode_entry(
            build_entry(
                instrument,
                number=history.number,
                revision=revision,
                form=form,
                digest=digest,
                spans=history.spans(form),
            )
        )
        if self._index.put(name, form, entry, digest, instead_of=corrupt):
            built.built += 1
        else:
            built.unchanged += 1

    def _drop_strays(self) -> None:
        for field in self._index.fields():
            name, _, form = field.rpartition("/")
            history = self._instruments.history(name) if name else None
            if (
                history is None
                or not form.isdecimal()
                or int(form) not in history.newest_of_forms()
            ):
                self._index.drop(field)
