"""Where a lock is found and spoken to over Bluetooth LE: one service, two characteristics.

A holder subscribes to TX, then writes fragments (protocol/frames.py) to RX; the lock answers by
notifications on TX. The advertisement carries the service and the lock's id, never its state.
"""

from protocol.token import is_lock_id

SERVICE_UUID = "26f8f8a6-98dd-43d0-9a8e-5bd9e8c41a70"
RX_UUID = "26f8f8a7-98dd-43d0-9a8e-5bd9e8c41a70"  # write, write without response
TX_UUID = "26f8f8a8-98dd-43d0-9a8e-5bd9e8c41a70"  # notify
NAME_PREFIX = "kannuki-"  # complete local name, in the scan response: prefix + lock id


def advertised_name(lock_id: str) -> str:
    """The local name of a lock: at most 16 characters, so that it fits a scan response."""
    return NAME_PREFIX + lock_id


def lock_id_in(name: str | None) -> str | None:
    """The lock id in an advertised name, or None when it is not one of ours."""
    if name is None or not name.startswith(NAME_PREFIX):
        return None
    lock_id = name[len(NAME_PREFIX) :]
    return lock_id if is_lock_id(lock_id) else None
