"""Compiled programs that are kept from one process to the next."""

from survjax._core.programs.compiled import Program, clear_programs, program
from survjax._core.programs.executables import without_drafts

__all__ = ["Program", "clear_programs", "program", "without_drafts"]
