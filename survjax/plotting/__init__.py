"""Pictures of data, fits and iterations, drawn with matplotlib."""

from survjax.plotting._animation import animate

__all__ = ["animate"]
