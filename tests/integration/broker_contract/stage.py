"""Test operations for one broker, identical for all brokers.

Declare, send, work, wait, read dead letters.
"""

import time
from collections.abc import Callable
from typing import Any, overload

import dramatiq
import dramatiq.rate_limits.backends
import dramatiq.results.backends
import redis
from dramatiq import rate_limits, results
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO, CurrentMessage, TimeLimit

from stanine.broker import StreamsBroker

#: Much of Dramatiq is not annotated.
_make_redis_broker: Any = RedisBroker
_declare: Any = dramatiq.actor
_results: Any = results
_limits: Any = rate_limits

#: The brokers that the contract is tested on.
KINDS = ("streams", "stub", "redis")
#: Milliseconds after which an idle worker checks whether to stop; also how often Dramatiq's RedisBroker polls.
WORKER_TIMEOUT = 30


class Stage:
    """A broker of one kind with the default middleware. `close` stops what it started."""

    def __init__(self, kind: str, redis_url: str) -> None:
        self.kind = kind
        self._url = redis_url
        #: Default timeout in seconds.
        self.patience = 5.0
        self._client: Any = redis.Redis.from_url(redis_url)
        self._brokers: list[Any] = []
        self._workers: list[dramatiq.Worker] = []
        self.broker = self.make_broker()
        dramatiq.set_broker(self.broker)  # required by a pipeline's `completed`

    def make_broker(self, **options: Any) -> Any:
        """Create a broker on the same messages.

        There is only one stub broker, since it stores its messages itself.
        """
        made: Any
        if self.kind == "stub":
            made = StubBroker(**options)
        elif self.kind == "redis":
            made = _make_redis_broker(client=self._client, **options)
        else:
            made = StreamsBroker(self._url, namespace="contract", **options)
        self._brokers.append(made)
        return made

    def another_broker(self) -> Any:
        """Return a broker on the same messages, as another process would create it."""
        return self.broker if self.kind == "stub" else self.make_broker()

    @overload
    def actor(self, function: Callable[..., Any], /, **options: Any) -> Any: ...
    @overload
    def actor(
        self, function: None = None, /, **options: Any
    ) -> Callable[[Callable[..., Any]], Any]: ...
    def actor(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Declare an actor on this broker; a decorator with or without options."""
        if function is None:
            return lambda function: _declare(function, broker=self.broker, **options)
        return _declare(function, broker=self.broker, **options)

    def use(self, middleware: dramatiq.Middleware) -> None:
        self.broker.add_middleware(middleware)

    def use_results(self) -> Any:
        """Add Results; return its backend."""
        backends = _results.backends
        backend = (
            backends.StubBackend()
            if self.kind == "stub"
            else backends.RedisBackend(client=self._client)
        )
        self.use(_results.Results(backend=backend))
        return backend

    def limits(self) -> Any:
        """Return a backend of rate limiters."""
        backends = _limits.backends
        return (
            backends.StubBackend()
            if self.kind == "stub"
            else backends.RedisBackend(client=self._client)
        )

    def work(
        self, broker: Any = None, *, threads: int = 2, queues: "set[str] | None" = None
    ) -> dramatiq.Worker:
        """Start a Worker."""
        worker = dramatiq.Worker(
            broker or self.broker,
            queues=queues,
            worker_threads=threads,
            worker_timeout=WORKER_TIMEOUT,
        )
        worker.start()
        self._workers.append(worker)
        return worker

    def stop(self, worker: dramatiq.Worker, timeout: int = 5000) -> None:
        self._workers.remove(worker)
        worker.stop(timeout)

    def join(self, *queues: str) -> None:
        """Wait until the queues are empty, and the signals of the last message were emitted."""
        options: dict[str, Any] = (
            {"fail_fast": False}
            if self.kind == "stub"
            else {"interval": 5}
            if self.kind == "redis"
            else {}
        )
        for queue in queues or ("default",):
            self.broker.join(queue, timeout=int(self.patience * 1000), **options)
        for worker in self._workers:
            worker.join()

    def dead(self, queue: str = "default") -> list[str]:
        """Return the ids of a queue's dead letters, in order of death."""
        if self.kind == "stub":
            return [message.message_id for message in self.broker.dead_letters_by_queue[queue]]
        if self.kind == "redis":
            bodies = [
                self._client.hget(f"dramatiq:{queue}.XQ.msgs", each)
                for each in self._client.zrange(f"dramatiq:{queue}.XQ", 0, -1)
            ]
            return [dramatiq.Message.decode(body).message_id for body in bodies]
        return [
            dramatiq.Message.decode(letter.head).message_id
            for letter in self.broker.dead_letters(queue)
        ]

    def close(self) -> None:
        for worker in self._workers:
            worker.stop(5000)
        for broker in self._brokers:
            broker.close()
        self._client.close()
        dramatiq.broker.global_broker = None


def start_time_limits(stage: Stage, *, interval: int = 10) -> None:
    """Make TimeLimit check every `interval` ms.

    It starts on a signal that only the command line emits.
    """
    middleware: Any = next(each for each in stage.broker.middleware if isinstance(each, TimeLimit))
    middleware.manager.interval = interval / 1000
    middleware.after_process_boot(stage.broker)


def current_message() -> Any:
    return CurrentMessage.get_current_message()


def run_async_actors(stage: Stage) -> None:
    stage.use(AsyncIO())


def wait_until(condition: Callable[[], Any], timeout: float = 5.0) -> None:
    """Wait until a condition holds, or fail after a timeout."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not so within {timeout} s"
        time.sleep(0.002)
