"""The peers of the comparison: one program per file, the same work in each peer's fast way.

The fast way is the one that a peer documents. `roster.py` has the command lines, `work.py` and `work.mjs` the work;
`submitter.py` and `submitter.mjs` execute the orders of compare.py.
"""
