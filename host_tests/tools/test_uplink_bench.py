"""The bench's table of sizes: the figures that the bar names, on the same data as all the others."""

from fieldgate.bench_uplink import sizes


def test_sizes():
    table = {line[2:30].strip(): line[30:].split() for line in list(sizes())[1:]}
    batch = [int(word) for word in table["Fieldgate, columns (default)"] if word.isdigit()]
    assert batch[0] <= 60 * 10.5 and batch[1] <= 60 * 21.5
    # The reference data is no easier than usual: a typed array has no choice but 4 bytes per value.
    assert int(table["Fieldgate, typed arrays"][0]) > 60 * 32
    assert int(table["JSON, one object per sample"][0]) > 10 * batch[0]
