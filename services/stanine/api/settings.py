"""Start settings of the API: environment variables, read once by `main`.

All other configuration is runtime configuration in Redis.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from stanine.broker.connection.environment import (
    DEFAULT_NAMESPACE,
    InvalidEnvironmentError,
    read_environment,
)
from stanine.domain.client_address import Network, read_networks


class ApiSettings(msgspec.Struct, frozen=True):
    """The start settings of the API."""

    redis_url: str
    keys_file: Path
    namespace: str = DEFAULT_NAMESPACE
    #: Where the participants' pages are while the setting `publicUrl` is empty; "": links have no address then.
    public_url: str = ""
    #: Proxies whose X-Forwarded-For counts.
    trusted_proxies: tuple[Network, ...] = ()


def read_settings(variables: Mapping[str, str]) -> ApiSettings:
    """Read the settings.

    Raises InvalidEnvironmentError, which names the variable and the remedy.
    """
    environment = read_environment(variables)
    if not environment.keys_file:
        raise InvalidEnvironmentError(
            "STANINE_KEYS_FILE is not set; set it to the file of keys, for example to /etc/stanine/keys.yaml"
        )
    public_url = variables.get("STANINE_PUBLIC_URL", "")
    if public_url and not public_url.startswith(("http://", "https://")):
        raise InvalidEnvironmentError(
            "STANINE_PUBLIC_URL must begin with https:// or http://: it is the address of the participants' pages"
        )
    proxies = variables.get("STANINE_TRUSTED_PROXIES", "")
    try:
        networks = read_networks(text.strip() for text in proxies.split(",") if text.strip())
    except ValueError as error:
        raise InvalidEnvironmentError(f"STANINE_TRUSTED_PROXIES: {error}") from None
    return ApiSettings(
        environment.redis_url,
        Path(environment.keys_file),
        environment.namespace,
        public_url,
        networks,
    )
