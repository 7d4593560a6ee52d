"""MQTT <-> Bluetooth LE on a Raspberry Pi: outbox, scheduler, links."""
