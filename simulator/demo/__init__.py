"""A small town on one machine: real cloud, broker, gateway and firmware around simulated doors."""
