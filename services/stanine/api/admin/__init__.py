"""Administration of queues and settings. Used by the operators' routes."""
