"""What a template may contain, and how its mistakes are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.message import TemplateError, Use, compile_template


def test_it_lists_variables_with_kind_and_position() -> None:
    template = compile_template("Hi {customer.name}: {points, plural, one {# point} other {# points}}")
    assert template.variables == {"customer.name", "points"}
    assert template.uses == (Use("customer.name", "text", 3), Use("points", "plural", 20))


def test_it_lists_variables_inside_options() -> None:
    template = compile_template("{a, select, none {} other {{b, date} {c, plural, other {{d}}}}}")
    assert template.variables == {"a", "b", "c", "d"}


def test_it_compares_templates_by_their_source() -> None:
    assert compile_template("Hi {name}") == compile_template("Hi {name}")
    assert hash(compile_template("Hi {name}")) == hash(compile_template("Hi {name}"))
    assert compile_template("Hi {name}") != compile_template("Hi {names}")


@pytest.mark.parametrize(
    ("source", "says", "position"),
    [
        ("Hi {name", "the text ends", 8),
        ("Hi } there", 'unexpected "}"', 3),
        ("Hi {name, nmber}", "unknown type 'nmber'", 3),
        ("{points, plural, one {#}}", "plural needs an option `other`", 24),
        ("{points, plural, single {#} other {#}}", "'single' is not an option", 0),
        ("{day, date, endless}", "unknown style 'endless'", 0),
        ("{points, number, percent}", "unknown style 'percent'", 0),
        ("{0} points", "'0' is not a variable's name", 0),
        ("{first-name}", "'first-name' is not a variable's name", 0),
        ("{name.__class__.x()}", "is not a variable's name", 0),
        ("Reply '{word}' now", "an apostrophe right before a brace", 6),
        ("x" * 1601, "1601 characters", 1600),
    ],
)
def test_it_names_mistakes_and_where_they_are(source: str, says: str, position: int) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(source)
    assert says in caught.value.message
    assert caught.value.position == position


def test_it_reads_apostrophes_as_people_write_them() -> None:
    assert compile_template("It's Ana's, don't worry").parts == ("It's Ana's, don't worry",)


@given(st.text(st.sampled_from("{}#',=ab0. \náoneothrplusc:"), max_size=60) | st.text(max_size=60))
def test_it_compiles_or_complains_within_the_text(source: str) -> None:
    """No source crashes the parser; a complaint's position lies in the text."""
    complaint = None
    try:
        assert compile_template(source).source == source
    except TemplateError as error:
        complaint = error
    if complaint is not None:
        assert 0 <= complaint.position <= len(source)
        assert complaint.message


def test_it_refuses_endless_nesting() -> None:
    source = "{a, select, other {" * 200 + "x" + "}}" * 200
    with pytest.raises(TemplateError, match="too much recursion"):
        compile_template(source)
