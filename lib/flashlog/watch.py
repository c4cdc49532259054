"""A block device that tells which block LittleFS reads: so it is known where the content of a file lies."""

_COUNT, _SIZE, _ERASE = 4, 5, 6  # ioctls of the block device protocol
_EROFS = 30  # not in every port's errno


class Watch:
    """`device`, read-only. `block`: the last that was read; `changes`: how often it was another one."""

    def __init__(self, device):
        self._device = device
        self.forget()

    def forget(self):
        self.block = -1
        self.changes = 0

    def readblocks(self, block, buf, offset=0):
        if block != self.block:
            self.block = block
            self.changes += 1
        return self._device.readblocks(block, buf, offset)

    def ioctl(self, operation, value):
        if operation in (_COUNT, _SIZE):
            return self._device.ioctl(operation, value)
        return -_EROFS if operation == _ERASE else 0
