"""What the bench asks a new board to do: make its keys and keep whom it trusts.

The request and the answer are JSON lines, so that any bench can send them over a raw REPL:
    from firmware.enrol import run; run('{"town": ..., "lock_id": ...}')
"""

import binascii
import json
import os

from firmware.core import config as configs
from firmware.core import enrolment
from firmware.core.door import DoorConfig
from firmware.hal.storage import FileStorage
from protocol.keys import key_id
from protocol.verify import IssuerKey

_DATA_FOLDER = "/data"


def run(request: str) -> None:
    """Enrol this board as `request` says; print one JSON line with the public half."""
    wanted = json.loads(request)
    storage = FileStorage(_DATA_FOLDER)
    if storage.read(enrolment.CONFIG_FILE) is not None:
        print(json.dumps({"error": "already enrolled"}))
        return
    public_key = enrolment.enrol(_config(wanted), storage, os.urandom)
    print(json.dumps({"public_key": binascii.hexlify(public_key).decode()}))


def _config(wanted: dict) -> configs.Config:
    keyset = {}
    for row in wanted["keys"]:
        public_key = binascii.unhexlify(row["public_key"])
        keyset[key_id(public_key)] = IssuerKey(
            public_key, row["role"], row["permissions"], row["max_lifetime_s"]
        )
    return configs.Config(
        wanted["town"],
        wanted["lock_id"],
        wanted["keyset_version"],
        keyset,
        wanted["vault_epoch"],
        binascii.unhexlify(wanted["vault_public_key"]),
        wanted["journal_epoch"],
        1,
        DoorConfig(**wanted.get("door", {})),
    )
