"""How well a fit knows what follows from it: delta method, profiles, bootstrap, several maxima."""
