"""The Kubernetes API: client, credentials, and the hook before an uninstall."""
