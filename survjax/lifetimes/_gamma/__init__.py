"""Lifetimes whose power is a gamma variable: the gamma and the generalized gamma."""
