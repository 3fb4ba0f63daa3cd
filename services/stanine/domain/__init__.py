"""What Stanine means: instruments, attempts, scores. Pure functions over frozen records; no clock, environment, log or I/O.

The way through it: `document` reads a text, `instrument` makes it a checked record, `scoring` compiles how it is scored, `index` packs
what is served and scored from, `response` reads attempts and packs answers, `kernel` scores a batch (the only user of NumPy), `result`
reads scores.
"""
