# Copyright: (c) 2026, the pyweb.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which directive of nginx refuses a plain GET of any client."""

from __future__ import annotations

from collections.abc import Sequence

from .dump import Directive


def rules(chain: Sequence[Directive]) -> list[Directive]:
    """Return the allow and deny that apply to a GET, in order: a level that has any inherits none."""
    if chain:
        for limit in chain[-1].all("limit_except"):
            # GET includes HEAD.
            if "GET" not in limit.args and (found := _rules(limit)):
                return found
    for block in reversed(chain):
        if found := _rules(block):
            return found
    return []


def refusing(chain: Sequence[Directive]) -> Directive | None:
    """Return what refuses every client: `internal`, a `return` of the location itself, a `deny all` without `allow`."""
    if not chain:
        return None
    for hidden in chain[-1].all("internal"):
        return hidden
    for given in chain[-1].all("return"):
        if given.args and given.args[0] in ("403", "404", "410", "444"):
            return given
    found = rules(chain)
    return found[0] if found and found[0].name == "deny" and found[0].args == ["all"] else None


def _rules(block: Directive) -> list[Directive]:
    return [one for one in block.block or [] if one.name in ("allow", "deny") and one.args]
