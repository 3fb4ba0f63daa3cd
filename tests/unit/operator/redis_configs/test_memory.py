from hypothesis import given
from hypothesis import strategies as st

from stanine.store.settings.changes import Memory as LayoutsMemory
from stanine_operator.controller.figures import round_figure
from stanine_operator.redis_configs.memory import memory_condition, publish_memory
from stanine_operator.redis_configs.records import ServerMemory

MIB = 1 << 20


def memory(used: int, most: int = 0, fragmentation: float = 1.0) -> ServerMemory:
    return ServerMemory(used, most, fragmentation)


@given(st.integers(0, 1 << 50))
def test_a_rounded_figure_has_two_digits_and_is_within_five_percent(value: int) -> None:
    rounded = round_figure(value)
    assert len(str(rounded).rstrip("0")) <= 2
    assert abs(rounded - value) <= 0.05 * value


@given(st.integers(1, 1 << 40), st.lists(st.floats(0.955, 1.04), max_size=20))
def test_an_idle_server_publishes_constant_figures(used: int, breaths: list[float]) -> None:
    published = publish_memory(memory(used), None, None)
    for breath in breaths:
        now = publish_memory(memory(round(used * breath), fragmentation=breath), None, published)
        assert (
            now == published or used < 30
        )  # below 30 bytes a single byte is more than the tolerance
        published = now


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_published_figures_are_within_ten_percent(before: int, now: int) -> None:
    reported = publish_memory(memory(now), None, publish_memory(memory(before), None, None))[
        "usedBytes"
    ]
    assert abs(reported - now) <= 0.1001 * max(reported, now)


def test_both_layouts_are_published_if_the_server_reports_them() -> None:
    layouts = LayoutsMemory(hash=1234, string=0, history=1, backup_hash=0, backup_string=777)
    reported = publish_memory(memory(10 * MIB), layouts, None)
    assert reported == {
        "usedBytes": 10_000_000,
        "maxBytes": 0,
        "fragmentationPercent": 100,
        "hashLayoutBytes": 1200,
        "stringLayoutBytes": 780,
    }
    assert "hashLayoutBytes" not in publish_memory(memory(1), None, None)


def test_the_memory_warning_has_hysteresis() -> None:
    def high(percent: int, *, was_high: bool) -> bool | None:
        return memory_condition(
            memory(percent * MIB, 100 * MIB), "noeviction", 80, was_high=was_high
        ).status

    assert [high(79, was_high=False), high(80, was_high=False)] == [False, True]
    assert [high(76, was_high=True), high(74, was_high=True)] == [True, False]


def test_without_a_limit_memory_is_never_high_and_with_eviction_always() -> None:
    assert memory_condition(memory(1 << 40), "noeviction", 1, was_high=False).status is False
    reported = memory_condition(memory(1), "allkeys-lru", 80, was_high=False)
    assert (reported.status, reported.reason) == (True, "EvictionPolicy")
    assert "maxmemory-policy" in reported.message
