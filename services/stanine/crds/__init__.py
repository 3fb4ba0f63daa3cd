"""The custom resources of `stanine.dev/v1alpha1` as records: what `kubectl apply` sends, and the rules between its fields.

The operator reconciles them, `stanine validate` checks them, and the CRDs are made from them. No I/O but in `crds`, which writes files.
"""
