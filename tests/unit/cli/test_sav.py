"""Names and codes of SPSS files: distinct, and never those of valid values."""

from hypothesis import given
from hypothesis import strategies as st

from stanine.cli.io.sav import SavVariable, sav_names
from stanine.domain.tables.variables import ValueLabel, Variable

values = st.lists(
    st.tuples(st.integers(-2000, 2000) | st.text("abc", min_size=1, max_size=3), st.booleans()),
    min_size=1,
    max_size=8,
    unique_by=lambda each: each[0],
)


@given(st.lists(st.text(max_size=80), max_size=12))
def test_names_are_distinct_and_acceptable(names: list[str]) -> None:
    found = sav_names(names)
    assert len({each.lower() for each in found}) == len(names)
    for each in found:
        assert 1 <= len(each) <= 64
        assert each[0].isalpha()
        assert not each.endswith(".")


def test_the_words_of_the_spss_language_name_no_variable() -> None:
    """Seen to fail: an item with the id ALL or BY ended `stanine answers -o sav`."""
    words = ["all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with"]
    assert sav_names(["ALL", "by", "With.", "v_all", "toe"]) == [
        "v_ALL",
        "v_by",
        "v_With",
        "v_all_2",
        "toe",
    ]
    assert not set(words) & {
        name.lower() for name in sav_names([*words, *(f"{x}." for x in words)])
    }


@given(values)
def test_every_value_has_its_own_number_and_no_valid_one_counts_as_missing(
    given_values: list[tuple[int | str, bool]],
) -> None:
    variable = Variable(
        "q", "Choice", "", (1,), item="q",
        values=tuple(ValueLabel(value, "", missing) for value, missing in given_values),
    )  # fmt: skip
    coded = SavVariable(variable)
    numbers = [coded.number(value) for value, _ in given_values]
    assert coded.not_shown not in numbers
    assert len({*numbers}) == len(numbers)
    declared = [
        each if isinstance(each, dict) else {"lo": each, "hi": each} for each in coded.ranges
    ]
    assert len(declared) <= 3
    for (_, missing), number in zip(given_values, numbers, strict=True):
        assert number is not None
        assert any(one["lo"] <= number <= one["hi"] for one in declared) == missing
