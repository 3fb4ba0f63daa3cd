"""The controller: resource cache, work queue, reconciler, conditions, status and events."""
