"""How a regression is fitted: starts, climbs, what a maximum must meet; mixtures of regressions."""
