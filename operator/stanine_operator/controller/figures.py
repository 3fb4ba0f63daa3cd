"""Rounded figures for the status of a resource. Called by `queues.desired` and `redis_configs.memory`."""

#: Significant digits of figures in a status: every write is delivered to all watchers, and exact figures are in the
#: metrics.
DIGITS = 2


def round_figure(value: float) -> int:
    """Return a figure with two significant digits, 0 or more: 1,100,856 bytes are 1,100,000."""
    whole = max(0, round(value))
    unit = int(10 ** max(0, len(str(whole)) - DIGITS))
    return (whole + unit // 2) // unit * unit
