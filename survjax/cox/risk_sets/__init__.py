"""Rows sorted once, with the risk sets of a proportional-hazards model as ranges of them."""
