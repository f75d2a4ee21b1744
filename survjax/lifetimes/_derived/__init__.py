"""What follows from a hazard: its inverse, mean lives, members with given quantiles."""
