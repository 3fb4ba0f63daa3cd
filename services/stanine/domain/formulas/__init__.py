"""Formulas and conditions (DESIGN 4.1, Formulas).

A text is checked once, at publication, and evaluated as a tree of records:

    lexing, parsing   text → syntax with positions; the limits are checked first
    names             meaning of the names in a text: the argument that connects this package with a document
    tree_building     syntax + names → the tree, with its types checked
    checking          syntax + names → Formula or Condition, or every error with its position
    tree              the checked tree: frozen records without positions, part of a scoring plan and of a form's structure
    columns, vectors  inputs of a batch, and operations on them (NumPy; only for evaluation)
    evaluation        a Formula over a batch of attempts (NumPy; not for the API or the operator)
    conditions        a Condition (`when`) for one attempt (no NumPy)
    bounds            lowest and highest value of a Formula
    dependencies      the order in which scales are computed, or their cycles

No text is ever executed: there is no `eval`, no attribute access, no call except of the functions in
`lexing.FUNCTIONS`.
"""
