"""Fits to rows that are read anew for each look at all of them."""
