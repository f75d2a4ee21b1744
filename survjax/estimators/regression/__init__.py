"""Estimators of lifetimes with covariates."""
