"""Device profiles (firmware/profiles/FORMAT.md): reading, checking, importing, applying to an ot.json."""
