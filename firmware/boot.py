"""Makes the modules of a bundle known, also to the Python prompt; main.py starts the gateway."""

import bundle

bundle.start()
