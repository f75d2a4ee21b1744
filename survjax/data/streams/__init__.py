"""Rows that are read in batches: sources that can be read again, and checked columns of them."""
