"""BIP 174's roles that need no key: Creator, Updater, Finalizer, Extractor."""
