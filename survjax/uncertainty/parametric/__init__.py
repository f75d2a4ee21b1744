"""The parametric bootstrap: what a statistic would be if a fitted model were the truth."""
