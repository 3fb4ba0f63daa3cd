"""Credentials for the API server: the pod's service account, or the kubeconfig.

Used for kopf's watches and for client.py. kubernetes.aio reads both sources, including kubeconfigs that name a
credential plugin (`exec`).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kopf
import yaml
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration

#: kubernetes.aio is untyped.
_config: Any = kube_config
#: Directory of the pod's service account.
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
#: The kubeconfig if KUBECONFIG is not set.
DEFAULT_KUBECONFIG = "~/.kube/config"
#: The key of the header Authorization in kubernetes.aio's configuration.
_TOKEN = "BearerToken"  # noqa: S105 - the name of a field
#: Time before their expiry at which a plugin's credentials are fetched again.
_EXPIRY_MARGIN = timedelta(seconds=90)


class ClusterCredentialsError(Exception):
    """No usable credentials for an API server."""


@dataclass(frozen=True)
class ClusterCredentials:
    """Address of and credentials for the API server."""

    configuration: Configuration
    #: The namespace of the pod, or of the kubeconfig's context.
    namespace: str | None = None
    #: Whether a plugin fetched them: it need not run again while they are accepted.
    fetched: bool = False
    #: Expiry of a plugin's credentials, if known.
    expires: datetime | None = None

    def lasts(self, now: datetime) -> bool:
        """Return whether they need not be read again.

        Files may have changed; a plugin's have an expiry.
        """
        return self.fetched and (self.expires is None or now < self.expires - _EXPIRY_MARGIN)

    @property
    def authorization(self) -> str:
        """Return the header Authorization; empty if a certificate or nothing is used."""
        return str(self.configuration.api_key.get(_TOKEN, ""))


async def load_credentials(environ: Mapping[str, str] = os.environ) -> ClusterCredentials:
    """Load address and credentials: read the files or run the plugin.

    Raises ClusterCredentialsError.
    """
    configuration = Configuration()
    # As for kopf's watches: use the kubeconfig's proxy, never the environment's.
    configuration.client_session_kwargs = {"trust_env": False}
    try:
        if (SERVICE_ACCOUNT / "token").exists():
            _config.load_incluster_config(
                client_configuration=configuration, try_refresh_token=False
            )
            configuration.api_key[_TOKEN] = (
                "Bearer " + (SERVICE_ACCOUNT / "token").read_text().strip()
            )
            return ClusterCredentials(
                configuration, (SERVICE_ACCOUNT / "namespace").read_text().strip()
            )
        loader = await _config.load_kube_config(
            _kubeconfig(environ), client_configuration=configuration, persist_config=False
        )
    except (
        OSError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        yaml.YAMLError,
        kube_config.ConfigException,
    ) as error:
        raise ClusterCredentialsError(
            f"the kubeconfig cannot be used ({type(error).__name__}): see KUBECONFIG"
        ) from error
    fetched = "exec" in (loader._user or ())  # noqa: SLF001 - there is no public attribute
    if fetched and not configuration.api_key and not configuration.cert_file:
        raise ClusterCredentialsError(
            "the plugin that the kubeconfig names (exec) gave no credentials: run its command by hand, see its message above"
        )
    expires = getattr(loader, "exec_plugin_expiry", None)
    return ClusterCredentials(
        configuration,
        (loader.current_context.get("context") or {}).get("namespace"),
        fetched,
        expires,
    )


def connection_info(credentials: ClusterCredentials) -> kopf.ConnectionInfo:
    """Return the credentials in kopf's form."""
    configuration = credentials.configuration
    scheme, _, token = credentials.authorization.partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        scheme=scheme or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        default_namespace=credentials.namespace,
        proxy_url=configuration.proxy,
        trust_env=False,
        expiration=None
        if credentials.expires is None
        else credentials.expires.astimezone(UTC) - _EXPIRY_MARGIN,
    )


def _kubeconfig(environ: Mapping[str, str]) -> str:
    """Return the files of KUBECONFIG, or the default.

    Raises ClusterCredentialsError if none exists.
    """
    named = environ.get("KUBECONFIG") or str(Path(DEFAULT_KUBECONFIG).expanduser())
    if not any(Path(each).expanduser().exists() for each in named.split(os.pathsep) if each):
        raise ClusterCredentialsError(
            "no API server is configured: run in a pod with a service account, or set KUBECONFIG"
        )
    return named
