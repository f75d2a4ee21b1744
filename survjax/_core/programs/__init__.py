"""Compiled programs that are kept from one process to the next."""

from survjax._core.programs.compiled import Program, clear_programs, program

__all__ = ["Program", "clear_programs", "program"]
