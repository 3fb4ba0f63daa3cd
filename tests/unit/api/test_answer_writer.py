from collections.abc import Callable
from typing import Any, cast

import pytest

from stanine.api.web.answer_writer import MAX_JOINED_BYTES, AnswerWriter

HEAD, BODY, LARGE = b"head", b"body", bytes(MAX_JOINED_BYTES + 1)


class Transport:
    """Records writes and closing, in order."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []
        self.get_extra_info = self.is_closing = self.pause_reading = self.resume_reading = None

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("close")


Steps = Callable[[AnswerWriter], list[Any]]


@pytest.mark.parametrize(
    ("steps", "done"),
    [
        (lambda to: [to.hold(), to.write(HEAD), to.write(BODY), to.release()], [HEAD + BODY]),
        (
            lambda to: [to.hold(), to.write(HEAD), to.write(BODY), to.close(), to.release()],
            [HEAD + BODY, "close"],
        ),
        (lambda to: [to.hold(), to.write(HEAD), to.write(b""), to.release()], [HEAD]),
        (lambda to: [to.hold(), to.write(HEAD), to.release()], [HEAD]),
        (lambda to: [to.hold(), to.write(HEAD), to.close(), to.release()], [HEAD, "close"]),
        (lambda to: [to.hold(), to.write(HEAD), to.write(LARGE), to.release()], [HEAD, LARGE]),
        (lambda to: [to.hold(), to.release(), to.write(HEAD), to.write(BODY)], [HEAD, BODY]),
        (lambda to: [to.write(HEAD), to.write(BODY)], [HEAD, BODY]),
        (lambda to: 2 * [to.hold(), to.write(HEAD), to.write(BODY), to.release()], [HEAD + BODY]),
        (
            lambda to: [to.hold(), to.write(HEAD), to.write(BODY), to.write(BODY), to.release()],
            [HEAD + BODY, BODY],
        ),
    ],
)
def test_head_and_body_are_one_write_and_nothing_is_kept_for_good(
    steps: Steps, done: list[bytes | str]
) -> None:
    transport = Transport()
    steps(AnswerWriter(cast("Any", transport)))
    assert transport.done == done
