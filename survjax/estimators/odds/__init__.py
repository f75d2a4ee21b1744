"""The estimator of proportional odds."""
