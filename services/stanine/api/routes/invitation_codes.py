"""/v1/instruments/{name}/invitations/{invitation}/qr: the link of an invitation as a QR code, for letters and posters.

The code of a link is derived from the invitation's id, so that no link is stored for this.
"""

import asyncio
import io

import segno

from stanine.api.people.inviting import InvitationDesk
from stanine.api.web.auth import Scope
from stanine.api.web.http import Answer, Request
from stanine.api.web.problems import NOT_FOUND, NOT_INDEXED, Problem
from stanine.api.web.routing import Content, Route

_SVG = b"image/svg+xml"
#: Modules of the white border: readers need four (ISO/IEC 18004).
_BORDER = 4


class InvitationCodeRoutes:
    """The route of QR codes."""

    def __init__(self, desk: InvitationDesk) -> None:
        self._desk = desk

    async def draw(self, request: Request) -> Answer:
        """Return the QR code of an invitation's link."""
        stored = await self._desk.find(request.parameters["name"], request.parameters["invitation"])
        link = self._desk.url(stored.id)
        if link is None:
            raise Problem(
                NOT_FOUND,
                "The invitation has no link, because the setting publicUrl is empty; an operator can set it.",
            )
        # 5 ms of computation, during which other requests are served
        return Answer(200, await asyncio.to_thread(_draw, link), _SVG)

    def routes(self) -> tuple[Route, ...]:
        """Return the declaration."""
        return (
            Route(
                method="GET",
                path="/v1/instruments/{name}/invitations/{invitation}/qr",
                handler=self.draw,
                name="drawInvitation",
                summary="Return the link of an invitation as a QR code (SVG)",
                tag="invitations",
                scope=Scope.INVITATIONS_WRITE,
                answers={200: Content({_SVG.decode(): {"type": "string"}}, "The QR code.")},
                problems=(NOT_INDEXED,),
            ),
        )


def _draw(link: str) -> bytes:
    """Return the QR code of a link: an SVG that scales, black on white in every colour scheme."""
    file = io.BytesIO()
    # error correction M restores 15 %: enough for print, and the code stays small
    segno.make_qr(link, error="m").save(
        file, kind="svg", border=_BORDER, light="white", omitsize=True, xmldecl=False
    )
    return file.getvalue()
