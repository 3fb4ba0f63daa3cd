"""Statistics from data: reliability of scales, norms, and the moments they are computed from."""
