"""Firth's penalty on the partial likelihood."""
