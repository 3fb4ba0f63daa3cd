"""Formulas that are refused: each error at its position, the limits before all else, and what is known to break out of sandboxes."""

import subprocess
import sys

import msgspec
import pytest

from stanine.domain.errors import Faults
from stanine.domain.formulas.checking import check_condition, check_formula
from stanine.domain.formulas.names import Named, Names
from stanine.domain.formulas.tree import Reference
from stanine.domain.formulas.tree_building import Allowance

from .formula_engine import checked, errors
from .formula_generator import NAMES


@pytest.mark.parametrize(
    ("text", "position", "about"),
    [
        ("", 1, "empty"),
        ("   ", 1, "empty"),
        ("1 +", 4, "ends"),
        ("p1 < p2 < p3", 9, "not chained"),
        ("count(p1 == p2 == 1)", 16, "not chained"),
        ("count(p1 > 1, p2 > 1)", 13, "once"),
        ("count(p1, p2)", 13, "comparison"),
        ("p1 = 1", 4, "write =="),
        ("p1 && p2", 4, "write `and`"),
        ('"a" == c1', 1, "single quotes"),
        ("c1 == 'a", 7, "closing quote"),
        ("p1 p2", 4, "operator is missing"),
        ("(p1", 4, "not closed"),
        ("p1)", 3, "cannot follow"),
        ("p1 + zz", 6, 'nothing named "zz"'),
        ("p11", 1, 'did you mean "p1"?'),
        ("Sum(p1)", 1, "no function"),
        ("p1(2)", 1, "no function"),
        ("min + 1", 1, "is a function"),
        ("sum()", 5, "needs a list"),
        ("if(p1, p2)", 10, "three arguments"),
        ("if(p1, p2, p3, p4)", 14, "three arguments"),
        ("abs(p1, p2)", 7, "one argument"),
        ("round(p1)", 9, "a mode"),
        ("round(p1, Nearest)", 11, "HalfUp"),
        ("round(p1, 'Up')", 11, "without quotes"),
        ("round(p1, Up, 10)", 15, "0 to 9"),
        ("round(p1, Up, p1)", 15, "0 to 9"),
        ("lookup(p1, dull)", 12, "has no lookup"),
        ("lookup(p1, p2)", 12, "no scale"),
        ("lookup(p1, 'mood')", 12, "without quotes"),
        ("mood.raw", 1, "write mood"),
        ("mood.z", 1, "score, t"),
        ("p1.a", 1, "no options"),
        ("m1.c", 1, "it has a, b"),
        ("p1 + m1", 6, "m1.a"),
        ("note == 'x'", 1, "answered(note)"),
        ("c1 + 1", 1, "only be compared"),
        ("c1", 1, "only be compared"),
        ("'a'", 1, "only be compared"),
        ("if(p1, 'a', 'b') == c1", 8, "only be compared"),
        ("c1 < 'a'", 4, "== or !="),
        ("c1 == 1", 4, "never equal"),
        ("p1 == 'a'", 4, "never equal"),
        ("p3 == 'na'", 4, "never equal"),
        ("c1 == 'z'", 7, 'never "z"'),
        ("sex == 'femal'", 8, 'never "femal"'),
        ("count(c1, p1 == 'a')", 14, "never equal"),
        ("p1..p2", 3, "cannot follow"),
        ("sum((p1..p2))", 8, "list"),
        ("sum(p3..p1)", 5, "exchange"),
        ("sum(p1..years)", 9, "no item"),
        ("sum(p1..zz)", 9, "nothing named"),
        ("sum(p1..m1)", 5, '"c1"'),
        ("answered(years)", 10, "no item"),
        ("answered(m1.a)", 10, "no item"),
        ("answered(p1 + 1)", 10, "counts items"),
        ("p1 == not p2", 7, "brackets"),
        ("1.2.3", 1, "one point"),
        ("1e5", 1, "one point"),
        ("p1 ** 2", 5, "a number, a name"),
        ("p1 ^ 2", 4, "no powers"),
        ("p1 % 2", 4, "no meaning"),
        ("p1 + \u0660", 6, "no meaning"),
        ("p1 +\u00a01", 5, "U+00A0"),
        ("9" * 400, 1, "too large"),
        ("null()", 5, "cannot follow"),
        ("x1 > 1", 4, "== or !="),
    ],
)
def test_an_error_is_at_its_position(text: str, position: int, about: str) -> None:
    (first, *_) = errors(text)
    assert first.startswith(f"character {position}: "), first
    assert about in first, first


def test_all_names_in_error_are_told_at_once_with_their_lines() -> None:
    found = errors("p1 + aa\n + sum(bb,\n  c1)")
    assert [one.partition(":")[0] for one in found] == [
        "line 1, character 6",
        "line 2, character 8",
        "line 3, character 3",
    ]


def test_limits_hold_before_parsing() -> None:
    assert checked("1" + "+1" * 2_047).tree
    assert "4096 are allowed" in errors("1" + "+1" * 2_048)[0]
    assert checked("(" * 32 + "p1" + ")" * 32).tree == Reference("p1")
    assert errors("(" * 33 + "p1" + ")" * 33)[0].startswith("character 33: ")
    assert errors("(" * 4_096)[0].startswith("character 33: ")
    assert errors("(" * 10_000_000)[0].startswith("character 4097: ")
    assert checked("c1 == 'a' or " + "(" * 32 + "p1" + ")" * 32 + " == 1").tree, (
        "brackets in a text are text"
    )


def test_ranges_cannot_be_written_out_to_more_than_scoring_can_bear() -> None:
    many = Names(items={f"i{place}": Named("Number") for place in range(2_000)})
    assert "at most 20000" in errors("sum(" + ",".join(["i0..i1999"] * 400) + ")", many)[0]
    nested = "1"
    for _ in range(30):
        nested = f"count(i0..i1999 >= {nested})"
    assert "at most 20000" in errors(nested, many)[0]
    assert (
        len(msgspec.msgpack.encode(checked("count(i0..i1999 >= sum(i0..i1999))", many))) < 200_000
    )


def test_the_formulas_of_a_document_share_one_allowance() -> None:
    allowance, faults = Allowance(10), Faults()
    assert check_formula("sum(p1..p4) + p1", NAMES, "one", faults, allowance)
    assert check_condition("sum(p1..p4) > 1", NAMES, "two", faults, allowance)
    assert check_formula("sum(p1..p4)", NAMES, "three", faults, allowance) is None
    assert check_formula("sum(p1..p2)", NAMES, "four", faults, allowance) is None
    assert check_formula("sum(p1, p2)", NAMES, "five", faults, allowance)
    assert [(fault.place, fault.code) for fault in faults.kept] == [
        ("three", "TooMany"),
        ("four", "TooMany"),
    ]


def test_a_thousand_unknown_names_are_not_each_compared_with_all_known_ones() -> None:
    many = Names(items={f"item_number_{place}": Named("Number") for place in range(2_000)})
    found = errors("+".join(f"item_{place}" for place in range(300)), many)
    assert len(found) == 100
    assert sum("did you mean" in one for one in found) == 10


def test_checks_and_conditions_do_not_load_numpy() -> None:
    modules = ["checking", "conditions", "bounds", "dependencies", "names", "tree"]
    code = (
        "import sys\n"
        + "".join(f"import stanine.domain.formulas.{one}\n" for one in modules)
        + "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


#: Ways out of sandboxes of other languages, as they are known for eval, templates and expression engines.
ESCAPES = """
__import__('os').system('id')
().__class__.__bases__[0].__subclasses__()
p1.__class__
p1.__init__.__globals__['os']
[].__class__
{}.__class__.__mro__
lambda: 0
(lambda: p1)()
[x for x in (1,2)]
{{7*7}}
${7*7}
#{7*7}
<%= 7 * 7 %>
f'{p1}'
'%s' % p1
'{0.__class__}'.format(p1)
p1 if p1 else p2
p1 := 1
p1; p2
import os
exec('1')
eval('p1')
getattr(p1, 'real')
open('/etc/passwd')
globals()
vars()
breakpoint()
compile('1', '', 'eval')
min.__self__
sum.__call__(p1)
abs.__self__
p1.real
p1.to_bytes(1)
m1.__len__
mood.__dict__
answered.__doc__
p1[0]
p1{0}
p1 is p2
p1 in p2
not in
p1 @ p2
p1 // 2
p1 >> 1
p1 | p2
~p1
*p1
**p1
`id`
$(id)
\\x41
'\\'
''.join(p1)
1_000
0x10
1j
1if 1else 2
0o7
1.e5
p1\x00
p1\x1b
\uff501
p\uff11
\u017fum(p1)
\u202ep1
True
None
nan
inf
NaN
Infinity
null.x
and
or or or
,
..
...
p1...p2
p1..p2..p3
constructor.constructor('return 1')()
this
require('fs')
process.exit()
T(java.lang.Runtime)
@java.lang.Runtime@getRuntime()
#root
SELECT 1
1; DROP TABLE x
=1+1
@SUM(A1)
""".strip().splitlines()


@pytest.mark.parametrize("text", ESCAPES)
def test_known_sandbox_escapes_are_no_formulas(text: str) -> None:
    assert errors(text)
