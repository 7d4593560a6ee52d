"""Bluetooth made of software: the air, boards' radios, and `org.bluez` for simulated computers."""
