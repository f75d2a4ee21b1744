"""What models with covariates say of each asset."""
