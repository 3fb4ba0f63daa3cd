"""Formulas and conditions (DESIGN 4.1, Formulas): a text is checked once, when it is published, and evaluated as a tree of our own.

    lexing, parsing   text → syntax with positions; the limits are checked first
    names             what the names in a text mean: the argument that connects this package with a document
    checking          syntax + names → Formula or Condition, or every error with its position
    tree              the checked tree: frozen records without positions, part of a scoring plan and of a form's structure
    evaluation        a Formula over a batch of attempts (NumPy; not for the API or the operator)
    conditions        a Condition (`when`) for one attempt (no NumPy)
    bounds            between which numbers a Formula can lie
    dependencies      the order in which scales are computed, or the cycles among them

No text is ever executed: there is no `eval`, no attribute access, no call of anything but the functions listed in `lexing.FUNCTIONS`.
"""
