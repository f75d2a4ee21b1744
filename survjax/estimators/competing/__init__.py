"""Estimators of several causes that may end a unit."""
