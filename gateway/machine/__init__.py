"""The deciding part of the gateway: no loop, radio, broker or clock in here.

Start with gateway.py. `Gateway` takes inputs with a `Now` and gives actions.
"""

from gateway.machine.gateway import Gateway
from gateway.machine.ports import Errand, Handled, Pending, StorageError, Store, StoredEvent, What
from gateway.machine.survey import Survey
from gateway.machine.values import (
    Action,
    Connect,
    Disconnect,
    Note,
    Now,
    Publish,
    Send,
    Settings,
)

__all__ = [
    "Action",
    "Connect",
    "Disconnect",
    "Errand",
    "Gateway",
    "Handled",
    "Note",
    "Now",
    "Pending",
    "Publish",
    "Send",
    "Settings",
    "StorageError",
    "Store",
    "StoredEvent",
    "Survey",
    "What",
]
