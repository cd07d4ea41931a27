"""What flows do: points, rewards, vouchers, facts about the customer."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine import effects as fx
from bot.engine import offers, tiers
from bot.engine.actions import ACTIONS
from bot.engine.conversation import Lot, Voucher
from bot.engine.doing import _ACTIONS
from tests.engine.decide.play import ALICE, MONDAY, Player, little, shelf

DAY = timedelta(days=1)
RICH = replace(ALICE, points=150)


def doing(*actions: str, say: str = "Done.") -> str:
    do = f"do: [{', '.join(actions)}]" if actions else ""
    return f"""
flow: act
title: Act
kind: service
start: [{{keywords: [ACT], takes: code, to: a}}]
states:
  a:
    {do}
    say: "{say}"
    final: true
"""


def act(*actions: str, customer: object = ALICE, say: str = "Done.", **routing: object) -> Player:
    player = Player(shelf(doing(*actions, say=say)), customer=customer)  # type: ignore[arg-type]
    player.start("act", **routing)
    assert player.decision.error is None, player.decision.error
    return player


def redeemed(reward: str = "latte", customer: object = RICH) -> Player:
    player = Player(customer=customer)  # type: ignore[arg-type]
    player.start("redeem")
    player.reply("chosen", reward)
    player.reply("yes")
    return player


def test_it_can_do_everything_in_the_catalogue_and_nothing_else() -> None:
    assert set(_ACTIONS) == set(ACTIONS)


def test_it_awards_points_that_expire_and_says_so_in_the_same_turn() -> None:
    player = act("{award: {points: welcome, reason: Welcome}}", say="{awarded, points}, {points, points} in all.")
    entry = player.effects(fx.AddEntry)[0]
    assert (entry.kind, entry.points, entry.reason, entry.qualifying) == ("earn", 60, "Welcome", 60)
    assert entry.expires_at == MONDAY + timedelta(days=365)
    assert player.said == ["60 points, 60 points in all."]


def test_it_awards_once_ever_under_a_name() -> None:
    player = act("{award: {points: 10, once: profile, reason: Profile}}")
    assert player.effects(fx.AddEntry)[0].key == "profile:7"
    player.start("act")
    assert player.effects(fx.AddEntry) == []
    player.now += 400 * DAY
    player.start("act")
    assert player.effects(fx.AddEntry) == []


def test_it_awards_once_a_day_by_the_shops_clock() -> None:
    player = act("{award: {points: 5, once: check_in, per: day, reason: Check-in}}", say="{awarded, number}")
    assert player.said == ["5"]
    assert player.effects(fx.AddEntry)[0].key == "check_in:7:2026-03-02"
    player.now = MONDAY + timedelta(hours=13)  # 23:00 in New York, the next day in UTC
    assert player.start("act") == ["0"]
    player.now += timedelta(hours=2)
    assert player.start("act") == ["5"]


def test_it_makes_the_same_keys_when_the_same_turn_is_decided_again() -> None:
    keys = []
    for _ in range(2):
        player = act("{award: {points: 5, reason: a}}", "{award: {points: 6, reason: b}}")
        keys.append([entry.key for entry in player.effects(fx.AddEntry)])
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2


def test_it_redeems_points_for_a_voucher() -> None:
    player = redeemed()
    burn = player.effects(fx.AddEntry)[0]
    voucher = player.effects(fx.IssueVoucher)[0]
    assert (burn.kind, burn.points, burn.reason) == ("burn", -100, "reward:latte")
    conversation = player.customer.conversations[0]
    assert burn.key == f"burn:{conversation.id}:3"
    assert (voucher.name, voucher.reward, voucher.cost, voucher.entry_key) == ("Free latte", "latte", 100, burn.key)
    assert voucher.ends_at == MONDAY + 30 * DAY
    assert player.effects(fx.TakeStock) == [fx.TakeStock("latte")]
    assert player.said == [f"Code {voucher.code}. 50 points left."]


def test_it_counts_stock_only_where_there_is_a_limit() -> None:
    assert redeemed("cookie").effects(fx.TakeStock) == []


def test_it_undoes_a_redemption() -> None:
    player = redeemed()
    burn, voucher = player.effects(fx.AddEntry)[0], player.effects(fx.IssueVoucher)[0]
    assert player.reply("UNDO") == ["Back: 150 points."]
    back = player.effects(fx.AddEntry)[0]
    assert (back.kind, back.points, back.reverses, back.key) == ("reverse", 100, burn.key, f"undo:{burn.key}")
    assert player.effects(fx.RevokeVoucher) == [fx.RevokeVoucher(voucher.code, "undo")]
    assert player.effects(fx.TakeStock) == [fx.TakeStock("latte", -1)]
    assert player.customer.redeemed == {}


def test_it_does_not_undo_a_used_voucher_even_when_there_is_another() -> None:
    """`voucher: true` asks for the one issued in this conversation."""
    present = Voucher(9, "AAAA-BBBB", "Present", None, 0, "issued", MONDAY, MONDAY + DAY)
    player = redeemed(customer=replace(RICH, vouchers=(present,)))
    code = player.effects(fx.IssueVoucher)[0].code
    used = tuple(v for v in player.customer.vouchers if v.code != code)
    player.customer = replace(player.customer, vouchers=used)
    assert player.reply("UNDO") == ["Too late."]


def test_it_misses_a_reward_that_went_between_choice_and_yes() -> None:
    player = Player(customer=RICH)
    player.start("redeem")
    player.reply("chosen", "latte")
    player.stock["latte"] = 2
    assert player.reply("yes") == ["Missed."]
    assert player.customer.points == 150


def test_it_breaks_rather_than_redeem_what_cannot_be_had() -> None:
    player = Player(shelf(doing("{redeem: reward}")), customer=RICH)
    player.start("act")
    assert "cannot be had" in (player.decision.error or "")
    assert player.effects(fx.AddEntry) == []


def test_it_keeps_the_numbers_the_customer_saw() -> None:
    """When the second reward sells out, 3 is still the third; and 2 is offered no more."""
    player = Player(customer=RICH)
    player.start("redeem")
    player.stock["latte"] = 2
    assert [choice.key for choice in player.expects.choices] == ["cookie", "latte", "mug"]
    assert player.reply("chosen", "latte") == ["Choose:\n1 Free cookie, 60 points\n2 Mug, 120 points"]
    assert [choice.key for choice in player.expects.choices] == ["cookie", "mug"]
    assert player.reply("chosen", "mug") == ["Mug for 120 points?"]


def test_it_leaves_a_choice_with_nothing_to_choose_from() -> None:
    player = Player(customer=RICH)
    player.start("redeem")
    player.customer = replace(player.customer, points=10)
    assert player.reply("chosen", "cookie") == ["Too few."]


def test_it_offers_a_reward_to_its_tiers_and_within_its_limit() -> None:
    player = Player(customer=replace(RICH, tier="silver", redeemed={"mug": 1}))
    player.start("redeem")
    assert [choice.key for choice in player.expects.choices] == ["cookie", "latte", "tasting"]


def test_it_gives_a_present() -> None:
    player = act(
        "{issue_voucher: {name: {en: Cookie, es: Galleta}, ends: 14 days}}",
        customer=replace(ALICE, language="es", language_chosen=True),
        say="{voucher.name} {voucher.code} {voucher.ends, date}",
    )
    voucher = player.effects(fx.IssueVoucher)[0]
    assert (voucher.name, voucher.cost, voucher.reward, voucher.ends_at) == ("Galleta", 0, None, MONDAY + 14 * DAY)
    assert player.said[0].startswith(f"Galleta {voucher.code} 16 mar")


def test_it_gives_two_presents_two_codes() -> None:
    player = act("{issue_voucher: {name: A, ends: 1 day}}", "{issue_voucher: {name: B, ends: 1 day}}")
    first, second = player.effects(fx.IssueVoucher)
    assert first.code != second.code


@given(st.binary(min_size=16, max_size=32), st.integers(0, 5))
def test_it_makes_codes_without_look_alikes(entropy: bytes, counter: int) -> None:
    code = offers.voucher_code(entropy, counter)
    assert len(code) == 9
    assert code[4] == "-"
    assert not set(code) - {*"23456789ABCDEFGHJKMNPQRSTVWXYZ-"}
    assert code == offers.voucher_code(entropy, counter)


def test_it_makes_codes_that_cannot_be_guessed() -> None:
    assert len(offers.ALPHABET) ** 8 > 2**39
    codes = {offers.voucher_code(bytes([n % 256, n // 256]), 0) for n in range(5000)}
    assert len(codes) == 5000


def test_it_writes_down_facts_about_the_customer() -> None:
    player = act(
        "{set: {name: Ana, frequency: less, favourite: latte, language: es}}",
        say="{customer.name} {customer.favourite}",
    )
    assert player.effects(fx.SetAttribute) == [
        fx.SetAttribute("name", "Ana"),
        fx.SetAttribute("frequency", "less"),
        fx.SetAttribute("favourite", "latte"),
        fx.SetAttribute("language", "es"),
    ]
    assert player.sent[0].language == "es"
    assert player.said == ["Ana latte"]


def test_it_keeps_a_birthday_as_a_date() -> None:
    flow = """
flow: day
title: Day
kind: service
start: [{keywords: [DAY], to: q}]
states:
  q: {say: "When?", ask: {date: birthday, as: day}, on: {given: {do: {set: {birthday: {slot: day}}}, to: done}}}
  done: {say: "{customer.birthday, date} {day, date}", final: true}
"""
    player = Player(shelf(flow))
    player.start("day")
    assert player.reply("given", date(1990, 3, 8)) == ["Mar 8 Mar 8"]
    assert player.effects(fx.SetAttribute) == [fx.SetAttribute("birthday", date(1990, 3, 8))]
    assert player.decision.conversations[0].slots == {"day": "1990-03-08"}


def test_it_tags_once_and_untags_what_is_there() -> None:
    player = act("{tag: vip}", "{tag: vip}", "{untag: other}", "{untag: vip}")
    assert player.decision.effects[:2] == (fx.AddTag("vip"), fx.RemoveTag("vip"))


def test_it_replaces_a_reminder_under_the_same_key() -> None:
    player = act('{remind: {key: k, in: 2 days, at: "10:30", flow: news}}')
    player.start("act")
    assert [(t.scope, t.due_at) for t in player.timers] == [("k", MONDAY + timedelta(days=2, minutes=30))]


def test_it_forgets_reminders_by_key_or_all() -> None:
    player = act("{forget: k}", "{forget: all}")
    assert player.effects(fx.CancelTimers) == [fx.CancelTimers("k"), fx.CancelTimers(None)]


def test_it_records_a_fact_about_the_referrer() -> None:
    player = act("{record: {event: friend_joined, data: {n: 1}, to: referrer}}", argument="ana42")
    fact = player.effects(fx.RecordFact)[0]
    assert (fact.name, fact.referral_code, fact.data) == ("friend_joined", "ANA42", {"n": 1})
    assert fact.key == f"friend_joined:{player.decision.conversations[0].id}:1"


def test_it_records_nothing_when_nobody_referred() -> None:
    assert act("{record: {event: friend_joined, to: referrer}}").effects(fx.RecordFact) == []


def test_it_makes_a_referral_code_when_one_is_needed() -> None:
    player = act(say="{invitation}")
    code = player.effects(fx.SetAttribute)[0].value
    assert player.said == [f"JOIN {code}"]
    player.entropy = b"other"
    assert player.start("act") == [f"JOIN {code}"]


def test_it_does_not_lose_consent_by_asking_again() -> None:
    assert act("{request_consent: join}").effects(fx.RecordConsent) == []


def test_it_proves_consent_by_the_words_shown() -> None:
    player = act("{subscribe: join}", customer=replace(ALICE, consent="none", language="es", language_chosen=True))
    record = player.effects(fx.RecordConsent)[0]
    assert (record.version, record.text) == (3, "Hasta 4 mensajes al mes.")


def test_it_takes_how_consent_came_from_the_fact() -> None:
    signed = little("signed", "[{event: signed_up, to: a}]", "{a: {do: {subscribe: join}, final: true}}")
    player = Player(shelf(signed), customer=replace(ALICE, consent="none"))
    player.fact("signed_up", how="form")
    assert player.effects(fx.RecordConsent)[0].how == "form"


def test_it_compares_with_todays_code() -> None:
    flow = little(
        "code",
        "[{keywords: [CODE], takes: code, if: {slot: {code: day_code}}, to: a},"
        " {keywords: [CODE], takes: code, to: b}]",
        "{a: {say: Right., final: true}, b: {say: Wrong., final: true}}",
    )
    player = Player(shelf(flow))
    assert player.start("code", argument="k7") == ["Right."]
    assert player.start("code", argument="k8") == ["Wrong."]


def test_it_says_what_expires_next() -> None:
    lots = (
        Lot(1, 0, MONDAY + DAY),
        Lot(2, 30, MONDAY + 40 * DAY),
        Lot(3, 20, MONDAY + 40 * DAY + timedelta(hours=1)),
        Lot(4, 50, MONDAY + 50 * DAY),
    )
    player = act(customer=replace(ALICE, lots=lots), say="{expiring.points, number} on {expiring.on, date}")
    assert player.said == ["50 on Apr 11"]


@pytest.mark.parametrize(
    ("say", "said"),
    [
        ("{tier.name}: {tier.perks}", "Regular: none yet"),
        ("{next_tier.missing, number} to {next_tier.name}", "200 to Silver"),
        ("{next_reward.missing, number} for {next_reward.name}", "10 for Free cookie"),
        ("{all_rewards, list}", "1 Free cookie, 60 points\n2 Free latte, 100 points\n3 Mug, 120 points"),
        ("{vouchers, select, none {nothing} other {some}}", "nothing"),
        ("{shop.name} {shop.website} {award.check_in, points}", "Corner Cup cornercup.example 5 points"),
        ("{wording.join} {undo_minutes, number}", "Up to 4 texts a month. 10"),
        ("{customer.favourite, select, none {?} other {!}}{customer._fallbacks}", "?"),
        ("{spent, money} {purchases, number}", "$12.00 3"),
    ],
)
def test_it_knows_the_variables(say: str, said: str) -> None:
    customer = replace(ALICE, points=50, qualifying=100, spent_minor=1200, purchases=3)
    assert act(customer=customer, say=say).said == [said]


class TestPurchases:
    """Points for money, and the tiers they lead to."""

    def test_it_rounds_down_once_at_the_end(self) -> None:
        programme = Player().book.programme
        assert tiers.earned(programme, ALICE, 450) == 9
        assert tiers.earned(programme, replace(ALICE, tier="silver"), 450) == 11
        assert tiers.earned(programme, ALICE, 49) == 0
        assert tiers.earned(programme, ALICE, -500) == 0

    def test_it_earns_under_the_facts_key_before_any_flow_runs(self) -> None:
        player = Player()
        player.fact("purchase_recorded", fact_id=31, amount_minor=1000)
        entry = player.effects(fx.AddEntry)[0]
        assert (entry.points, entry.key, entry.reason) == (20, "purchase:31", "purchase")

    def test_it_moves_up_a_tier_and_makes_it_known(self) -> None:
        player = Player(customer=replace(ALICE, qualifying=290, tier="regular"))
        player.fact("purchase_recorded", fact_id=5, amount_minor=500)
        assert player.effects(fx.SetAttribute) == [fx.SetAttribute("tier", "silver")]
        assert player.effects(fx.RecordFact)[0].name == "tier_reached"
        player.fact("purchase_recorded", fact_id=6, amount_minor=500)
        assert player.effects(fx.RecordFact) == []
        assert player.effects(fx.AddEntry)[0].points == 12

    def test_it_never_moves_down_here(self) -> None:
        player = Player(customer=replace(ALICE, qualifying=0, tier="silver"))
        player.fact("purchase_recorded", amount_minor=100)
        assert player.effects(fx.SetAttribute) == []

    @given(st.integers(0, 10_000_000), st.integers(0, 10_000_000))
    def test_it_gives_no_less_for_more(self, one: int, other: int) -> None:
        programme = PROGRAMME
        low, high = sorted((one, other))
        assert tiers.earned(programme, ALICE, low) <= tiers.earned(programme, ALICE, high)


PROGRAMME = shelf().programme


def test_it_spreads_variants_evenly() -> None:
    groups = [0, 0]
    flow = little(
        "v",
        "[{keywords: [V], if: {variant: {x: {at_most: 50}}}, to: a}, {keywords: [V], to: b}]",
        "{a: {say: a, final: true}, b: {say: b, final: true}}",
    )
    book = shelf(flow)
    for number in range(400):
        player = Player(book, customer=replace(ALICE, id=number))
        first, again = player.start("v"), player.start("v")
        assert first == again
        groups[first == ["a"]] += 1
    assert all(140 < group < 260 for group in groups)


def test_it_counts_used_awards_for_ever_or_for_today() -> None:
    flow = little(
        "u",
        "[{keywords: [U], if: {used: check_in}, to: a},"
        " {keywords: [U], if: {used: welcome}, to: b},"
        " {keywords: [U], to: c}]",
        "{a: {say: today, final: true}, b: {say: ever, final: true}, c: {say: never, final: true}}",
    )
    player = Player(shelf(flow))
    assert player.start("u") == ["never"]
    player.customer = replace(player.customer, marks={"welcome": "2025-01-01", "check_in:day": "2026-03-02"})
    assert player.start("u") == ["today"]
    player.now += DAY
    assert player.start("u") == ["ever"]


def test_it_steps_through_time_in_order() -> None:
    """Deadlines of one state rise, so that a reminder never comes after giving up."""
    player = Player()
    player.start("survey")
    due: list[datetime] = [t.due_at for t in player.timers]
    assert all(a < b for a, b in pairwise(due))
