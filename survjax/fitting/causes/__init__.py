"""Fits of several causes that the data do not tell apart everywhere."""
