"""What Stanine is compared with: one file per peer, each a program of its own that does the same work in its own documented fast way.

`roster.py` says how each is started, `work.py` and `work.mjs` are the work itself, `submitter.py` and `submitter.mjs` obey compare.py.
"""
