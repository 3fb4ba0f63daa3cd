"""Scoring: plans compiled from instruments, the kernel that runs them on batches, and results."""
