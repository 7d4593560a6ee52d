"""One block of SHA-512 in machine words: 64-bit numbers as pairs of 32, the high half first.

Right on 32- and 64-bit words: every half is masked before it is shifted right or compared for a
carry. Words are reached by moving pointers, never by a variable index.
"""

import micropython


@micropython.viper
def compress(state: ptr32, w: ptr32, k: ptr32, block: ptr8):
    """Add `block` (128 bytes) to `state`. `w` is scratch of 160 words and a mask of 32 ones."""
    m = uint(w[160])
    start = int(w)
    place = start
    i = 32
    while i:
        p = ptr32(place)
        p[0] = int(block[0]) << 24 | int(block[1]) << 16 | int(block[2]) << 8 | int(block[3])
        block = ptr8(int(block) + 4)
        place += 4
        i -= 1
    place = start
    i = 64
    while i:
        p = ptr32(place)
        xh = uint(p[2]) & m
        xl = uint(p[3]) & m
        yh = uint(p[28]) & m
        yl = uint(p[29]) & m
        t = ((xl >> 1 | xh << 31) ^ (xl >> 8 | xh << 24) ^ (xl >> 7 | xh << 25)) & m
        sh = (xh >> 1 | xl << 31) ^ (xh >> 8 | xl << 24) ^ (xh >> 7)
        sl = (t + uint(p[1])) & m
        sh = sh + uint(p[0]) + uint(sl < t)
        t = uint(p[19]) & m
        sl = (sl + t) & m
        sh = sh + uint(p[18]) + uint(sl < t)
        t = ((yl >> 19 | yh << 13) ^ (yh >> 29 | yl << 3) ^ (yl >> 6 | yh << 26)) & m
        sl = (sl + t) & m
        sh = sh + uint(sl < t) + ((yh >> 19 | yl << 13) ^ (yl >> 29 | yh << 3) ^ (yh >> 6))
        p[32] = sh
        p[33] = sl
        place += 8
        i -= 1
    ah = uint(state[0]) & m
    al = uint(state[1]) & m
    bh = uint(state[2]) & m
    bl = uint(state[3]) & m
    ch = uint(state[4]) & m
    cl = uint(state[5]) & m
    dh = uint(state[6]) & m
    dl = uint(state[7]) & m
    eh = uint(state[8]) & m
    el = uint(state[9]) & m
    fh = uint(state[10]) & m
    fl = uint(state[11]) & m
    gh = uint(state[12]) & m
    gl = uint(state[13]) & m
    hh = uint(state[14]) & m
    hl = uint(state[15]) & m
    place = start
    constants = int(k)
    i = 80
    while i:
        p = ptr32(place)
        k = ptr32(constants)
        t = ((el >> 14 | eh << 18) ^ (el >> 18 | eh << 14) ^ (eh >> 9 | el << 23)) & m
        sh = hh + ((eh >> 14 | el << 18) ^ (eh >> 18 | el << 14) ^ (el >> 9 | eh << 23))
        sl = (hl + t) & m
        sh = sh + uint(sl < t) + (gh ^ (eh & (fh ^ gh)))
        t = gl ^ (el & (fl ^ gl))
        sl = (sl + t) & m
        sh = sh + uint(sl < t) + uint(k[0])
        t = uint(k[1]) & m
        sl = (sl + t) & m
        sh = sh + uint(sl < t) + uint(p[0])
        t = uint(p[1]) & m
        sl = (sl + t) & m
        sh = (sh + uint(sl < t)) & m
        hl = gl
        hh = gh
        gl = fl
        gh = fh
        fl = el
        fh = eh
        el = (dl + sl) & m
        eh = (dh + sh + uint(el < sl)) & m
        dl = cl
        dh = ch
        t = ((al >> 28 | ah << 4) ^ (ah >> 2 | al << 30) ^ (ah >> 7 | al << 25)) & m
        sl = (sl + t) & m
        sh = (
            sh + uint(sl < t) + ((ah >> 28 | al << 4) ^ (al >> 2 | ah << 30) ^ (al >> 7 | ah << 25))
        )
        t = (al & bl) | (cl & (al | bl))
        sl = (sl + t) & m
        sh = sh + uint(sl < t) + ((ah & bh) | (ch & (ah | bh)))
        cl = bl
        ch = bh
        bl = al
        bh = ah
        al = sl
        ah = sh & m
        place += 8
        constants += 8
        i -= 1
    t = (uint(state[1]) + al) & m
    state[0] = uint(state[0]) + ah + uint(t < al)
    state[1] = t
    t = (uint(state[3]) + bl) & m
    state[2] = uint(state[2]) + bh + uint(t < bl)
    state[3] = t
    t = (uint(state[5]) + cl) & m
    state[4] = uint(state[4]) + ch + uint(t < cl)
    state[5] = t
    t = (uint(state[7]) + dl) & m
    state[6] = uint(state[6]) + dh + uint(t < dl)
    state[7] = t
    t = (uint(state[9]) + el) & m
    state[8] = uint(state[8]) + eh + uint(t < el)
    state[9] = t
    t = (uint(state[11]) + fl) & m
    state[10] = uint(state[10]) + fh + uint(t < fl)
    state[11] = t
    t = (uint(state[13]) + gl) & m
    state[12] = uint(state[12]) + gh + uint(t < gl)
    state[13] = t
    t = (uint(state[15]) + hl) & m
    state[14] = uint(state[14]) + hh + uint(t < hl)
    state[15] = t
