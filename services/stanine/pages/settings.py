"""Settings of the pages: arguments of `main`, and the file about the organisation.

Runtime settings of Stanine do not concern the pages, which do not know Redis.
"""

from pathlib import Path

import msgspec

from stanine.domain.client_address import Network

#: A text, or a text for each of several languages by tag.
Localized = str | dict[str, str]


class Organisation(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Who asks, as participants read it."""

    #: The name above every page.
    name: Localized | None = None
    #: How a participant reaches somebody: an address of mail, a telephone number, a sentence.
    contact: Localized | None = None
    #: The address of the privacy statement; https.
    privacy_url: Localized | None = None
    #: What a participant agrees to by starting; paragraphs between blank lines.
    consent: Localized | None = None
    #: The consent of single instruments, instead of the common one.
    instruments: dict[str, Localized] = {}


class PagesSettings(msgspec.Struct, frozen=True):
    """The settings of one process."""

    base_path: str = ""
    #: Proxies whose X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-For are used.
    trusted_proxies: tuple[Network, ...] = ()
    organisation: Organisation = Organisation()
    #: Whether the process serves reports of groups, for which people log in with API keys.
    console: bool = False
    #: A sentence above every page, such as that of a preview.
    banner: Localized | None = None


def read_organisation(path: Path) -> Organisation:
    """Read the file about the organisation (YAML or JSON). Raises ValueError with its place and the remedy."""
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=Organisation)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: {error}") from None
    addresses = found.privacy_url
    for address in addresses.values() if isinstance(addresses, dict) else [addresses]:
        if address is not None and not address.startswith(("https://", "http://")):
            raise ValueError(f"{path}: privacyUrl must begin with https://, not {address[:20]!r}")
    return found


def in_language(text: Localized | None, language: str) -> str | None:
    """Return a text for a language tag: its own, its more general one's, English, or the first."""
    if not isinstance(text, dict):
        return text
    for tag in (language, language.partition("-")[0], "en"):
        if tag in text:
            return text[tag]
    return next(iter(text.values()), None)
