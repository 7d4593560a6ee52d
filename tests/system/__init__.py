"""The whole town as an outsider sees it: real processes, killed, fed with garbage, taken apart."""
