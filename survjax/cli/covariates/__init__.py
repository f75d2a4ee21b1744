"""`survjax fit --covariates`: columns of covariates, their effects, and what they are worth."""
