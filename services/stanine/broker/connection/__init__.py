"""What everything that speaks to Redis shares: how clients are made, how Redis Function libraries are called, what can go wrong.

The store and the broker stand on this; it knows neither records nor queues.
"""
