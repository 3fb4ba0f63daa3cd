"""/v1/tokens:rotate: rotates the secret of attempt tokens."""

import msgspec
from msgspec import UNSET

from stanine.api.bodies import RotatedTokens, TokenRotation
from stanine.api.intake.shared_secret import SharedSecret
from stanine.api.result_presenter import iso
from stanine.api.web.auth import Scope
from stanine.api.web.deadlines import within
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import JSON, Answer, Request
from stanine.api.web.problems import (
    INVALID_REQUEST,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_CONTENT,
    Problem,
)
from stanine.api.web.routing import Content, Route
from stanine.store.erasure import Erasure
from stanine.telemetry.logs import get_log

#: Maximum bytes of a body.
_MAX_BODY = 1024

_decode = msgspec.json.Decoder(TokenRotation).decode


class TokenRoutes:
    """The route that rotates the secret."""

    def __init__(self, tokens: SharedSecret, codes: SharedSecret, erasure: Erasure) -> None:
        """Initialise with the secrets of tokens and of codes, and with what has those of tombstones."""
        self._tokens = tokens
        self._codes = codes
        self._erasure = erasure

    async def rotate(self, request: Request) -> Answer:
        """Rotate the secret; earlier tokens stay valid for a stated time.

        The secret of tombstones is rotated as well. The former one is kept until its tombstones have expired.
        """
        request.check_content(JSON)
        text = await request.body(_MAX_BODY)
        try:
            order = _decode(text) if text else TokenRotation()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Problem(INVALID_REQUEST, f"{error}.") from None
        until = await within(self._tokens.rotate(order.keep_seconds * 1000))
        await within(self._erasure.rotate_secret())
        links = order.keep_links_seconds
        links_until = (
            UNSET if links is None else iso(await within(self._codes.rotate(links * 1000)))
        )
        assert request.caller is not None
        get_log().info(
            "tokens.rotated",
            by=request.caller.name,
            keep_seconds=order.keep_seconds,
            keep_links_seconds=links,
        )
        return json_answer(RotatedTokens(iso(until), links_until))

    def routes(self) -> tuple[Route, ...]:
        """Return the declaration."""
        return (
            Route(
                method="POST",
                path="/v1/tokens:rotate",
                handler=self.rotate,
                name="rotateTokens",
                summary="Rotate the secret of attempt tokens; earlier tokens stay valid for a stated time",
                tag="tokens",
                scope=Scope.OPERATE,
                body=Content({"application/json": TokenRotation}, "May be empty."),
                answers={200: Content({"application/json": RotatedTokens})},
                problems=(INVALID_REQUEST, TOO_LARGE, TOO_SLOW, UNSUPPORTED_CONTENT),
            ),
        )
