"""Our signature check is Twilio's, told by Twilio's own library."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from bot.signature import authentic, sign, signed_urls

TOKEN = "0123456789abcdef0123456789abcdef"
URL = "https://shop.example/sms"
printable = st.text(st.characters(blacklist_categories=("Cs",)), max_size=40)
forms = st.lists(st.tuples(printable, printable), max_size=20)


@given(forms)
def test_it_signs_as_twilio_does(pairs: list[tuple[str, str]]) -> None:
    """Repeated names, empty values and any script give the signature of the official library."""
    theirs = RequestValidator(TOKEN).compute_signature(URL, MultiDict(pairs))
    assert sign(URL, pairs, TOKEN) == theirs


@given(forms, st.tuples(printable, printable.filter(bool)))
def test_it_refuses_a_form_that_was_changed(pairs: list[tuple[str, str]], added: tuple[str, str]) -> None:
    """One more field is one too many, unless the form had it already."""
    signature = sign(URL, pairs, TOKEN)
    assert authentic([URL], pairs, signature, [TOKEN])
    changed = "".join(n + v for n, v in sorted({*pairs, added}))
    if changed != "".join(n + v for n, v in sorted(set(pairs))):
        assert not authentic([URL], [*pairs, added], signature, [TOKEN])


def test_it_accepts_either_token_during_rotation() -> None:
    """Twilio signs with the primary token, which changes in the middle of a day."""
    signature = sign(URL, [("A", "1")], "new")
    assert authentic([URL], [("A", "1")], signature, ["old", "new"])
    assert not authentic([URL], [("A", "1")], signature, ["old"])


def test_it_knows_a_url_with_and_without_its_default_port() -> None:
    """Twilio may add the scheme's port or leave it out."""
    assert signed_urls("https://a.example", "/sms") == ("https://a.example/sms", "https://a.example:443/sms")
    assert signed_urls("https://a.example:443", "/sms") == ("https://a.example:443/sms", "https://a.example/sms")
    assert signed_urls("http://a.example:8000", "/sms") == ("http://a.example:8000/sms",)
