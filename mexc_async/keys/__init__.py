"""Where credentials come from: the environment, an encrypted file, the system's keyring."""
