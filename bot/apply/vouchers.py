"""Vouchers and the stock of rewards into rows."""

from __future__ import annotations

from bot.apply.context import Context
from bot.engine import effects as fx
from storage.ids import next_id


def issue(effect: fx.IssueVoucher, context: Context) -> None:
    """Issue a voucher in the name of who gives it."""
    context.rows.vouchers.append(
        {
            "id": next_id(),
            "customer_id": context.customer.id,
            "code": effect.code,
            "name": effect.name,
            "reward": effect.reward,
            "cost": effect.cost,
            "status": "issued",
            "issued_at": context.now,
            "ends_at": effect.ends_at,
            "entry_key": effect.entry_key,
            "staff_id": context.staff_id,
            "given_for": context.given_for,
        }
    )


def revoke(effect: fx.RevokeVoucher, context: Context) -> None:
    """Revoke a voucher, also one this very turn issued."""
    for row in context.rows.vouchers:
        if row["code"] == effect.code:  # issued in this very turn
            row["status"], row["reason"] = "revoked", effect.reason
            return
    context.rows.revoked.append((effect.code, effect.reason))


def take_stock(effect: fx.TakeStock, context: Context) -> None:
    """Take from a reward's stock, or put back, within the programme's limit."""
    limit = next((reward.stock for reward in context.programme.rewards if reward.key == effect.reward), None)
    context.rows.stock.append((effect.reward, effect.count, limit))
