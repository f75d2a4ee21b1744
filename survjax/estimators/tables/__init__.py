"""Tables of users made ready for a fit: dates become ages, readings become rows of covariates."""
