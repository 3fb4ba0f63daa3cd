"""The runtime configuration in Redis: settings, their revisions and history, and the two layouts they may lie in.

`settings` says what can be set, `reading` is how services follow it, `changes` how it is changed (operator, API); `string_layout` reads
and writes the older layout, one JSON text. docs/configuration.md tells users the same.
"""
