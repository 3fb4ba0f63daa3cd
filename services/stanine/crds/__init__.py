"""Records and rules of the custom resources of `stanine.dev/v1alpha1`.

The operator reconciles them, `stanine validate` checks them, and the CRDs are generated from them. Only `generate`
does I/O: it writes the CRDs.
"""
