"""Scoring: the plan compiled from an instrument, the kernel that applies it to a batch, and its results."""
