"""Which model, and is it any good: residuals, tests of nested fits, goodness of fit."""
