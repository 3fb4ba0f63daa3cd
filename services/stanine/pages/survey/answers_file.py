"""A participant's own answers as CSV: one line per answer. Pure. Called by the routes at the end of a session."""

import io
from collections.abc import Mapping

from stanine.domain.tables.csv_lines import CsvLines
from stanine.pages.survey.prepared import Answers, Attributes, Prepared

_COLUMNS = ("item", "text", "answer", "label")


def answers_csv(prepared: Prepared, saved: Answers, attributes: Attributes) -> str:
    """Return the answers that count, in the order of the form, in its language.

    Several chosen options are a line each; those of a ranking begin with the first rank. The label is that of the
    option; it is empty for other types of questions.
    """
    counted = prepared.rules.settle(saved, attributes).answers
    out = io.StringIO()
    lines = CsvLines(out, _COLUMNS)
    for item in prepared.form.items:
        if item.id not in counted:
            continue
        answer = counted[item.id]
        labels: Mapping[float | str, str | None] = {one.value: one.label for one in item.options}
        for value in answer if isinstance(answer, list | tuple) else (answer,):
            lines.write((item.id, item.text, value, labels.get(value)))
    return out.getvalue()
