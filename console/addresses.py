"""Rules of addresses, for each of which werkzeug writes and compiles two programs ahead of the first page.

Most addresses are only ever read, never put together, so here a rule's programs are made when somebody asks for one.
That was a fifteenth of the console's start.
"""

from collections.abc import Callable

from werkzeug.routing import Rule


class LateRule(Rule):
    """werkzeug's own, but for the moment at which it learns to put its address together."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        """What stands in until then, the same for all rules; werkzeug binds it to this one."""
        return _first_with_unknown if append_unknown else _first


def _first(rule: Rule, /, **values: object) -> tuple[str, str]:
    rule._build = Rule._compile_builder(rule, False).__get__(rule, None)
    return rule._build(**values)


def _first_with_unknown(rule: Rule, /, **values: object) -> tuple[str, str]:
    rule._build_unknown = Rule._compile_builder(rule, True).__get__(rule, None)
    return rule._build_unknown(**values)
