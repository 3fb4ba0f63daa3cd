"""Statistics of response data: reliability of scales, norms, and the moments they are based on."""
