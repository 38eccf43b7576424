"""``{% provided CONDITION %}…{% endprovided %}``: text that is true only while the condition holds.

Jinja's own ``if`` would drop the text without a word.
"""

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser


class Provided(Extension):
    """Calls the template's function ``provided`` with the condition's value and what the functions in it gave."""

    tags = {"provided"}  # noqa: RUF012 Jinja types it as an attribute of the instance

    def parse(self, parser: Parser) -> nodes.Node:
        """The block as a call of ``provided`` around its text."""
        line = next(parser.stream).lineno
        condition = parser.parse_expression()
        text = parser.parse_statements(("name:endprovided",), drop_needle=True)
        asked = nodes.List([condition]).find_all(nodes.Call)
        values = nodes.Dict([nodes.Pair(_asked_for(call), call) for call in asked if call.args])
        arguments = [nodes.Const(line), condition, values]
        call = nodes.Call(nodes.Name("provided", "load"), arguments, [], None, None)
        return nodes.CallBlock(call, [], [], text).set_lineno(line)


def _asked_for(call: nodes.Call) -> nodes.Expr:
    """What a function was asked for, with every argument: a claim is asked for under several definitions."""
    first, *more = call.args
    return (
        nodes.Concat([first, *(part for argument in more for part in (nodes.Const(", "), argument))]) if more else first
    )
