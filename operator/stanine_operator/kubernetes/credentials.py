"""As whom the operator speaks to the API server: the pod's service account, else the kubeconfig. One way for kopf and for cluster.py.

kubernetes.aio reads both, so a kubeconfig may name a plugin that fetches credentials (`exec`, as for the clouds' clusters).
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

#: It tells no types.
_config: Any = kube_config
#: Where a pod has its service account.
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
#: The kubeconfig where KUBECONFIG names none.
DEFAULT_KUBECONFIG = "~/.kube/config"
#: Where kubernetes.aio keeps the value of the header Authorization.
_TOKEN = "BearerToken"  # noqa: S105 - the name of a field
#: A plugin's credentials are fetched again so long before they end.
_EXPIRY_MARGIN = timedelta(seconds=90)


class ClusterCredentialsError(Exception):
    """There are no credentials for an API server."""


@dataclass(frozen=True)
class ClusterCredentials:
    """Address and credentials as they were when they were read."""

    configuration: Configuration
    #: The namespace of the pod, or of the kubeconfig's context.
    namespace: str | None = None
    #: Whether a plugin fetched them: it need not run again as long as they are taken.
    fetched: bool = False
    #: When a plugin's credentials end, if it said so.
    expires: datetime | None = None

    def lasts(self, now: datetime) -> bool:
        """Tell whether there is no reason to read them again: files may have changed, a plugin's credentials end when it says."""
        return self.fetched and (self.expires is None or now < self.expires - _EXPIRY_MARGIN)

    @property
    def authorization(self) -> str:
        """The header's value; empty where a certificate or nothing is used."""
        return str(self.configuration.api_key.get(_TOKEN, ""))


async def load_credentials(environ: Mapping[str, str] = os.environ) -> ClusterCredentials:
    """Read address and credentials: files are read and a plugin is run each time. Raises LoginError."""
    configuration = Configuration()
    # As for kopf's watches: a proxy is what the kubeconfig names, never what the environment does.
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
    fetched = "exec" in (loader._user or ())  # noqa: SLF001 - nothing public tells
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


def connection_info(login: ClusterCredentials) -> kopf.ConnectionInfo:
    """Return the same for kopf's watches."""
    configuration = login.configuration
    scheme, _, token = login.authorization.partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        scheme=scheme or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        default_namespace=login.namespace,
        proxy_url=configuration.proxy,
        trust_env=False,
        expiration=None
        if login.expires is None
        else login.expires.astimezone(UTC) - _EXPIRY_MARGIN,
    )


def _kubeconfig(environ: Mapping[str, str]) -> str:
    """Return the files that KUBECONFIG names, or the usual one. Raises LoginError if there is none of them."""
    named = environ.get("KUBECONFIG") or str(Path(DEFAULT_KUBECONFIG).expanduser())
    if not any(Path(each).expanduser().exists() for each in named.split(os.pathsep) if each):
        raise ClusterCredentialsError(
            "there is no API server to speak to: run in a pod with a service account, or set KUBECONFIG"
        )
    return named
