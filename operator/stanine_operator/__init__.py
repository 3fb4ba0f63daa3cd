"""The kopf operator of `stanine.dev/v1alpha1`: Redis configuration, queues and instruments as custom resources."""
