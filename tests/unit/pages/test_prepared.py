"""A form that went through the API has the rules of its document."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stanine.client.records import FormInfo
from stanine.domain.attempts.session_answers import SessionForm
from stanine.domain.errors import InvalidAttempt
from stanine.domain.instruments.document import read_yaml
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.instruments.public_form import public_form
from stanine.domain.scoring.index import IndexEntry, build_entry
from stanine.pages.survey.prepared import Prepared

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    *sorted((ROOT / "examples/instruments").glob("*.yaml")),
    ROOT / "tests/unit/domain/every_feature.yaml",
]


def entry_of(path: Path) -> IndexEntry:
    instrument = parse_instrument(read_yaml(path.read_bytes()))
    return build_entry(instrument, number=0, revision=1, form=1, digest="")


def form_of(entry: IndexEntry, language: str | None = None) -> FormInfo:
    return msgspec.json.decode(msgspec.json.encode(public_form(entry, language)), type=FormInfo)


def refused(rules: SessionForm, answers: dict[str, Any], attributes: dict[str, Any]) -> Any:
    try:
        rules.check(answers, {}, attributes)
    except InvalidAttempt as error:
        return error.faults
    return ()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_rules_of_a_form_are_those_of_its_document(path: Path) -> None:
    entry = entry_of(path)
    ours, theirs = Prepared(form_of(entry)).rules, SessionForm(entry)
    chance = random.Random(3)
    for _ in range(60):
        answers = {item.id: _answer(entry, item, chance) for item in entry.items}
        answers = {name: value for name, value in answers.items() if value is not None}
        attributes: dict[str, Any] = {
            one.id: chance.choice(one.values) if one.values else chance.choice([3, 40, "x"])
            for one in entry.attributes
            if chance.random() < 0.7
        }
        assert ours.settle(answers, attributes) == theirs.settle(answers, attributes)
        assert refused(ours, answers, attributes) == refused(theirs, answers, attributes)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_item_is_on_one_page_and_no_page_mixes_sections(path: Path) -> None:
    form = form_of(entry_of(path))
    pages = Prepared(form).pages(())
    assert [place for page in pages for place in page.items] == list(range(len(form.items)))
    size = form.layout.items_per_page if form.layout else 10
    assert all(1 <= len(page.items) <= size for page in pages)
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        if page.section is not None:
            section = (form.sections or [])[page.section]
            assert {form.items[place].id for place in page.items} <= set(section.items)


def test_an_attribute_is_asked_for_unless_it_is_fixed_or_nobody_could_answer_it() -> None:
    form = form_of(entry_of(ROOT / "tests/unit/domain/every_feature.yaml"))
    asked = Prepared(form).asked({})
    titled = [one.id for one in form.attributes if one.title or one.required]
    assert list(asked) == titled
    assert Prepared(form).asked(dict.fromkeys(titled, 1)) == ()


def _answer(entry: IndexEntry, item: Any, chance: random.Random) -> Any:
    if chance.random() < 0.2:
        return None
    values = [option.value for option in entry.option_sets[item.options]]
    match item.type:
        case "Choice":
            return chance.choice([*values, *values, "nonsense"])
        case "Number":
            return chance.choice([item.number.low, item.number.high, item.number.high + 1, 0.25])
        case "Multiple":
            return chance.sample(values, chance.randint(1, len(values)))
        case "Ranking":
            return chance.sample(values, len(values) - (chance.random() < 0.1))
        case "Text":
            return "x" * chance.choice([1, item.max_length + 1])
    return chance.choice(["2024-02-29", "2023-02-29"])
