"""Records of the values of charts/stanine, and the files generated from them.

`python -m charts.values_model` writes values.schema.json, files/texts.yaml and the README's table;
tests/chart/test_values.py verifies them. Defaults and descriptions are in values.yaml.
"""
