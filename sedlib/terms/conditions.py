"""The conditions of an intervention, listed once, here: another one is a line.

A condition's name says all that it is, so this list is no part of the code that a cell depends on: a new line trains no
cell again. No code parses a name.
"""

from sedlib.terms.condition import CONTROL, FREEZE, KEEP_EXECUTION, KICK, PROJECTIONS, Condition, Intervention

CONDITIONS = {
    condition.name: condition
    for condition in (
        CONTROL,
        KICK,
        Condition("remove", "sed", "applied"),
        Condition("remove", "sed", "raw"),
        Condition("keep", "sed", "applied"),
        Condition("keep", "sed", "raw"),
        Condition("remove", "random"),
        Condition("keep", "random"),
        Condition("keep", "fixed-random"),
        KEEP_EXECUTION,
        FREEZE,
    )
}
"""By name."""
INTERVENTIONS = {
    found.name: found
    for found in (
        *(Intervention(condition, None) for condition in CONDITIONS.values() if not condition.is_projected),
        *(
            Intervention(condition, projection)
            for projection in PROJECTIONS
            for condition in CONDITIONS.values()
            if condition.is_projected
        ),
    )
}
"""By name."""
