"""What runs before a release is uninstalled, while its operator still does: `python -m stanine_operator.uninstall`, the chart's hook.

Helm would end the operator first, and a resource that waits for it would then wait for ever. So, in this order: the release's own
resources with deletionPolicy Delete are deleted, which the operator does with what they stand for; the operator is stopped; and whatever
resource is left, of the release or of somebody else, is freed of the operator's finalizer, so that it can be deleted later, data kept.
"""

import argparse
import contextlib
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import kopf
import msgspec

from stanine_operator.kinds import GROUP, VERSION
from stanine_operator.login import LoginError, log_in
from stanine_operator.turns import FINALIZER

#: What a release can have with deletionPolicy Delete; a RedisConfig has none.
PLURALS = ("instruments", "queues")
#: Everything that may bear the finalizer.
ALL_PLURALS = (*PLURALS, "redisconfigs")
#: Seconds for the operator's pod to end: a little more than it takes by its own word.
STOP_SECONDS = 18.0
#: Seconds between looks.
LOOK = 0.5
#: Seconds for one request.
REQUEST_SECONDS = 10
#: Objects in a page of a list.
PAGE = 500

_MERGE_PATCH = "application/merge-patch+json"

Body = dict[str, Any]


class RefusedError(Exception):
    """The API server refused a request; `status` is HTTP's, 0 if there was no answer."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{what}: {status or 'no answer'}")
        self.status = status


class Api:
    """The few calls to the API server, one at a time."""

    def __init__(self, info: kopf.ConnectionInfo) -> None:
        self._server = info.server.rstrip("/")
        self._tls: ssl.SSLContext | None = info.as_ssl_context() if self._server.startswith("https") else None
        self._headers = {"Accept": "application/json", **info.as_http_headers()}

    def call(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Body:
        """Make a request; raises RefusedError."""
        data = None if body is None else msgspec.json.encode(body)
        headers = self._headers | ({"Content-Type": content_type} if data else {})
        request = urllib.request.Request(self._server + path, data, headers, method=method)  # noqa: S310 - the API server's own address
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=self._tls) as answer:  # noqa: S310 - likewise
                decoded: Body = msgspec.json.decode(answer.read())
                return decoded
        except urllib.error.HTTPError as error:
            raise RefusedError(error.code, f"{method} {path}") from None
        except OSError as error:
            raise RefusedError(0, f"{method} {path} ({type(error).__name__})") from None

    def objects(self, plural: str, namespace: str | None, selector: str = "") -> Iterator[Body]:
        """Yield the objects of one of our kinds; nothing if the kind is not installed."""
        where = f"namespaces/{namespace}/" if namespace else ""
        path = f"/apis/{GROUP}/{VERSION}/{where}{plural}?limit={PAGE}&labelSelector={quote(selector)}"
        following = ""
        while True:
            try:
                page = self.call("GET", path + following)
            except RefusedError as error:
                if error.status == 404:
                    return
                raise
            yield from page.get("items", ())
            token = page["metadata"].get("continue")
            if not token:
                return
            following = f"&continue={quote(token)}"

    def delete(self, plural: str, found: Body) -> None:
        """Ask for the end of an object; one that is gone already is no error."""
        with gone_is_fine():
            self.call("DELETE", _path(plural, found))

    def set_finalizers(self, plural: str, found: Body, finalizers: Sequence[str]) -> None:
        """Replace an object's finalizers; one that is gone already is no error."""
        with gone_is_fine():
            self.call("PATCH", _path(plural, found), {"metadata": {"finalizers": finalizers}}, _MERGE_PATCH)


@contextlib.contextmanager
def gone_is_fine() -> Iterator[None]:
    """Pass over the answer that an object is not there."""
    try:
        yield
    except RefusedError as error:
        if error.status != 404:
            raise


def _path(plural: str, found: Body) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{found['metadata']['namespace']}/{plural}/{found['metadata']['name']}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the hook; return 0 if nothing is left that would wait for the operator, 1 otherwise."""
    options = _read_arguments(arguments)
    try:
        api = Api(log_in(kopf.OperatorSettings()))
        served = None if options.all_namespaces else options.namespace
        # an operator that is gone already is not waited for
        runs = bool(pods(api, options.namespace, options.selector))
        delete_own(api, options.namespace, options.release, options.timeout if runs else 0)
        stop_operator(api, options.namespace, options.deployment, options.selector)
        return 1 if free_rest(api, served) else 0
    except (LoginError, RefusedError) as error:
        _say(f"uninstall: {error}; or: `helm uninstall --no-hooks`, and remove the finalizer {FINALIZER} by hand")
        return 1


def delete_own(api: Api, namespace: str, release: str, timeout: float) -> None:
    """Delete the release's resources with deletionPolicy Delete, and wait until the operator has let them go."""
    selector = f"app.kubernetes.io/instance={release},app.kubernetes.io/managed-by=Helm"

    def waiting() -> list[tuple[str, Body]]:
        return [
            (plural, found)
            for plural in PLURALS
            for found in api.objects(plural, namespace, selector)
            if found["spec"].get("deletionPolicy") == "Delete"
        ]

    for plural, found in waiting():
        if not found["metadata"].get("deletionTimestamp"):
            api.delete(plural, found)
            _say(f"deleting {plural}/{found['metadata']['name']}")
    if not _until(lambda: not waiting(), timeout):
        for plural, found in waiting():
            _say(f"{plural}/{found['metadata']['name']} was not deleted within {timeout:g} s: what it stands for is kept")


def stop_operator(api: Api, namespace: str, deployment: str, selector: str) -> None:
    """Let the operator end, so that it does not put its finalizer back."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}/scale"
    with gone_is_fine():
        api.call("PATCH", path, {"spec": {"replicas": 0}}, _MERGE_PATCH)
    _until(lambda: not pods(api, namespace, selector), STOP_SECONDS)


def pods(api: Api, namespace: str, selector: str) -> list[Body]:
    """Return the pods that some labels select."""
    found: list[Body] = api.call("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={quote(selector)}")["items"]
    return found


def free_rest(api: Api, namespace: str | None) -> int:
    """Take the operator's finalizer from all resources; return how many could not be freed."""
    stuck = 0
    for plural in ALL_PLURALS:
        for found in api.objects(plural, namespace):
            finalizers = found["metadata"].get("finalizers") or []
            if FINALIZER not in finalizers:
                continue
            others = [each for each in finalizers if each != FINALIZER]
            try:
                api.set_finalizers(plural, found, others)
                _say(f"kept what {plural}/{found['metadata']['namespace']}/{found['metadata']['name']} stands for: its operator is going")
            except RefusedError as error:
                stuck += 1
                _say(f"uninstall: {error}")
    return stuck


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK)
    return True


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stanine-uninstall", description="Runs before a release of the chart is uninstalled.")
    parser.add_argument("--release", required=True, help="the release")
    parser.add_argument("--namespace", required=True, help="its namespace")
    parser.add_argument("--all-namespaces", action="store_true", help="the operator serves every namespace")
    parser.add_argument("--deployment", required=True, help="the operator's Deployment")
    parser.add_argument("--selector", required=True, help="the labels of its pods")
    parser.add_argument("--timeout", type=float, default=40, help="seconds for the operator to delete what is to be deleted (default: 40)")
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - a job's log is for people


if __name__ == "__main__":
    sys.exit(main())
