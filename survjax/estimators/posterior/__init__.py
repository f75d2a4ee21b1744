"""Posterior draws for people: tables, predictions and pictures."""
