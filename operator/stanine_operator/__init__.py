"""The operator of `stanine.dev/v1alpha1`: RedisConfig, Queue and Instrument resources."""
