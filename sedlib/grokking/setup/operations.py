"""The operations modulo p that a run can learn. A new one is a line here.

A run depends on the lines of its own operations alone (fingerprint.py): a new line retrains nothing.
"""

from sedlib.grokking.setup.operation import Operation

OPERATIONS = {
    "add": Operation("a + b", lambda a, b: a + b),
    "sub": Operation("a − b", lambda a, b: a - b),
    "mul": Operation("a · b", lambda a, b: a * b, nonzero=True, multiplicative=True),
    "sq": Operation("a² + b²", lambda a, b: a * a + b * b),
    "quad": Operation("a² + ab + b²", lambda a, b: a * a + a * b + b * b),
    "cubic": Operation("a³ + ab", lambda a, b: a * a * a + a * b),
}
