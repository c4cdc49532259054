"""Makes and runs the Modbus TCP server: loaded in a pause of the bus while the gateway runs; the start has no room.

Where the heap has no room for it, polling and publishing go on without, and it is tried again.
"""

AGAIN_MS = 30000


async def run(gateway, sleep_ms):
    """Until the program ends. gateway: the app's Gateway; its `reader` (from gateway.scada) becomes the server, its
    `scada` the image, which is told of every sample."""
    said = False
    while not gateway.scada:
        made = await gateway.keeper.load(lambda: _make(gateway), sleep_ms)
        if made:
            gateway.scada, gateway.reader = made
        else:
            if not said:
                said = True
                print("modbus tcp: no room in memory, tried again every %d s" % (AGAIN_MS // 1000))
            await sleep_ms(AGAIN_MS)
    await gateway.reader.run(gateway.room, sleep_ms)


def _make(gateway):
    from scada.image import Image
    from scada.server import Server

    blocks, mark, groups, net, port, allowed = gateway.reader
    image = Image(blocks, mark, gateway.clock, gateway.uptime)
    for group, block in groups:
        image.place(group, block)
    for plan in gateway.plans:
        for read in plan.reads:
            if read.active:
                image.know(read)
    server = Server(net, port, allowed, image, gateway.clock)
    server.step()  # it listens: loads what the port needs
    return image, server
