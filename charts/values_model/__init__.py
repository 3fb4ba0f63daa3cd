"""The values of charts/stanine as records, and what is made from them: values.schema.json, files/texts.yaml, the README's table.

`python -m charts.values_model` writes them; tests/chart/test_values.py holds the files to it. Defaults and descriptions are in values.yaml.
"""
