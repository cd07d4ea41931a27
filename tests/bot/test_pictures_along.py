"""A flow's picture goes along with the words: in the answer to a webhook, through the outbox, and onto the pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.carrier.port import Accepted, Outgoing
from bot.delivery import Delivery
from bot.desk import timeline
from bot.settings import ROOT
from bot.transcripts.runner import run_transcript
from bot.transcripts.script import Transcript, read_transcripts
from bot.transcripts.stage import Stage
from storage import facts
from storage.database import reading, writing
from storage.ids import next_id
from tests.bot.test_turn import customer_id
from tests.shop import ALICE, Shop, open_shop

CAKE = "https://cornercup.example/cake.jpg?size=2&warm=1"
FLOW = f"""
flow: cake
title: Cake
kind: service
start:
  - keywords: [CAKES]
    to: shown
  - event: cake_baked
    to: shown
states:
  shown:
    say: "Cake & more, from the oven."
    picture: {CAKE}
    final: true
"""


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped flows, and one with a picture."""
    folder = tmp_path_factory.mktemp("pictures") / "flows"
    shutil.copytree(ROOT / "flows", folder)
    (folder / "cake.yaml").write_text(FLOW)
    return folder


@pytest.fixture
def shop(database_url: str, flows: Path) -> Iterator[Shop]:
    with open_shop(database_url, flows_dir=flows) as opened:
        opened.joined(ALICE)
        yield opened


def test_an_answer_carries_its_picture(shop: Shop) -> None:
    """TwiML names body and media; the same sid again gets the same answer."""
    form = shop.form(ALICE, "CAKES")
    first, again = (shop.post(form).get_data(as_text=True) for _ in range(2))
    assert "<Body>Cake &amp; more, from the oven.</Body>" in first
    assert f"<Media>{CAKE.replace('&', '&amp;')}</Media></Message>" in first
    assert first == again


def test_an_unasked_text_carries_its_picture(shop: Shop) -> None:
    """From the flow into the row, and from the row to the carrier; the conversation links to it."""
    person = customer_id(shop, ALICE)
    fact = {"id": next_id(), "customer_id": person, "name": "cake_baked", "key": "cake", "data": {}}
    with writing(shop.services.engine) as conn:
        facts.insert(conn, [{**fact, "recorded_at": shop.clock.now()}])
    taken: list[Outgoing] = []

    class Carrier:
        def send(self, message: Outgoing) -> Accepted:
            taken.append(message)
            return Accepted(f"SM{next_id():032x}", "queued")

    shop.services.schedule.take_facts(shop.clock.now())
    Delivery(shop.services.engine, shop.services.catalog, Carrier(), "https://x").drain(shop.clock.now)
    assert [(each.body, each.media) for each in taken] == [("Cake & more, from the oven.", (CAKE,))]
    with reading(shop.services.engine) as conn:
        page = timeline.read(conn, shop.services.catalog.book, person, shop.clock.now() + timedelta(minutes=1))
    texts = [each for each in page.entries if isinstance(each, timeline.Text)]
    assert [(text.links, text.pictures) for text in texts if text.flow == "Cake"] == [((CAKE,), ("image/jpeg",))]


@pytest.mark.parametrize(
    ("expected", "fits"),
    [
        (f"{{picture: '{CAKE}'}}", True),
        (f"{{contains: oven, picture: '{CAKE}'}}", True),
        ("{contains: oven}", True),
        ("{picture: 'https://cornercup.example/pie.jpg'}", False),
        (f"{{contains: stove, picture: '{CAKE}'}}", False),
    ],
)
def test_a_transcript_may_expect_the_picture(flows: Path, tmp_path: Path, expected: str, fits: bool) -> None:
    """Alone, or beside words."""
    written = (
        f"- transcript: Cake\n  given: {{consent: subscribed}}\n  steps: [{{customer: CAKES}}, {{bot: {expected}}}]\n"
    )
    transcripts, findings = read_transcripts(written, "cake.test.yaml")
    assert findings == []
    [transcript] = transcripts
    assert isinstance(transcript, Transcript)
    assert (run_transcript(Stage(flows, tmp_path), transcript).problems == []) is fits
