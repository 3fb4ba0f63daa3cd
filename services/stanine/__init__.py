"""Stanine: a Kubernetes-native backend that runs psychometric assessments (DESIGN and README say how)."""
