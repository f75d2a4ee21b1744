"""Neural networks with the same fit and predict as the other baselines."""
