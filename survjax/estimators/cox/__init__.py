"""Cox's model as an estimator."""
