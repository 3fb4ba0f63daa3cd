"""Redis access shared by store and broker: clients, function libraries, error classification.

Does not depend on records or queues.
"""
