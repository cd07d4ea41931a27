"""What customers read: values written into templates, and which wording is chosen."""

from __future__ import annotations

import timeit
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.definition import Place, Text, TextCase
from bot.engine.guards import Ask
from bot.engine.message import (
    Formats,
    MessageTooLong,
    Rendered,
    choose,
    compile_template,
    measure,
    render,
    utf16_units,
    worst_case,
)

SHOP = Formats("USD", "America/New_York")
GREETING = "Hi{customer.name, select, none {} other {, {customer.name}}}!"
LANGUAGES = ["en", "es", "fr", "de", "pt", "ar", "pl", "ja", "xx", "", "en-GB", "not a language"]


def say(source: str, language: str = "en", formats: Formats = SHOP, /, **values: Any) -> str:
    named = {name.replace("__", "."): value for name, value in values.items()}
    return render(compile_template(source), named, language, formats)


@pytest.mark.parametrize(
    ("source", "language", "value", "text"),
    [
        ("{x, plural, one {# point} other {# points}}", "en", 1, "1 point"),
        ("{x, plural, one {# point} other {# points}}", "en", 12000, "12,000 points"),
        ("{x, plural, =0 {nothing} one {#} other {many}}", "en", 0, "nothing"),
        ("{x, plural, one {#} few {# few} many {# many} other {# other}}", "pl", 3, "3 few"),
        ("{x, plural, one {#} few {# few} many {# many} other {# other}}", "pl", 25, "25 many"),
        ("{x, plural, offset:1 =1 {you} one {you and # other} other {you and # others}}", "en", 3, "you and 2 others"),
        ("{x, selectordinal, one {#st} two {#nd} few {#rd} other {#th}}", "en", 22, "22nd"),
        ("{x, select, gold {rich} other {fine}}", "en", "gold", "rich"),
        ("{x, select, gold {rich} other {fine}}", "en", "tin", "fine"),
        ("{x, points}", "en", 1, "1 point"),
        ("{x, points}", "en", 120, "120 points"),
        ("{x, points}", "es", 1, "1 punto"),
        ("{x, points}", "es", 120, "120 puntos"),
        ("{x, points}", "fr", 0, "0 point"),
        ("{x, number}", "en", 1234567, "1,234,567"),
        ("{x, number}", "fr", 1234, "1 234"),
        ("{x, number}", "en", -50, "-50"),
        ("{x, number}", "en", "42", "42"),
        ("{x, number}", "en", Decimal("4.50"), "4.5"),
        ("{x}", "en", 4.0, "4"),
        ("{x, money}", "en", 450, "$4.50"),
        ("{x, money}", "es", 123450, "$1,234.50"),
        ("{x, date}", "en", date(2026, 11, 29), "Nov 29"),
        ("{x, date}", "es", date(2026, 11, 29), "29 nov"),
        ("{x, date}", "en", "2026-11-29", "Nov 29"),
        ("{x, date, medium}", "en", date(2026, 11, 29), "Nov 29, 2026"),
        ("{x, date, weekday}", "en", date(2026, 11, 29), "Sun, Nov 29"),
        ("{x}", "en", date(2026, 11, 29), "Nov 29"),
        ("{x, time}", "en", "15:05", "3:05 PM"),
        ("{x, time}", "en", datetime(2026, 7, 1, 19, 5, tzinfo=UTC), "3:05 PM"),
        ("{x, list}", "en", ("Free latte", "Cookie"), "1 Free latte\n2 Cookie"),
        ("{x}", "en", ("Free latte", "Cookie"), "1 Free latte\n2 Cookie"),
        ("{x, date}", "en", "soon", "soon"),
        ("{x, number}", "en", "many", "many"),
    ],
)
def test_it_writes_values_in_the_language(source: str, language: str, value: Any, text: str) -> None:
    assert say(source, language, x=value) == text


def test_it_takes_moments_in_the_shops_zone() -> None:
    """Two in the morning in London is still yesterday evening in New York."""
    assert say("{x, date}", x=datetime(2026, 11, 29, 2, tzinfo=UTC)) == "Nov 28"


def test_it_speaks_the_language_of_the_place() -> None:
    london, zurich = Formats("GBP", "Europe/London"), Formats("CHF", "Europe/Zurich")
    assert say("{x, money} {d, date}", "en", london, x=450, d=date(2026, 11, 29)) == "£4.50 29 Nov"
    assert measure(say("{x, number} {x, money}", "de", zurich, x=1234567)).encoding == "GSM-7"


def test_it_knows_currencies_without_minor_units() -> None:
    assert say("{x, money}", "en", Formats("JPY", "Asia/Tokyo"), x=450) in ("¥450", "JP¥450")


@pytest.mark.parametrize("missing", [None, ""])
def test_it_takes_the_option_none_for_a_missing_value(missing: Any) -> None:
    assert say(GREETING, customer__name=missing) == "Hi!"
    assert say(GREETING) == "Hi!"
    assert say(GREETING, customer__name="Ana") == "Hi, Ana!"
    assert say("{x, select, none {no rewards} other {{x, list}}}", x=()) == "no rewards"


@pytest.mark.parametrize("kind", ["", ", number", ", points", ", money", ", date", ", time", ", list"])
def test_it_writes_nothing_for_a_missing_value(kind: str) -> None:
    assert say(f"a{{x{kind}}}b") == "ab"
    assert say("a{x, plural, one {#} other {#}}b") == "ab"


@given(st.text(max_size=200) | st.text(st.sampled_from("{}#'|\\<%$name.,pluralselect"), max_size=60))
def test_it_never_reads_a_value_as_a_template(name: str) -> None:
    """Whatever customers call themselves, braces included, is written out and nothing else."""
    rendered = say("<{customer.name}|{secret}>", customer__name=name, secret="s")
    inside = rendered.removeprefix("<").removesuffix("|s>")
    if name.isprintable() and len(name) <= 100:
        assert inside == name.strip()


@given(st.text(st.characters(), max_size=200))
def test_it_writes_a_value_on_one_line_that_can_be_stored(name: str) -> None:
    """No line ends, control characters, direction overrides or half characters come through."""
    rendered = say("{customer.name}", customer__name=name)
    assert not set(rendered) & set("\n\r\t\x00\x07\x1b\x85\u2028\u2029\u202e\u2066")
    rendered.encode("utf-8")
    assert len(rendered) <= 100


def test_it_turns_lines_in_values_into_spaces() -> None:
    assert say("Hi {x}.", x="Ana\r\n\x07STOP\u202eevil") == "Hi Ana STOPevil."


def test_it_keeps_the_lines_of_texts_rendered_before() -> None:
    assert say("{question}", question=Rendered("Which?\n1 Latte\n2 Tea")) == "Which?\n1 Latte\n2 Tea"


def test_it_shows_a_consent_wording_whole() -> None:
    """What the customer consents to is what is recorded: no cut, no lost line, rather no message at all."""
    wording = "Terms:\n" + "x" * 1500
    assert say("{wording.join} {note}", wording__join=wording, note="y" * 600) == wording + " " + "y" * 77 + "..."
    with pytest.raises(MessageTooLong):
        say("{wording.join}", wording__join="x" * 1601)


def test_it_cuts_long_values() -> None:
    assert say("{customer.name}", customer__name="x" * 500) == "x" * 97 + "..."
    assert len(say("{note}", note="x" * 5000)) == 640


def test_it_cuts_values_further_rather_than_exceed_a_message() -> None:
    """The fixed words stay whole; values give way."""
    text = say("{a} {b} {c} {d} end of the text", a="x" * 999, b="y" * 999, c="z" * 999, d="ok")
    assert text.endswith("ok end of the text")
    assert utf16_units(text) <= 1600


def test_it_refuses_a_text_that_cannot_be_made_short_enough() -> None:
    with pytest.raises(MessageTooLong):
        say("x" * 1595 + "{a}", a="abcdefghijklmnop")


@given(st.integers() | st.floats() | st.decimals() | st.text() | st.booleans() | st.dates() | st.lists(st.text()))
def test_it_never_fails_on_an_odd_value(value: Any) -> None:
    """Whatever stands in a slot, every type writes something, of at most 1600 units."""
    for kind in ("", ", number", ", points", ", money", ", date", ", time", ", list"):
        try:
            assert utf16_units(say(f"{{x{kind}}}", x=value)) <= 1600
        except MessageTooLong:
            assert isinstance(value, list)
    say("{x, plural, one {#} other {#}} {x, select, none {} other {}}", x=value)


@pytest.mark.parametrize("language", LANGUAGES)
@given(number=st.integers(-(10**9), 10**9), day=st.dates())
def test_it_writes_numbers_and_latin_dates_without_costly_spaces(language: str, number: int, day: date) -> None:
    """Babel's narrow and no-break spaces and direction marks are gone; Latin languages stay in GSM-7."""
    text = say("{x, number} {x, money} {x, points} {d, date, weekday} {t, time}", language, x=number, d=day, t="09:05")
    assert not set(text) & set("\u202f\u00a0\u200f\u200e\u2009\u061c\u2212")
    if language in ("en", "es", "fr", "de", "pt", "xx", ""):
        assert measure(text).encoding == "GSM-7"


def test_it_asks_only_for_values_it_uses() -> None:
    asked: list[str] = []

    class Lazy(Mapping[str, Any]):
        def __getitem__(self, name: str) -> Any:
            asked.append(name)
            return {"a": "gold"}[name]

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("nobody lists all values")

        def __len__(self) -> int:
            raise AssertionError("nobody counts all values")

    template = compile_template("{a, select, gold {yes} other {{b}}}{c}")
    assert render(template, Lazy(), "en", SHOP) == "yes"
    assert asked == ["a", "c"]


def test_it_renders_fast() -> None:
    """Two variables in 25 microseconds, fixed words in nearly none."""
    template = compile_template("Hi {customer.name}, you have {points, plural, one {# point} other {# points}}.")
    values, fixed = {"customer.name": "Ana", "points": 120}, compile_template("Thanks! See you soon.")
    assert min(timeit.repeat(lambda: render(template, values, "en", SHOP), number=200, repeat=5)) / 200 < 25e-6
    assert min(timeit.repeat(lambda: render(fixed, {}, "en", SHOP), number=200, repeat=5)) / 200 < 2e-6


def test_it_chooses_the_first_case_that_holds_in_the_customers_language() -> None:
    gold, other = ({code: compile_template(f"{word} {code}") for code in ("en", "es")} for word in ("gold", "other"))
    text = Text((TextCase(Ask("tier", "is", "gold"), gold), TextCase(None, other)), Place("x.yaml", 1, 1))
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert choose(text, "es", lambda fact, key: "gold", now).source == "gold es"
    assert choose(text, "es-MX", lambda fact, key: "tin", now).source == "other es"
    assert choose(text, "fr", lambda fact, key: None, now).source == "other en"


@pytest.mark.parametrize(
    ("source", "longest"),
    [
        ("{points, points}", "88,888 points"),
        ("{points, plural, one {a single # point} other {# points}}", "a single 1 point"),
        ("{points, plural, =0 {none at all, sorry} other {#}}", "none at all, sorry"),
        ("Hi{customer.name, select, none {} other {, {customer.name}}}!", "Hi, xxxxxxxxxxxx!"),
        ("{tier.name, select, Gold {Lucky {tier.name}!} other {Hi}}", "Lucky Gold!"),
        ("{voucher.code} until {voucher.ends, date}", "xxxxxxxxx until Jan 28"),
        ("{award.welcome, points}", "888 points"),
        ("{spent, money}", "$8,888.88"),
        ("{t, time}", "12:38 PM"),
        ("{rewards, list}", "\n".join(f"{n} {'x' * 28}" for n in range(1, 6))),
    ],
)
def test_it_finds_the_longest_believable_wording(source: str, longest: str) -> None:
    assert worst_case(compile_template(source), "en", SHOP) == longest


def test_it_uses_what_is_known_for_the_longest_wording() -> None:
    template = compile_template("{shop.name}: {score, number} {customer.name}")
    known, lengths = {"shop.name": "Beans"}, {"score": 1, "customer.name": 3}
    assert worst_case(template, "en", SHOP, lengths, known) == "Beans: 8 xxx"


def test_it_counts_an_option_outside_gsm_as_the_costliest() -> None:
    template = compile_template("{x, select, a {☕} other {a cup of coffee}}")
    assert worst_case(template, "en", SHOP) == "☕"
    accents = compile_template("{x, select, a {más} other {a cup}}")
    assert worst_case(accents, "en", SHOP) == "a cup"
    assert worst_case(accents, "en", SHOP, folded=False) == "más"


@given(st.integers(0, 99999), st.text("abc", max_size=12))
def test_it_never_renders_longer_than_the_worst_case(points: int, name: str) -> None:
    template = compile_template(
        GREETING + " {points, plural, =0 {No points yet} one {# point} other {# points}}, {points, points}"
    )
    actual = render(template, {"customer.name": name, "points": points}, "en", SHOP)
    assert len(actual) <= len(worst_case(template, "en", SHOP))
