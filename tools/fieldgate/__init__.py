"""The host side of Fieldgate: virtual plant, monitor, decoder, demo, builds."""
