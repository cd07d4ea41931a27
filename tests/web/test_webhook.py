"""The door for texts: who may come in, that each text counts once, and what goes back."""

from __future__ import annotations

import threading
from urllib.parse import urlencode

import pytest

from bot.signature import sign
from tests.shop import ALICE, BOB, OLD_TOKEN, PUBLIC_URL, TOKEN, Shop, callbacks, open_shop, replies


def test_it_answers_a_signed_text_with_twiml_and_a_callback(shop: Shop) -> None:
    """The reply carries our message's id in its status callback."""
    answer = shop.post(shop.form(ALICE, "JOIN"))
    assert answer.content_type == "text/xml; charset=utf-8"
    assert "YES" in replies(answer)[0]
    assert callbacks(answer)[0].startswith("/sms/status?message=")


def test_it_refuses_what_is_not_signed(shop: Shop) -> None:
    """No signature, a wrong one, another token: 403, no body, nothing written."""
    form = shop.form(ALICE, "JOIN")
    unsigned = shop.client.post("/sms", data=form)
    forged = shop.client.post("/sms", data=form, headers={"X-Twilio-Signature": "AAAA"})
    stranger = shop.post(form, token="somebody else's token")
    odd = shop.client.post("/sms", data=form, headers={"X-Twilio-Signature": "\u00e9"})
    for answer in (unsigned, forged, stranger, odd):
        assert (answer.status_code, answer.data) == (403, b"")
    assert shop.one("select count(*) from messages") == 0


def test_it_refuses_a_form_changed_on_the_way(shop: Shop) -> None:
    """The signature covers every field."""
    form = shop.form(ALICE, "JOIN")
    signature = sign(PUBLIC_URL + "/sms", form.items(), TOKEN)
    answer = shop.client.post("/sms", data={**form, "Body": "STOP"}, headers={"X-Twilio-Signature": signature})
    assert answer.status_code == 403


def test_it_takes_the_old_token_during_rotation(shop: Shop) -> None:
    """Both tokens are good until the old one is taken out of the settings."""
    assert shop.post(shop.form(ALICE, "JOIN"), token=OLD_TOKEN).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_it_refuses_other_content_types(shop: Shop, content_type: str) -> None:
    """Twilio posts forms; with JSON the library's check would pass without looking at the body."""
    answer = shop.client.post("/sms", data=b"{}", content_type=content_type, headers={"X-Twilio-Signature": "x"})
    assert answer.status_code == 415


def test_it_refuses_a_form_that_is_too_large(shop: Shop) -> None:
    """No text of Twilio's comes near 64 KB."""
    form = shop.form(ALICE, "x" * 70_000)
    assert shop.post(form).status_code == 413


def test_it_refuses_a_text_without_sid_or_sender(shop: Shop) -> None:
    """Signed or not, a text without them cannot be kept."""
    form = shop.form(ALICE, "JOIN")
    for name in ("From", "MessageSid"):
        broken = {key: value for key, value in form.items() if key != name and (name == "From" or key != "SmsSid")}
        assert shop.post(broken).status_code == 400


def test_it_takes_fields_nobody_told_us_of(shop: Shop) -> None:
    """Twilio adds parameters without notice; they are signed too."""
    assert shop.says(ALICE, "JOIN", SomethingNew="é ñ 🎉", Empty="")


def test_a_repeat_gets_the_same_answer_and_has_no_second_effect(shop: Shop) -> None:
    """Twilio's retry after a slow answer must not join, burn or say anything twice."""
    shop.says(ALICE, "JOIN")
    form = shop.form(ALICE, "YES")
    first, again = shop.post(form), shop.post(form)
    assert first.data == again.data
    assert shop.one("select count(*) from ledger") == 1
    assert shop.one("select count(*) from consent_records where status = 'subscribed'") == 1


def test_a_late_repeat_gets_its_old_answer_after_newer_texts(shop: Shop) -> None:
    """The answer stays with its text, whatever came after it."""
    form = shop.form(ALICE, "JOIN")
    first = shop.post(form)
    shop.says(ALICE, "YES")
    shop.says(ALICE, "BALANCE")
    assert shop.post(form).data == first.data


def test_concurrent_repeats_are_one_text(shop: Shop) -> None:
    """Eight deliveries of one text at the same moment: one row, one effect, one answer."""
    shop.says(ALICE, "JOIN")
    form = shop.form(ALICE, "YES")
    answers: list[bytes] = []

    def deliver() -> None:
        client = shop.app.test_client()
        signature = sign(PUBLIC_URL + "/sms", form.items(), TOKEN)
        answer = client.post(
            "/sms",
            data=urlencode(form),
            content_type="application/x-www-form-urlencoded",
            headers={"X-Twilio-Signature": signature},
        )
        answers.append(answer.data)

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1
    assert shop.one("select count(*) from messages where sid = :sid", sid=form["MessageSid"]) == 1
    assert shop.one("select points from customers where phone = :phone", phone=ALICE) == 60


def test_two_texts_of_one_customer_are_taken_one_after_the_other(shop: Shop) -> None:
    """Many texts at once from one phone: each finds the state the one before it left."""
    shop.joined(ALICE)
    forms = [shop.form(ALICE, "BALANCE") for _ in range(6)]

    def deliver(form: dict[str, str]) -> None:
        client = shop.app.test_client()
        client.post(
            "/sms",
            data=urlencode(form),
            content_type="application/x-www-form-urlencoded",
            headers={"X-Twilio-Signature": sign(PUBLIC_URL + "/sms", form.items(), TOKEN)},
        )

    threads = [threading.Thread(target=deliver, args=(form,)) for form in forms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.one("select count(*) from messages where direction = 'in' and body = 'BALANCE'") == 6
    assert shop.one("select count(*) from messages where direction = 'out' and flow = 'balance'") == 6


@pytest.mark.parametrize("sender", ["72975", "ACME", "whatsapp:+12015550111", "rcs:agent", "+1", "anonymous"])
def test_it_records_senders_who_are_no_person_and_stays_silent(shop: Shop, sender: str) -> None:
    """Short codes, names and prefixed addresses are kept and not answered."""
    assert shop.says(sender, "JOIN") == []
    assert shop.one("select sender from messages") == sender
    assert shop.one("select count(*) from customers") == 0


@pytest.mark.parametrize("sender", ["+447911123456", "+886912345678", "+4915112345678"])
def test_it_talks_with_foreign_numbers(shop: Shop, sender: str) -> None:
    """A tourist can join as well."""
    assert "YES" in shop.says(sender, "JOIN")[0]


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "🎉" * 300,
        "x" * 1600,
        "مرحبا " * 100,
        "\x00\x01",
        "<script>alert(1)</script>",
        "{points}",
        "\u202egnp",
        "a" * 1599 + "é",
    ],
)
def test_it_answers_odd_bodies_politely(shop: Shop, body: str) -> None:
    """Whatever comes, somebody gets a short answer and the text is kept."""
    said = shop.says(ALICE, body)
    assert len(said) == 1
    assert 0 < len(said[0]) <= 320
    assert "<script" not in said[0]
    assert shop.one("select count(*) from messages where state = 'failed'") == 0


def test_it_records_a_picture(shop: Shop) -> None:
    """A picture may come without any Body."""
    form = shop.form(ALICE, "", NumMedia="1", MediaUrl0="https://api.twilio.com/M1", MediaContentType0="image/jpeg")
    del form["Body"]
    answer = shop.post(form)
    assert answer.status_code == 200
    assert len(replies(answer)) == 1
    assert "api.twilio.com/M1" in str(shop.one("select media from messages where direction = 'in'"))


def test_what_twilio_says_of_an_opt_out_wins(shop: Shop) -> None:
    """OptOutType means Twilio has answered and blocked: recorded, no second confirmation."""
    shop.joined(ALICE)
    assert shop.says(ALICE, "do not want this", OptOutType="STOP") == []
    record = shop.rows("select status, how from consent_records order by id desc limit 1")[0]
    assert record == {"status": "unsubscribed", "how": "carrier"}


def test_help_answered_by_twilio_is_recorded_only(shop: Shop) -> None:
    """No second HELP text, and consent stays."""
    shop.joined(ALICE)
    assert shop.says(ALICE, "HELP", OptOutType="HELP") == []
    assert shop.one("select consent from customers") == "subscribed"


def test_where_twilio_answers_keywords_we_stay_silent(database_url: str) -> None:
    """TWILIO_KEYWORDS=twilio: STOP changes everything and says nothing; wordier opt-outs are ours to confirm."""
    with open_shop(database_url, keywords="twilio") as shop:
        shop.joined(ALICE)
        shop.joined(BOB)
        assert shop.says(ALICE, "Stop") == []
        assert len(shop.says(BOB, "please stop texting me")) == 1
        assert shop.one("select count(*) from customers where consent = 'unsubscribed'") == 2


def test_stop_is_confirmed_once(shop: Shop) -> None:
    """One confirmation, then silence: a repeated STOP is recorded and not answered."""
    shop.joined(ALICE)
    assert len(shop.says(ALICE, "STOP")) == 1
    assert shop.says(ALICE, "STOP") == []
    assert shop.says(ALICE, "BALANCE") == []
    assert shop.one("select count(*) from consent_records where status = 'unsubscribed'") == 2


def test_only_start_join_or_unstop_bring_somebody_back(shop: Shop) -> None:
    """YES, SIGN UP, hello: nothing; START asks for consent again."""
    shop.joined(ALICE)
    shop.says(ALICE, "STOP")
    for body in ("YES", "hello", "sure why not", "1"):
        shop.says(ALICE, body)
        assert shop.one("select consent from customers") == "unsubscribed"
    shop.says(ALICE, "START")
    shop.says(ALICE, "YES")
    assert shop.one("select consent from customers") == "subscribed"


def test_a_crash_inside_a_flow_answers_politely_and_keeps_the_text(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is as it was, the text waits for replay, and replay takes it."""
    shop.joined(ALICE)
    before = shop.rows("select points, consent from customers")
    with monkeypatch.context() as broken:
        broken.setattr("bot.engine.walking.settle", _explode)
        broken.setattr("bot.engine.decide.settle", _explode)
        said = shop.says(ALICE, "BALANCE")
    assert len(said) == 1
    assert shop.rows("select points, consent from customers") == before
    [failed] = shop.rows("select id, body, state from messages where direction = 'in' and state = 'failed'")
    assert failed["body"] == "BALANCE"
    assert shop.services.turns.replay(failed["id"], shop.clock.now())
    assert shop.one("select state from messages where id = :id", id=failed["id"]) == "received"
    assert "60" in shop.one("select body from messages where flow = 'balance' and direction = 'out'")
    assert not shop.services.turns.replay(failed["id"], shop.clock.now())


def _explode(*_: object) -> None:
    raise RuntimeError("a fuse has blown")


def test_status_callbacks_only_move_forward(shop: Shop) -> None:
    """Late, repeated and early callbacks; the first error code stays."""
    answer = shop.post(shop.form(ALICE, "JOIN"))
    path = callbacks(answer)[0]

    def report(state: str, **more: str) -> None:
        form = {"MessageSid": "SMours1", "MessageStatus": state, "To": ALICE, **more}
        assert shop.post(form, path=path).status_code == 204

    query = "select state, sid, error_code from messages where direction = 'out'"
    report("sent")
    assert shop.rows(query)[0]["state"] == "sent"
    report("queued")
    assert shop.rows(query)[0]["state"] == "sent"
    report("undelivered", ErrorCode="30003")
    report("sent")
    report("delivered", ErrorCode="30005")
    assert shop.rows(query)[0] == {"state": "undelivered", "sid": "SMours1", "error_code": "30003"}
    assert shop.one("select count(*) from status_log") == 5


def test_an_unknown_status_callback_is_welcome(shop: Shop) -> None:
    """It may come before we know the sid; it is logged."""
    form = {"MessageSid": "SMunknown", "MessageStatus": "delivered"}
    assert shop.post(form, path="/sms/status?message=12345").status_code == 204
    assert shop.post(form, path="/sms/status").status_code == 204


def test_a_status_callback_must_be_signed(shop: Shop) -> None:
    """Otherwise anybody could mark texts as failed."""
    assert shop.client.post("/sms/status", data={"MessageSid": "SM1", "MessageStatus": "sent"}).status_code == 403


def test_the_carriers_block_becomes_an_opt_out(shop: Shop) -> None:
    """Error 21610 means the customer stopped us at the carrier: recorded as consent withdrawn."""
    shop.joined(ALICE)
    answer = shop.post(shop.form(ALICE, "BALANCE"))
    shop.post({"MessageSid": "SMx", "MessageStatus": "failed", "ErrorCode": "21610"}, path=callbacks(answer)[0])
    assert shop.one("select consent from customers") == "unsubscribed"


def test_health_readiness_and_metrics(shop: Shop) -> None:
    """The doors for whoever runs the machine."""
    shop.client.post("/sms", data=b"x", content_type="text/plain")
    assert shop.client.get("/healthz").status_code == 200
    assert shop.client.get("/readyz").status_code == 200
    assert b'regulars_refused_total{door="sms",reason="content_type"}' in shop.client.get("/metrics").data


def test_it_speaks_behind_a_proxy(database_url: str) -> None:
    """Without PUBLIC_URL but with a trusted proxy, the address the proxy was asked for is the signed one."""
    with open_shop(database_url, public_url="", trust_proxy=True, demo=True) as shop:
        form = shop.form(ALICE, "JOIN")
        signature = sign("https://proxy.example/sms", form.items(), TOKEN)
        headers = {"X-Twilio-Signature": signature, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "proxy.example"}
        assert shop.client.post("/sms", data=form, headers=headers).status_code == 200
