"""As whom the operator speaks to the API server: the pod's service account, else the kubeconfig. One way for kopf and for cluster.py."""

import kopf


class LoginError(Exception):
    """There are no credentials for an API server."""


def log_in(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Return address and credentials as they are now: the files are read each time. Raises LoginError."""
    try:
        found = kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(settings=settings)
    except (OSError, LookupError, ValueError, kopf.LoginError) as error:
        raise LoginError(f"the kubeconfig cannot be used ({type(error).__name__}): see KUBECONFIG") from error
    if found is None:
        raise LoginError("there is no API server to speak to: run in a pod with a service account, or set KUBECONFIG")
    return found
