"""Addresses of the pages below the base path. Every link of a page is made here.

Called by the routes and templates.
"""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Links:
    """The addresses. `base`: the base path, "" or such as "/x/y", without a slash at the end."""

    base: str = ""

    def welcome(self, code: str) -> str:
        """Return the address of an invitation's welcome page."""
        return f"{self.base}/s/{quote(code, safe='')}"

    def page(self, session: str, number: int, item: str | None = None) -> str:
        """Return the address of a page of a session, from 1; `item`: the question to go to."""
        fragment = "" if item is None else f"#{quote('q-' + item, safe='')}"
        return f"{self.base}/s/{session}/{number}{fragment}"

    def page_or_review(self, session: str, number: int | None) -> str:
        """Return the address of a page, or that of the review after the last one (None)."""
        return self.review(session) if number is None else self.page(session, number)

    def answers(self, session: str) -> str:
        """Return the address that scripts save answers at."""
        return f"{self.base}/s/{session}/answers"

    def answers_file(self, session: str) -> str:
        """Return the address of the saved answers as CSV."""
        return f"{self.base}/s/{session}/answers.csv"

    def review(self, session: str) -> str:
        """Return the address of the list of unanswered questions, with the button that submits."""
        return f"{self.base}/s/{session}/review"

    def language(self, session: str) -> str:
        """Return the address that changes the language of a session."""
        return f"{self.base}/s/{session}/language"

    def done(self, session: str) -> str:
        """Return the address of the thank-you page."""
        return f"{self.base}/s/{session}/done"

    def withdrawal(self, session: str) -> str:
        """Return the address at which a session is withdrawn."""
        return f"{self.base}/s/{session}/withdraw"

    def result(self, session: str) -> str:
        """Return the address of the result of a session, or of a code."""
        return f"{self.base}/r/{session}"

    def result_file(self, session: str) -> str:
        """Return the address of the figures of a result as CSV."""
        return f"{self.base}/r/{session}/figures.csv"

    def login(self) -> str:
        """Return the address of the login of an organisation."""
        return f"{self.base}/console/login"

    def logout(self) -> str:
        """Return the address at which a login is ended."""
        return f"{self.base}/console/logout"

    def console(self) -> str:
        """Return the address of the list of instruments with reports."""
        return f"{self.base}/console"

    def report(self, instrument: str) -> str:
        """Return the address of the report of an instrument."""
        return f"{self.base}/console/instruments/{quote(instrument, safe='')}/report"

    def asset(self, digest: str, name: str) -> str:
        """Return the address of a static file."""
        return f"{self.base}/assets/{digest}/{name}"


def read_base_path(text: str) -> str:
    """Return a base path without a slash at the end. Raises ValueError for another form."""
    path = text.rstrip("/")
    if path and (not path.startswith("/") or "//" in path or any(c in path for c in "?#% ")):
        raise ValueError(
            f"the base path {text!r} cannot be used: write it like /x/y, from the root of the host"
        )
    return path
