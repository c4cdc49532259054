"""The fewest decimal digits that give a float's bits again, with integers only."""


def fewest(mantissa, shift, even_gaps, power):
    """(k, e) with the fewest digits that is nearest to mantissa x 2^shift and nearer to it than half the way to its
    neighbours among floats; the one below is half as far away unless even_gaps. power: about log10 of the number."""
    # value = top / bottom; `below` and `above` are half of the distances to its neighbours, on the same scale.
    top = mantissa * 4
    above = 2
    below = 2 if even_gaps else 1
    bottom = 1
    if shift < 0:
        bottom = 1 << -shift
    else:
        top <<= shift
        above <<= shift
        below <<= shift
    while top < bottom * 10**power if power >= 0 else top * 10**-power < bottom:
        power -= 1
    while top >= bottom * 10 ** (power + 1) if power >= -1 else top * 10 ** -(power + 1) >= bottom:
        power += 1
    even = not mantissa & 1  # half of the way to a neighbour reads back as the even one of the two
    least, most = 0, 8 if mantissa < 0x1000000 else 16  # digits behind the first: more always do where fewer do
    while True:
        digits = (least + most) >> 1
        e = power - digits
        value, part = (top * 10**-e, bottom) if e < 0 else (top, bottom * 10**e)
        k = value // part
        error = k * part - value
        if 2 * -error > part or (2 * -error == part and k & 1):  # to the nearest, in the middle to the even one
            k += 1
            error += part
        limit = above if error > 0 else below
        if e < 0:
            limit *= 10**-e
        if abs(error) < limit or (even and abs(error) == limit):
            if least == digits:
                return k, e
            most = digits
        else:
            least = digits + 1
