"""The lock: core/ decides, hal/ touches pins, ble/ moves bytes, main composes."""
