"""Fits that end at an edge: of the family, where the likelihood climbs to it, or of the user's."""
