"""The values of charts/stanine as records, and what is made from them: values.schema.json and the table in the chart's README.

`python -m charts.values_model` writes both; tests/chart/test_values.py holds the files to it. Defaults and descriptions are in values.yaml.
"""
