"""Administration of queues and settings; used by the routes for operators."""
