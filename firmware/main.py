from firmware.app import main

main()
