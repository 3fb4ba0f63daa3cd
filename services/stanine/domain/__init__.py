"""The domain: instruments, attempts, scores. Pure functions over frozen records.

No clock, environment, log or I/O.

Data flow: `document` reads a text; `instrument` checks it and returns a record; `scoring` compiles the scoring plan;
`index` packs the index entry, which is served and scored from; `response` reads attempts and packs answers; `kernel`
scores a batch (the only user of NumPy); `result` reads scores.
"""
