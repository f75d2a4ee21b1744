"""Fits that go on from an earlier one with more rows."""
