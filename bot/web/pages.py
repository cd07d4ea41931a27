"""The landing page of the demo: what runs here and where to look."""

from __future__ import annotations

from flask import Blueprint, render_template

from bot.desk.handset import shop_number
from bot.services import services
from storage import customers
from storage.database import reading

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def landing() -> str:
    """Show where to look."""
    shop = services()
    book = shop.catalog.book
    with reading(shop.engine) as conn:
        count = customers.count(conn)
    return render_template(
        "landing.html",
        shop=book.programme.shop,
        number=shop_number(book, shop.settings),
        customers=count,
        flows=len(book.flows),
        findings=[finding for finding in shop.catalog.findings if finding.severity == "error"],
        live=shop.settings.live,
    )
