"""An external server that requires TLS client certificates, with a user for each service."""

import base64
import hashlib
import itertools
import json
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.certificates import Authority, make_authority
from tests.cluster.conftest import (
    _LOCAL,
    REDIS_7_IMAGE,
    ROOT,
    VALKEY_IMAGE,
    Object,
    Release,
    run,
    until,
)
from tests.cluster.load import load
from tests.cluster.servers import Place, namespace
from tests.conftest import need

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

#: Image and client of a server built with TLS; the Valkey image of the cluster without a registry lacks it.
SERVERS = [(REDIS_7_IMAGE, "redis-cli"), *([] if _LOCAL else [(VALKEY_IMAGE, "valkey-cli")])]
USERS = {"api", "index-watcher", "result-watcher", "operator"}
#: Commands that services try but do not need: the operator loads the libraries, and only its user may read parameters.
TRIED = {"function|load", "config|get"}
#: The interpreter of the image.
PYTHON = "/opt/stanine/bin/python"
#: The file of a pod's log in the pod.
SAID = "/tmp/said"
#: Number of submitted attempts.
PEOPLE = 3_000
CONFIGURATION = """
port 0
tls-port 6379
tls-auth-clients yes
tls-ca-cert-file /etc/server/ca.crt
tls-cert-file /etc/server/tls.crt
tls-key-file /etc/server/tls.key
unixsocket /data/admin.sock
aclfile /etc/server/users.acl
dir /data
appendonly yes
maxmemory-policy noeviction
"""


@dataclass
class External:
    """An external server and a release that uses it."""

    place: Place
    release: Release
    image: str
    client: str
    folder: Path
    #: The password of the server's owner.
    owner: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def is_old(self) -> bool:
        return self.image == REDIS_7_IMAGE

    def make_users(self) -> Object:
        """Return a Secret with new passwords and the README's ACL file with the owner's user."""
        old = ["--set", "valkey.auth.redisBefore72=true"] if self.is_old else []
        chart = str(ROOT / "charts/stanine")
        made: Object = yaml.safe_load(
            run(
                "helm",
                "template",
                "stanine",
                chart,
                "-n",
                "x",
                "-s",
                "templates/valkey/secret.yaml",
                *old,
            )
        )
        made["metadata"] = {"name": "redis-users"}
        digest = hashlib.sha256(self.owner.encode()).hexdigest()
        made["stringData"]["users.acl"] += (
            f"user owner on #{digest} allkeys allchannels allcommands\n"
        )
        return made

    def renew(self, authority: Authority) -> None:
        """Write new certificates and new passwords of all users, for the server and for the release."""
        users = self.make_users()
        self.release.apply(users)
        server = authority.issue("server", [f"DNS:{self.place.host('redis')}"])
        self.place.give(
            "redis",
            tls_files(authority, *server)
            | {"server.conf": CONFIGURATION, "users.acl": users["stringData"]["users.acl"]},
        )
        self.release.apply(secret("redis-tls", tls_files(authority, *authority.issue("client"))))

    def write_users(self, text: str) -> None:
        """Write the ACL file for server and release, and make the kubelet sync it."""
        for where, name in ((self.place, "redis"), (self.release, "redis-users")):
            where.kubectl(
                "patch", "secret", name, "-p", json.dumps({"stringData": {"users.acl": text}})
            )
        # the kubelet syncs a pod's Secrets once a minute, and immediately when the pod is annotated
        self.place.kubectl(
            "annotate", "pod", "redis", f"example.com/look={len(text)}", "--overwrite"
        )

    def ask(self, *words: str) -> str:
        """Send a command to the server as its owner, from the server's pod."""
        login = ("--no-auth-warning", "--user", "owner", "--pass", self.owner)
        return self.place.ask("redis", self.client, "-s", "/data/admin.sock", *login, *words)

    def passwords_of_the_api(self) -> set[str]:
        """Return the passwords in the files that the API's pods have at present."""
        script = "import os; print(open(os.environ['STANINE_REDIS_PASSWORD_FILE']).read())"
        pods = self.release.get("pods", "-l", "app.kubernetes.io/component=api")["items"]
        return {
            self.release.kubectl(
                "exec", pod["metadata"]["name"], "-c", "api", "--", PYTHON, "-c", script
            ).strip()
            for pod in pods
        }

    def users(self) -> set[str]:
        """Return the users of the open connections."""
        return {
            word.removeprefix("user=")
            for word in self.ask("CLIENT", "LIST").split()
            if word.startswith("user=")
        } - {"owner"}

    def denied(self) -> set[str]:
        """Return the commands that the server denied, from its ACL log."""
        words = self.ask("ACL", "LOG").splitlines()
        return {after for word, after in itertools.pairwise(words) if word == "object"}

    def submit(self, key: str, people: int) -> list[Any]:
        """Submit attempts with different answers; return all their results."""
        rows = [
            f"{key}-{number}," + ",".join(str((number >> 2 * item) % 4) for item in range(7))
            for number in range(people)
        ]
        text = "\n".join(["key," + ",".join(f"g{item}" for item in range(1, 8)), *rows])
        shown = json.loads(
            self.release.stanine("submit", "gad-7", "-", "--wait", "-o", "json", given=text)
        )
        assert (shown["taken"], shown["scored"]) == (people, people)
        results = (
            json.loads(line)
            for line in self.release.stanine("results", "gad-7", "-o", "ndjson").splitlines()
        )
        return [each for each in results if each["key"].startswith(f"{key}-")]

    def pods(self) -> dict[str, int]:
        """Return the number of restarts of each of the services' pods."""
        found = self.release.get(
            "pods",
            "-l",
            "app.kubernetes.io/component in (api,index-watcher,result-watcher,operator)",
        )["items"]
        return {
            each["metadata"]["name"]: each["status"]["containerStatuses"][0]["restartCount"]
            for each in found
        }


def secret(name: str, content: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}


def tls_files(authority: Authority, certificate: Path, key: Path) -> dict[str, str]:
    return {
        "ca.crt": authority.certificate.read_text(),
        "tls.crt": certificate.read_text(),
        "tls.key": key.read_text(),
    }


@pytest.fixture(scope="module", params=SERVERS, ids=lambda each: each[0].rpartition("/")[2])
def external(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[External]:
    need("openssl", found=shutil.which("openssl") is not None)
    folder = tmp_path_factory.mktemp("authorities")
    with namespace("servers") as there, namespace("test") as here:
        image, client = request.param
        made = External(Place(there), Release("helm", here), image, client, folder)
        made.renew(make_authority(folder / "first"))
        made.place.begin("redis", made.image)
        made.release.put({
            "valkey": {"enabled": False},
            "externalRedis": {
                "host": made.place.host("redis"), "existingSecret": "redis-users", "userPerService": True,
                "tls": {
                    "enabled": True, "existingSecret": "redis-tls",
                    "caKey": "ca.crt", "certificateKey": "tls.crt", "privateKeyKey": "tls.key",
                },
            },
        })  # fmt: skip
        yield made
        made.release.helm("uninstall", made.release.name, check=False)


def test_a_release_works_over_tls_with_a_user_for_each_service(external: External) -> None:
    release = external.release
    release.smoke()
    until(lambda: release.kubectl("get", "rcfg,sq").count(" True ") == 3, 30, "everything is Ready")
    release.kubectl("apply", "-f", str(ROOT / "examples/instruments/gad-7.yaml"))
    release.kubectl("wait", "instrument/gad-7", "--for=condition=Ready", "--timeout=60s")
    results = external.submit("first", PEOPLE)
    assert len({each["key"] for each in results}) == len(results) == PEOPLE
    assert external.users() == USERS
    assert external.denied() <= TRIED, "somebody lacks a right"


def test_a_wrong_authority_and_a_wrong_password_are_named_and_nothing_breaks(
    external: External,
) -> None:
    release = external.release
    stranger = make_authority(external.folder / "stranger")
    mine = {
        name: external.release.get("secret", name)["data"] for name in ("redis-tls", "redis-users")
    }
    wrong = {
        "TLSHandshakeFailed": (
            "redis-tls",
            "wrong-tls",
            {"ca.crt": stranger.certificate.read_text()},
        ),
        "AuthFailed": (
            "redis-users",
            "wrong-users",
            {f"{user}-password": "mistaken" for user in USERS},
        ),
    }
    reasons: dict[str, str] = {}
    for reason, (right, name, change) in wrong.items():
        release.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name},
                "data": mine[right],
                "stringData": change,
            }
        )
        config = release.get("redisconfig", "default")
        text = json.dumps(config["spec"] | {"keyNamespace": name}).replace(
            f'"{right}"', f'"{name}"'
        )
        release.apply(
            {**config, "metadata": {"name": name}, "spec": json.loads(text), "status": {}}
        )
        for service in ("api", "result-watcher"):
            # a pod of the same template, without the labels of the Service
            pod = f"{name}-{service}"
            reasons[pod] = reason
            text = json.dumps(
                release.get("deployment", f"stanine-{service}")["spec"]["template"]["spec"]
            )
            spec = json.loads(text.replace(f'"{right}"', f'"{name}"'))
            # its output is read from a file: a cluster whose nodes share a machine's folders loses logs
            spec["containers"][0]["command"] = [
                "sh",
                "-c",
                f'{PYTHON} /app/entry.py "$0" "$@" 2>&1 | tee {SAID}',
            ]
            release.apply(
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": spec}
            )
    for reason, (_, name, _change) in wrong.items():
        release.kubectl(
            "wait",
            f"redisconfig/{name}",
            f"--for=jsonpath={{.status.conditions[?(@.type=='Ready')].reason}}={reason}",
            "--timeout=30s",
        )
    for pod, reason in reasons.items():
        check_reason(release, pod, reason)
    release.kubectl("delete", "pod", *reasons, "--grace-period=1")
    release.kubectl(
        "delete", "redisconfig", *(name for _, name, _ in wrong.values()), "--wait=false"
    )
    assert release.status("redisconfig", "default")[0] == "True"


def check_reason(release: Release, pod: str, reason: str) -> None:
    """Check that a pod logs the reason and waits, without a traceback and without the password."""
    began = time.monotonic()
    while reason not in (log := release.kubectl("exec", pod, "--", "cat", SAID, check=False)):
        assert time.monotonic() - began < 90, (
            f"{pod} does not say {reason}:\n{log}\n{release.get('pod', pod)['status']}"
        )
        time.sleep(0.5)
    assert "Traceback" not in log, log
    assert "mistaken" not in log
    (status,) = release.get("pod", pod)["status"]["containerStatuses"]
    assert (status["ready"], status["restartCount"]) == (False, 0)


def test_a_password_is_changed_as_the_readme_says_and_no_request_fails(external: External) -> None:
    release, before = external.release, external.pods()
    old = base64.b64decode(release.get("secret", "redis-users")["data"]["users.acl"]).decode()
    (line,) = [each for each in old.splitlines() if each.startswith("user api ")]
    (first,) = [word for word in line.split() if word.startswith("#")]
    password = secrets.token_hex(8)
    second = "#" + hashlib.sha256(password.encode()).hexdigest()
    with load(release.url, release.key) as ledger:
        until(lambda: len(ledger.acknowledged) > 100, 30, "load")
        external.write_users(old.replace(first, f"{first} {second}"))
        until(
            lambda: second in external.ask("ACL", "LIST"),
            90,
            "the operator has the server read its users again",
        )
        release.kubectl(
            "patch",
            "secret",
            "redis-users",
            "-p",
            json.dumps({"stringData": {"api-password": password}}),
        )
        release.kubectl(
            "annotate",
            "pod",
            "-l",
            "app.kubernetes.io/component=api",
            f"example.com/look={password}",
            "--overwrite",
        )
        # a process whose file still has the old password cannot log in again: it answers 503 until the file is updated
        until(
            lambda: external.passwords_of_the_api() == {password},
            150,
            "the kubelet has written the new password into every pod of the API",
        )
        external.write_users(old.replace(first, second))
        until(
            lambda: first not in external.place.ask("redis", "cat", "/etc/server/users.acl"),
            90,
            "the new file is there",
        )
        assert external.ask("ACL", "LOAD") == "OK"  # as the operator would, half a minute later
        external.ask("CLIENT", "KILL", "USER", "api")
        done = len(ledger.acknowledged)
        until(lambda: len(ledger.acknowledged) > done + 100, 30, "load")
    print(  # noqa: T201 - for people
        f"a password changed: {len(ledger.acknowledged)} acknowledged; failed requests: {dict(ledger.failures) or 0}"
    )
    assert not ledger.failures
    assert external.pods() == before


def test_passwords_certificates_and_the_authority_itself_are_renewed_without_a_restart(
    external: External,
) -> None:
    release, before = external.release, external.pods()
    external.renew(make_authority(external.folder / "second"))
    wanted = base64.b64decode(release.get("secret", "redis-users")["data"]["users.acl"]).decode()
    # the kubelet syncs a pod's Secrets once a minute, and immediately when the pod is annotated
    for each in (external.place, release):
        each.kubectl("annotate", "pod", "--all", "example.com/look=again", "--overwrite")
    until(
        lambda: external.place.ask("redis", "cat", "/etc/server/users.acl") == wanted.strip(),
        90,
        "the new files are there",
    )
    time.sleep(3)  # the services' Secrets are synced at the same time
    files = (
        "tls-ca-cert-file",
        "/etc/server/ca.crt",
        "tls-cert-file",
        "/etc/server/tls.crt",
        "tls-key-file",
        "/etc/server/tls.key",
    )
    assert external.ask("CONFIG", "SET", *files) == "OK"
    assert external.ask("ACL", "LOAD") == "OK"
    external.ask("CLIENT", "KILL", "TYPE", "normal")
    began = time.monotonic()
    assert len(external.submit("second", 300)) == 300
    release.kubectl(
        "annotate", "redisconfig", "default", "example.com/look=again"
    )  # without a change the operator reconciles once a minute
    until(lambda: external.users() == USERS, 90, "everybody is there again")
    until(lambda: release.kubectl("get", "rcfg,sq").count(" True ") == 3, 30, "everything is Ready")
    took = time.monotonic() - began
    print(  # noqa: T201 - for people
        f"all worked again within {took:.0f} s after everything that they log in with had been renewed"
    )
    assert external.pods() == before
