"""The processes of `up` and `demo` on one machine."""
