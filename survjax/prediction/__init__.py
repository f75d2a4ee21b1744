"""What follows from a fit: curves, remaining lives, prediction intervals, paths of covariates."""
