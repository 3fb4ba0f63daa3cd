"""Files and terminal: CSV, NDJSON, Parquet, manifests and tables."""
