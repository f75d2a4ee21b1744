"""What a file holds of an estimator, and how it is read."""
