"""Access to the Kubernetes API server: credentials, client, requests, removal of the operator."""
