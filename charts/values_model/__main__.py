"""Write values.schema.json, files/texts.yaml and the README's table.

`python -m charts.values_model`.
"""

from pathlib import Path

from charts.values_model.making import make_files

for path, text in make_files(Path()).items():
    path.write_text(text)
