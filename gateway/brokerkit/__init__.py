"""The broker kit: a town's certificates and the Mosquitto configuration that believes in them.

`authority` decides what a certificate says, `acl` who may read and write which topic, `mosquitto`
what the broker is told; `town` keeps it all in a folder, `kit` is what the commands call. Used on
the machine of the broker (or of who administers it), never by a gateway at work.
"""
