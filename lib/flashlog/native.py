"""The inner loops of the block builder in viper; `flashlog.plain` has the same functions in plain Python."""

import micropython


@micropython.viper
def put_changes(buf: ptr8, places: int, data: ptr8, n: int) -> int:  # noqa: F821 (viper's own type)
    key = places & 0xFFFF
    start = places >> 16
    units = (n + 1) >> 1
    at = start + ((units + 7) >> 3)
    mask = 0
    unit = 0
    while unit < units:
        i = unit << 1
        changed = buf[key + i] != data[i]
        pair = i + 1 < n
        if pair and buf[key + i + 1] != data[i + 1]:
            changed = True
        if changed:
            mask |= 1 << (unit & 7)
            buf[at] = data[i]
            at += 1
            if pair:
                buf[at] = data[i + 1]
                at += 1
        unit += 1
        if (unit & 7) == 0 or unit == units:
            buf[start + ((unit - 1) >> 3)] = mask
            mask = 0
    return at


@micropython.viper
def move(buf: ptr8, at: int, data: ptr8, n: int):  # noqa: F821 (viper's own type)
    for i in range(n):
        buf[at + i] = data[i]
