"""The register image takes samples with the heap locked: nothing of it is garbage in the poll's hot path."""

import micropython

from scada_rig import READS, Rig


def test_samples_allocate_nothing():
    rig = Rig()
    data = [bytearray((read.count + 7) // 8 if read.fc <= 2 else 2 * read.count) for read in READS]
    for i in range(4):
        rig.sample(i, data[i])  # the first one makes its group known
    note = rig.image.note
    micropython.heap_lock()
    try:
        for _ in range(50):
            for i in range(4):
                note(READS[i].group, 0, 12345, data[i], len(data[i]))
                note(READS[i].group, 1, 12345, data[i], 0)
    finally:
        micropython.heap_unlock()
    assert rig.image.values(16, 1) == (1,)
