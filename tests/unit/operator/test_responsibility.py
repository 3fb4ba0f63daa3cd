"""Each resource has at most one operator, and eventually one, after any failures of operators."""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stanine_operator.controller.lease import LASTS, NAMESPACE_LEASE
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.responsibility import HANDOVER, REFRESH_INTERVAL, Responsibility
from stanine_operator.kubernetes.client import ClusterError

NAMESPACES = ("exams", "people")


class LeaseApi:
    """The API server's leases, and a common clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.away = False
        self.ending: set[str] = set()
        self._versions = itertools.count(1)
        self._leases: dict[tuple[str, str], dict[str, Any]] = {}

    def clock(self) -> float:
        return self.now

    def _put(
        self, namespace: str, name: str, spec: Mapping[str, Any], before: dict[str, Any] | None
    ) -> dict[str, Any]:
        version = next(self._versions)
        metadata = {
            "namespace": namespace,
            "name": name,
            "uid": f"uid-{version}",
            "creationTimestamp": f"{version:08}",
        }
        metadata |= {} if before is None else before["metadata"]
        self._leases[namespace, name] = {
            "metadata": metadata | {"resourceVersion": str(version)}, "spec": ({} if before is None else before["spec"]) | dict(spec),
        }  # fmt: skip
        return self._leases[namespace, name]

    def _check(self) -> None:
        if self.away:
            raise ClusterError(0, "away")

    async def read_lease(self, namespace: str, name: str) -> dict[str, Any] | None:
        self._check()
        return self._leases.get((namespace, name))

    async def list_leases(self, name: str) -> list[dict[str, Any]]:
        self._check()
        return [lease for (_, its), lease in self._leases.items() if its == name]

    async def make_lease(
        self, namespace: str, name: str, spec: Mapping[str, Any]
    ) -> dict[str, Any]:
        self._check()
        if namespace in self.ending:
            raise ClusterError(403, "the namespace is ending")
        if (namespace, name) in self._leases:
            raise ClusterError(409, "it is there")
        return self._put(namespace, name, spec, None)

    async def write_lease(
        self, namespace: str, name: str, version: str, spec: Mapping[str, Any]
    ) -> dict[str, Any]:
        self._check()
        found = self._leases.get((namespace, name))
        if found is None or found["metadata"]["resourceVersion"] != version:
            raise ClusterError(404 if found is None else 409, "another version")
        return self._put(namespace, name, spec, found)

    async def is_ending(self, namespace: str) -> bool:
        return namespace in self.ending

    def delete(self, namespace: str, name: str) -> None:
        self._leases.pop((namespace, name), None)


class Operators:
    """Operators by name, and the operator in the status of one resource of each namespace."""

    def __init__(self) -> None:
        self.api = LeaseApi()
        self.running: dict[str, Responsibility] = {}
        self.served: dict[str, str] = {}
        self.frozen: set[str] = set()

    async def start(self, name: str) -> None:
        namespaces = () if name.startswith("wide") else (name.split("-", maxsplit=1)[0],)
        made = Responsibility(self.api, name, namespaces, f"home-of-{name}", self.api.clock)  # type: ignore[arg-type]
        self.running[name] = made
        await self.refresh(name)

    async def refresh(self, name: str) -> None:
        try:
            await self.running[name].refresh()
        except ClusterError:
            assert self.api.away

    def acting(self, namespace: str) -> list[str]:
        """Return the operators that would reconcile now; one of them does, and sets the status."""
        resource = Resource(
            kind="Queue",
            namespace=namespace,
            name="q",
            uid="u",
            status={"operator": self.served[namespace]} if namespace in self.served else {},
        )
        found = [name for name, each in self.running.items() if each.wait(resource) is None]
        if found:
            self.served[namespace] = found[0]
        return found

    async def passes(self, looks: int) -> None:
        """Advance the clock; operators that are not frozen refresh and may act at any moment."""
        for _ in range(looks):
            self.api.now += REFRESH_INTERVAL
            for name in self.running:
                if name not in self.frozen:
                    await self.refresh(name)
                    self.check()

    def check(self) -> None:
        for namespace in NAMESPACES:
            acting = self.acting(namespace)
            assert len(acting) <= 1, f"{acting} both serve {namespace}"

    async def do(self, step: str, what: Any) -> None:
        if step == "start" and what not in self.running:
            await self.start(what)
        elif step == "stop":
            self.running.pop(what, None)
            self.frozen.discard(what)
        elif step == "freeze":
            self.frozen.add(what)
        elif step == "thaw":
            self.frozen.discard(what)
        elif step == "away":
            self.api.away = what
        elif step == "pass":
            await self.passes(what)


NAMES = st.sampled_from(["wide-a", "wide-b", "exams-a", "exams-b", "people-a"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["start", "stop", "freeze", "thaw"]), NAMES),
        st.tuples(st.just("away"), st.booleans()),
        st.tuples(st.just("pass"), st.integers(1, 20)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=300)
@example(
    [("start", "wide-a"), ("pass", 1), ("freeze", "wide-a"), ("start", "exams-a"), ("pass", 12)]
)
@example(
    [("start", "exams-a"), ("start", "exams-b"), ("pass", 1), ("freeze", "exams-a"), ("pass", 18)]
)
@example(
    [
        ("start", "wide-a"),
        ("start", "wide-b"),
        ("freeze", "wide-a"),
        ("pass", 20),
        ("thaw", "wide-a"),
        ("pass", 8),
    ]
)
@given(STEPS)
def test_each_resource_has_at_most_one_operator_and_eventually_one(
    steps: list[tuple[str, Any]],
) -> None:
    async def work() -> None:
        operators = Operators()
        for step, what in steps:
            await operators.do(step, what)
            operators.check()
        operators.api.away = False
        operators.frozen.clear()
        await operators.passes(int((2 * LASTS + 2 * HANDOVER) / REFRESH_INTERVAL))
        for namespace in NAMESPACES:
            own = {name for name in operators.running if name.startswith(namespace)}
            able = own or {name for name in operators.running if name.startswith("wide")}
            acting = operators.acting(namespace)
            assert len(acting) == bool(able)
            assert set(acting) <= able, "a namespace's own operator comes first"

    asyncio.run(work())


def test_a_new_process_takes_over_its_operators_lease_at_once() -> None:
    async def work() -> None:
        operators = Operators()
        await operators.start("exams-a")
        old = operators.running["exams-a"]
        await operators.start("exams-a")
        assert operators.running["exams-a"].serves("exams")
        for _ in range(4):
            operators.api.now += REFRESH_INTERVAL
            await old.refresh()
            await operators.refresh("exams-a")
        assert not old.serves("exams")
        assert operators.running["exams-a"].serves("exams")

    asyncio.run(work())


def test_no_lease_is_taken_over_after_an_outage_of_the_api_server() -> None:
    async def work() -> None:
        operators = Operators()
        for name in ("exams-a", "exams-b", "wide-a"):
            await operators.start(name)
        operators.api.away = True
        operators.api.now += 10 * LASTS
        assert operators.acting("exams") == []
        operators.api.away = False
        for name in ("wide-a", "exams-b", "exams-a"):  # the holder is the last to return
            await operators.refresh(name)
            assert operators.acting("exams") in ([], ["exams-a"])
        assert operators.acting("exams") == ["exams-a"]

    asyncio.run(work())


def test_a_terminating_namespace_is_served_after_its_lease_was_deleted() -> None:
    async def work() -> None:
        operators = Operators()
        await operators.start("exams-a")
        operators.api.ending.add("exams")
        operators.api.delete("exams", NAMESPACE_LEASE)
        for _ in range(30):
            operators.api.now += REFRESH_INTERVAL
            await operators.refresh("exams-a")
            assert operators.acting("exams") == ["exams-a"]

    asyncio.run(work())
