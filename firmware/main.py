import gc

gc.threshold(2048)  # or the garbage of importing lies between what stays, and the heap in pieces

from firmware.app import main  # noqa: E402

main()
