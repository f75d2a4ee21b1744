"""Which column an option names: each is asked for one thing."""

from __future__ import annotations

from survjax.cli._text import Refused, quoted

#: Options that may name one column: failures at known ages, units seen from new.
TOGETHER = (["--lower", "--upper"], ["--start", "--entry"])


def one_role_each(roles: dict[str, str]) -> dict[str, str]:
    """Role to column, unless a column is named for two things; a name of units may be any."""
    for column in roles.values():
        options = [f"--{role}" for role in roles if roles[role] == column and role != "id"]
        if len(options) > 1 and options not in TOGETHER:
            named = " and ".join(options).replace("_", "-")
            raise Refused(f"column {quoted(column)} is both {named}: name a column for each")
    return roles
