"""The numbers of the wire between a simulated chip and its board (see `simulator/radio/board.py`).

Decides nothing. Read by MicroPython (the chip) and CPython (the board), so it is the one table.
A frame is: u16 big-endian length of what follows | u8 op | payload. All integers are big-endian.
A request gets exactly one REPLY, in order; a note gets none; events come at any time.
"""

MAX_FRAME_BYTES = 2048

# requests, chip -> board
HELLO = 0x01  # name -> mac(6) reset_cause(u8) clock_mode(u8) clock(f64) then pin(u8) value(u8)...
BLE_ON = 0x10  # gap name -> mac(6), most significant byte first
BLE_OFF = 0x11
BLE_MTU = 0x12  # u16
BLE_NAME = 0x13  # gap name
BLE_ADVERTISE = 0x14  # interval_us(u32) connectable(u8) len(u8) adv len(u8) scan response
BLE_ADVERTISE_STOP = 0x15
BLE_DISCONNECT = 0x16  # connection(u16)
GATTS_REGISTER = 0x17  # see bluetooth.py `_pack_services` -> handle(u16)...
GATTS_READ = 0x18  # handle(u16) -> value
GATTS_WRITE = 0x19  # handle(u16) send_update(u8) value
GATTS_NOTIFY = 0x1A  # connection(u16) handle(u16) has_value(u8) value
GATTS_INDICATE = 0x1B  # as GATTS_NOTIFY
GATTS_SET_BUFFER = 0x1C  # handle(u16) size(u16) append(u8)

# notes, chip -> board
PIN_OUT = 0x40  # pin(u8) value(u8)
RTC_SET = 0x41  # f64 Unix seconds
ACCESS_ANSWER = 0x42  # token(u16) att_error(u8): the irq of READ_ASKED or WRITTEN has run
RESETTING = 0x43  # reset cause(u8): what the next HELLO shall be told
WATCHDOG = 0x44  # timeout_ms(u32): start or feed
SERIAL_OUT = 0x45  # tx pin(u8) baudrate(u32) bytes

# events, board -> chip
REPLY = 0x80  # errno(u16, 0 = fine) payload
CONNECTED = 0x90  # connection(u16) address type(u8) address(6)
DISCONNECTED = 0x91  # as CONNECTED
WRITTEN = 0x92  # token(u16) connection(u16) handle(u16)
READ_ASKED = 0x93  # token(u16) connection(u16) handle(u16)
MTU_EXCHANGED = 0x94  # connection(u16) mtu(u16)
INDICATE_DONE = 0x95  # connection(u16) handle(u16) status(u8)
PIN_IN = 0xA0  # pin(u8) value(u8)
CLOCK = 0xA1  # clock_mode(u8) clock(f64)
SERIAL_IN = 0xA2  # rx pin(u8) baudrate(u32) bytes

# clock modes: clock is seconds to add to the PC's time, or the Unix time itself
CLOCK_OFFSET = 0
CLOCK_STEPPED = 1

# reset causes, as `machine` names them
PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5
