"""The mark in Redis of a watcher that sends, which tells the updater that hosts are asked, and how often."""

from typing import Annotated

from pydantic import Field

from services.contract.messages import Message


class SendingMark(Message):
    """What the watcher that sends lets the updater know."""

    sweep_interval_s: Annotated[float, Field(gt=0, le=86_400)]
    """Seconds between two probes of a segment from one host."""
